"""Lost, doubled and reordered datagrams: the handshake completes, once, with equal keys."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import combinations, pairwise
from typing import Any

import pytest

from handshake_over_coap.errors import HandshakeTimeout
from tests.support.exchange import (
    PSK,
    SERVER,
    Exchange,
    agree,
    exchange,
    virtual,
)
from tests.support.network import Delivery, Sent, doubling, dropping
from tests.support.parties import ECDSA_CCM, Scenario

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
SHAPES: dict[str, tuple[Scenario, int]] = {
    "psk 64": (PSK, 64),
    "psk 1024": (PSK, 1024),
    "rpk 64": (RPK, 64),
}
LONG: dict[str, Any] = {"timeout": 600.0, "max_retransmit": 10}


async def complete(here: Exchange) -> None:
    """Make one handshake and see that it is whole: both agree, and it happened once."""
    established = await here.client().handshake()
    assert len(here.completed) == 1
    assert here.begun == 1
    assert agree(established, here.completed[0].established)


async def length(shape: str, **parameters: Any) -> int:
    """How many datagrams the handshake takes without loss."""
    scenario, size = SHAPES[shape]
    async with exchange(scenario, block_size=size, **parameters) as here:
        await complete(here)
        return len(here.network.sent)


@pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])
@pytest.mark.parametrize("shape", SHAPES)
@virtual
async def test_every_single_datagram_may_be_lost(shape: str, location: bool) -> None:
    scenario, size = SHAPES[shape]
    for lost in range(await length(shape, location=location)):
        async with exchange(
            scenario, block_size=size, location=location, verdict=dropping(lost), **LONG
        ) as here:
            await complete(here)


@pytest.mark.parametrize("shape", SHAPES)
@virtual
async def test_every_pair_of_datagrams_may_be_lost(shape: str) -> None:
    scenario, size = SHAPES[shape]
    for pair in combinations(range(await length(shape) + 1), 2):
        async with exchange(scenario, block_size=size, verdict=dropping(*pair), **LONG) as here:
            await complete(here)


@pytest.mark.parametrize("location", [True, False])
@pytest.mark.parametrize("times", [1, 2, 3, 4])
@virtual
async def test_the_final_response_may_be_lost_again_and_again(times: int, location: bool) -> None:
    left = times

    def verdict(sent: Sent) -> Iterable[bytes]:
        nonlocal left
        if sent.source == SERVER and sent.data[1] == 0x44 and left:  # 2.04
            final = bool(here.completed)
            left -= final
            return () if final else (sent.data,)
        return (sent.data,)

    async with exchange(verdict=verdict, location=location) as here:
        await complete(here)
        assert left == 0


@virtual
async def test_the_final_response_is_repeated_beyond_the_memory_for_message_ids() -> None:
    """The client's message layer gives up; what asks again has a fresh message ID."""
    async with exchange(max_retransmit=1, timeout=300.0, verdict=dropping(5, 6)) as here:
        with pytest.raises(HandshakeTimeout):
            await here.client().handshake()
        assert len(here.completed) == 1
    async with exchange() as here:
        await complete(here)
        posts = here.network.between(here.clients[0].address, SERVER)
        final = here.network.sent[-1].data
        for repetition, pause in enumerate((0.0, 50.0, 100.0, 300.0)):
            await asyncio.sleep(pause)
            fresh = posts[-1].data[:2] + (0x9000 + repetition).to_bytes(2, "big")
            fresh += posts[-1].data[4:]
            here.network.send(fresh, here.clients[0].address, SERVER)
            await asyncio.sleep(0.2)
            answer = here.network.sent[-1].data
            assert answer[2:4] == fresh[2:4]
            assert answer[4:] == final[4:]
        assert len(here.completed) == 1
        assert here.server.counters["repeated flights"] == 4


@pytest.mark.parametrize("shape", SHAPES)
@virtual
async def test_every_single_datagram_may_come_twice(shape: str) -> None:
    scenario, size = SHAPES[shape]
    for index in range(await length(shape)):
        for pause in (0.0, 0.07, 3.0):
            double = doubling(index, pause)
            async with exchange(scenario, block_size=size, verdict=double) as here:
                await complete(here)
                await asyncio.sleep(5)
                assert len(here.completed) == 1


@pytest.mark.parametrize("token_length", [0, 1, 4])
@pytest.mark.parametrize("pause", [0.0, 0.01, 0.12, 0.3, 10.0])
@pytest.mark.parametrize("shape", SHAPES)
@virtual
async def test_all_datagrams_may_come_twice(shape: str, pause: float, token_length: int) -> None:
    scenario, size = SHAPES[shape]
    async with exchange(
        scenario, block_size=size, token_length=token_length, verdict=doubling(None, pause)
    ) as here:
        await complete(here)
        await asyncio.sleep(30)
        assert len(here.completed) == 1


@pytest.mark.parametrize("location", [True, False])
@pytest.mark.parametrize("seed", range(40))
@virtual
async def test_a_network_that_drops_doubles_and_delays_a_fifth_each(
    seed: int, location: bool
) -> None:
    draw = random.Random(seed)

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if draw.random() < 0.2:
            return ()
        copies = 2 if draw.random() < 0.2 else 1
        return [Delivery(sent.data, draw.choice((0.0, 0.0, 0.0, 0.2, 4.0))) for _ in range(copies)]

    scenario, size = SHAPES["rpk 64" if seed % 2 else "psk 64"]
    async with exchange(
        scenario, block_size=size, location=location, verdict=verdict, **LONG
    ) as here:
        established = await here.client().handshake()
        # A late first flight may begin a handshake that comes to nothing, never a second one.
        same = [
            c
            for c in here.completed
            if c.established.connected.master_secret == established.connected.master_secret
        ]
        assert len(same) == 1
        assert agree(established, same[0].established)
        await asyncio.sleep(60)
        assert len(here.completed) == 1


@virtual
async def test_a_delayed_datagram_does_no_harm_wherever_it_is() -> None:
    scenario, size = SHAPES["psk 64"]
    for late in range(await length("psk 64")):
        for pause in (0.06, 2.5, 20.0):

            def verdict(sent: Sent, late: int = late, pause: float = pause) -> list[Delivery]:
                return [Delivery(sent.data, pause if sent.index == late else 0.0)]

            async with exchange(scenario, block_size=size, verdict=verdict, **LONG) as here:
                await complete(here)


@pytest.mark.parametrize("limit", [0, 1, 4])
@virtual
async def test_a_message_is_sent_so_often_and_then_the_handshake_times_out(limit: int) -> None:
    async with exchange(max_retransmit=limit, timeout=1000.0, verdict=lambda _: ()) as here:
        client = here.client()
        with pytest.raises(HandshakeTimeout, match=f"{limit + 1} times"):
            await client.handshake()
        assert len(here.network.sent) == limit + 1
        assert client.coap.retransmissions == limit


@pytest.mark.parametrize("seed", range(5))
@virtual
async def test_retransmissions_follow_the_timers_of_coap_up_to_the_cap(seed: int) -> None:
    async with exchange(
        ack_timeout=3.0,
        ack_random_factor=1.2,
        max_interval=20.0,
        max_retransmit=6,
        timeout=1000.0,
        verdict=lambda _: (),
    ) as here:
        with pytest.raises(HandshakeTimeout):
            await here.client(seed=f"timers {seed}").handshake()
        times = [s.time for s in here.network.sent]
        gaps = [b - a for a, b in pairwise(times)]
        assert 3.0 <= gaps[0] <= 3.0 * 1.2
        expected = [min(gaps[0] * 2**n, 20.0) for n in range(6)]
        assert gaps == pytest.approx(expected)
        assert len({s.data for s in here.network.sent}) == 1


@virtual
async def test_without_a_limit_on_retransmissions_the_overall_timeout_ends_it() -> None:
    async with exchange(max_retransmit=None, timeout=500.0, verdict=lambda _: ()) as here:
        loop = asyncio.get_running_loop()
        with pytest.raises(HandshakeTimeout, match="500 s"):
            await here.client().handshake()
        assert loop.time() == 500
        times = [s.time for s in here.network.sent]
        assert max(b - a for a, b in pairwise(times)) == 60
        sent = len(times)
        await here.clients[0].close()
        await asyncio.sleep(300)
        assert len(here.network.sent) == sent


@virtual
async def test_equal_seeds_give_equal_traces() -> None:
    traces = []
    for _ in range(2):
        draw = random.Random(3)

        def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
            return () if draw.random() < 0.3 else (sent.data,)

        async with exchange(block_size=32, verdict=verdict, **LONG) as here:
            begin = asyncio.get_running_loop().time()
            await complete(here)
            traces.append([(round(s.time - begin, 6), s.source, s.data) for s in here.network.sent])
    assert traces[0] == traces[1]
    assert len(traces[0]) > 20
