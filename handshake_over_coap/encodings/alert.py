"""Alerts in the clear, which ride in error responses (and in a POST that rejects a flight).

The body is the alert itself: level and description, one byte each (RFC 5246 section 7.2).  Nothing
authenticates it, so what it says is a hint.
"""

from __future__ import annotations

from typing import Final

from handshake_over_coap.tls.alerts import Alert

CONTENT_FORMAT: Final = 65001
"""CoAP Content-Format of an alert in the clear (experimental range)."""


def encode_alert(alert: Alert) -> bytes:
    """The two bytes of ``alert``; ConfigurationError for numbers that do not fit them."""
    return alert.encode()


def decode_alert(body: bytes) -> Alert:
    """The alert that ``body`` is; raises DecodeError unless it is exactly two bytes."""
    return Alert.decode(body)
