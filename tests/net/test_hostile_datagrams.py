"""Datagrams of anybody into a live server and client: dropped and counted, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.sim.loop import run
from tests.support.both_carriers import SERVER
from tests.support.network import Sent
from tests.support.session_world import World, world

STRANGER = Address("198.51.100.9", 50000)

Overs: TypeAlias = tuple[str, str, str | None]
overs = st.sampled_from(
    [
        (transport, dtls, cid)
        for transport in ("coap", "udp")
        for dtls in ("1.2", "1.3")
        for cid in (None, "", "c1d0")
    ]
)

# Beginnings that get past the first look at a datagram.
_PLAUSIBLE = [
    *(
        bytes([kind]) + b"\xfe\xfd" + epoch
        for kind in range(20, 27)
        for epoch in (b"\0\0", b"\0\1")
    ),
    *(bytes([first]) for first in range(0x20, 0x40)),
    *(
        bytes([first, code])
        for first in (0x40, 0x44, 0x50, 0x60, 0x70)
        for code in (0, 1, 2, 68, 69)
    ),
    b"\x19\xfe\xfd\0\1\0\0\0\0\0\x09\xc1\xd0",
    b"\x3f\xc1\xd0",
]
random_data = st.one_of(
    st.binary(max_size=80),
    st.builds(bytes.__add__, st.sampled_from(_PLAUSIBLE), st.binary(max_size=80)),
)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[int, int, str]]:
    """What to do to a datagram: at which place, with what, and how."""
    one = st.tuples(
        st.integers(0, 400),
        st.integers(1, 255),
        st.sampled_from(["change", "cut", "insert", "double", "append"]),
    )
    return draw(st.lists(one, min_size=1, max_size=3))


def mutated(data: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    for place, value, how in changes:
        at = place % max(1, len(data))
        if how == "change" and data:
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        elif how == "cut":
            data = data[:at]
        elif how == "insert":
            data = data[:at] + bytes([value]) + data[at:]
        elif how == "double":
            data = data[:at] + data
        else:
            data += bytes(value)
    return data


@given(
    overs,
    st.lists(
        st.tuples(
            st.booleans(),
            st.booleans(),
            st.one_of(random_data, st.tuples(st.integers(0, 200), edits())),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_an_established_session_goes_on_whatever_anybody_sends(
    over: Overs, attack: list[tuple[bool, bool, Any]]
) -> None:
    run(_attacked_session(over, attack))


async def _attacked_session(over: Overs, attack: list[tuple[bool, bool, Any]]) -> None:
    transport, dtls, cid = over
    async with world(transport=transport, dtls=dtls, cid=cid, tickets=True) as here:
        party = await here.connect()
        assert await party.echoed(b"before")
        sent = list(here.network.sent)
        sessions = here.server.sessions
        for to_server, by_stranger, what in attack:
            data = (
                what
                if isinstance(what, bytes)
                else mutated(sent[what[0] % len(sent)].data, what[1])
            )
            if any(data == each.data for each in sent):
                continue  # a copy may be answered, and one of an alert may end something
            source = STRANGER if by_stranger else party.address if to_server else SERVER
            here.network.inject(data, source, SERVER if to_server else party.address)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert here.server.sessions == sessions
        assert (await party.echoed(b"after"), here.at_server(party).address) == (
            True,
            party.address,
        )
        _check_bounds(here)


def _check_bounds(here: World) -> None:
    assert here.server.half_open <= 2
    assert here.server.peers <= 2
    assert len(here.server._early) <= 16


@given(
    overs,
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), edits()), min_size=1, max_size=8),
)
def test_a_handshake_under_attack_completes_or_fails_with_our_errors(
    over: Overs, attack: list[tuple[int, bool, list[tuple[int, int, str]]]]
) -> None:
    run(_attacked_handshake(over, attack))


async def _attacked_handshake(
    over: Overs, attack: list[tuple[int, bool, list[tuple[int, int, str]]]]
) -> None:
    transport, dtls, cid = over

    def verdict(sent: Sent) -> list[bytes]:
        """Mutated copies before or after the datagram that they are made from."""
        before = [
            mutated(sent.data, how) for at, first, how in attack if at == sent.index and first
        ]
        after = [
            mutated(sent.data, how) for at, first, how in attack if at == sent.index and not first
        ]
        return [*before, sent.data, *after]

    async with world(
        verdict=verdict, transport=transport, dtls=dtls, cid=cid, tickets=True, timeout=30.0
    ) as here:
        try:
            party = await here.connect()
        except hoc.Error:
            pass
        else:
            here.network.verdict = lambda sent: [sent.data]
            assert await party.echoed(b"after all")
        _check_bounds(here)
        here.network.verdict = lambda sent: [sent.data]
        assert await (await here.connect(40001)).echoed(b"somebody else")


@pytest.mark.parametrize("first", range(0x20, 0x40))
def test_every_first_octet_of_a_record_of_1_3_is_dropped_at_every_length(first: int) -> None:
    async def scenario() -> None:
        for transport in ("coap", "udp"):
            async with world(transport=transport, cid="c1d0") as here:
                party = await here.connect()
                for length in range(40):
                    data = bytes([first]) + bytes(length)
                    here.network.inject(data, party.address, SERVER)
                    here.network.inject(data, SERVER, party.address)
                await asyncio.sleep(1)
                assert await party.echoed(b"still here")
                assert here.at_server(party).counters.total() >= 40

    run(scenario())
