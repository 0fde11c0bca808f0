"""Records that overtake the handshake that they belong to, at a server over CoAP."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.base import Output
from handshake_over_coap.carriers.coap.client import CoapClient
from handshake_over_coap.carriers.coap.script import Script
from handshake_over_coap.carriers.datagram import Address
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent
from tests.support.session_world import world


async def _early(
    over: dict[str, Any], count: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[bytes], Counter[str], int]:
    """Have ``count`` datagrams of epoch 3 arrive before the client's last flight."""
    got: list[bytes] = []

    async def collect(session: hoc.Session) -> None:
        while True:
            got.append(await session.receive())

    before, sent = Script._last_flight, list[bytes]()

    def after_them(self: Any, path: Any, conversation: Any, body: bytes) -> Any:
        for number in range(count):
            data, _ = conversation.protection.writer.seal(3, 23, b"early %d" % number)
            sent.append(data)
        return (yield from before(self, path, conversation, body))

    resume = CoapClient._resume

    def with_them(self: Any, output: Output, now: float, result: object = None) -> Output:
        output = resume(self, output, now, result)
        output.datagrams[:0] = [(each, self._server) for each in sent]
        sent.clear()
        return output

    monkeypatch.setattr(Script, "_last_flight", after_them)
    monkeypatch.setattr(CoapClient, "_resume", with_them)
    async with world(handler=collect, **over) as here:
        party = await here.connect()
        await party.session.send(b"in time")
        await asyncio.sleep(1)
        return got, here.server.counters, len(here.server._early)


@virtual
async def test_over_coap_data_that_overtakes_the_last_flight_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = {"transport": "coap", "dtls": "1.3"}
    got, counters, left = await _early(over, 3, monkeypatch)
    assert got == [b"early 0", b"early 1", b"early 2", b"in time"]
    assert left == counters["dropped: early record"] == 0


@virtual
async def test_of_too_much_that_comes_too_early_the_rest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = {"transport": "coap", "dtls": "1.3"}
    got, counters, left = await _early(over, 40, monkeypatch)
    assert len(got) == 17
    assert counters["dropped: early record"] == 24
    assert left == 0


@virtual
async def test_an_early_record_of_a_restarted_client_ends_its_old_association() -> None:
    async with world(transport="coap", dtls="1.3") as here:
        old = here.at_server(await here.connect())
        began = asyncio.get_running_loop().time()

        def slow_to_the_end(sent: Sent) -> tuple[Delivery, ...]:
            is_last = sent.destination == SERVER and sent.data[0] >= 0x40
            return (Delivery(sent.data, 0.02 * (is_last and sent.time > began + 0.15)),)

        here.network.verdict = slow_to_the_end
        party = await here.connect(early=True)
        assert await party.echoed(b"early")
        assert old.closed
        assert here.server.sessions == (here.at_server(party),)


@virtual
async def test_records_of_nobody_are_not_kept(over13: dict[str, Any]) -> None:
    async with world(**over13) as here:
        for number in range(100):
            source = Address("198.51.100.9", 50000 + number)
            here.network.inject(b"\x2f" + bytes(2) + b"\0\x20" + bytes(32), source, SERVER)
        await asyncio.sleep(1)
        assert here.server.counters == {"dropped: record without a session": 100}
        assert len(here.server._early) == 0


@virtual
async def test_over_coap_what_came_early_for_a_handshake_that_is_never_finished_goes() -> None:
    async with world(transport="coap", dtls="1.3") as here:
        here.network.verdict = lambda sent: () if sent.index == 4 else (sent.data,)
        connecting = asyncio.create_task(here.connect())
        await asyncio.sleep(0.21)
        assert here.server.half_open == 1
        source = Address("192.0.2.7", 40000)
        for _ in range(3):
            here.network.inject(b"\x2f" + bytes(2) + b"\0\x20" + bytes(32), source, SERVER)
        await asyncio.sleep(0.01)
        assert len(here.server._early) == 3
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.sleep(11)
        assert len(here.server._early) == 0
        assert here.server.counters["dropped: early record"] == 3
