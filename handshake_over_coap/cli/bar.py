"""A progress bar for work that counts what it has done: nothing for the first second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

_PATIENCE: Final = 1.0
_INTERVAL: Final = 0.2
_CLEAR: Final = "\r\x1b[K"
_WIDTH: Final = 24


class Bar:
    """Shows on standard error, if that is a terminal, how much of ``what`` is done.

    It is called with how many are done, and of how many; what was done at the first call does not
    count for the estimate of the time that is left.  Work of several stages shares one bar
    (:meth:`stage`): it is the whole that may be silent for a second.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._active = sys.stderr is not None and sys.stderr.isatty()
        self._began = time.monotonic()
        self._patience = self._next = self._began + _PATIENCE
        self._first: int | None = None
        self._shown = False

    def stage(self, what: str) -> Self:
        """From now on it is ``what`` that is counted, from nothing on; gives the bar."""
        self._what = what
        self._began = time.monotonic()
        self._first = None
        self._next = max(self._patience, self._began)
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show it, at most a few times a second."""
        if self._first is None:
            self._first = done
        now = time.monotonic()
        if self._active and now >= self._next:
            self._next = now + _INTERVAL
            self._shown = True
            text = self.text(done, total, now - self._began)
            print(f"{_CLEAR}{text}", end="", file=sys.stderr, flush=True)

    def text(self, done: int, total: int, elapsed: float) -> str:
        """The line, ``elapsed`` seconds after the beginning."""
        full = _WIDTH * done // total if total else _WIDTH
        bar = "#" * full + "." * (_WIDTH - full)
        line = f"[{bar}] {done:,} of {total:,} {self._what}"
        fresh = done - (self._first or 0)
        if fresh > 0:
            line += f", {_duration(elapsed * (total - done) / fresh)} left"
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
