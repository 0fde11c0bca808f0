"""Handshakes in bursts of pieces over the carrier: every version, credential and kind of loss."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.errors import HandshakeTimeout
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.transfers.burst import Burst
from handshake_over_coap.transfers.pieces import Piece
from tests.support import parties, parties13
from tests.support.exchange import (
    CONTENT_FORMAT,
    SERVER,
    URI_PATH,
    Exchange,
    complete,
    exchange,
    request,
    virtual,
)
from tests.support.network import Sent, dropping
from tests.support.parties import Scenario
from tests.support.parties13 import CCM_8, P256, Scenario13

LEAN: dict[str, Any] = {
    "resource": "/d",
    "mtu": 65,
    "timer": Adaptive(),
    "transfer": Burst(),
    "timeout": 600.0,
}
CHECKS: dict[str, dict[str, Any]] = {
    "always": {},
    "adaptive": {"answer_unproven": True},
    "never": {"address_check": False},
}
PSK = Scenario13(CCM_8, P256)
RPK = Scenario13(CCM_8, P256, "rpk-p256")
RETRY = Scenario13(CCM_8, P256, retry=True)

D = (URI_PATH, b"d")
FORMAT = (CONTENT_FORMAT, (65256).to_bytes(2, "big"))

checks = pytest.mark.parametrize("check", CHECKS)
TYPICAL: list[Scenario | Scenario13] = [*parties13.TYPICAL, *parties.TYPICAL]
OTHERS = [each for each in (*parties13.ALL, *parties.ALL) if each not in TYPICAL]
EVERY = [*TYPICAL, *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)]


async def complete_once(here: Exchange, scenario: Scenario | Scenario13) -> None:
    """Make one handshake and see that it is whole: both agree, and it happened once."""
    await complete(here, scenario)
    assert len(here.completed) == 1
    assert here.begun == 1


@checks
@pytest.mark.parametrize("scenario", EVERY, ids=str)
@virtual
async def test_every_kind_of_handshake_crosses_in_pieces(
    scenario: Scenario | Scenario13, check: str
) -> None:
    async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
        await complete_once(here, scenario)
        assert max(len(sent.data) for sent in here.network.sent) <= 65
        assert here.clients[0].coap.retransmissions == 0
        await asyncio.sleep(700)
        assert here.residue() == {"peers": 1}


@checks
@pytest.mark.parametrize("scenario", [PSK, RPK, RETRY, parties.TYPICAL[0]], ids=str)
@virtual
async def test_any_two_datagrams_may_be_lost(scenario: Scenario | Scenario13, check: str) -> None:
    async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
        await complete_once(here, scenario)
        count = len(here.network.sent)
    rng = random.Random(f"{scenario} {check}")
    pairs = list(combinations(range(count + 2), 2))
    for lost in [(n,) for n in range(count)] + rng.sample(pairs, min(40, len(pairs))):
        async with exchange(scenario, verdict=dropping(*lost), **LEAN, **CHECKS[check]) as here:
            await complete_once(here, scenario)


@checks
@virtual
async def test_heavy_loss_with_copies_and_delays_is_survived(check: str) -> None:
    for seed in range(20):
        draw = random.Random(f"{check} {seed}")

        def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
            return [] if draw.random() < 0.4 else [sent.data] * (1 + (draw.random() < 0.1))

        async with exchange(RPK, verdict=verdict, **LEAN, **CHECKS[check]) as here:
            await complete_once(here, RPK)


@virtual
async def test_a_server_never_sends_three_times_what_came_to_an_address_that_is_not_proven() -> (
    None
):
    for seed in range(30):
        draw, ratio = random.Random(seed), [0, 0]

        def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
            # What the client gets never proves anything: it gets nothing.
            if sent.source == SERVER:
                ratio[1] += len(sent.data)  # noqa: B023
                assert ratio[1] <= 3 * ratio[0]  # noqa: B023
                return []
            if draw.random() < 0.3:
                return []
            ratio[0] += len(sent.data)  # noqa: B023
            return [sent.data]

        adaptive = LEAN | CHECKS["adaptive"] | {"timeout": 120.0}
        async with exchange(RPK, verdict=verdict, **adaptive) as here:
            with pytest.raises(HandshakeTimeout):
                await here.client().handshake13()


@virtual
async def test_beyond_the_bound_clients_prove_their_address_first() -> None:
    limits = Limits(unproven=2, unproven_per_address=2)
    adaptive = LEAN | CHECKS["adaptive"] | {"limits": limits}
    async with exchange(PSK, **adaptive) as here:
        for port in range(1, 4):
            part = Piece(1, 2, 0, bytes(30), tag=b"ab").encode()
            await here.raw(port=port).send(request(D, FORMAT, payload=part, kind=1))
        assert here.codes(source=SERVER).count("4.01") == 1
        await complete_once(here, PSK)
        assert here.codes(source=SERVER).count("4.01") > 1


@virtual
async def test_only_so_many_signatures_a_second_are_made_for_strangers() -> None:
    limits = Limits(unproven=1000, unproven_per_address=1000, unproven_rate=3.0)
    adaptive = LEAN | CHECKS["adaptive"] | {"limits": limits, "mtu": 1152}
    async with exchange(RPK, verdict=_silence_to_strangers, **adaptive) as here:
        strangers = [here.client(f"192.0.2.{n}", seed=str(n)) for n in range(50, 60)]
        tasks = [asyncio.ensure_future(each.handshake13()) for each in strangers]
        await asyncio.sleep(0.5)
        assert here.begun <= 4
        honest = here.client()
        await honest.handshake13()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _silence_to_strangers(sent: Sent) -> Iterable[bytes]:
    strange = sent.source == SERVER and sent.destination.host != "192.0.2.2"
    return [] if strange else [sent.data]


@virtual
async def test_a_stranger_at_the_address_of_a_handshake_does_it_no_harm() -> None:
    """Forged pieces of flight 1 from the client's endpoint, before, amid and after its own."""
    for seed in range(12):
        draw = random.Random(seed)
        async with exchange(RPK, **LEAN, **CHECKS["adaptive"]) as here:
            client = here.client()
            task = asyncio.ensure_future(client.handshake13())
            for _ in range(12):
                flight = draw.choice((1, 1, 3))
                piece = Piece(
                    flight, draw.choice((1, 2)), 0, draw.randbytes(40), tag=draw.randbytes(2)
                )
                data = request(D, FORMAT, payload=piece.encode(), kind=1, mid=draw.randrange(65536))
                here.server.receive(data, client.address)
                await asyncio.sleep(draw.random() * 0.1)
            await task
            assert len(here.completed) == 1


@virtual
async def test_pieces_of_unfinished_flights_count_among_the_bodies_of_all() -> None:
    lost = range(6, 1000)
    async with exchange(RPK, **LEAN, verdict=dropping(*lost)) as here:
        waiting = asyncio.ensure_future(here.client().handshake13())
        await asyncio.sleep(1)
        (peer,) = here.server.peers
        (side,) = peer.sides.values()
        assert here.server.peers.bodies.total == side.held > 0
        waiting.cancel()


@virtual
async def test_a_forged_piece_of_flight_2_with_the_right_token_is_voted_down() -> None:
    """Whoever sees a request can answer it first; the genuine pieces win all the same."""
    for seed in range(6):
        draw = random.Random(seed)
        async with exchange(RPK, **LEAN, **CHECKS["adaptive"]) as here:
            client = here.client()

            def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
                if sent.source != SERVER or sent.data[1] != 0x44:
                    return [sent.data]
                at = sent.data.index(b"\xff") + 1
                forged = sent.data[: at + 2] + draw.randbytes(len(sent.data) - at - 2)
                return [sent.data] if draw.random() < 0.8 else [forged]

            here.network.verdict = verdict
            await client.handshake13()
            assert len(here.completed) == 1


@virtual
async def test_an_answer_that_all_pieces_agree_on_is_refused_at_once() -> None:
    async with exchange(RPK, **LEAN, **CHECKS["adaptive"]) as here:
        stranger = here.client(trust=parties.trust_in(parties.CLIENT_KEYS["rpk-p256"]))
        begin = asyncio.get_running_loop().time()
        with pytest.raises(AlertError) as refused:
            await stranger.handshake13()
        assert not refused.value.received
        assert asyncio.get_running_loop().time() - begin < 1.0


@virtual
async def test_a_confirmable_piece_is_acknowledged_whatever_it_draws() -> None:
    async with exchange(RPK, **LEAN, **CHECKS["never"]) as here:
        for flight, code in ((1, 0x80), (3, 0x88)):
            piece = Piece(flight, 1, 0, b"no hello\x80", tag=bytes((flight, 0))).encode()
            for mid in (10 * flight, 10 * flight + 1):
                (answer,) = await here.raw().send(request(D, FORMAT, payload=piece, mid=mid))
                assert answer[:2] == bytes((0x62, code))
                assert answer[2:4] == mid.to_bytes(2, "big")


@pytest.mark.parametrize(
    ("mtu", "check", "rate"), [(65, "adaptive", 13), (1152, "adaptive", 25), (65, "always", 2.5)]
)
@virtual
async def test_a_silent_server_draws_little(mtu: int, check: str, rate: float) -> None:
    """The draft's figures, beside PROBING_RATE (RFC 7252 section 4.7): bytes a second."""
    most = LEAN | CHECKS[check] | {"mtu": mtu, "timeout": 600.0, "encoding": "compact"}
    async with exchange(RPK, verdict=lambda _: (), **most) as here:
        with pytest.raises(HandshakeTimeout):
            await here.client().handshake13()
        begin = here.network.sent[0].time
        first = [sent for sent in here.network.sent if sent.time <= begin + 60]
        assert len(first) <= 12
        assert sum(len(sent.data) for sent in first) <= 60 * rate
        assert sum(len(sent.data) for sent in here.network.sent) <= 600 * rate * 0.6
