"""Several records in one datagram: each is taken or dropped by itself (RFC 9147 4.5.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import handshake_over_coap as hoc
from tests.support.both_carriers import SERVER
from tests.support.exchange import virtual
from tests.support.network import Sent
from tests.support.sealing import sealing
from tests.support.session_world import Party, World, world

UNKNOWN_EPOCH = {
    "1.2": bytes.fromhex("17fefd00070000000000010011") + bytes(17),
    "1.3": bytes.fromhex("2c00000011") + bytes(17),
}


async def arrived(here: World, party: Party, datagram: bytes) -> None:
    here.network.inject(datagram, party.address, SERVER)
    await asyncio.sleep(0.1)


@virtual
async def test_a_record_that_is_dropped_takes_nothing_from_those_after_it(
    over: dict[str, Any],
) -> None:
    got: list[bytes] = []

    async def handler(session: hoc.Session) -> None:
        while True:
            got.append(await session.receive())

    async with world(handler=handler, **over) as here:
        party = await here.connect()
        seal = sealing(party.session)
        one = seal(b"one")
        forged = seal(b"x")[:-1] + b"x"
        unknown = UNKNOWN_EPOCH[over["dtls"]]
        await arrived(here, party, one)
        await arrived(here, party, one + seal(b"two") + forged + seal(b"three"))
        await arrived(here, party, unknown + seal(b"four") + b"garbage" + seal(b"five"))
        assert got == [b"one", b"two", b"three", b"four"]
        counters = here.at_server(party).counters
        reasons = ("replayed", "forged", "wrong-epoch", "malformed")
        assert [counters[f"dropped: {reason}"] for reason in reasons] == [1, 1, 1, 1]


@virtual
async def test_two_records_in_a_datagram_complete_a_client_and_neither_is_lost() -> None:
    async with world(transport="coap", dtls="1.3", handler=lambda _: asyncio.sleep(1e9)) as here:
        sent_one = False

        def instead_of_the_answer(sent: Sent) -> tuple[bytes, ...]:
            nonlocal sent_one
            if sent.source != SERVER or not here.server.sessions:
                return (sent.data,)
            if sent_one:
                return ()
            sent_one = True
            seal = sealing(here.server.sessions[0])
            return (seal(b"one") + seal(b"two"),)

        here.network.verdict = instead_of_the_answer
        loop = asyncio.get_running_loop()
        began = loop.time()
        party = await here.connect()
        assert loop.time() - began < 1  # no timer had to run out
        assert [await party.session.receive() for _ in range(2)] == [b"one", b"two"]
