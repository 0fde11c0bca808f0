"""Sockets and sessions: one UDP port for CoAP and records, ``connect()`` and ``serve()``."""

from __future__ import annotations

from .budget import install

install()
