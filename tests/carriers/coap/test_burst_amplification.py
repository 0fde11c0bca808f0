"""Whatever comes from an address that is not proven, it never gets three times as much back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.coap.server import CoapServer
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.burst import Burst
from handshake_over_coap.transfers.pieces import Note, Piece, Saying, Source
from tests.support.exchange import (
    BLOCK1,
    CONTENT_FORMAT,
    REQUEST_TAG,
    SIZE1,
    URI_PATH,
    block,
    request,
    uint,
)
from tests.support.parties import seeded
from tests.support.parties13 import CCM_8, P256, Scenario13

RPK = Scenario13(CCM_8, P256, "rpk-p256")
VICTIM = Address("192.0.2.66", 5555)
TAG = b"tg"
SESSION = b"j"
"""The name that the first handshake gets here, as a guess of one in 64 would have it."""
RESOURCE = (URI_PATH, b"d")
FORMAT = (CONTENT_FORMAT, uint(65256))
Q_BLOCK1 = 19


def _parameters(*, location: bool, mtu: int) -> CoapParameters:
    return CoapParameters(
        resource="/d",
        timer=Adaptive(),
        transfer=Burst(),
        answer_unproven=True,
        location=location,
        mtu=mtu,
    )


@lru_cache
def _hello() -> bytes:
    """The body of a genuine first flight, which anybody may send from any address."""
    config = RPK.client("hello")
    return open_client(config, encoding_named("plain")).body


@dataclass
class Spoofed:
    """A server, and somebody who writes to it in the name of ``VICTIM`` and never hears it."""

    location: bool
    mtu: int
    slow: float
    came: int = 0
    went: int = 0
    now: float = 0.0
    server: CoapServer = field(init=False)

    def __post_init__(self) -> None:
        config = RPK.server("server")

        def think(body: bytes) -> float:
            return self.slow

        self.server = CoapServer(
            _parameters(location=self.location, mtu=self.mtu),
            lambda: begin_server(config),
            seeded("server"),
            random.Random(1).random,
            think=think,
        )

    def pause(self, seconds: float) -> None:
        until = self.now + seconds
        while self.server.deadline is not None and self.server.deadline <= until:
            self.now = max(self.now, self.server.deadline)
            self._count(self.server.on_timer(self.now).datagrams)
        self.now = until

    def send(self, data: bytes) -> None:
        self.came += len(data)
        self._count(self.server.receive(data, VICTIM, self.now).datagrams)

    def _count(self, datagrams: list[tuple[bytes, Address]]) -> None:
        self.went += sum(len(data) for data, to in datagrams if to == VICTIM)
        assert self.went <= 3 * self.came
        assert all(peer.unproven for peer in self.server.peers)


def _genuine(number: int, room: int) -> bytes:
    return Source(1, _hello(), room).piece(0, number, TAG).encode()


def _burst(payload: bytes, **more: Any) -> bytes:
    return request(RESOURCE, FORMAT, payload=payload, **more)


_MESSAGES = {
    "kind": st.integers(0, 1),
    # Few of both, so that they come again.
    "mid": st.integers(0, 3),
    "token": st.sampled_from([b"", b"a", b"12345678"]),
}
_TAGS = st.sampled_from([TAG, b"zz"])
_PIECES = st.builds(_genuine, st.integers(0, 20), st.sampled_from([60, 120, 400]))
_FORGED = st.builds(
    lambda *fields: Piece(*fields).encode(),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 255),
    st.binary(min_size=1, max_size=300),
    st.just(0),
    _TAGS,
)
_NOTES = st.builds(
    lambda *fields: Note(*fields).encode(),
    st.sampled_from([Saying.NEED, Saying.WHOLE]),
    st.integers(1, 7),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=12),
    _TAGS,
)
_PROBES = st.builds(
    lambda count, rest: Note(Saying.ASK, 0, count, rest=rest, tag=TAG).encode(),
    st.integers(0, 255),
    st.binary(max_size=80),
)
_IN_PIECES = st.builds(
    lambda payload, fields: _burst(payload, **fields),
    st.one_of(_PIECES, _PIECES, _FORGED, _NOTES, _PROBES, st.binary(max_size=30)),
    st.fixed_dictionaries(_MESSAGES),
)
_IN_BLOCKS = st.builds(
    lambda kind, last, number, more, payload, fields: request(
        (URI_PATH, last),
        (kind, block(number, more, 16)),
        (REQUEST_TAG, b"rt"),
        (SIZE1, uint(100)),
        payload=payload,
        **fields,
    ),
    st.sampled_from([BLOCK1, Q_BLOCK1]),
    st.sampled_from([b"d", SESSION, b"x"]),
    st.integers(0, 6),
    st.booleans(),
    st.binary(min_size=16, max_size=16),
    st.fixed_dictionaries(_MESSAGES),
)
_WHOLE = st.builds(
    lambda last, payload, fields: request((URI_PATH, last), payload=payload, **fields),
    st.sampled_from([b"d", SESSION, b"x"]),
    st.one_of(st.just(b""), st.builds(_hello), st.binary(max_size=40)),
    st.fixed_dictionaries(_MESSAGES),
)
_DISCOVERY = st.builds(
    lambda fields: request((URI_PATH, b".well-known"), (URI_PATH, b"core"), code=1, **fields),
    st.fixed_dictionaries(_MESSAGES),
)
_STEPS = st.lists(
    st.tuples(
        st.one_of(_IN_PIECES, _IN_PIECES, _IN_PIECES, _IN_BLOCKS, _WHOLE, _DISCOVERY),
        st.sampled_from([0.0, 0.0, 0.01, 0.2, 1.5, 30.0]),
        st.integers(1, 4),
    ),
    max_size=25,
)


@given(_STEPS, st.booleans(), st.sampled_from([65, 1152]), st.sampled_from([0.0, 0.0, 0.7, 5.0]))
@example(
    # A confirmable message that drew much in its acknowledgement, again and again.
    [
        (_burst(_genuine(0, 400), kind=1, mid=9), 0.5, 1),
        (_burst(Piece(1, 1, 0, bytes(300), tag=TAG).encode(), kind=1, mid=8), 0.5, 1),
        (_burst(Piece(1, 1, 0, b"x", tag=TAG).encode(), mid=7), 0.0, 60),
    ],
    True,
    1152,
    0.0,
)
def test_no_schedule_of_datagrams_draws_more_than_three_times_their_bytes(
    steps: list[tuple[bytes, float, int]], location: bool, mtu: int, slow: float
) -> None:
    spoofed = Spoofed(location, mtu, slow)
    for data, pause, times in steps:
        for _ in range(times):
            spoofed.send(data)
        spoofed.pause(pause)
    spoofed.pause(400.0)
