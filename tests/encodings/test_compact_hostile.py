"""What bad input gets from compact bodies, line by line: 4.00 with decode_error."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from random import Random

import pytest

from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.encodings.compact import COMPACT, sealed13, sealing
from handshake_over_coap.encodings.compact.proof import REFERENCE, Known, read
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.tls.alerts import AlertError, BadRecordMac, DecodeError
from handshake_over_coap.tls.codepoints import AlertDescription
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.wire import Reader
from tests.support.compact_flights import POINTS, RAW_KEYS, a_talk
from tests.support.exchange import CONTENT_FORMAT, ECHO, RESOURCE, exchange, uint, virtual
from tests.support.glass import TAG, GlassContext
from tests.support.parties13 import RPK

CBOR = {
    "an array of indefinite length": "9f01f6ff",
    "bytes of indefinite length": "82015f41004100ff",
    "text of indefinite length": "82017f61616161ff",
    "a nested array": "8201814100",
    "a nested map": "8201a10101",
    "a deep nest": "82" + "81" * 200 + "00",
    "a map": "a10141ff",
    "text": "8201626869",
    "a tag": "8201c24101",
    "a float": "8201f97e00",
    "true": "8201f5",
    "undefined": "8201f7",
    "a simple value": "8201e0",
    "a simple value of two bytes": "8201f8ff",
    "a reserved head": "82011c",
    "a number of two bytes that needs one": "8218014100",
    "a number of three bytes that needs one": "82190001f6",
    "a number of five bytes that needs one": "821a0000000141",
    "a number of nine bytes": "821b000000000000000141",
    "a length of two bytes that needs one": "82015801ff",
    "a length of three bytes that needs two": "82015900ff" + "00" * 255,
    "a count of two bytes that needs one": "98020100",
    "a count of more items than there are bytes": "9a7fffffff",
    "a string beyond the end": "820144616263",
    "a string far beyond the end": "82015affffffff",
    "a number beyond the end": "820118",
    "a type without a body": "8101",
    "a body without a type": "814100",
    "a null": "81f6",
    "nothing": "80",
    "a type that is no byte": "821901004100",
    "a record of no known type": "82364100",
    "a negative number far down": "823affffffff4100",
    "something behind the array": "820141000041",
}
"""Arrays that are not what the CDDL has, or not deterministic."""

OFF_CURVE = bytes(31) + b"\4"


KINDS = {"server": (1, True), "client": (2, True), "last": (3, True), "1.2": (2, False)}
"""Flights with something sealed: their place, and whether they are of 1.3."""


def refusal(body: bytes, context: GlassContext) -> AlertError:
    with pytest.raises(AlertError) as raised:
        tuple(COMPACT.decode(body, context))
    return raised.value


def decode_error(body: bytes, context: GlassContext) -> None:
    error = refusal(body, context)
    assert isinstance(error, DecodeError)
    assert error.alert.description == AlertDescription.decode_error
    assert not error.received


def a_flight(kind: str) -> tuple[tuple[FlightItem, ...], GlassContext]:
    """The flight that ends in something sealed, of one kind, and its receiver."""
    place, is_1_3 = KINDS[kind]
    for number in range(1000):
        talk = a_talk(Random(number))
        if len(talk.flights) != 4:
            continue
        answers = [each for each in talk.flights[1] if isinstance(each, HandshakeMessage)]
        newer = b"\x00\x2b\x00\x02\xfe\xfc" in answers[0].body
        if newer is is_1_3:
            said = [_messages(each) for each in talk.flights[:place]]
            seq = sum(len(each) for each in said[place % 2 :: 2])
            before = tuple(each for flight in said for each in flight)
            return talk.flights[place], GlassContext(place % 2 == 0, before, frozenset(), seq)
    raise AssertionError


def _messages(flight: tuple[FlightItem, ...]) -> tuple[HandshakeMessage, ...]:
    found: list[HandshakeMessage] = []
    for each in flight:
        if isinstance(each, HandshakeMessage):
            found.append(each)
        elif isinstance(each, Unsealed) and each.content_type == 22:
            found += split_messages(each.plaintext, each.epoch)
    return tuple(found)


@pytest.mark.parametrize("name", CBOR)
def test_in_the_clear(name: str) -> None:
    data = bytes.fromhex(CBOR[name])
    decode_error(data, GlassContext(from_client=True))
    assert COMPACT.hello(data) is None


@pytest.mark.parametrize("kind", ["client", "last", "1.2", "server"])
@pytest.mark.parametrize("name", CBOR)
def test_under_the_seal(name: str, kind: str) -> None:
    flight, context = a_flight(kind)
    begun = b""
    if kind in ("server", "1.2"):
        clear = tuple(each for each in flight if isinstance(each, HandshakeMessage))
        begun = COMPACT.encode(clear, GlassContext(context.from_client, context.messages,
                               frozenset(), context.next_message_seq))  # fmt: skip
    decode_error(begun + bytes.fromhex(CBOR[name]) + TAG, context)


def hellos() -> Iterator[bytes]:
    """Bodies of ClientHellos, in all forms."""
    draws = Random("hellos")
    for _ in range(60):
        yield COMPACT.encode(a_talk(draws).flights[0], GlassContext(from_client=True))


def test_lengths_beyond_the_body() -> None:
    """Whatever is cut off, the rest is no flight, or the one encoding of another."""
    for body in hellos():
        for end in range(len(body)):
            context = GlassContext(from_client=True)
            try:
                items = tuple(COMPACT.decode(body[:end], context))
            except DecodeError:
                continue
            assert COMPACT.encode(items, GlassContext(from_client=True)) == body[:end]


def test_a_point_off_the_curve_in_a_hello() -> None:
    found = 0
    for body in hellos():
        for point in POINTS:
            place = body.find(point[1:33])
            if place >= 0 and body[0] < 0x80 and point not in body:
                found += 1
                changed = body[:place] + OFF_CURVE + body[place + 32 :]
                decode_error(changed, GlassContext(from_client=True))
    assert found


def test_references_to_nothing_and_to_two() -> None:
    by_name: dict[bytes, bytes] = {}
    draws = Random("two")
    while True:
        pin = draws.randbytes(8)
        name = sha256(pin).digest()[:1]
        other = by_name.setdefault(name, pin)
        if other != pin:
            break
    field = bytes(64)
    with pytest.raises(DecodeError, match="2 known keys"):
        read(REFERENCE, Reader(name + field), Known(1, frozenset((pin, other))), 0)
    with pytest.raises(DecodeError, match="0 known keys"):
        read(REFERENCE, Reader(bytes((name[0] ^ 1,)) + field), Known(1, frozenset((pin,))), 0)
    with pytest.raises(DecodeError, match="not asked for"):
        read(REFERENCE, Reader(name + field), Known(), 0)
    with pytest.raises(DecodeError, match="has no form"):
        read(REFERENCE, Reader(name + field), Known(1, frozenset((pin,))), 0)
    key = RAW_KEYS[0]
    name = sha256(key).digest()[:1]
    assert read(REFERENCE, Reader(name + field), Known(1, frozenset((key,))), 0).chain == (key,)


@pytest.mark.parametrize("kind", ["client", "last", "1.2", "server"])
def test_nothing_is_decoded_before_it_is_verified(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight, context = a_flight(kind)
    sender = GlassContext(context.from_client, context.messages, frozenset(),
                          context.next_message_seq)  # fmt: skip
    body = COMPACT.encode(flight, sender)

    def reads(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(sealed13.Sealed13, "read", reads)
    monkeypatch.setattr(sealing._Sealed12, "read", reads)
    wrong = refusal(body[:-1] + b"\1", context)
    assert isinstance(wrong, BadRecordMac)
    with pytest.raises(AssertionError, match="decoded"):
        tuple(COMPACT.decode(body, context))


@pytest.mark.parametrize("name", CBOR)
@virtual
async def test_a_server_answers_with_bad_request_and_decode_error(name: str) -> None:
    async with exchange() as here:
        raw = here.raw()
        options = (*RESOURCE, (CONTENT_FORMAT, uint(65002)), (ECHO, await raw.echo()))
        reply = await raw.ask(*options, payload=bytes.fromhex(CBOR[name]))
        assert reply.code == 0x80
        assert reply.uint(CONTENT_FORMAT) == ALERT
        assert reply.payload == bytes((2, AlertDescription.decode_error))


@virtual
async def test_so_it_does_for_a_point_off_the_curve() -> None:
    hello = COMPACT.encode(begin_client(RPK.client())[1], GlassContext(from_client=True))
    async with exchange() as here:
        raw = here.raw()
        options = (*RESOURCE, (CONTENT_FORMAT, uint(65002)), (ECHO, await raw.echo()))
        reply = await raw.ask(*options, payload=hello[:-32] + OFF_CURVE)
        assert (reply.code, reply.payload) == (0x80, bytes((2, AlertDescription.decode_error)))
