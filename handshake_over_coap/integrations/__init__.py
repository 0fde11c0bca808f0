"""The handshake over CoAP in programs that stand on the libraries of others."""
