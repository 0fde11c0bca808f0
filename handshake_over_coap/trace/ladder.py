"""Ladder diagrams in plain text, narrow enough for an Internet-Draft.

One arrow for each datagram, with its time and a label::

    time (s) client                                                server
       0.000 |- CON POST /.well-known/dtls, Block1 0/1/64, 91 B ------->|
       0.101 |<---------------------------------- ACK 4.01, Echo, 18 B -|
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace.label import datagram_label
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Fate

WIDTH: Final = 72
"""Columns of a line in an RFC; artwork of a draft in its default indentation has 69."""

_NARROWEST: Final = 40
_TIME_WIDTH: Final = 8
_LABEL_LINES: Final = 3
_LONGEST_LABEL: Final = 400
_LOST: Final = "X   "


def ladder(
    datagrams: Iterable[DatagramSeen],
    *,
    label: Callable[[bytes], str] = datagram_label,
    at_server: bool = False,
    width: int = WIDTH,
    names: tuple[str, str] = ("client", "server"),
) -> str:
    """A diagram of ``datagrams``, which one client and one server exchanged; lines end in newlines.

    ``at_server`` says that they were observed at the server, else at the client, who stands on the
    left.  Times are in seconds since the first datagram, order is that of ``datagrams``.  A
    datagram that was seen before in the same direction is marked ``(again)``; the arrow of a lost
    one ends in an X.  Labels are wrapped, and cut after three lines; what is not printable ASCII in
    them becomes ``?``.  No line is longer than ``width`` columns (ConfigurationError below 40).
    """
    if width < _NARROWEST:
        raise ConfigurationError(f"a ladder needs {_NARROWEST} columns or more, not {width}")
    lines = [_heading(names, width)]
    before: set[tuple[Direction, bytes]] = set()
    start: float | None = None
    for seen in datagrams:
        start = seen.time if start is None else start
        text = label(seen.data)
        if (seen.direction, seen.data) in before:
            text += " (again)"
        before.add((seen.direction, seen.data))
        lines += _rung(seen, seen.time - start, text, at_server, width)
    return "".join(f"{line}\n" for line in lines)


def _heading(names: tuple[str, str], width: int) -> str:
    room = width - _TIME_WIDTH - 1
    most = room // 2 - 1
    left, right = (_printable(name)[:most] for name in names)
    return f"time (s) {left}{right:>{room - len(left)}}".rstrip()


def _rung(seen: DatagramSeen, elapsed: float, text: str, at_server: bool, width: int) -> list[str]:
    """The lines of one datagram: the arrow with the label's start, and the rest of the label."""
    inner = width - _TIME_WIDTH - 3
    rightwards = (seen.direction is Direction.SENT) is not at_server
    head = _LOST if seen.fate is Fate.LOST else ">" if rightwards else "<"
    first, *rest = _wrapped(text, inner - len("-  -") - len(head))
    lines = [f"{_time_text(elapsed)} |{_arrow(first, head, rightwards, inner)}|"]
    for each in rest:
        filled = f"  {each:<{inner - 2}}" if rightwards else f"{each:>{inner - 2}}  "
        lines.append(f"{'':{_TIME_WIDTH}} |{filled}|")
    return lines


def _arrow(text: str, head: str, rightwards: bool, inner: int) -> str:
    """The arrow alone, ``inner`` columns wide, its label at the tail."""
    said = f" {text} " if text else ""
    shaft = "-" * (inner - 1 - len(said) - len(head))
    return f"-{said}{shaft}{head}" if rightwards else f"{head[::-1]}{shaft}{said}-"


def _wrapped(text: str, width: int) -> list[str]:
    """At least one line, the first perhaps empty."""
    return textwrap.wrap(
        _printable(text[:_LONGEST_LABEL]),
        width,
        max_lines=_LABEL_LINES,
        placeholder=" ...",
        break_on_hyphens=False,
    ) or [""]


def _printable(text: str) -> str:
    return "".join(each if " " <= each <= "~" else "?" for each in text)


def _time_text(seconds: float) -> str:
    text = f"{seconds:{_TIME_WIDTH}.3f}"
    return text if len(text) <= _TIME_WIDTH else f"{seconds:{_TIME_WIDTH}.0e}"
