"""A link as it was recorded: what became of one datagram after the other, in each direction.

A trace is replayed in place of drawn losses.  Every run begins at a row of its own, drawn from its
seed, and goes on from there, behind the last row with the first: so trials see different parts of a
recording that is long enough.  Both directions begin at the same part of theirs, as a link that was
bad one way at some time was likely bad the other way too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Final, Literal, NamedTuple

from handshake_over_coap.errors import ConfigurationError

from .passages import Side

COLUMNS: Final = ("direction", "fate", "delay")
"""Of a file; the last one may be missing."""

_SENDERS: Final = {"client": Side.CLIENT, "server": Side.SERVER}
_FATES: Final = {"delivered": True, "lost": False}


class TraceRow(NamedTuple):
    """One datagram: whether it arrived, and after how many seconds (None: the link's own delay)."""

    delivered: bool
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class LossTrace:
    """What became of datagrams from the client and from the server, in order.

    Raises ConfigurationError for a direction without rows and for a delay that is none.
    """

    client: Sequence[TraceRow] = field(compare=False, repr=False)
    """Of what the client sends."""
    server: Sequence[TraceRow] = field(compare=False, repr=False)
    """Of what the server sends."""
    name: str = ""
    """What reports and tables call it; without, one that tells it from other traces."""
    digest: str = field(init=False, repr=False)
    """SHA-256 over the rows, in hexadecimal: two traces with the same rows and name are equal."""

    def __post_init__(self) -> None:
        for side in _SENDERS:
            rows = tuple(TraceRow(*row) for row in getattr(self, side))
            if not rows:
                raise ConfigurationError(
                    f"a loss trace needs rows for either direction: there is none with {side}"
                )
            for number, row in enumerate(rows, 1):
                _check_delay(row.delay, f"row {number} of {side}")
            object.__setattr__(self, side, rows)
        told = repr((self.client, self.server)).encode()
        object.__setattr__(self, "digest", hashlib.sha256(told).hexdigest())
        if not self.name:
            object.__setattr__(self, "name", f"trace@{self.digest[:8]}")

    @classmethod
    def from_csv(cls, path: str | PathLike[str]) -> LossTrace:
        """The trace in a CSV file with a line of headings.

        ``direction`` is who sent (client or server), ``fate`` delivered or lost, ``delay`` seconds
        one way, which may be empty or left out.  Raises ConfigurationError, naming the line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"cannot read {str(path)!r}: {reason}") from None
        try:
            sides: dict[Side, list[TraceRow]] = {side: [] for side in Side}
            for side, row in _read(text):
                sides[side].append(row)
            short = hashlib.sha256(text.encode()).hexdigest()[:8]
            name = f"{Path(path).name}@{short}"
            return cls(sides[Side.CLIENT], sides[Side.SERVER], name)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None

    @classmethod
    def of_losses(cls, client: Iterable[bool], server: Iterable[bool], name: str = "") -> LossTrace:
        """From two lists that tell of each datagram whether it was lost."""
        first, second = ([TraceRow(not lost) for lost in side] for side in (client, server))
        return cls(first, second, name)

    @property
    def loss(self) -> tuple[float, float]:
        """The fraction that was lost, of the client's datagrams and of the server's."""
        first, second = (
            sum(not row.delivered for row in side) / len(side)
            for side in (self.client, self.server)
        )
        return first, second

    def rows(self, sender: Side, start: float) -> Iterator[TraceRow]:
        """The rows of one direction without end, from the place ``start`` (in [0, 1)) on."""
        every = self.client if sender is Side.CLIENT else self.server
        place = int(start * len(every))
        while True:
            yield every[place]
            place = (place + 1) % len(every)


def _read(text: str) -> Iterator[tuple[Side, TraceRow]]:
    lines = csv.reader(io.StringIO(text))
    heading = tuple(name.strip() for name in next(lines, ()))
    if heading not in {COLUMNS, COLUMNS[:2]}:
        raise ConfigurationError(
            f"line 1: the columns are {', '.join(COLUMNS)} (the last one may be left out), not "
            f"{', '.join(heading) or 'nothing'}"
        )
    for cells in lines:
        if not cells:
            continue
        where = f"line {lines.line_num}"
        if len(cells) != len(heading):
            raise ConfigurationError(f"{where}: {len(cells)} values for {len(heading)} columns")
        sender, fate, *rest = (cell.strip() for cell in cells)
        side = _SENDERS[_one_of(sender, "client", "server", where=where)]
        delivered = _FATES[_one_of(fate, "delivered", "lost", where=where)]
        yield side, TraceRow(delivered, _seconds(rest[0], where) if rest and rest[0] else None)


def _one_of(text: str, *known: Literal["client", "server", "delivered", "lost"], where: str) -> str:
    if text not in known:
        raise ConfigurationError(f"{where}: {text!r} is neither {' nor '.join(known)}")
    return text


def _seconds(text: str, where: str) -> float:
    try:
        delay = float(text)
    except ValueError:
        raise ConfigurationError(f"{where}: the delay {text!r} is no number of seconds") from None
    _check_delay(delay, where)
    return delay


def _check_delay(delay: float | None, where: str) -> None:
    if delay is not None and not 0.0 <= delay < math.inf:
        raise ConfigurationError(f"{where}: a delay is 0 seconds or more, not {delay}")
