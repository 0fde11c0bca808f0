"""A client of DTLS 1.3 is complete at the server's sealed answer, or at a record before it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest

from handshake_over_coap.carriers.conversation import Established13
from handshake_over_coap.tls.codepoints import ContentType
from tests.support.exchange import SERVER, Exchange, agree13, exchange, virtual
from tests.support.forgeries import FORGERIES, forging
from tests.support.network import Delivery, Sent, Verdict
from tests.support.parties13 import CCM, P256, Scenario13

PSK = Scenario13(CCM, P256)
RETRY = Scenario13(CCM, P256, retry=True)
DATA = b"the server speaks first"

scenarios = pytest.mark.parametrize("scenario", [PSK, RETRY], ids=str)


def now() -> float:
    return asyncio.get_running_loop().time()


def early(established: Established13) -> list[bytes]:
    return [each.plaintext for each in established.early]


class Speaking:
    """Has the server speak as soon as it is complete; its answers then fare as ``answers`` says.

    ``pause`` is how much later than usual the record arrives, in seconds.
    """

    def __init__(self, here: Exchange, answers: Verdict, pause: float = 0.0) -> None:
        self._here, self._answers, self._pause = here, answers, pause
        self.spoken: bytes | None = None

    def verdict(self, sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.source != SERVER or not self._here.completed or sent.data == self.spoken:
            return (sent.data,)
        if self.spoken is None:
            end = self._here.completed[0].established13
            self.spoken = end.sealer.seal_datagram(ContentType.application_data, DATA)
            network, delay = self._here.network, self._here.network.delay
            network.inject(self.spoken, SERVER, sent.destination, delay + self._pause)
        return self._answers(sent)


def lost(_: Sent) -> Iterable[bytes]:
    return ()


@scenarios
@virtual
async def test_a_record_completes_the_client_whose_answer_is_lost(scenario: Scenario13) -> None:
    async with exchange(scenario) as here:
        here.network.verdict = Speaking(here, lost).verdict
        client = here.client()
        begin = now()
        established = await client.handshake13()
        assert now() - begin < 1  # no timer had to run out
        assert early(established) == [DATA]
        assert agree13(established, here.completed[0].established13)
        assert client.records == []
        # The answer is asked for in the background, by the timers of CoAP and not for ever.
        await asyncio.sleep(100)
        sent = len(here.network.sent)
        assert sent < 20
        await asyncio.sleep(300)
        assert len(here.network.sent) == sent
        assert client.late == []


@pytest.mark.parametrize("what", ["nothing", *FORGERIES])
@virtual
async def test_the_answer_is_still_had_after_the_record_whatever_is_forged(what: str) -> None:
    async with exchange(PSK, server_config={"tickets": 2}) as here:
        left = 1

        def answers(sent: Sent) -> Iterable[bytes]:
            nonlocal left
            left -= 1
            return (sent.data,) if left < 0 else ()

        speaking = Speaking(here, answers)
        forged = 0

        def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
            nonlocal forged
            if sent.destination == SERVER and speaking.spoken and not forged and what in FORGERIES:
                forged += 1
                here.network.inject(FORGERIES[what](sent), SERVER, sent.source, 0.01)
                return ()
            return speaking.verdict(sent)

        here.network.verdict = verdict
        client = here.client()
        established = await client.handshake13()
        assert early(established) == [DATA]
        await asyncio.sleep(30)
        assert forged == (what in FORGERIES)
        opened = [established.opener.open_in_body(record) for record in client.late]
        assert [each.content_type for each in opened] == [26, 22]
        assert len(here.completed) == 1


@pytest.mark.parametrize("pause", [-0.001, 0.0, 0.001, 1.0])
@pytest.mark.parametrize("block_size", [16, 1024])
@virtual
async def test_whatever_comes_first_nothing_is_lost(pause: float, block_size: int) -> None:
    """Record and answer in one turn of the loop, or one after the other."""
    for record_first in (True, False):
        async with exchange(PSK, block_size=block_size) as here:
            speaking = Speaking(here, lambda sent: (sent.data,), pause)
            here.network.verdict = speaking.verdict
            client = here.client()
            if not record_first:
                reorder(here, speaking)
            established = await client.handshake13()
            await asyncio.sleep(5)
            got = early(established)
            for data in client.records:
                opened = established.opener.open_datagram(data)
                assert opened is not None
                got.append(opened.plaintext)
            assert got == [DATA]
            assert agree13(established, here.completed[0].established13)
            assert len(here.completed) == 1
            # Tickets come with the result or after it.
            assert len(client.late) == (0 if established.tickets else 2)


def reorder(here: Exchange, speaking: Speaking) -> None:
    """Have the answer stand before the record where both arrive at the same time."""

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.source == SERVER and here.completed and speaking.spoken is None:
            here.network.inject(sent.data, SERVER, sent.destination, here.network.delay)
            list(speaking.verdict(sent))
            return ()
        return (sent.data,)

    here.network.verdict = verdict


@virtual
async def test_of_two_records_in_one_turn_the_second_is_left_for_the_session() -> None:
    async with exchange(PSK) as here:
        client = here.client()

        def second(_: Sent) -> Iterable[bytes]:
            end = here.completed[0].established13
            data = end.sealer.seal_datagram(ContentType.application_data, b"and goes on")
            here.network.inject(data, SERVER, client.address, here.network.delay)
            return ()

        here.network.verdict = Speaking(here, second).verdict
        established = await client.handshake13()
        assert early(established) == [DATA]
        (left,) = client.records
        opened = established.opener.open_datagram(left)
        assert opened is not None
        assert opened.plaintext == b"and goes on"


@pytest.mark.parametrize("what", FORGERIES)
@virtual
async def test_a_record_completes_the_client_that_gets_nothing_but_forgeries(what: str) -> None:
    async with exchange(PSK) as here:
        forged = forging(here, FORGERIES[what], times=10**6)
        speaking = Speaking(here, lost, pause=0.5)

        def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
            return speaking.verdict(sent) if sent.source == SERVER else forged(sent)

        here.network.verdict = verdict
        begin = now()
        established = await here.client().handshake13()
        assert now() - begin < 4
        assert early(established) == [DATA]
        assert agree13(established, here.completed[0].established13)


@virtual
async def test_records_that_are_not_genuine_complete_nobody() -> None:
    async with exchange(PSK) as here:
        client = here.client()
        speaking = Speaking(here, lambda sent: (sent.data,))
        garbage: list[bytes] = []

        def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
            if sent.destination == SERVER:
                for first in (0x20, 0x2C, 0x2E, 0x2F, 0x33, 0x3F, 0x17, 0xFF):
                    data = bytes([first]) + bytes(range(40))
                    garbage.append(data)
                    here.network.inject(data, SERVER, client.address, 0.01)
            return speaking.verdict(sent)

        here.network.verdict = verdict
        established = await client.handshake13()
        assert agree13(established, here.completed[0].established13)
        assert sorted(client.records) == sorted(garbage[: len(client.records)])
        assert len(client.records) >= 24
        # A second copy of the record that completed it is for the session to drop.
        assert speaking.spoken is not None
        assert not client.coap.receive_records(speaking.spoken)


@virtual
async def test_records_from_another_address_are_not_asked() -> None:
    async with exchange(PSK) as here:
        here.network.verdict = Speaking(here, lost).verdict
        client = here.client()
        task = asyncio.create_task(client.handshake13())
        await asyncio.sleep(0.01)
        assert not client.coap.receive_records(b"\x2f\0\0\x10" + bytes(16))
        established = await task
        assert early(established) == [DATA]


@virtual
async def test_a_client_cancelled_in_the_turn_of_its_confirmation_is_cancelled() -> None:
    async with exchange(PSK) as here:
        client = here.client()
        task = asyncio.create_task(client.handshake13())
        original = client.coap.receive_records

        def receive(data: bytes) -> bool:
            taken = original(data)
            task.cancel()
            return taken

        client.coap.receive_records = receive  # type: ignore[method-assign]
        here.network.verdict = Speaking(here, lost).verdict
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@virtual
async def test_the_last_flight_is_repeated_by_the_timers_of_coap_until_either_comes() -> None:
    async with exchange(PSK, max_retransmit=6, timeout=300.0) as here:
        speaking = Speaking(here, lost, pause=20.0)
        here.network.verdict = speaking.verdict
        client = here.client()
        established = await client.handshake13()
        assert early(established) == [DATA]
        *posts, asked = here.network.between(client.address, SERVER)[2:]
        assert asked.data != posts[0].data  # what still asks for the answer, after the record
        assert {each.data for each in posts} == {posts[0].data}
        gaps = [after.time - before.time for before, after in pairwise(posts)]
        assert gaps == pytest.approx([gaps[0] * 2**n for n in range(len(gaps))])
        answers = here.network.between(SERVER, client.address)[2:]
        assert len({each.data for each in answers}) == 1
        assert len(here.completed) == 1
