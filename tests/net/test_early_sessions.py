"""--early: application data right after the client's last flight (DTLS 1.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from tests.support.both_carriers import SERVER
from tests.support.capture_checker import read_pcapng
from tests.support.exchange import virtual
from tests.support.network import Sent
from tests.support.session_world import world

DELAY = 0.05

both = pytest.mark.parametrize("transport", ["coap", "udp"])


@both
@virtual
async def test_data_follows_the_last_flight_without_waiting_for_its_answer(transport: str) -> None:
    async with world(early=True, transport=transport, dtls="1.3") as here:
        loop = asyncio.get_running_loop()
        began = loop.time()
        party = await here.connect()
        # Two round trips: the address check, and the server's flight.
        assert loop.time() - began == pytest.approx(4 * DELAY)
        assert await party.echoed(b"early")
        assert loop.time() - began == pytest.approx(6 * DELAY)
        await party.session.confirmed()


@both
@virtual
async def test_without_it_a_client_waits_for_the_answer(transport: str) -> None:
    async with world(transport=transport, dtls="1.3") as here:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await here.connect()
        assert loop.time() - began == pytest.approx(6 * DELAY)


@both
@virtual
async def test_data_that_overtakes_a_lost_last_flight_is_delivered_after_it(transport: str) -> None:
    async with world(early=True, transport=transport, dtls="1.3") as here:
        lost: list[bytes] = []

        def lose_last_flight(sent: Sent) -> tuple[bytes, ...]:
            # The first datagram after the server's flight: CoAP to a session, or epoch 2.
            is_last = len(sent.data) < 120 and sent.time == pytest.approx(4 * DELAY)
            if is_last and not lost:
                lost.append(sent.data)
                return ()
            return (sent.data,)

        here.network.verdict = lose_last_flight
        party = await here.connect()
        assert len(lost) == 1
        assert await party.echoed(b"sooner than Finished", seconds=20)


@virtual
async def test_a_server_that_never_answers_ends_an_early_session() -> None:
    async with world(early=True, transport="coap", dtls="1.3", timeout=30.0) as here:
        here.network.verdict = lambda sent: () if sent.time > 3.9 * DELAY else (sent.data,)
        party = await here.connect()
        with pytest.raises(hoc.Closed, match="never completed"):
            await party.session.receive()
        with pytest.raises(hoc.Error):
            await party.session.confirmed()


@pytest.mark.parametrize("early", [False, True])
@virtual
async def test_the_classic_conversation_has_the_servers_last_answer(
    early: bool, tmp_path: Path
) -> None:
    """With --early it comes after the client has its session, and is written when it comes."""
    path = tmp_path / "classic.pcapng"
    only_here: dict[str, Any] = {"pcap_dtls": None}
    async with world(early=early, dtls="1.3", pcap_dtls=path, server=only_here) as here:
        party = await here.connect()
        await party.session.confirmed()
    packets, _ = read_pcapng(path)
    client = packets[0][0]
    # The flight with ServerHello, and a record of epoch 3: the ACK in the last answer.
    assert [payload[0] for port, payload in packets if port != client] == [0x16, 0x23]


@pytest.mark.parametrize("early", [False, True])
@virtual
async def test_a_server_whose_answer_is_never_right_is_told_by_a_sealed_alert(early: bool) -> None:
    async with world(transport="coap", dtls="1.3") as here:

        def damage(sent: Sent) -> tuple[bytes, ...]:
            if sent.source == SERVER and sent.data[1:2] == b"\x44":  # 2.04 Changed
                return (sent.data[:-1] + bytes([sent.data[-1] ^ 1]),)
            return (sent.data,)

        here.network.verdict = damage
        with pytest.raises(hoc.AlertError, match="bad_record_mac"):
            await (await here.connect(early=early)).session.confirmed()
        await asyncio.sleep(1)
        assert here.server.sessions == ()


@both
@virtual
async def test_closing_at_once_still_delivers_what_was_sent(transport: str) -> None:
    async with world(early=True, transport=transport, dtls="1.3") as here:
        party = await here.connect()
        await party.session.send(b"and goodbye")
        await party.client.close()
        assert here.server.counters["handshakes completed"] == 1


@virtual
async def test_dtls_1_2_has_no_such_thing() -> None:
    async with world(early=True, transport="coap", dtls="1.2") as here:
        loop = asyncio.get_running_loop()
        began = loop.time()
        party = await here.connect()
        assert loop.time() - began == pytest.approx(6 * DELAY)
        assert await party.echoed(b"as ever")
