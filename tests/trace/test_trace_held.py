"""Packets that wait for the secrets of their handshake: within bounds, and none is left out."""

from __future__ import annotations

from handshake_over_coap.trace.held import MOST_BYTES, MOST_DATAGRAMS, MOST_PEERS, SecretsFirst
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Recorder

HELLO, OTHER = b"hello", b"other"


class Held:
    def __init__(self) -> None:
        self.recorder = Recorder()
        self.holder = SecretsFirst(self.recorder, lambda data: data.startswith(HELLO), 60.0)

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
    held.holder.release("peer", 1)
    held.see(OTHER, 1)
    assert held.written == [(2, OTHER), (1, HELLO), (1, OTHER), (1, OTHER)]


def test_a_second_handshake_of_the_same_peer_waits_too() -> None:
    held = Held()
    held.see(HELLO)
    held.holder.release("peer", 1)
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
