from __future__ import annotations

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace import Counts, DatagramSeen, Direction, Fate, Recorder, Tap
from handshake_over_coap.trace import tap as tap_module


class Remembers:
    def __init__(self) -> None:
        self.seen: list[DatagramSeen] = []

    def observe(self, seen: DatagramSeen) -> None:
        self.seen.append(seen)


def sized(size: int, direction: Direction = Direction.SENT) -> DatagramSeen:
    return DatagramSeen(0.0, direction, "::1", 5683, bytes(size))


def test_a_datagram_reaches_every_observer_with_all_that_is_known() -> None:
    tap, one, other = Tap(), Remembers(), Remembers()
    tap.add(one)
    tap.add(other)
    tap.seen(1.5, Direction.RECEIVED, "192.0.2.1", 5683, b"abc", "192.0.2.9", Fate.DELIVERED)
    expected = DatagramSeen(
        1.5, Direction.RECEIVED, "192.0.2.1", 5683, b"abc", "192.0.2.9", Fate.DELIVERED
    )
    assert one.seen == other.seen == [expected]


def test_without_observers_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("a datagram was described to nobody")

    tap = Tap()
    tap.add(observer := Remembers())
    tap.remove(observer)
    monkeypatch.setattr(tap_module, "DatagramSeen", never)
    tap.seen(0.0, Direction.SENT, "::1", 1, b"")
    assert not tap.active


def test_an_observer_is_told_once_however_often_it_was_added() -> None:
    tap, observer = Tap(), Remembers()
    tap.add(observer)
    tap.add(observer)
    assert tap.active
    tap.seen(0.0, Direction.SENT, "::1", 1, b"x")
    assert len(observer.seen) == 1


def test_removing_a_stranger_changes_nothing() -> None:
    tap, observer = Tap(), Remembers()
    tap.add(observer)
    tap.remove(Remembers())
    tap.seen(0.0, Direction.SENT, "::1", 1, b"x")
    assert len(observer.seen) == 1


def test_observers_that_leave_while_one_is_called_do_no_harm() -> None:
    tap, last = Tap(), Remembers()

    class Leaves(Remembers):
        def observe(self, seen: DatagramSeen) -> None:
            super().observe(seen)
            tap.remove(self)

    first = Leaves()
    tap.add(first)
    tap.add(last)
    for _ in range(2):
        tap.seen(0.0, Direction.SENT, "::1", 1, b"x")
    assert (len(first.seen), len(last.seen)) == (1, 2)


def test_counts_are_kept_by_direction() -> None:
    counts = Counts()
    for seen in (sized(10), sized(0), sized(7, Direction.RECEIVED)):
        counts.observe(seen)
    assert (counts.sent_datagrams, counts.sent_bytes) == (2, 10)
    assert (counts.received_datagrams, counts.received_bytes) == (1, 7)
    assert (counts.datagrams, counts.total_bytes) == (3, 17)


@pytest.mark.parametrize(("most", "size"), [(2, 1000), (1000, 5)])
def test_a_recorder_keeps_the_beginning_without_holes(most: int, size: int) -> None:
    recorder = Recorder(max_datagrams=most, max_bytes=size)
    every = [sized(2), sized(3, Direction.RECEIVED), sized(1), sized(0)]
    for seen in every:
        recorder.observe(seen)
    assert recorder.datagrams == tuple(every[:2])
    assert recorder.left_out == 2


def test_a_cleared_recorder_has_all_its_room_again() -> None:
    recorder = Recorder(max_bytes=5)
    recorder.observe(sized(5))
    recorder.observe(sized(1))
    recorder.clear()
    recorder.observe(sized(4))
    assert (recorder.datagrams, recorder.left_out) == ((sized(4),), 0)


@pytest.mark.parametrize("bounds", [{"max_datagrams": -1}, {"max_bytes": -1}])
def test_negative_bounds_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Recorder(**bounds)
