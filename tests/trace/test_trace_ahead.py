"""Secrets stand before their handshake: in room that is kept in a file, or by packets that wait."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from handshake_over_coap.trace.ahead import (
    MOST_BYTES,
    MOST_DATAGRAMS,
    MOST_PEERS,
    SecretsFirst,
    SecretsInPlace,
    secrets_ahead,
)
from handshake_over_coap.trace.capture import ROOM, Capture
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Recorder
from tests.support.capture_checker import read_pcapng

HELLO, OTHER = b"hello", b"other"


LINE = "CLIENT_RANDOM " + "11" * 32 + " " + "22" * 48


def begins(data: bytes) -> bool:
    return data.startswith(HELLO)


class Pipe(Recorder):
    def reserve(self) -> int | None:
        return None

    def secrets(self, key_log: str, room: int | None = None) -> None:
        pass


class Held:
    def __init__(self) -> None:
        self.recorder = Pipe()
        self.holder = SecretsFirst(self.recorder, begins, 60.0)

    def see(self, data: bytes, port: int = 1, time: float = 0.0) -> None:
        self.holder.observe(DatagramSeen(time, Direction.SENT, "peer", port, data))

    @property
    def written(self) -> list[tuple[int, bytes]]:
        return [(each.port, each.data) for each in self.recorder.datagrams]


def test_a_handshake_waits_until_it_is_released_and_nothing_else_does() -> None:
    held = Held()
    for port, data in ((1, HELLO), (2, OTHER), (1, OTHER)):
        held.see(data, port)
    assert held.written == [(2, OTHER)]
    held.holder.secrets("peer", 1, ())
    held.see(OTHER, 1)
    assert held.written == [(2, OTHER), (1, HELLO), (1, OTHER), (1, OTHER)]


def test_a_second_handshake_of_the_same_peer_waits_too() -> None:
    held = Held()
    held.see(HELLO)
    held.holder.secrets("peer", 1, ())
    held.see(HELLO + b"again")
    assert held.written == [(1, HELLO)]
    held.holder.close()
    assert held.written == [(1, HELLO), (1, HELLO + b"again")]


def test_a_handshake_that_takes_too_long_has_failed_and_is_written() -> None:
    held = Held()
    held.see(HELLO, 1, 0.0)
    held.see(HELLO, 2, 30.0)
    held.see(OTHER, 1, 59.9)
    assert held.written == []
    held.see(OTHER, 3, 60.0)
    assert held.written == [(1, HELLO), (1, OTHER), (3, OTHER)]


def test_what_waits_of_one_peer_is_bounded() -> None:
    held = Held()
    held.see(HELLO)
    for _ in range(MOST_DATAGRAMS - 1):
        held.see(OTHER)
    assert held.written == []
    held.see(OTHER)
    assert len(held.written) == MOST_DATAGRAMS + 1


def test_the_first_of_too_many_peers_makes_room() -> None:
    held = Held()
    for port in range(MOST_PEERS + 1):
        held.see(HELLO, port)
    assert held.written == [(0, HELLO)]
    held.holder.close()
    assert len(held.written) == MOST_PEERS + 1


def test_bytes_that_wait_are_bounded_over_all_peers() -> None:
    held = Held()
    large = HELLO + bytes(MOST_BYTES // 8)
    for port in range(8):
        held.see(large, port)
    assert [port for port, _ in held.written] == [0]
    # What was written counts no more.
    held.see(HELLO, 9)
    assert len(held.written) == 1


def file_capture(path: Path) -> Capture:
    return Capture(path, local_host="192.0.2.1", local_port=7, time_zero_ns=0)


def seen(data: bytes, port: int = 1) -> DatagramSeen:
    return DatagramSeen(0.0, Direction.SENT, "192.0.2.2", port, data)


def test_a_file_has_every_datagram_at_once_and_secrets_before_their_handshake(
    tmp_path: Path,
) -> None:
    path = tmp_path / "capture"
    with file_capture(path) as capture:
        ahead = secrets_ahead(capture, begins, 60.0)
        assert isinstance(ahead, SecretsInPlace)
        wanted: list[bytes] = []
        for data in (OTHER, HELLO, OTHER, HELLO, OTHER):
            ahead.observe(seen(data))
            wanted.append(data)
            packets, secrets = read_pcapng(path)  # what a kill would leave
            assert [payload for _, payload in packets] == wanted
            assert not secrets
        ahead.secrets("192.0.2.2", 1, (LINE,))
        ahead.observe(seen(OTHER))
    content = path.read_bytes()
    assert content.index(LINE.encode()) < content.index(HELLO)
    assert content.count(b"\n" * (ROOM - len(LINE))) == 1
    packets, secrets = read_pcapng(path)
    assert [payload for _, payload in packets] == [*wanted, OTHER]
    assert secrets == {b"\x11" * 32: b"\x22" * 48}


def test_each_handshake_has_room_of_its_own_and_what_is_too_long_for_it_goes_to_the_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "capture"
    long = ["X" * ROOM, LINE]
    with file_capture(path) as capture:
        ahead = SecretsInPlace(capture, begins)
        for port in (1, 2):
            ahead.observe(seen(HELLO + bytes([port]), port))
        ahead.secrets("192.0.2.2", 2, ("Y",))
        ahead.secrets("192.0.2.2", 1, long)
        ahead.secrets("192.0.2.2", 3, ("Z",))
    content = path.read_bytes()
    places = [content.index(each) for each in (b"hello\x01", b"Y\n", b"hello\x02", b"X", b"Z\n")]
    assert places == sorted(places)


def test_room_is_kept_for_a_bounded_number_of_peers(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with file_capture(path) as capture:
        ahead = SecretsInPlace(capture, begins)
        for port in range(1, MOST_PEERS + 2):
            ahead.observe(seen(HELLO, port))
        ahead.secrets("192.0.2.2", 1, ("LATE",))
        ahead.secrets("192.0.2.2", 2, ("EARLY",))
    content = path.read_bytes()
    assert content.index(b"EARLY") < 2 * ROOM + 1000
    assert content.index(b"LATE") > len(content) - 100


def test_a_pipe_gets_a_handshake_when_its_secrets_stand_there(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with file_capture(path) as capture:
        ahead = secrets_ahead(capture, begins, 60.0)
        assert isinstance(ahead, SecretsFirst)
        ahead.observe(seen(HELLO))
        ahead.secrets("192.0.2.2", 1, (LINE,))
        ahead.close()
    reader.join()
    assert 0 < read[0].index(LINE.encode()) < read[0].index(HELLO)


def test_a_disk_that_fills_up_before_the_secrets_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_capture(tmp_path / "capture") as capture:
        ahead = SecretsInPlace(capture, begins)
        ahead.observe(seen(HELLO))
        monkeypatch.setattr(os, "pwrite", lambda *_: 5)
        ahead.secrets("192.0.2.2", 1, (LINE,))
        assert capture.failure is not None
        ahead.observe(seen(OTHER))
