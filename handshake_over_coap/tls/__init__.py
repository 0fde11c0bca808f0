"""What is said: messages, credentials, key schedules and the states of a handshake.

Consumes flights and returns flights.  Knows no datagram, no timer and no CoAP; time and
randomness come in as arguments.
"""
