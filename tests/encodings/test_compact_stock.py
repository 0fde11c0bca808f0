"""Hellos of other stacks have short forms: what is left is a head and what is random."""

from __future__ import annotations

import pytest

from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.compact.shapes import HEADS, SHAPES, Shape
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import u16, vec8, vec16
from tests.support.bodies import FixedContext

RANDOM = bytes(range(32))
X = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
Y = bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
SHARE = vec16(u16(23) + vec16(b"\4" + X + Y))
PSK = vec16(vec16(b"me") + bytes(4)) + vec16(vec8(bytes(32)))
STOCK = [shape for shape in SHAPES if shape.name[:3] in ("Ope", "pyO", "Gnu", "Mbe", "wol")]


def hello(shape: Shape, suites: bytes) -> bytes:
    """The hello of a stack, as it was captured."""
    slots = {51: SHARE, 41: PSK}
    extensions = b"".join(
        u16(number) + vec16(slots[number] if content is None else content)
        for number, content in shape.extensions
        if content is not None or number in slots
    )
    return b"\xfe\xfd" + RANDOM + bytes(2) + vec16(suites) + b"\1\0" + vec16(extensions)


def test_a_head_is_one_byte_that_begins_no_array() -> None:
    assert len(HEADS) <= 64


@pytest.mark.parametrize("shape", STOCK, ids=lambda shape: shape.name)
def test_a_stack_sends_its_head_and_what_is_random(shape: Shape) -> None:
    for place, suites in enumerate(shape.tables.suites):
        message = HandshakeMessage(1, hello(shape, suites))
        body = COMPACT.encode((message,), FixedContext(from_client=True))
        assert COMPACT.hello(body) == message
        random = 32 + (32 if shape.has_share else 0) + (32 + 2 if shape.has_psk else 0)
        assert len(body) == 1 + random + (2 if place else 0)


@pytest.mark.parametrize("shape", STOCK, ids=lambda shape: shape.name)
def test_other_suites_are_written_out(shape: Shape) -> None:
    message = HandshakeMessage(1, hello(shape, bytes.fromhex("c0ae00ff")))
    body = COMPACT.encode((message,), FixedContext(from_client=True))
    assert COMPACT.hello(body) == message
    assert body[0] < 0x80
