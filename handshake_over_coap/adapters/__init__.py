"""Bring your own DTLS: the handshake of a stack that others wrote, carried over CoAP.

A stack with an interface to memory does its usual handshake, and knows nothing of CoAP: its
messages become bodies, bodies become its datagrams.  Nobody but the stack has its keys, unless it
tells them: then any encoding will do, and DTLS 1.3.
:mod:`.openssl` holds the adapter for pyOpenSSL; :class:`DtlsStack` is what another one implements.

Source of the framing: RFC 6347 sections 4.1 and 4.2.2.
"""

from .conversation import NewStack
from .faces import connect, serve
from .stack import DtlsStack, DtlsStack13, StackFailed

__all__ = ["DtlsStack", "DtlsStack13", "NewStack", "StackFailed", "connect", "serve"]
