"""The relay does what it is told, and its records say what it did."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.relay import (
    Address,
    Counts,
    Direction,
    Impairments,
    Relay,
    parse_address,
)

_ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def _bound(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as result:
        result.bind((host, 0))
        result.setblocking(False)
        yield result


def _waiting(receiver: socket.socket) -> list[bytes]:
    """What has arrived and not been read yet."""
    result = []
    while True:
        try:
            result.append(receiver.recv(65535))
        except BlockingIOError:
            return result


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def _numbered(count: int) -> list[bytes]:
    return [b"datagram %d" % number for number in range(count)]


async def _pump(relay: Relay, sender: socket.socket, data: Sequence[bytes]) -> None:
    """Send everything to the relay, and wait until it has dealt with it."""
    before = relay.counts[Direction.TO_SERVER].received
    for each in data:
        sender.sendto(each, relay.address)
    await _until(lambda: relay.counts[Direction.TO_SERVER].received - before == len(data))
    await relay.drained()


def _balanced(counts: Counts) -> bool:
    """The equation that the documentation of Counts promises."""
    came = counts.received + counts.duplicated + counts.injected
    return came == counts.forwarded + counts.dropped + counts.refused


def _through(
    odds: Impairments, count: int, seed: int = 1
) -> tuple[list[bytes], list[bytes], Counts]:
    """What the server got, what the relay recorded, and its counters."""

    async def run() -> tuple[list[bytes], list[bytes], Counts]:
        with _bound() as server, _bound() as client:
            async with Relay(server.getsockname(), impairments=odds, seed=seed) as relay:
                await _pump(relay, client, _numbered(count))
                recorded = relay.payloads(Direction.TO_SERVER)
                return _waiting(server), recorded, relay.counts[Direction.TO_SERVER]

    return asyncio.run(run())


def test_without_impairments_everything_passes_once_and_in_order() -> None:
    got, recorded, counts = _through(Impairments(), 50)
    assert got == recorded == _numbered(50)
    assert counts == Counts(received=50, forwarded=50)


def test_the_record_is_exactly_what_arrived() -> None:
    got, recorded, counts = _through(Impairments(drop=0.2, duplicate=0.2, reorder=0.2), 200)
    assert got == recorded
    assert _balanced(counts)
    assert counts.refused == 0
    # 200 draws at 0.2: outside 15..70 less than once in 10,000 seeds, and the seed is fixed.
    for number in (counts.dropped, counts.duplicated, counts.reordered):
        assert 15 <= number <= 70


def test_certain_drop_lets_nothing_through() -> None:
    got, recorded, counts = _through(Impairments(drop=1), 20)
    assert (got, recorded) == ([], [])
    assert counts == Counts(received=20, dropped=20)


def test_certain_duplication_delivers_everything_twice() -> None:
    got, _, counts = _through(Impairments(duplicate=1), 20)
    assert Counter(got) == Counter(_numbered(20) * 2)
    assert counts.duplicated == 20


def test_datagrams_held_back_are_overtaken_and_not_lost() -> None:
    got, _, counts = _through(Impairments(reorder=0.3), 60)
    assert got != _numbered(60)
    assert sorted(got) == sorted(_numbered(60))
    assert counts.reordered > 0


def test_the_seed_decides_and_nothing_else() -> None:
    odds = Impairments(drop=0.3, duplicate=0.3)
    first, again, other = (_through(odds, 100, seed)[0] for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_one_client_does_not_shift_the_fate_of_another() -> None:
    async def run(interleaved: bool) -> list[bytes]:
        with _bound() as server, _bound() as first, _bound() as second:
            odds = Impairments(drop=0.5)
            async with Relay(server.getsockname(), impairments=odds, seed=3) as relay:
                for each in _numbered(60):
                    await _pump(relay, first, [each])
                    if interleaved:
                        await _pump(relay, second, [b"noise"])
                return relay.payloads(Direction.TO_SERVER, first.getsockname())

    alone, among_others = asyncio.run(run(False)), asyncio.run(run(True))
    assert alone == among_others
    assert 0 < len(alone) < 60


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_answers_find_the_client_that_asked(host: str) -> None:
    async def run() -> None:
        with _bound(host) as server, _bound(host) as first, _bound(host) as second:
            listen = (host, 0)
            async with Relay(server.getsockname()[:2], listen=listen) as relay:
                await _pump(relay, first, [b"from first"])
                await _pump(relay, second, [b"from second"])
                sources: set[Address] = set()
                for _ in range(2):
                    data, source = server.recvfrom(65535)
                    sources.add(source[:2])
                    server.sendto(b"answer to " + data, source)
                assert len(sources) == 2
                await _until(lambda: relay.counts[Direction.TO_CLIENT].forwarded == 2)
                assert _waiting(first) == [b"answer to from first"]
                assert _waiting(second) == [b"answer to from second"]
                assert relay.clients == [first.getsockname()[:2], second.getsockname()[:2]]

    asyncio.run(run())


def test_a_hook_drops_alters_and_adds_particular_datagrams() -> None:
    def hook(direction: Direction, index: int, data: bytes) -> list[bytes] | None:
        assert direction is Direction.TO_SERVER
        return {0: [], 1: [data.upper()], 2: [data, data]}.get(index)

    async def run() -> tuple[list[bytes], Counts]:
        with _bound() as server, _bound() as client:
            async with Relay(server.getsockname(), hook=hook) as relay:
                await _pump(relay, client, [b"a", b"b", b"c", b"d"])
                return _waiting(server), relay.counts[Direction.TO_SERVER]

    got, counts = asyncio.run(run())
    assert got == [b"B", b"c", b"c", b"d"]
    assert counts == Counts(received=4, forwarded=4, dropped=1, injected=1)
    assert _balanced(counts)


def test_leaving_forgets_what_was_held_back() -> None:
    async def run() -> Relay:
        odds = Impairments(reorder=1, hold=(60, 60))
        with _bound() as server, _bound() as client:
            async with Relay(server.getsockname(), impairments=odds) as relay:
                client.sendto(b"late", relay.address)
                await _until(lambda: relay.counts[Direction.TO_SERVER].received == 1)
            return relay

    counts = asyncio.run(run()).counts[Direction.TO_SERVER]
    assert (counts.forwarded, counts.dropped) == (0, 1)


def test_a_server_that_is_not_there_stops_nothing() -> None:
    async def run() -> Counts:
        with _bound() as gone:
            nowhere = gone.getsockname()
        with _bound() as client:
            async with Relay(nowhere) as relay:
                for each in _numbered(3):
                    await _pump(relay, client, [each])
                return relay.counts[Direction.TO_SERVER]

    counts = asyncio.run(run())
    assert counts.received == 3
    assert _balanced(counts)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Impairments(drop=1.1),
        lambda: Impairments(duplicate=-0.1),
        lambda: Impairments(hold=(0.2, 0.1)),
        lambda: parse_address("localhost"),
        lambda: parse_address("::1:"),
        lambda: parse_address("127.0.0.1:70000"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"probability|seconds|HOST:PORT"):
        make()


def test_outside_of_its_context_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Relay(("127.0.0.1", 9)).address


async def _talk(process: subprocess.Popen[str], server: socket.socket, relay: Address) -> None:
    loop = asyncio.get_running_loop()
    with _bound() as client:
        client.sendto(b"ping", relay)
        async with asyncio.timeout(10):
            data, source = await loop.sock_recvfrom(server, 100)
            await loop.sock_sendto(server, data, source)
            assert await loop.sock_recv(client, 100) == b"ping"
    process.send_signal(signal.SIGTERM)


def test_as_a_program_it_relays_and_reports(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with _bound() as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-m", "tests.support.relay", "--server", f"127.0.0.1:{port}"]
        with subprocess.Popen(
            [*command, "--record", str(record)],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            address = parse_address(process.stderr.readline().split()[-1])
            asyncio.run(_talk(process, server, address))
            output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    counted = json.loads(output)
    assert counted["clients"] == 1
    assert counted["to_server"]["forwarded"] == counted["to_client"]["forwarded"] == 1
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("to_server", b"ping".hex()),
        ("to_client", b"ping".hex()),
    ]
