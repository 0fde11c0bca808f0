"""Crypto that takes longer than CoAP's timers: separate responses, and no storm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from handshake_over_coap.coap.message import Message
from handshake_over_coap.errors import HandshakeTimeout
from tests.support.exchange import (
    ECHO,
    PSK,
    RESOURCE,
    SERVER,
    Exchange,
    agree,
    exchange,
    request,
    virtual,
)
from tests.support.network import Sent, dropping
from tests.support.parties import ECDSA_CCM, Scenario

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256")
SLOW = 8.0
"""Seconds of crypto for each flight, against an ACK_TIMEOUT of 2 s."""


def slow(_: bytes) -> float:
    return SLOW


async def complete(here: Exchange) -> float:
    """Make one handshake; gives the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    established = await here.client().handshake()
    assert len(here.completed) == 1
    assert agree(established, here.completed[0].established)
    return loop.time() - began


def empty_acks(here: Exchange) -> int:
    return sum(s.data[0] >> 4 == 6 and s.data[1] == 0 for s in here.network.sent)


@virtual
async def test_a_separate_response_stops_the_clients_timer() -> None:
    async with exchange(think=slow) as here:
        took = await complete(here)
        assert 2 * SLOW < took < 2 * SLOW + 1
        # Per flight: request, empty ACK, separate response, its ACK; and the challenge before.
        # The client asks anew once, 8 s after the empty ACK, just too late to matter.
        assert len(here.network.sent) <= 2 + 2 * 4
        assert here.begun == 1
        assert here.clients[0].coap.retransmissions == 0
        await asyncio.sleep(100)
        assert len(here.network.sent) <= 2 + 2 * 4


@pytest.mark.parametrize("scenario", [PSK, RPK], ids=["psk", "rpk"])
@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize("think", [0.2, 0.6, 1.9, 3.0, 20.0])
@virtual
async def test_no_storm_however_long_the_crypto_takes(
    scenario: Scenario, size: int, think: float
) -> None:
    async with exchange(scenario, block_size=size) as here:
        await complete(here)
        plain = len(here.network.sent)
    async with exchange(scenario, block_size=size, think=lambda _: think) as here:
        took = await complete(here)
        assert took < 2 * think + 3
        await asyncio.sleep(100)
        # Two slow flights cost at most an empty ACK and another each, and a few who asked anew.
        asked_anew = 2 * int(think > 8) + 2 * int(think > 24)
        assert len(here.network.sent) <= plain + 2 * 2 + 4 * asked_anew
        assert here.begun == 1


@virtual
async def test_the_answer_is_piggybacked_while_it_comes_before_the_empty_ack() -> None:
    async with exchange(think=lambda _: 0.4) as here:
        await complete(here)
        assert len(here.network.sent) == 6
        assert empty_acks(here) == 0
    async with exchange(think=lambda _: 1.5, empty_ack_delay=1.7) as here:
        await complete(here)
        assert len(here.network.sent) == 6


@pytest.mark.parametrize("lost", range(2, 10))
@virtual
async def test_each_datagram_around_a_separate_response_may_be_lost(lost: int) -> None:
    async with exchange(think=slow, verdict=dropping(lost), timeout=200.0) as here:
        await complete(here)
        await asyncio.sleep(100)
        assert here.begun == 1
        assert len(here.completed) == 1
        assert len(here.network.sent) < 24


@pytest.mark.parametrize("location", [True, False])
@virtual
async def test_a_forged_empty_ack_does_not_stop_the_handshake(location: bool) -> None:
    async with exchange(location=location, timeout=300.0) as here:
        client = here.client()

        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.destination == SERVER and sent.data[1] == 2 and sent.time < 5:
                here.network.inject(bytes([0x60, 0]) + sent.data[2:4], SERVER, client.address)
                return ()  # and the request itself is lost
            return (sent.data,)

        here.network.verdict = verdict
        began = asyncio.get_running_loop().time()
        established = await client.handshake()
        assert agree(established, here.completed[0].established)
        # Asked anew four ACK timeouts after the forgery, under a fresh token.
        assert asyncio.get_running_loop().time() - began == pytest.approx(8.0, abs=0.5)


@virtual
async def test_a_lost_separate_response_is_asked_for_anew_and_computed_once() -> None:
    async with exchange(think=slow, timeout=300.0, max_retransmit=2) as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            separate = sent.source == SERVER and sent.data[0] >> 4 == 4 and sent.data[1]
            return () if separate else (sent.data,)  # no separate response ever arrives

        here.network.verdict = verdict
        await complete(here)
        assert here.begun == 1
        assert here.server.counters["repeated flights"] >= 2


@pytest.mark.parametrize("token_length", [0, 1, 4])
@virtual
async def test_the_first_answer_will_do_after_the_request_was_made_anew(token_length: int) -> None:
    think = 20.0
    async with exchange(think=lambda _: think, token_length=token_length, timeout=300.0) as here:
        # The challenge and two flights, three round trips, and not one more.
        assert await complete(here) == pytest.approx(2 * think + 6 * here.network.delay, abs=1e-6)
        requests = [s.data for s in here.network.sent if s.destination == SERVER]
        assert (
            sum(Message.decode(data).is_request for data in requests) == 3 + 2
        )  # each flight anew, once
        assert here.clients[0].coap.retransmissions == 0
        await asyncio.sleep(310)
        assert here.residue() == {"peers": 1}


@virtual
async def test_repetitions_during_the_computation_wait_for_it() -> None:
    async with exchange(think=lambda _: 30.0, timeout=300.0, repost_after=5.0) as here:
        await complete(here)
        assert here.begun == 1
        assert here.server.counters["rejected flight 3: UnexpectedMessage"] == 0
        await asyncio.sleep(310)
        assert here.residue() == {"peers": 1}


@virtual
async def test_a_client_that_vanishes_during_the_computation_is_not_written_to_for_ever() -> None:
    async with exchange(think=slow, max_retransmit=None, timeout=60.0) as here:
        client = here.client()
        task = asyncio.create_task(client.handshake())
        await asyncio.sleep(3)
        task.cancel()
        await client.close()
        await asyncio.sleep(200)
        sent = len(here.network.sent)
        assert sent < 12
        await asyncio.sleep(500)
        assert len(here.network.sent) == sent
        assert here.residue() == {}


@virtual
async def test_an_unanswered_separate_response_ends_with_the_state_it_belongs_to() -> None:
    async with exchange(think=slow, max_retransmit=50, max_interval=10.0) as here:
        client = here.client()
        task = asyncio.create_task(client.handshake())
        await asyncio.sleep(3)
        task.cancel()
        await client.close()
        await asyncio.sleep(67)  # the state begins with the computed answer, at about 8 s
        sent = len(here.network.sent)
        await asyncio.sleep(500)
        assert len(here.network.sent) == sent
        assert here.residue() == {}


@virtual
async def test_without_a_limit_a_separate_response_for_a_session_is_still_given_up() -> None:
    async with exchange(think=slow, max_retransmit=None, max_interval=10.0) as here:
        client = here.client()
        task = asyncio.create_task(client.handshake())
        await asyncio.sleep(12)  # flight 3 is being thought about
        task.cancel()
        await client.close()
        await asyncio.sleep(500)
        assert len(here.completed) == 1
        assert here.codes(SERVER).count("2.04") == 5
        assert here.residue() == {"peers": 1}


@virtual
async def test_a_response_stops_the_timer_of_a_request_whose_empty_ack_was_lost() -> None:
    async with exchange(think=lambda _: 1.0, verdict=dropping(3)) as here:
        await complete(here)
        assert here.network.sent[3].data[:2] == b"\x60\0"
        assert here.clients[0].coap.retransmissions == 0


@pytest.mark.parametrize("one_token", [False, True])
@virtual
async def test_requests_that_wait_for_an_answer_are_bounded(one_token: bool) -> None:
    """A request takes the place of another with its token, but not of what is being computed."""
    async with exchange(think=slow) as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(12):
            data = request(
                *RESOURCE,
                (ECHO, echo),
                payload=bytes([number]),
                mid=100 + number,
                token=b"" if one_token else bytes([number]),
            )
            raw.endpoint.send(data, SERVER)
            await asyncio.sleep(0.01 if one_token else 0)
        await asyncio.sleep(0.3)
        refused = [Message.decode(d) for d in raw.received[1:]]
        assert [r.code for r in refused] == [0xA3] * 4
        assert all(r.uint(14) for r in refused)
        (peer,) = here.server.peers
        assert len(peer.computing) == 8
        await asyncio.sleep(300)
        assert here.residue() == {}


@virtual
async def test_requests_that_wait_for_the_same_answer_are_bounded_too() -> None:
    async with exchange(think=slow) as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(20):
            data = request(
                *RESOURCE, (ECHO, echo), payload=b"same", mid=100 + number, token=bytes([number])
            )
            raw.endpoint.send(data, SERVER)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert [Message.decode(d).code for d in raw.received[1:]] == [0xA3] * 12
        (peer,) = here.server.peers
        assert len(peer.computing) == 1
        await asyncio.sleep(300)
        assert here.residue() == {}


@virtual
async def test_a_computation_that_outlasts_its_state_leaves_nothing_behind() -> None:
    async with exchange(think=lambda _: 90.0, timeout=40.0) as here:
        with pytest.raises(HandshakeTimeout):
            await here.client().handshake()
        await asyncio.sleep(300)
        assert here.residue() == {}
        assert here.completed == []


@virtual
async def test_closing_the_server_ends_what_is_being_computed() -> None:
    async with exchange(think=slow) as here:
        task = asyncio.create_task(here.client().handshake())
        await asyncio.sleep(3)
        here.server.close()
        with pytest.raises(HandshakeTimeout):
            await task
        assert here.completed == []


@virtual
async def test_the_timers_of_the_parameters_hold_for_separate_responses_too() -> None:
    async with exchange(think=slow, ack_timeout=5.0, empty_ack_delay=1.0, timeout=300.0) as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            return () if sent.source == SERVER and sent.data[1] == 0x41 else (sent.data,)

        here.network.verdict = verdict
        task = asyncio.create_task(here.client().handshake())
        await asyncio.sleep(17)
        times = [s.time for s in here.network.between(SERVER, None) if s.data[1] == 0x41]
        assert 5.0 <= times[1] - times[0] <= 7.5
        here.network.verdict = lambda s: (s.data,)
        await task
