"""What decoding a frame raises."""

from __future__ import annotations

from handshake_over_coap.errors import Error


class MalformedFrame(Error, ValueError):
    """Bytes that are no frame, header or fragment of the kinds that are understood here."""
