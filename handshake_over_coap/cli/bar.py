"""Progress of work that counts what it has done: nothing for the first second.

On a terminal it is a bar, elsewhere a line now and then, so that nobody waits for a silent command.
"""

from __future__ import annotations

import argparse
import sys
import time
from types import TracebackType
from typing import Final, Self

_PATIENCE: Final = 1.0
_INTERVAL: Final = 0.2
_FIRST_LINE: Final = 10.0
_LINES: Final = 30.0
"""Seconds to the first line where there is no terminal, and between the others."""
_CLEAR: Final = "\r\x1b[K"
_WIDTH: Final = 24


class Bar:
    """Shows on standard error how much of ``what`` is done, unless it is ``quiet``.

    It is called with how many are done, and of how many; what was done at the first call does not
    count for the estimate of the time that is left.  Work of several stages shares one bar
    (:meth:`stage`): it is the whole that may be silent for a second.
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._active = sys.stderr is not None and not quiet
        self._terminal = self._active and sys.stderr.isatty()
        self._began = time.monotonic()
        patience = _PATIENCE if self._terminal else _FIRST_LINE
        self._patience = self._next = self._began + patience
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
            elapsed = now - self._began
            if self._terminal:
                text = self.text(done, total, elapsed)
                self._next, self._shown = now + _INTERVAL, True
                print(f"{_CLEAR}{text}", end="", file=sys.stderr, flush=True)
            else:
                self._next = now + _LINES
                print(self._share(done, total, elapsed), file=sys.stderr, flush=True)

    def text(self, done: int, total: int, elapsed: float) -> str:
        """The line, ``elapsed`` seconds after the beginning."""
        full = _WIDTH * done // total if total else _WIDTH
        bar = "#" * full + "." * (_WIDTH - full)
        return f"[{bar}] {self._share(done, total, elapsed)}"

    def _share(self, done: int, total: int, elapsed: float) -> str:
        line = f"{done:,} of {total:,} {self._what}"
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


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option that silences it."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="do not tell on standard error how far it is"
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
