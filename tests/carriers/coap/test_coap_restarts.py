"""A server that restarts in mid-handshake, and networks that repeat, reorder and lose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.coap.message import Message
from handshake_over_coap.encodings.plain import write_body
from tests.support.exchange import (
    BLOCK1,
    CON,
    ECHO,
    PSK,
    REQUEST_TAG,
    RESOURCE,
    SERVER,
    Exchange,
    agree,
    agree13,
    block,
    exchange,
    virtual,
)
from tests.support.network import Delivery, Sent, doubling
from tests.support.parties import ECDSA_CCM, Scenario
from tests.support.parties13 import CCM, Scenario13

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
RPK13 = Scenario13(CCM, server_key="rpk-p256")
RETRY = Scenario13(CCM, retry=True)
HELLO = write_body(begin_client(PSK.client())[1])

WAYS: dict[str, tuple[Scenario | Scenario13, dict[str, Any]]] = {
    "1.2": (PSK, {}),
    "1.2 in blocks": (RPK, {"block_size": 64}),
    "1.3": (Scenario13(), {}),
    "1.3 in blocks": (RPK13, {"block_size": 128}),
    "1.3 with a retry": (RETRY, {}),
    "1.3 with a retry in blocks": (RETRY, {"block_size": 64}),
    "1.2 without sessions": (PSK, {"location": False}),
    "1.3 without sessions": (RETRY, {"location": False}),
}


async def _completes(here: Exchange, **config: Any) -> None:
    """One handshake, and the word for it: both sides have completed, with the same keys."""
    established = await here.client(**config).handshake_of_any_version()
    by_server = here.completed[-1]
    if isinstance(here.scenario, Scenario13):
        assert agree13(established, by_server.established13)  # type: ignore[arg-type]
    else:
        assert agree(established, by_server.established)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
@virtual
async def test_a_client_completes_wherever_its_server_restarts(way: str) -> None:
    scenario, parameters = WAYS[way]
    async with exchange(scenario, **parameters) as here:
        await _completes(here)
        datagrams = len(here.network.sent)
    for restart in range(datagrams):

        def verdict(sent: Sent, at: int = restart) -> Iterable[bytes]:
            if sent.index == at:
                here.server.close()
                here.new_server()
            return (sent.data,)

        async with exchange(scenario, verdict=verdict, timeout=100, **parameters) as here:
            await _completes(here)


@pytest.mark.parametrize("way", WAYS)
@virtual
async def test_a_client_completes_though_its_server_restarts_again_and_again(way: str) -> None:
    """On a network that loses a quarter, repeats and reorders."""
    scenario, parameters = WAYS[way]
    for seed in range(10):
        chance, restarts = random.Random(f"{way} {seed}"), 0

        def verdict(sent: Sent, chance: random.Random = chance) -> Iterable[Delivery]:
            nonlocal restarts
            if restarts < 4 and chance.random() < 0.05:
                restarts += 1
                here.server.close()
                here.new_server()
            for _ in range(chance.choice((1, 1, 1, 2))):
                if chance.random() > 0.25:
                    yield Delivery(sent.data, chance.choice((0, 0, 0.02, 0.3, 4)))

        async with exchange(scenario, verdict=verdict, timeout=3000, **parameters) as here:
            await _completes(here)


@pytest.mark.parametrize("way", WAYS)
@virtual
async def test_thirty_percent_loss_each_way_delays_and_fails_nobody(way: str) -> None:
    scenario, parameters = WAYS[way]
    for seed in range(8):
        lost = random.Random(f"{way} {seed}")

        def verdict(sent: Sent, chance: random.Random = lost) -> Iterable[bytes]:
            return () if chance.random() < 0.3 else (sent.data,)

        async with exchange(scenario, verdict=verdict, timeout=1000, **parameters) as here:
            await _completes(here)


@virtual
async def test_blocks_in_any_order_are_joined_or_told_to_be_incomplete() -> None:
    """Never a wrong body: whatever the order, the answer is there once the order is right."""
    parts = [HELLO[start : start + 32] for start in range(0, len(HELLO), 32)]
    for order in permutations(range(len(parts))):
        async with exchange() as here:
            raw, tag = here.raw(), (REQUEST_TAG, b"tg")
            echo = (ECHO, await raw.echo())
            wanted, code = 0, 0
            for number in (*order, *range(len(parts))):
                more = number < len(parts) - 1
                proof = [echo] if number == 0 else []
                cut = (BLOCK1, block(number, more, 32))
                answer = await raw.ask(*RESOURCE, cut, tag, *proof, payload=parts[number])
                expected = 0x88 if number > wanted else 0x5F if more else 0x41
                wanted = 0 if expected == 0x88 else max(wanted, number + 1)
                assert answer.code == expected, (order, number)
                code = answer.code
            assert code == 0x41
            assert here.begun == 1


@virtual
async def test_a_last_block_that_comes_late_or_again_gets_the_answer_of_the_first() -> None:
    async with exchange() as here:
        raw, tag = here.raw(), (REQUEST_TAG, b"tg")
        first = (BLOCK1, block(0, True, 64)), tag
        last = (BLOCK1, block(1, False, 64)), tag
        await raw.ask(*RESOURCE, *first, (ECHO, await raw.echo()), payload=HELLO[:64])
        await asyncio.sleep(50)
        answer = await raw.ask(*RESOURCE, *last, payload=HELLO[64:])
        again = await raw.ask(*RESOURCE, *last, payload=HELLO[64:])
        assert answer.code == again.code == 0x41
        assert (answer.options, answer.payload) == (again.options, again.payload)
        await asyncio.sleep(70)  # by now the body is forgotten
        assert (await raw.ask(*RESOURCE, *last, payload=HELLO[64:])).code == 0x88
        assert here.begun == 1


@pytest.mark.parametrize("pause", [0.0, 0.03, 5.0])
@pytest.mark.parametrize("way", ["1.2 in blocks", "1.3 in blocks", "1.3 with a retry"])
@virtual
async def test_a_separate_response_whose_pieces_repeat_is_acknowledged_each_time(
    way: str, pause: float
) -> None:
    scenario, parameters = WAYS[way]
    async with exchange(
        scenario, verdict=doubling(pause=pause), think=lambda _: 3.0, **parameters
    ) as here:
        await _completes(here)
        await asyncio.sleep(30)
        (client,) = here.clients
        drawn: dict[int, set[bytes]] = {}
        for each in here.network.between(SERVER, client.address):
            message = Message.decode(each.data)
            if message.type == CON:
                drawn[message.message_id] = set()
        assert drawn
        for each in here.network.between(client.address, SERVER):
            message = Message.decode(each.data)
            if message.code == 0 and message.message_id in drawn:
                drawn[message.message_id].add(each.data)
        # One reaction to each, however often it came: an acknowledgement and never a reset.
        assert {next(iter(each))[0] for each in drawn.values() if each} == {0x60}
        assert all(len(each) <= 1 for each in drawn.values())


@virtual
async def test_a_separate_response_is_repeated_until_its_acknowledgement_arrives() -> None:
    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        lost = sent.data[:1] == b"\x60" and sent.destination == SERVER and sent.index < 14
        return () if lost else (sent.data,)

    async with exchange(think=lambda _: 3.0, verdict=verdict) as here:
        await _completes(here)
        await asyncio.sleep(60)
        assert here.server.retransmissions >= 1
        (peer,) = here.server.peers
        assert peer.exchange.idle


@pytest.mark.parametrize("size", [16, 32, 64])
@virtual
async def test_a_server_keeps_what_a_client_with_small_blocks_goes_on_with(size: int) -> None:
    """It does not know how long the client tries, and has its own defaults; 20 % loss."""
    for seed in range(12):
        lost = random.Random(f"{size} {seed}")

        def verdict(sent: Sent, chance: random.Random = lost) -> Iterable[bytes]:
            return () if chance.random() < 0.2 else (sent.data,)

        async with exchange(RPK13, verdict=verdict) as here:
            await _completes(here, parameters=CoapParameters(block_size=size, timeout=600))


@virtual
async def test_later_blocks_keep_nothing_for_ever() -> None:
    async with exchange() as here:
        raw, tag = here.raw(), (REQUEST_TAG, b"tg")
        cut = (BLOCK1, block(0, True, 64)), tag
        await raw.ask(*RESOURCE, *cut, (ECHO, await raw.echo()), payload=HELLO[:64])
        codes = []
        for _ in range(13):
            await asyncio.sleep(50)
            answer = await raw.ask(*RESOURCE, (BLOCK1, block(4, True, 16)), tag, payload=bytes(16))
            codes.append(answer.code)
        assert codes == [0x5F] * 11 + [0x88] * 2
        await asyncio.sleep(61)
        assert here.residue() == {}
