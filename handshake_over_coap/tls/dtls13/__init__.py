"""The DTLS 1.3 handshake (RFC 8446 as RFC 9147 changes it) as states, client and server.

Theory of operation.  A handshake is three flights, or five with a retry::

    client                                     server
    ClientHello              flight 1  ------>
                             <------ [HelloRetryRequest]
    [ClientHello]            ------>
                             <------ flight 2  ServerHello  {EncryptedExtensions
                                               CertificateRequest Certificate CertificateVerify
                                               Finished}
    {Certificate CertificateVerify
     Finished}               flight 3  ------>
                             <------ (NewSessionTicket)

Braces: epoch 2, parentheses: epoch 3.  Certificates are left out where a pre-shared key is used.
The last state is :class:`~.connected.Connected13` on both sides; unlike the one of 1.2 it goes on
to take messages.  0-RTT is not offered, and not accepted where a client offers it.
"""

from .client import start_client
from .connected import Completed, Connected13
from .server import start_server, state_after_retry

__all__ = ["Completed", "Connected13", "start_client", "start_server", "state_after_retry"]
