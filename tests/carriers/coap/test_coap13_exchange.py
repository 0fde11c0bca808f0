"""DTLS 1.3 over CoAP: how many exchanges it takes, and that loss and copies do it no harm."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest

from handshake_over_coap.carriers.coap.handshake import Handshake
from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support import parties13
from tests.support.exchange import SERVER, Exchange, agree13, exchange, virtual
from tests.support.network import Delivery, Sent, doubling, dropping
from tests.support.parties13 import CCM, CCM_8, GCM, HYBRID, P256, X25519, Scenario13

PSK_KE = Scenario13(CCM_8, None)
RETRY = Scenario13(CCM, P256, retry=True)
RPK = Scenario13(GCM, X25519, "rpk-p256", "rpk-ed25519")
BIG = Scenario13(CCM, HYBRID, "rpk-p256", retry=True)

SHAPES: dict[str, tuple[Scenario13, int]] = {
    "psk_ke 64": (PSK_KE, 64),
    "psk_ke 1024": (PSK_KE, 1024),
    "retry 64": (RETRY, 64),
    "retry 1024": (RETRY, 1024),
    "rpk 64": (RPK, 64),
    "hybrid 16": (BIG, 16),
}
SHORT = ["psk_ke 64", "psk_ke 1024", "retry 64", "retry 1024", "rpk 64"]
LONG: dict[str, Any] = {"timeout": 600.0, "max_retransmit": 10}

typical = pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)
located = pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])


async def complete(here: Exchange) -> None:
    """Make one handshake and see that it is whole: both agree, and it happened once."""
    established = await here.client().handshake13()
    assert len(here.completed) == 1
    assert here.begun == 1
    assert agree13(established, here.completed[0].established13)


async def length(shape: str, **parameters: Any) -> int:
    """How many datagrams the handshake takes without loss."""
    scenario, size = SHAPES[shape]
    async with exchange(scenario, block_size=size, **parameters) as here:
        await complete(here)
        return len(here.network.sent)


@typical
@located
@pytest.mark.parametrize("address_check", [True, False], ids=["echo", "no echo"])
@virtual
async def test_a_handshake_takes_two_exchanges_and_a_third_after_hello_retry_request(
    scenario: Scenario13, location: bool, address_check: bool
) -> None:
    async with exchange(scenario, location=location, address_check=address_check) as here:
        await complete(here)
        # A body that fits its datagram goes whole, and any other in blocks of 1024 bytes.
        sizes = here.completed[0].figures.body_bytes
        bodies = [1 if size <= 1120 else -(-size // 1024) for size in sizes]
        answered: list[str] = ["4.01"] * address_check
        for number, (there, back) in enumerate(zip(bodies[::2], bodies[1::2], strict=True)):
            code = "2.01" if location and number == 0 else "2.04"
            answered += ["2.31"] * (there - 1) + [code] * back
        assert number == 1 + scenario.retry
        assert here.codes(source=SERVER) == answered
        assert here.codes(destination=SERVER) == ["0.02"] * len(answered)
        assert here.clients[0].coap.retransmissions == 0
        await asyncio.sleep(100)
        assert here.residue() == {"peers": 1}


@virtual
async def test_both_sides_know_the_sizes_and_the_items_of_all_flights() -> None:
    for scenario in (PSK_KE, RETRY):
        async with exchange(scenario) as here:
            client = here.client()
            await client.handshake13()
            sizes = here.completed[0].figures.body_bytes
            assert sizes == tuple(client.coap.body_bytes)
            assert len(sizes) == len(client.coap.flights) == 4 + 2 * scenario.retry
            clear = [
                HandshakeType(item.type).name
                for flight in client.coap.flights
                for item in flight.items
                if isinstance(item, HandshakeMessage)
            ]
            assert clear == ["client_hello", "server_hello"] * (1 + scenario.retry)


@located
@pytest.mark.parametrize("size", [16, 32, 1024])
@pytest.mark.parametrize("token_length", [0, 8])
@virtual
async def test_a_hybrid_hello_goes_by_blocks_of_any_size(
    size: int, location: bool, token_length: int
) -> None:
    async with exchange(
        BIG, block_size=size, location=location, token_length=token_length, timeout=300.0
    ) as here:
        await complete(here)
        sizes = here.completed[0].figures.body_bytes
        assert 1300 < sizes[2] < 2000
        largest = max(len(sent.data) for sent in here.network.sent)
        assert largest < size + 64
        assert len(here.network.sent) >= 2 * (sum(sizes) // (2 * size))


@located
@pytest.mark.parametrize("shape", SHORT)
@virtual
async def test_every_single_datagram_may_be_lost(shape: str, location: bool) -> None:
    scenario, size = SHAPES[shape]
    for lost in range(await length(shape, location=location)):
        async with exchange(
            scenario, block_size=size, location=location, verdict=dropping(lost), **LONG
        ) as here:
            await complete(here)


@pytest.mark.slow
@located
@virtual
async def test_every_datagram_of_a_hybrid_handshake_may_be_lost_or_doubled(location: bool) -> None:
    scenario, size = SHAPES["hybrid 16"]
    for index in range(await length("hybrid 16", location=location)):
        # Loss with the one form of the session's name, copies with the other.
        verdict = dropping(index) if location else doubling(index, 3.0)
        async with exchange(
            scenario, block_size=size, location=location, verdict=verdict, **LONG
        ) as here:
            await complete(here)


@pytest.mark.parametrize("shape", ["psk_ke 1024", "retry 1024"])
@virtual
async def test_every_pair_of_datagrams_may_be_lost(shape: str) -> None:
    scenario, size = SHAPES[shape]
    for pair in combinations(range(await length(shape) + 1), 2):
        async with exchange(scenario, block_size=size, verdict=dropping(*pair), **LONG) as here:
            await complete(here)


@pytest.mark.slow
@located
@pytest.mark.parametrize("shape", ["psk_ke 64", "retry 64", "rpk 64"])
@virtual
async def test_every_pair_of_many_datagrams_may_be_lost(shape: str, location: bool) -> None:
    scenario, size = SHAPES[shape]
    for pair in combinations(range(await length(shape, location=location) + 1), 2):
        async with exchange(
            scenario, block_size=size, location=location, verdict=dropping(*pair), **LONG
        ) as here:
            await complete(here)


@pytest.mark.parametrize("shape", SHORT)
@virtual
async def test_every_single_datagram_may_come_twice(shape: str) -> None:
    scenario, size = SHAPES[shape]
    for index in range(await length(shape)):
        for pause in (0.0, 0.07, 3.0):
            async with exchange(scenario, block_size=size, verdict=doubling(index, pause)) as here:
                await complete(here)
                await asyncio.sleep(5)
                assert len(here.completed) == 1


@located
@pytest.mark.parametrize("token_length", [0, 4])
@pytest.mark.parametrize("pause", [0.0, 0.12, 10.0])
@pytest.mark.parametrize("shape", SHORT)
@virtual
async def test_all_datagrams_may_come_twice(
    shape: str, pause: float, token_length: int, location: bool
) -> None:
    scenario, size = SHAPES[shape]
    async with exchange(
        scenario,
        block_size=size,
        token_length=token_length,
        location=location,
        verdict=doubling(pause=pause),
    ) as here:
        await complete(here)
        await asyncio.sleep(30)
        assert len(here.completed) == 1


@located
@pytest.mark.parametrize("shape", ["psk_ke 64", "retry 64", "retry 1024"])
@virtual
async def test_a_delayed_datagram_does_no_harm_wherever_it_is(shape: str, location: bool) -> None:
    # Later ones overtake it: with 2.5 s its own repetition, with 20 s half of the handshake.
    scenario, size = SHAPES[shape]
    for late in range(await length(shape, location=location)):
        for pause in (0.06, 2.5, 20.0):

            def verdict(sent: Sent, late: int = late, pause: float = pause) -> list[Delivery]:
                return [Delivery(sent.data, pause if sent.index == late else 0.0)]

            async with exchange(
                scenario, block_size=size, location=location, verdict=verdict, **LONG
            ) as here:
                await complete(here)


@located
@pytest.mark.parametrize("seed", range(20))
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

    scenario, size = SHAPES[SHORT[seed % len(SHORT)]]
    async with exchange(
        scenario, block_size=size, location=location, verdict=verdict, **LONG
    ) as here:
        established = await here.client().handshake13()
        # A late first flight may begin a handshake that comes to nothing, never a second one.
        (same,) = here.completed
        assert agree13(established, same.established13)
        await asyncio.sleep(60)
        assert len(here.completed) == 1


@located
@pytest.mark.parametrize("times", [1, 2, 3, 4])
@pytest.mark.parametrize("scenario", [PSK_KE, RETRY, RPK], ids=str)
@virtual
async def test_the_last_answer_is_the_same_as_often_as_it_is_asked_for(
    scenario: Scenario13, times: int, location: bool
) -> None:
    answers: list[bytes] = []

    def verdict(sent: Sent) -> Iterable[bytes]:
        if sent.source == SERVER and here.completed:
            answers.append(sent.data)
            return () if len(answers) <= times else (sent.data,)
        return (sent.data,)

    async with exchange(scenario, verdict=verdict, location=location, **LONG) as here:
        await complete(here)
        assert answers == [answers[0]] * (times + 1)
        # Beyond the memory for message IDs it is still the same body, under another message ID.
        client = here.clients[0].address
        last = here.network.between(client, SERVER)[-1].data
        for number, pause in enumerate((30.0, 300.0)):
            await asyncio.sleep(pause)
            fresh = last[:2] + (0x9000 + number).to_bytes(2, "big") + last[4:]
            here.network.send(fresh, client, SERVER)
            await asyncio.sleep(0.2)
            assert here.network.sent[-1].data[4:] == answers[0][4:]
        assert len(here.completed) == 1


@virtual
async def test_equal_seeds_give_equal_traces() -> None:
    traces = []
    for _ in range(2):
        draw = random.Random(3)

        def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
            return () if draw.random() < 0.3 else (sent.data,)

        async with exchange(RETRY, block_size=32, verdict=verdict, **LONG) as here:
            begin = asyncio.get_running_loop().time()
            await complete(here)
            traces.append([(round(s.time - begin, 6), s.source, s.data) for s in here.network.sent])
    assert traces[0] == traces[1]
    assert len(traces[0]) > 20


@located
@pytest.mark.parametrize("scenario", [PSK_KE, RETRY, RPK], ids=str)
@virtual
async def test_a_slow_server_answers_each_flight_separately_and_computes_it_once(
    scenario: Scenario13, location: bool
) -> None:
    async with exchange(scenario, think=lambda _: 3.0, location=location, timeout=300.0) as here:
        await complete(here)
        flights = 2 + scenario.retry
        assert here.server.counters["repeated flights"] == 0
        assert here.server.counters["rejected flight 3: UnexpectedMessage"] == 0
        assert here.codes(source=SERVER).count("0.00") == flights
        await asyncio.sleep(300)
        assert here.residue() == {"peers": 1}


@typical
@pytest.mark.parametrize("encoding", ["plain", "compact"])
def test_a_flight_that_is_heard_twice_is_answered_by_the_same_bytes(
    scenario: Scenario13, encoding: str
) -> None:
    """Without Location-Path a sealed flight may look like a hello, and is tried as what it is.

    An answer made anew would have other record numbers, which compact bodies do not carry.
    """
    chosen = encoding_named(encoding)
    client = open_client(scenario.client(), chosen)
    server = Handshake("s", begin_server(scenario.server()))
    for _ in range(2 if scenario.retry else 1):
        turn = server.hear(chosen, client.body)
        server.go_on(turn)
        client = client.after.hear(turn.body, chosen)
    first = server.hear(chosen, client.body)
    assert server.hear(chosen, client.body).body == first.body
    server.go_on(first)
    assert client.after.hear(first.body, chosen).after.established is not None
