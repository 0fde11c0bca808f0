"""Records of a session's own keys that its public API would not send: several to a datagram."""

from __future__ import annotations

from collections.abc import Callable

import handshake_over_coap as hoc
from handshake_over_coap.net.layers import Layer12, Layer13
from handshake_over_coap.tls.codepoints import ContentType


def sealing(session: hoc.Session) -> Callable[[bytes], bytes]:
    """Seals application data of ``session`` into a record that others may follow."""
    layer = session._layer
    if isinstance(layer, Layer13):
        writer = layer._writer
        kind = ContentType.application_data
        return lambda data: writer.seal(writer.epoch, kind, data, last=False)[0]
    assert isinstance(layer, Layer12)
    sealer = layer._sealer
    return lambda data: sealer.seal_datagram(ContentType.application_data, data)
