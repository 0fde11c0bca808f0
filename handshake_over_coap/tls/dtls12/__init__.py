"""The DTLS 1.2 handshake (RFC 5246, RFC 6347) as states: one type each, client and server.

Theory of operation.  A handshake is four flights (six over UDP with a cookie)::

    client                                     server
    ClientHello              flight 1  ------>
                             <------ flight 2  ServerHello .. ServerHelloDone
    [Certificate] ClientKeyExchange
    [CertificateVerify] ChangeCipherSpec
    Finished                 flight 3  ------>
                             <------ flight 4  ChangeCipherSpec Finished

:func:`start_client` and :func:`start_server` give the first state; each state's ``handle`` takes
one item and gives the next.  A state holds only what is still needed; the last one is
:class:`~handshake_over_coap.tls.handshake.Connected`.
"""

from .client import start_client
from .server import start_server

__all__ = ["start_client", "start_server"]
