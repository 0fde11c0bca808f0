"""The classic handshake over UDP, of DTLS 1.2 and 1.3.

:class:`~.engine.Engine` is 1.2: fragments, reassembly and one retransmission loop (RFC 6347).
:class:`~.engine13.Engine13` is 1.3: flights of which only what is not acknowledged is sent again
(RFC 9147).  Both are sans-I/O: datagrams and time in, datagrams and a deadline out.
:class:`UdpClient` and :class:`UdpServer` run them over any datagram endpoint.
"""

from .client import UdpClient
from .parameters import UdpParameters
from .server import UdpServer

__all__ = ["UdpClient", "UdpParameters", "UdpServer"]
