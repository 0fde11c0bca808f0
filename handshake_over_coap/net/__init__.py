"""Sockets and sessions: one UDP port for CoAP and records, :func:`connect` and :func:`serve`."""
