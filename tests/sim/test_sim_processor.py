"""A processor does one thing at a time: what is sent, comes in or rings waits for its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import MappingProxyType

import pytest

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim import (
    Device,
    Draws,
    LinkOptions,
    Network,
    Operation,
    Side,
    device,
    run,
)
from handshake_over_coap.sim.devices import Figure
from handshake_over_coap.sim.processor import Processor
from handshake_over_coap.tls.effort import Primitive, note

SLOW = Device(
    "slow",
    "a second for everything",
    MappingProxyType(dict.fromkeys(Operation, Figure(1.0, "a test"))),
    buffer=100,
)
THERE = Address("2001:db8::2", 5684)


class Place:
    """A processor on a network, a plain endpoint across, and what happened on both, with times."""

    def __init__(self, kind: Device = SLOW) -> None:
        network = Network(LinkOptions(delay=0.5), Draws(1))
        self.loop = asyncio.get_running_loop()
        self.here = Processor(network.endpoint(Side.SERVER, "2001:db8::1"), kind)
        self.there = network.endpoint(Side.CLIENT, THERE.host, THERE.port)
        self.react: Callable[[bytes], None] = lambda _: None
        self.got: list[tuple[float, bytes]] = []
        self.answers: list[tuple[float, bytes]] = []
        self.here.start(self)
        self.there.start(Answers(self))

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.got.append((self.loop.time(), data))
        self.react(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)

    def ask(self, data: bytes) -> None:
        self.there.send(data, self.here.local_address)


class Answers:
    def __init__(self, place: Place) -> None:
        self._place = place

    def on_datagram(self, data: bytes, address: Address) -> None:
        self._place.answers.append((self._place.loop.time(), data))

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)


def at(times: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    return [(round(time, 4), data) for time, data in times]


def test_what_is_computed_delays_what_is_sent_and_what_comes_next() -> None:
    async def main() -> Place:
        place = Place()

        def answer(data: bytes) -> None:
            note(Primitive.SIGN, 2)
            place.here.send(data.upper(), THERE)

        place.react = answer
        place.ask(b"one")
        await asyncio.sleep(0.1)
        place.ask(b"two")
        await asyncio.sleep(20)
        return place

    place = run(main())
    assert at(place.got) == [(0.5, b"one"), (2.5, b"two")]
    assert at(place.answers) == [(3.0, b"ONE"), (5.0, b"TWO")]
    assert place.here.spent == {Primitive.SIGN: 4}
    assert place.here.most_waiting == len(b"two")


def test_work_in_a_task_counts_as_that_of_its_side_and_of_nobody_else() -> None:
    async def main() -> Place:
        place = Place()
        tasks = []

        async def later(data: bytes) -> None:
            await asyncio.sleep(1.0)
            note(Primitive.ECDH)
            place.here.send(data, THERE)

        place.react = lambda data: tasks.append(asyncio.ensure_future(later(data)))
        place.ask(b"x")
        note(Primitive.ECDH)  # nobody's
        await asyncio.sleep(20)
        return place

    place = run(main())
    assert at(place.answers) == [(0.5 + 1.0 + 1.0 + 0.5, b"x")]
    assert place.here.spent == {Primitive.ECDH: 1}


def test_what_does_not_fit_the_buffer_is_lost() -> None:
    async def main() -> Place:
        place = Place()
        place.react = lambda _: note(Primitive.SIGN)
        place.ask(bytes(90))
        await asyncio.sleep(0.1)
        for size in (60, 50, 40):
            place.ask(bytes(size))
        await asyncio.sleep(20)
        return place

    place = run(main())
    assert [len(data) for _, data in place.got] == [90, 60, 40]
    assert (place.here.overflowed, place.here.most_waiting) == (1, 100)
    assert place.here.kernel_drops == 1


def test_a_timer_that_runs_out_waits_for_the_processor() -> None:
    async def main() -> list[float]:
        place, rung = Place(), list[float]()

        def begin(data: bytes) -> None:
            if data == b"timer":
                place.loop.call_later(1.0, lambda: rung.append(place.loop.time()))
            else:
                note(Primitive.SIGN, 3)

        place.react = begin
        place.ask(b"timer")
        await asyncio.sleep(0.9)
        place.ask(b"work")  # busy from 1.4 to 4.4; the timer would ring at 1.5
        await asyncio.sleep(20)
        return [round(time, 4) for time in rung]

    assert run(main()) == [4.4]


def test_a_timer_that_is_cancelled_while_it_waits_does_not_ring() -> None:
    async def main() -> list[float]:
        place, rung = Place(), list[float]()
        timers = []

        def begin(data: bytes) -> None:
            if data == b"timer":
                timers.append(place.loop.call_later(1.0, lambda: rung.append(place.loop.time())))
            elif data == b"work":
                note(Primitive.SIGN, 3)

        place.react = begin
        place.ask(b"timer")
        await asyncio.sleep(0.9)
        place.ask(b"work")
        await asyncio.sleep(1.5)
        timers[0].cancel()
        await asyncio.sleep(20)
        return rung

    assert run(main()) == []


def test_a_timer_set_after_work_counts_from_its_end() -> None:
    async def main() -> list[float]:
        place, rung = Place(), list[float]()

        def begin(_: bytes) -> None:
            note(Primitive.SIGN, 3)
            place.loop.call_later(1.0, lambda: rung.append(place.loop.time()))

        place.react = begin
        place.ask(b"x")
        await asyncio.sleep(20)
        return rung

    assert run(main()) == [0.5 + 3.0 + 1.0]


def test_a_fast_device_changes_nothing() -> None:
    async def main() -> Place:
        place = Place(device("fast"))

        def answer(data: bytes) -> None:
            note(Primitive.SIGN, 100)
            place.here.send(data, THERE)

        place.react = answer
        place.ask(b"x")
        await asyncio.sleep(5)
        return place

    place = run(main())
    assert at(place.answers) == [(1.0, b"x")]


def test_nobody_listens_outside_a_simulation() -> None:
    note(Primitive.SIGN)  # and nothing happens


def test_devices_take_virtual_time() -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="virtual time"):
            Processor(None, SLOW)  # type: ignore[arg-type]

    asyncio.run(main())
