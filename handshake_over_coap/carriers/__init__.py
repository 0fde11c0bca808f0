"""How flights get across: ``coap`` and, beside it, classic ``udp``; both without I/O.

Reliability stands in exactly one place in each carrier; neither knows a socket, only a
:class:`~handshake_over_coap.carriers.datagram.DatagramEndpoint`.
"""
