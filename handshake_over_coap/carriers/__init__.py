"""How flights get across: ``coap`` (on aiocoap) and, beside it, classic ``udp``.

Reliability stands in exactly one place in each carrier; neither knows a socket, only a
:class:`~handshake_over_coap.carriers.datagram.DatagramEndpoint`.
"""
