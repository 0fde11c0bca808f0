"""The DTLS handshake over CoAP, and DTLS records over UDP after it."""
