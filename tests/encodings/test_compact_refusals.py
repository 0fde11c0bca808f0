"""What bad input gets from the compact encoding: an alert, and nothing else.

Sealed parts are sealed here with a cipher that hides nothing, so that damage gets as far as the
decoder behind it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import pytest

from handshake_over_coap.encodings.compact import COMPACT, cbor, points, signatures
from handshake_over_coap.encodings.compact.proof import Known, reference_size
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import AlertError, BadRecordMac, DecodeError
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.suites import AES_128_CCM_8
from handshake_over_coap.tls.wire import Reader
from tests.support import parties, parties13
from tests.support.bodies import deliveries
from tests.support.glass import PINS, GlassContext, damaged
from tests.support.parties13 import Scenario13


@dataclass(frozen=True)
class Case:
    """A flight and what is around it; ``pins`` are those of its receiver."""

    name: str
    flight: tuple[FlightItem, ...]
    messages: tuple[HandshakeMessage, ...]
    from_client: bool
    message_seq: int
    pins: frozenset[bytes]

    def body(self, flight: tuple[FlightItem, ...], announced: int) -> bytes:
        """The body that a sender makes which announces so many bytes."""
        context = self._context(PINS[announced])
        context.references = reference_size(self.pins) if self.asked else 0
        return COMPACT.encode(flight, context)

    @property
    def asked(self) -> bool:
        """Whether the receiver has said which keys it knows."""
        answered = any(each.type == 13 for each in self.messages)
        return bool(self.messages) and (answered if self.from_client else b"\x00\x14" in
                                        self.messages[-1].body)  # fmt: skip

    def decoded(self, body: bytes) -> tuple[tuple[FlightItem, ...], int]:
        """What is in a body, and how many bytes its sender announces."""
        context = self._context(self.pins)
        return tuple(COMPACT.decode(body, context)), context.references

    def _context(self, pins: frozenset[bytes]) -> GlassContext:
        return GlassContext(self.from_client, self.messages, pins, self.message_seq)


def cases() -> Iterator[Case]:
    scenarios: tuple[parties.Scenario | Scenario13, ...] = (
        *(each for each in parties.ALL if each.suite.aead == AES_128_CCM_8 and each.hint == b""),
        parties13.PSK_ONLY,
        parties13.ECDHE_PSK,
        parties13.RPK,
        parties13.MUTUAL,
        parties13.X509,
        Scenario13(parties13.CCM, parties13.X25519, "rpk-p256", retry=True),
    )
    for scenario in scenarios:
        for each in deliveries(scenario.client(), scenario.server(), COMPACT):
            receiver = each.receiver
            yield Case(
                f"{scenario} {each.number}",
                each.turn.said,
                getattr(receiver, "messages", ()),
                each.number % 2 == 1,
                getattr(receiver, "next_message_seq", 0),
                getattr(receiver, "pins", frozenset()),
            )


CASES = tuple(cases())


def check(case: Case, body: bytes) -> bool:
    """Whether the body is taken; then it has to be the one encoding of what is in it."""
    try:
        items, announced = case.decoded(body)
    except AlertError as error:
        assert not error.received
        return False
    assert case.body(items, announced) == body
    return True


def mutations(times: int, seed: int = 0) -> None:
    draws = random.Random(seed)
    for case in CASES:
        body = case.body(case.flight, 0)
        assert case.decoded(body)[0] == case.flight
        for _ in range(times):
            check(case, damaged(body, draws))


def test_whatever_is_taken_is_the_one_encoding_of_what_is_in_it() -> None:
    mutations(20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_thousand_mutations_more(seed: int) -> None:
    mutations(1 + 10_000 // len(CASES), seed)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_escape_is_refused_where_there_is_a_short_form(case: Case) -> None:
    clear = [each for each in case.flight if isinstance(each, HandshakeMessage)]
    if not clear:
        return
    body = case.body(case.flight, 0)
    if body[0] >= cbor.ARRAY:
        return
    escaped = cbor.write([part for each in clear for part in (each.type, each.body)])
    sealed = len(clear) < len(case.flight)
    with pytest.raises((DecodeError, BadRecordMac)):
        case.decoded(escaped + (body[-20 - 8 :] if sealed else b""))


@pytest.mark.parametrize("announced", [1, 2, 3])
def test_a_hello_says_how_many_bytes_name_a_key(announced: int) -> None:
    case = next(each for each in CASES if "rpk-p256" in each.name and each.name.endswith(" 1"))
    body = case.body(case.flight, announced)
    assert case.decoded(body) == (case.flight, announced)


@pytest.mark.parametrize(
    "data",
    [
        "9f01f6ff",  # of indefinite length
        "8201816100",  # nested
        "82015f41004100ff",  # indefinite bytes
        "8218014100",  # a longer number than it needs
        "82190001f6",
        "821a0000000141",
        "821b000000000000000141",
        "8201c24101",  # a tag
        "8201f97e00",  # a float
        "8201f5",  # true
        "8201a0",  # a map
        "8201626869",  # text
        "98020100",  # a longer count than it needs
        "9a7fffffff",  # more items than there are bytes
        "82015affffffff",  # a string beyond the end
        "820144616263",
        "a0",
        "80ff",
    ],
)
def test_cbor_of_any_other_form_is_refused(data: str) -> None:
    context = GlassContext(from_client=True)
    with pytest.raises(DecodeError):
        tuple(COMPACT.decode(bytes.fromhex(data), context))
    assert COMPACT.hello(bytes.fromhex(data)) is None


def test_a_point_off_the_curve_has_no_short_form_and_none_comes_of_one() -> None:
    with pytest.raises(DecodeError, match="no point"):
        points.restored(0, bytes(31) + b"\x04")
    with pytest.raises(DecodeError):
        points.restored(0, b"\xff" * 32)
    assert points.compressed(b"\4" + bytes(64)) is None
    assert points.compressed(b"") is None


def test_every_point_comes_back() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    for secret in range(1, 60):
        key = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        assert points.compressed(point) == (compressed[0] & 1, compressed[1:])
        assert points.restored(compressed[0] & 1, compressed[1:]) == point


def test_a_reference_names_exactly_one_key() -> None:
    (pin,) = PINS[1]
    name = sha256(pin).digest()
    assert Known(1, PINS[1]).find(name[:1]) == pin
    with pytest.raises(DecodeError, match="0 known keys"):
        Known(1, PINS[1]).find(bytes((name[0] ^ 1,)))
    first = sha256(next(iter(PINS[2]))).digest()
    with pytest.raises(DecodeError, match="2 known keys"):
        Known(1, PINS[2]).find(first[:1])


def test_only_a_minimal_signature_has_a_short_form() -> None:
    scheme = signatures.ECDSA
    for r, s in ((1, 1), (2**255, 2**256 - 1), (0x7F << 240, 0x80)):
        short = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        whole = signatures.whole(scheme, short)
        assert signatures.short(scheme, whole) == short
        assert signatures.short(scheme, whole + b"\0") is None
    assert signatures.short(scheme, bytes.fromhex("3008020200010202 0001")) is None
    assert signatures.short(scheme, b"") is None


def test_a_flight_that_no_handshake_has_is_our_own_fault() -> None:
    hello = next(each for each in CASES[0].flight if isinstance(each, HandshakeMessage))
    sealed_by_others = CiphertextRecord(b"\x2e\0\0", bytes(20))
    wrong: tuple[tuple[FlightItem, ...], ...] = (
        (hello, hello),
        (sealed_by_others,),
        (ChangeCipherSpec(),),
        (Unsealed(1, 0, 22, bytes(12)), hello),
    )
    for flight in wrong:
        with pytest.raises(ConfigurationError):
            COMPACT.encode(flight, GlassContext(from_client=True))


def test_the_cbor_writer_agrees_with_another() -> None:
    cbor2 = pytest.importorskip("cbor2")
    draws = random.Random("cbor")
    for _ in range(300):
        items: list[cbor.Item] = [
            draws.choice(
                (None, draws.randbytes(draws.choice((0, 23, 24, 255, 256, 70_000))),
                 draws.choice((0, 23, 24, 255, 256, 65_535, 65_536, -1, -24, -25, -26)))
            )
            for _ in range(draws.randrange(30))
        ]  # fmt: skip
        data = cbor.write(items)
        assert data == cbor2.dumps(items, canonical=True)
        assert list(cbor.read(Reader(data))) == items
