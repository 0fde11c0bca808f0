"""The flights of DTLS 1.3 on the wire beside draft-ietf-iotops-security-protocol-comparison.

The handshakes are made on virtual time without loss, over UDP and over CoAP.  The datagrams over
UDP are opened and taken apart field by field, so that a difference to the draft has its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, TypeAlias

from handshake_over_coap.carriers.reassembly import read_fragments
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.dissect13 import dissect
from handshake_over_coap.lab.network import SERVER_HOST
from handshake_over_coap.lab.published_sizes import (
    CID,
    CLEAR,
    CONTENT_TYPE,
    HEADER,
    RECORDS,
    SEALED,
    SIZES,
    TAG,
    Bytes,
    Place,
    Published,
)
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.records.dtls12 import HEADER as CLEAR_HEADER
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord, split13
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.sim import Draws, PassageRecorder, Side
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import Item
from handshake_over_coap.tls.handshake import State, Step
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.negotiation import Connected13, start_client, start_server
from handshake_over_coap.tls.suites import AES_128_CCM_8
from handshake_over_coap.trace.coap import read_coap

_Sent: TypeAlias = tuple[Side, bytes]

ACK: Final = "ACK"
"""Where the bytes of an ACK stand: its record, all of it."""

SUITE: Final = "TLS_AES_128_CCM_8_SHA256"

MEAN_SIGNATURE: Final = 71
"""Bytes of an ECDSA signature with P-256 on average, and of half of them; a quarter has 70 or 72.

The draft counts with it, and so the handshakes here are those in which all have it.
"""

_MOST_SEEDS: Final = 200
_ED25519: Final = 64
_SIGNATURE: Final = Place("certificate_verify", "signature")
_DATA: Final = bytes(6)


@dataclass(frozen=True, slots=True)
class FlightSize:
    """One flight: ``bytes`` of UDP payload over UDP, and of which fields they consist.

    ``published`` is the draft's figure, 0 for what it leaves out; ``budget`` the bytes that ours
    has more (below zero: fewer) by place, nothing where both agree.  ``body`` and ``coap`` are the
    same flight over CoAP: its body, and the UDP payload that it is in.
    """

    sender: Side
    published: int
    fields: Bytes = field(repr=False)
    budget: Mapping[Place, int]
    body: int
    coap: int

    @property
    def bytes(self) -> int:
        """All the fields together."""
        return sum(self.fields.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One handshake of the draft and ours; ``udp`` and ``coap`` are datagrams."""

    published: Published
    flights: tuple[FlightSize, ...]
    udp: int
    coap: int


@dataclass(frozen=True, slots=True)
class RecordRow:
    """Bytes that a record adds to 6 bytes of data: of which version, with which connection ID."""

    version: str
    cid: bytes
    published: int
    ours: int


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every handshake that the draft has and this library makes; the same at each call."""
    return tuple(_row(published) for published in SIZES)


def records() -> tuple[RecordRow, ...]:
    """What records of CCM_8 add to 6 bytes of application data, record number 5."""
    found = []
    for version, sizes in RECORDS.items():
        for text, size in sizes.items():
            cid = bytes.fromhex(text)
            found.append(RecordRow(version, cid, size, _overhead(version, cid)))
    return tuple(found)


def _overhead(version: str, cid: bytes) -> int:
    key = bytes(AES_128_CCM_8.key_length)
    if version == "1.2":
        keys = TrafficKeys(1, AES_128_CCM_8, key, bytes(4))
        sealed = Sealer(keys, cid=cid, next_sequence_number=5).seal_datagram
    else:
        keys = TrafficKeys(3, AES_128_CCM_8, key, bytes(12), key)
        sealer = Sealer13(keys, cid=cid, short_header=True, next_sequence_number=5)
        sealed = sealer.seal_datagram
    return len(sealed(ContentType.application_data, _DATA)) - len(_DATA)


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """The handshakes of a row with the address check: bytes of each datagram, in order."""

    name: str
    udp: tuple[int, ...]
    coap: tuple[int, ...]


def checked() -> tuple[CheckedRow, ...]:
    """What the address check adds: a cookie in HelloRetryRequest, or Echo over CoAP."""
    found = []
    for published in SIZES[:3]:
        seed, _, _ = _made(published)
        sizes = [
            tuple(len(data) for _, data in _datagrams(scenario(published, each, True), seed))
            for each in ("udp", "coap")
        ]
        found.append(CheckedRow(published.name, *sizes))
    return tuple(found)


def _row(published: Published) -> Row:
    seed, udp, parts_of = _made(published)
    coap = _datagrams(scenario(published, "coap"), seed)
    over_coap = _flights(coap)
    flights = []
    for number, (sender, parts) in enumerate(parts_of):
        listed: Bytes = {}
        total = 0
        if number < len(published.flights):
            listed, total = published.flights[number], published.totals[number]
        # The client's ACK of a ticket is an empty message over CoAP.
        body, payload = _coap_sizes(over_coap, number, sender)
        flights.append(FlightSize(sender, total, parts, _budget(parts, listed), body, payload))
    return Row(published, tuple(flights), len(udp), len(coap))


def _made(published: Published) -> tuple[int, list[_Sent], list[tuple[Side, Bytes]]]:
    """The first seed with signatures of mean length, its datagrams, and its flights taken apart."""
    chosen = scenario(published, "udp")
    for seed in range(_MOST_SEEDS):
        sent, openers = _datagrams(chosen, seed), _openers(chosen, seed)
        parts: list[tuple[Side, Bytes]] = [
            (side, _take_apart(data, openers[side])) for side, data in _flights(sent)
        ]
        if all(each.get(_SIGNATURE, 0) in (0, _ED25519, MEAN_SIGNATURE) for _, each in parts):
            return seed, sent, parts
    raise ConfigurationError("no seed has signatures of mean length")


def _budget(ours: Bytes, listed: Bytes) -> dict[Place, int]:
    places = dict.fromkeys([*ours, *listed])
    found = {place: ours.get(place, 0) - listed.get(place, 0) for place in places}
    return {place: more for place, more in found.items() if more}


def scenario(published: Published, transport: str, address_check: bool = False) -> Scenario:
    """The same handshake as ``published`` over ``transport``."""
    options: dict[str, Any] = dict(published.options)
    return Scenario(
        transport=transport, dtls="1.3", suite=SUITE, address_check=address_check, **options
    )


def _datagrams(chosen: Scenario, seed: int) -> list[_Sent]:
    """Who sent what, on virtual time; raises ConfigurationError if the handshake fails."""
    recorder = PassageRecorder()
    trial = run_trial(chosen, seed, 0, observers=[recorder])
    if not trial.completed:
        raise ConfigurationError(f"the handshake does not complete: {trial.failure}")
    return [(each.datagram.sender, each.datagram.data) for each in recorder.passages]


def _flights(sent: Iterable[_Sent]) -> list[tuple[Side, list[bytes]]]:
    """What one side sends before the other does."""
    found = groupby(sent, key=lambda each: each[0])
    return [(sender, [data for _, data in each]) for sender, each in found]


def _coap_sizes(
    flights: list[tuple[Side, list[bytes]]], number: int, sender: Side
) -> tuple[int, int]:
    """Bytes of the bodies of a flight and of its datagrams; none where CoAP has no such flight."""
    if number >= len(flights) or flights[number][0] != sender:
        return 0, 0
    data = flights[number][1]
    seen = [read_coap(each) for each in data]
    return sum(len(each.payload) for each in seen if each is not None), sum(map(len, data))


def _openers(chosen: Scenario, seed: int) -> dict[Side, Opener13]:
    """What opens the records of either side: the states alone have the same handshake again.

    Every draw is that of the trial, so that all keys are the same.
    """
    draws = Draws(seed, "trial", 0)
    who = cast(chosen, seed)
    cid = chosen.options.connection_id or b""
    openers = {side: Opener13(cid=cid) for side in Side}
    server: State = start_server(who.server_config(chosen, draws.rng("server")))
    step = start_client(who.client_config(chosen, SERVER_HOST, draws.rng("client")))
    client, items = step.state, step.flight
    while not isinstance(server, Connected13):
        server, items = _turn(server, items, openers[Side.CLIENT])
        client, items = _turn(client, items, openers[Side.SERVER])
    return openers


def _turn(state: State, items: Iterable[Item], peers: Opener13) -> tuple[State, tuple[Item, ...]]:
    """The state after ``items`` and its answer; the peer's keys are added to ``peers``."""
    answer: tuple[Item, ...] = ()
    for item in items:
        step: Step = state.handle(item)
        state, answer = step.state, (*answer, *step.flight)
        for keys in step.keys:
            if keys.read is not None:
                peers.add(keys.read)
    return state, answer


def _take_apart(datagrams: Iterable[bytes], opener: Opener13) -> dict[Place, int]:
    """The bytes of a flight by place."""
    found: dict[Place, int] = {}
    for data in datagrams:
        for record in split13(data, len(opener.cid)):
            for place, size in _parts(record, opener):
                found[place] = found.get(place, 0) + size
    return found


def _parts(
    record: PlaintextRecord | CiphertextRecord, opener: Opener13
) -> Iterator[tuple[Place, int]]:
    if isinstance(record, PlaintextRecord):
        yield Place(CLEAR, HEADER), CLEAR_HEADER.size
        yield from _messages(record.fragment, 0)
        return
    opened = opener.open(record)
    if opened.content_type == ContentType.ack:
        yield Place(ACK, "record"), len(record.to_bytes())
        return
    with_cid = record.number_offset > 1
    yield Place(SEALED, HEADER), len(record.header) - len(record.cid) * with_cid
    if with_cid:
        yield Place(SEALED, CID), len(record.cid)
    yield from _messages(opened.plaintext, opened.epoch)
    yield Place(SEALED, CONTENT_TYPE), 1
    yield Place(SEALED, TAG), len(record.ciphertext) - len(opened.plaintext) - 1


def _messages(content: bytes, epoch: int) -> Iterator[tuple[Place, int]]:
    """The messages of a record; raises ConfigurationError for a piece of one."""
    for part in read_fragments(content, epoch):
        if len(part.data) != part.length:
            raise ConfigurationError("a message is in pieces")
        yield from dissect(part.type, part.data).items()
