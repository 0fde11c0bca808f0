"""Client and server as two processes on real sockets, as a user runs them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from tests.support import relay as udp_relay
from tests.support.application import Window, credentials
from tests.support.processes import ServerProcess, run_client, server_options, write_credentials
from tests.support.relay import Impairments, Relay
from tests.support.sockets import KINDS, bystander

pytestmark = pytest.mark.slow
"""All of them: other tests, of the command and the README, start two processes in `make test`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Credentials of every kind."""
    made = tmp_path_factory.mktemp("credentials")
    write_credentials(made)
    return made


def load(kind: str, folder: Path, seconds: float, *versions: str) -> None:
    """32 datagrams of 1,024 bytes in flight, echoed, between two processes; one version after the
    other with the same server, which speaks both."""
    with ServerProcess("--echo-data", *server_options(kind, folder)) as server:
        for dtls in versions:
            before = server.kernel_drops() or 0
            client = run_client(server.address, kind, folder, seconds, "--dtls", dtls)
            stdout, _ = client.communicate(timeout=seconds + 60)
            assert client.returncode == 0
            check(json.loads(stdout) | {"server_drops": (server.kernel_drops() or 0) - before})
    assert server.status == 0


def check(outcome: dict[str, Any]) -> None:
    """Nothing lost but what the kernel dropped, nothing twice, nothing wrong."""
    assert outcome["wrong"] == outcome["twice"] == 0
    assert outcome["sent"] == outcome["echoed"] + outcome["late"] + outcome["lost"]
    dropped = (outcome["kernel_drops"] or 0) + outcome["server_drops"]
    assert outcome["lost"] == dropped
    assert outcome["echoed"] > 200 * outcome["seconds"]


@pytest.mark.parametrize("kind", KINDS)
def test_datagrams_in_flight_between_two_processes_all_come_back_once(
    kind: str, folder: Path
) -> None:
    load(kind, folder, 1.0, "1.2", "1.3")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "dtls"), [("psk", "1.2"), ("x509-mutual", "1.3")])
def test_datagrams_in_flight_for_a_minute_all_come_back_once(
    kind: str, dtls: str, folder: Path
) -> None:
    """Once each version: records know nothing of the credential, which the short runs vary."""
    load(kind, folder, 60.0, dtls)


CLIENTS = 200


def test_200_clients_all_in_mid_handshake_together_are_each_echoed_within_30_seconds(
    folder: Path,
) -> None:
    """The relay lets no flight 3 pass before all 200 handshakes are half open at the server."""

    async def echo(session: hoc.Session) -> None:
        while True:
            await session.send(await session.receive())

    async def client(address: tuple[str, int], number: int) -> None:
        async with hoc.connect(
            address, timeout=30.0, max_retransmit=None, **credentials("psk", folder)
        ) as session:
            for _ in range(5):
                await session.send(number.to_bytes(2, "big"))
                try:
                    async with asyncio.timeout(2):
                        assert await session.receive() == number.to_bytes(2, "big")
                        return
                except TimeoutError:  # the kernel may drop a datagram of so many at once
                    continue
            raise AssertionError(f"client {number} was not echoed")

    async def scenario() -> None:
        chosen = credentials("psk", folder)
        async with hoc.serve(("127.0.0.1", 0), chosen["credential"], handler=echo) as server:
            peak = 0

            def barrier(direction: udp_relay.Direction, index: int, data: bytes) -> Any:
                nonlocal peak
                peak = max(peak, server.half_open)
                flight_3 = 0x40 <= data[0] <= 0x7F and b"dtls" not in data
                to_server = direction is udp_relay.Direction.TO_SERVER
                return [] if to_server and flight_3 and peak < CLIENTS else None

            async with Relay(server.address, hook=barrier) as relay, asyncio.timeout(30):
                await asyncio.gather(*(client(relay.address, n) for n in range(CLIENTS)))
            assert peak == CLIENTS
            assert server.counters["handshakes completed"] == CLIENTS

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["psk", "rpk-mutual", "x509"])
@pytest.mark.parametrize("block_size", [64, 1024])
def test_a_fifth_lost_doubled_and_swapped_does_not_stop_a_handshake(
    kind: str, block_size: int, folder: Path
) -> None:
    """Through the relay to another process; then exactly what arrives is delivered, once."""

    async def both(server: ServerProcess) -> None:
        await asyncio.gather(*(scenario(server, dtls) for dtls in ("1.2", "1.3")))

    async def scenario(server: ServerProcess, dtls: str) -> None:
        impairments = Impairments(drop=0.2, duplicate=0.2, reorder=0.2)
        seed = KINDS.index(kind) + block_size
        async with Relay(server.address, impairments=impairments, seed=seed) as relay:
            chosen = credentials(kind, folder) | {"max_retransmit": None, "timeout": 60.0}
            async with hoc.connect(
                relay.address,
                dtls=dtls,
                block_size=block_size,
                ack_timeout=0.1,
                max_interval=0.5,
                **chosen,
            ) as session:
                window = Window(session, 8, 64, 1.5, lost_after=0.25)
                outcome = await window.run()
        assert outcome.wrong == outcome.twice == 0
        assert outcome.echoed + outcome.late > 10
        assert outcome.lost > 0
        assert outcome.dropped.get("dropped: replayed", 0) > 0

    options = ["--echo-data", "--block-size", str(block_size), *server_options(kind, folder)]
    with ServerProcess(*options, "--timeout", "60") as server:
        asyncio.run(both(server))


@pytest.mark.parametrize("kind", ["psk", "rpk-mutual"])
@pytest.mark.parametrize("check", ["always", "adaptive"])
def test_bursts_cross_a_relay_that_loses_two_fifths(kind: str, check: str, folder: Path) -> None:
    burst: dict[str, Any] = {"transfer": "burst", "timer": "adaptive", "mtu": 100}
    burst |= {"max_interval": 1.0, "first_timeout": 0.3}
    burst |= {"address_check": check, "resource": "/d", "encoding": "compact", "timeout": 90.0}

    async def scenario(server: ServerProcess, dtls: str, drop: float) -> None:
        impairments = Impairments(drop=drop, duplicate=0.1, reorder=0.1)
        async with (
            Relay(server.address, impairments=impairments, seed=int(10 * drop)) as relay,
            hoc.connect(relay.address, dtls=dtls, **credentials(kind, folder), **burst) as session,
        ):
            assert session.report.transport == "coap"

    async def all_of_them(server: ServerProcess) -> None:
        cases = [(dtls, drop) for dtls in ("1.2", "1.3") for drop in (0.2, 0.4)]
        await asyncio.gather(*(scenario(server, *case) for case in cases))

    flags = [
        part
        for name, value in burst.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
        if name != "transfer"
    ]
    with ServerProcess("--echo-data", *flags, *server_options(kind, folder)) as server:
        asyncio.run(all_of_them(server))
    assert server.status == 0


def number_of(record: bytes) -> bytes:
    """What is unique to a record on the wire: its number in 1.2, in 1.3 its ciphertext."""
    return record[5:11] if record[0] == 23 else record


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_the_data_path_delivers_exactly_what_arrived_once(folder: Path, dtls: str) -> None:
    """Each record that the relay let through gave the application one datagram, copies none."""

    async def scenario() -> None:
        got: list[bytes] = []

        async def collect(session: hoc.Session) -> None:
            while True:
                got.append(await session.receive())

        chosen = credentials("psk", folder) | {"dtls": dtls}
        async with hoc.serve(("127.0.0.1", 0), chosen["credential"], handler=collect) as server:
            impairments = Impairments(drop=0.2, duplicate=0.2, reorder=0.2)
            chosen |= {"ack_timeout": 0.1, "max_retransmit": None, "max_interval": 0.5}
            async with (
                Relay(server.address, impairments=impairments, seed=7) as relay,
                hoc.connect(relay.address, **chosen) as session,
            ):
                for number in range(500):
                    await session.send(number.to_bytes(4, "big"))
                    if number % 20 == 0:
                        await asyncio.sleep(0.01)
                await relay.drained()
                await asyncio.sleep(0.1)
                sent = relay.payloads(udp_relay.Direction.TO_SERVER)
                arrived = [record for record in sent if record[0] == 23 or record[0] >> 5 == 1]
            numbers = {number_of(record) for record in arrived}
            assert len(got) == len(set(got)) == len(numbers)
            assert 300 < len(numbers) < 500
            assert len(arrived) > len(numbers)

    asyncio.run(scenario())


def test_a_server_process_forgets_ten_thousand_strangers(folder: Path) -> None:
    """Forged first blocks from as many ports leave the server's memory as it was."""

    async def flood(address: tuple[str, int], count: int) -> None:
        path = b"\xbb.well-known\x04dtls"
        hello = bytes.fromhex("44020000deadbeef") + path + b"\xd1\x03\x0e\xff" + b"\x01" * 64
        for first in range(0, count, 50):
            strangers = [await bystander() for _ in range(50)]
            for number, stranger in enumerate(strangers):
                stranger.send(hello[:2] + (first + number).to_bytes(2, "big") + hello[4:], address)
            await asyncio.sleep(0.002)
            for stranger in strangers:
                stranger.endpoint.close()

    with ServerProcess("--echo-data", *server_options("psk", folder)) as server:
        asyncio.run(flood(server.address, 1000))
        before = server.memory
        asyncio.run(flood(server.address, 10_000))
        assert server.memory - before < 2_000_000
        client = run_client(server.address, "psk", folder, 0.5)
        stdout, _ = client.communicate(timeout=30)
        assert json.loads(stdout)["echoed"] > 0
    assert server.status == 0
