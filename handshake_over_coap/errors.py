"""What this library raises, from the root down.

Every exception that leaves the public API is an :class:`Error`.  TLS alerts are
:class:`~handshake_over_coap.tls.alerts.AlertError`, which derives from it.
"""

from __future__ import annotations


class Error(Exception):
    """Root of everything that this library raises on purpose."""


class ConfigurationError(Error, ValueError):
    """What the caller asked for cannot be done; the message says what to change."""


class Closed(Error):
    """The session has ended: closed here, by the peer, or replaced by a newer handshake."""


class HandshakeTimeout(Error, TimeoutError):
    """The handshake did not complete in time, or a confirmable message was never acknowledged."""


class CarrierError(Error):
    """The carrier under the handshake failed: an error response, or an address of no use.

    The latter cannot be resolved, bound (as another program has the port) or reached.  ``code`` is
    the CoAP response code in its dotted form (``"4.13"``), or ``None`` where no response was
    involved.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class DatagramTooLarge(Error, ValueError):
    """Application data that does not fit one datagram; at most ``limit`` bytes do."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes do not fit one datagram: at most {limit} bytes")
        self.size = size
        self.limit = limit
