"""An asyncio event loop on virtual time.

The loop is asyncio's own but for its turns: where asyncio sleeps until a timer is due or a socket
ready, this one moves the clock to the next timer at once.  There are no sockets and no threads to
wait for, so a loop with no timer left and nothing to do will never do anything again; it says so
by :class:`DeadlockError` instead of hanging.

Timers due at the same time run in the order in which they were set.  asyncio leaves that open; a
link that must not reorder what is sent at one instant needs it, and so do traces that repeat.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeVar, TypeVarTuple
from weakref import WeakSet

from handshake_over_coap.errors import ConfigurationError, Error

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Timeout(Protocol):
    """What a timer calls in place of a callback; ``handle`` is the timer."""

    handle: asyncio.TimerHandle | None

    def __call__(self) -> None:
        """The time has come."""


Timers: TypeAlias = (
    "Callable[[float, Callable[..., object], tuple[Any, ...]], tuple[float, Timeout]]"
)

TIMERS: ContextVar[Timers | None] = ContextVar("TIMERS", default=None)
"""Whoever decides, in this context, when the timers that are set in it run out: a slow device."""

RESOLUTION = 1e-9
"""Seconds within which two times count as the same.  Never 0, which would livelock asyncio."""

_MANY_CANCELLED: Final = 50
"""Cancelled timers from which on it is worth while to look for them all."""


class DeadlockError(Error):
    """Everything waits and nothing is scheduled: virtual time cannot go on."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer; ``start`` is its first time in seconds.

    It serves coroutines, timers and futures.  Sockets, signals, threads and subprocesses belong to
    real time and are refused.  Raises ConfigurationError for a ``start`` that is no time.
    """

    time_zero_ns: Final = 1_767_225_600_000_000_000
    """What captures write for time 0: the beginning of 2026, so that they repeat byte for byte."""

    _clock_resolution: float
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _closed: bool
    _asyncgens: WeakSet[AsyncGenerator[Any, Any]]

    def __init__(self, start: float = 0.0) -> None:
        super().__init__(_NoFiles())
        # Times and numbers stand before the timers, so that the heap compares nothing else.
        self._timers: list[tuple[float, int, _Timer]] = []
        self._cancelled = 0
        self._sequence = count()
        if not math.isfinite(start):
            self.close()
            raise ConfigurationError(f"virtual time cannot start at {start} s")
        self._set_time(start)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def _set_time(self, now: float) -> None:
        self._now = now
        # A timer must always be later than now, or not: far from 0, floats are coarse.
        self._clock_resolution = max(RESOLUTION, 2 * math.ulp(now))

    def jump(self) -> None:
        """Move the clock to the next timer; raises DeadlockError if there is none."""
        if not self._timers:
            raise DeadlockError(
                f"everything waits at {self._now:g} s of virtual time and no timer is set: "
                "nothing can happen any more"
            )
        self._set_time(max(self._now, self._timers[0][0]))

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call ``callback`` at ``when``; those of one time in the order of these calls."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        timers = TIMERS.get()
        timeout = None
        if timers is not None:
            when, timeout = timers(when, callback, args)
            callback, args = timeout, ()  # type: ignore[assignment]
        timer = _Timer(when, callback, args, self, context)
        if timeout is not None:
            timeout.handle = timer
        heapq.heappush(self._timers, (when, next(self._sequence), timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call ``callback`` in ``delay`` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call ``callback`` at the present time, after what is to be called already."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """One turn, as asyncio's own takes it but for the wait: what is due, in its order."""
        timers, ready = self._timers, self._ready
        if self._cancelled:
            self._drop_cancelled()
        if not ready and not self._stopping:
            self.jump()
        end = self._now + self._clock_resolution
        while timers and timers[0][0] < end:
            timer = heapq.heappop(timers)[2]
            timer.waits = False
            if timer._cancelled:  # noqa: SLF001
                self._cancelled -= 1
            else:
                ready.append(timer)
        # What is called now may add to what is ready: that is for the next turn.
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001
                handle._run()  # noqa: SLF001

    def _drop_cancelled(self) -> None:
        """Timers that were cancelled must not move the clock, nor pile up."""
        timers = self._timers
        if self._cancelled > _MANY_CANCELLED and 2 * self._cancelled > len(timers):
            timers[:] = [each for each in timers if not each[2].cancelled()]
            heapq.heapify(timers)
            self._cancelled = 0
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
            self._cancelled -= 1

    def timer_cancelled(self) -> None:
        """One of the timers in the heap waits for nothing any more."""
        self._cancelled += 1

    def close(self) -> None:
        """Let go of everything.  Closing again does nothing."""
        super().close()
        self._timers.clear()

    def run_in_executor(self, executor: object, func: object, *args: object) -> NoReturn:
        """Refused: a thread takes real time."""
        raise ConfigurationError("there are no threads on virtual time")

    # asyncio wakes itself up by a pair of sockets, for signals and threads: there are none here.

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class _Timer(asyncio.TimerHandle):
    """A timer that knows whether it ``waits`` in the loop's heap.

    It does itself what asyncio's does in several calls, as most of what a simulation waits for is
    set anew with each datagram.  What asyncio keeps for its debug mode is left out.
    """

    __slots__ = ("_virtual", "waits")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: VirtualTimeLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop: asyncio.AbstractEventLoop = loop
        self._virtual = loop
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None
        self._when = when
        self._scheduled = False  # asyncio need not be told that it is cancelled
        self.waits = True

    def cancel(self) -> None:
        """The callback is not called any more."""
        if not self._cancelled:
            self._cancelled = True
            self._callback, self._args = None, ()
            if self.waits:
                self._virtual.timer_cancelled()


class _NoFiles(selectors.BaseSelector):
    """What asyncio would wait on: nothing, on virtual time."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []

    def register(self, fileobj: object, events: int, data: object = None) -> NoReturn:
        raise ConfigurationError("there are no sockets on virtual time")

    def unregister(self, fileobj: object) -> NoReturn:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


def run(coroutine: Coroutine[Any, Any, T], *, start: float = 0.0) -> T:
    """Run ``coroutine`` on a fresh :class:`VirtualTimeLoop` and give its result.

    Like ``asyncio.run``, but also from code that runs inside another event loop, such as a cell of
    a notebook, which stands still meanwhile and is left as it was found.  Tasks that are left over
    are cancelled.  Raises what the coroutine raises, and DeadlockError where it can never end.
    """
    try:
        loop = VirtualTimeLoop(start)
    except ConfigurationError:
        coroutine.close()
        raise
    with _outer_loop_set_aside():
        try:
            return loop.run_until_complete(coroutine)
        finally:
            try:
                _cancel_all(loop)
            finally:
                loop.close()


def _cancel_all(loop: VirtualTimeLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    # A task that waits for ever in its own cleaning up cannot be helped; it is dropped.
    with suppress(DeadlockError):
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        if loop._asyncgens:  # noqa: SLF001
            loop.run_until_complete(loop.shutdown_asyncgens())
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            loop.call_exception_handler(
                {
                    "message": "a task failed while virtual time was ending",
                    "exception": task.exception(),
                    "task": task,
                }
            )


@contextmanager
def _outer_loop_set_aside() -> Iterator[None]:
    """Asyncio allows one running loop, and one current task, in a thread: hide them for a while."""
    outer = asyncio._get_running_loop()  # noqa: SLF001
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:
        asyncio.tasks._leave_task(outer, task)  # noqa: SLF001
    asyncio._set_running_loop(None)  # noqa: SLF001
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)  # noqa: SLF001
        if task is not None:
            asyncio.tasks._enter_task(outer, task)  # noqa: SLF001
