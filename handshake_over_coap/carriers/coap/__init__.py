"""The handshake over CoAP: flights are bodies of requests and responses.

:class:`CoapClient` and :class:`CoapServer` are engines without I/O.  Blockwise transfer
cuts the flights, confirmable messages repeat them, and Echo proves the client's address before
anything is kept for it.  The exchange is specified in ``spec/``.
"""

from .client import CoapClient
from .parameters import BLOCK_SIZES, CoapParameters
from .script import Begin
from .server import CoapServer

__all__ = ["BLOCK_SIZES", "Begin", "CoapClient", "CoapParameters", "CoapServer"]
