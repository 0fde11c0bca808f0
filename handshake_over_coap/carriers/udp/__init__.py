"""The classic handshake over UDP: fragments, reassembly and one retransmission loop (RFC 6347).

:class:`~.engine.Engine` is sans-I/O: datagrams and time in, datagrams and a deadline out.
:class:`UdpClient` and :class:`UdpServer` run it over any datagram endpoint.
"""

from .client import UdpClient
from .parameters import UdpParameters
from .server import UdpServer

__all__ = ["UdpClient", "UdpParameters", "UdpServer"]
