"""DTLS stacks that others wrote, as programs on sockets: the judges of the classic carrier."""
