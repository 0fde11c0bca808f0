"""Virtual time: exact, in order, deterministic, and at home inside another event loop."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.sim import DeadlockError, VirtualTimeLoop, run


def test_a_year_of_sleep_takes_no_time_and_is_exact() -> None:
    async def sleep() -> float:
        await asyncio.sleep(31_536_000)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(sleep()) == 31_536_000
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("start", [0.0, -5.0, 0.1, 1.7e9, 1e15])
def test_the_start_is_the_callers_and_timers_fire_from_there(start: float) -> None:
    async def three_ticks() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        for _ in range(3):
            await asyncio.sleep(0.5)
            seen.append(loop.time())
        return seen

    seen = run(three_ticks(), start=start)
    assert seen == [start + 0.5, start + 1.0, start + 1.5]


@pytest.mark.parametrize("start", [float("nan"), float("inf")])
def test_a_start_that_is_no_time_is_refused(start: float) -> None:
    with pytest.raises(ConfigurationError):
        run(asyncio.sleep(1), start=start)


def test_timers_of_one_instant_run_in_the_order_they_were_set() -> None:
    async def main() -> list[int]:
        loop, order = asyncio.get_running_loop(), list[int]()
        for i in range(200):
            loop.call_at(1.0, order.append, i)
        await asyncio.sleep(1.5)
        return order

    assert run(main()) == list(range(200))


def test_a_cancelled_timer_neither_runs_nor_moves_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(d, pytest.fail, "a cancelled timer ran") for d in (1, 2, 9)]
        for timer in timers:
            timer.cancel()
        await asyncio.sleep(3)
        return loop.time()

    assert run(main()) == 3


def test_timeouts_run_on_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == 7


def test_waiting_for_nothing_is_a_deadlock_with_a_type() -> None:
    async def main() -> None:
        await asyncio.sleep(4)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError, match="4 s") as caught:
        run(main())
    assert isinstance(caught.value, Error)


def test_a_deadlock_cancels_what_waits() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(DeadlockError):
        run(main())
    assert cleaned == [True]


def test_a_task_that_hangs_while_it_is_cancelled_does_not_hang_the_end() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.Event().wait()

    async def main() -> str:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        assert not task.done()
        return "done"

    assert run(main()) == "done"


def test_tasks_that_are_left_over_are_cancelled() -> None:
    ended: list[float] = []
    started = []

    async def leftover() -> None:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            ended.append(asyncio.get_running_loop().time())
            raise

    async def main() -> None:
        started.append(asyncio.create_task(leftover()))
        await asyncio.sleep(1)

    run(main())
    assert ended == [1]


def test_what_the_coroutine_raises_comes_out() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError("of the coroutine")

    with pytest.raises(ZeroDivisionError, match="of the coroutine"):
        run(main())


def test_it_runs_inside_another_loop_and_leaves_it_as_it_was() -> None:
    async def inner() -> float:
        await asyncio.gather(asyncio.sleep(50), asyncio.sleep(60))
        assert asyncio.current_task() is not None
        return asyncio.get_running_loop().time()

    async def notebook() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert run(inner()) == 60
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        with pytest.raises(DeadlockError):
            run(asyncio.Event().wait())
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        async with asyncio.timeout(30):  # needs the current task
            await asyncio.create_task(asyncio.sleep(0))

    asyncio.run(notebook())


def test_it_runs_inside_virtual_time_too() -> None:
    async def nested() -> tuple[float, float]:
        await asyncio.sleep(2)
        return run(clock(9), start=100), asyncio.get_running_loop().time()

    async def clock(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop().time()

    assert run(nested()) == (109, 2)


def test_it_opens_no_file_and_takes_no_socket_or_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sockets() -> None:
        pytest.fail("a socket pair was made")

    monkeypatch.setattr(socket, "socketpair", no_sockets)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ConfigurationError):
            loop.add_reader(0, lambda: None)
        with pytest.raises(ConfigurationError):
            await asyncio.to_thread(time.sleep, 0)

    run(main())


def test_the_loop_also_works_by_itself() -> None:
    loop = VirtualTimeLoop(start=10)
    try:
        loop.run_until_complete(asyncio.sleep(5))
        assert loop.time() == 15
        loop.call_soon_threadsafe(lambda: None)
    finally:
        loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)


def test_equal_runs_give_equal_traces() -> None:
    async def main() -> list[tuple[float, int]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[float, int]]()

        async def worker(number: int) -> None:
            for step in range(20):
                await asyncio.sleep((number * 7 + step) % 5 / 4)
                seen.append((loop.time(), number))

        await asyncio.gather(*(worker(n) for n in range(20)))
        return seen

    first = run(main())
    assert len(first) == 400
    assert run(main()) == first
