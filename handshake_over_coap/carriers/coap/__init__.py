"""The handshake over CoAP: flights are bodies of requests and responses.

:class:`CoapClient` and :class:`CoapServer` run over any datagram endpoint.  Blockwise transfer
cuts the flights, confirmable messages repeat them, and Echo proves the client's address before
anything is kept for it.  The exchange is specified in ``spec/``.
"""

from .client import Begin, CoapClient
from .parameters import BLOCK_SIZES, CoapParameters
from .server import CoapServer

__all__ = ["BLOCK_SIZES", "Begin", "CoapClient", "CoapParameters", "CoapServer"]
