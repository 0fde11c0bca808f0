"""Sealing that hides nothing, so that damage gets as far as the decoder behind it."""

from __future__ import annotations

import random
from dataclasses import replace
from hashlib import sha256

from cryptography.exceptions import InvalidTag

from handshake_over_coap.encodings.compact.proof import reference_size
from handshake_over_coap.tls.suites import AES_128_CCM_8
from tests.support.bodies import FixedContext, FixedEpoch

TAG = bytes(8)


class Glass:
    """An AEAD that hides nothing and tells only whether its tag is there."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return data + TAG

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        if not data.endswith(TAG):
            raise InvalidTag
        return data[: -len(TAG)]


EPOCH = FixedEpoch(replace(AES_128_CCM_8, make=lambda _: Glass()))


class GlassContext(FixedContext):
    """A context whose keys are of glass."""

    def epoch(self, number: int) -> FixedEpoch:
        return EPOCH


def pins_of(size: int) -> frozenset[bytes]:
    """Keys that need references of so many bytes."""
    known: dict[bytes, bytes] = {}
    for number in range(10_000):
        pin = b"key %d" % number
        other = known.setdefault(sha256(pin).digest()[: size - 1], pin)
        pins = frozenset((pin, other) if size > 1 else (pin,))
        if reference_size(pins) == size:
            return pins
    raise AssertionError


PINS = {0: frozenset[bytes](), **{size: pins_of(size) for size in (1, 2, 3)}}
"""Pins that so many bytes tell from each other; none that ask for a reference."""


def damaged(body: bytes, draws: random.Random) -> bytes:
    """The body with something changed, put in, taken out, or cut off; its tag mostly stays."""
    tag = TAG if body.endswith(TAG) and draws.random() < 0.9 else b""
    data = bytearray(body[: len(body) - len(tag)])
    for _ in range(draws.choice((1, 1, 1, 2, 3))):
        place = draws.randrange(len(data) + 1)
        end = min(len(data), place + draws.choice((1, 1, 2, 32)))
        match draws.randrange(6):
            case 0:
                data[place:end] = draws.randbytes(end - place)
            case 1:
                data[place:place] = draws.randbytes(draws.choice((1, 2, 32)))
            case 2:
                del data[place:end]
            case 3:
                del data[place:]
            case 4 if data:
                data[place % len(data)] ^= 1 << draws.randrange(8)
            case _:
                data[:1] = bytes((draws.randrange(256),))
    return bytes(data) + tag
