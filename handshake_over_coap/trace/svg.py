"""Ladder diagrams as SVG: the same rungs as :mod:`.ladder`, for where people would rather look.

One row for each datagram, in the order they were seen; its time stands at the left.  Rows are
evenly spaced, whatever the time between them, and a gap longer than a second is said in words.
Lost datagrams end in a cross on the way and are dashed; those that were sent before are paler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final
from xml.sax.saxutils import escape

from handshake_over_coap.trace.label import datagram_label
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Fate

_LEFT: Final = 110
_RIGHT: Final = 770
_WIDTH: Final = 800
_TOP: Final = 48
_ROW: Final = 34
_SLOPE: Final = 8
_GAP: Final = 22
_LONGEST_LABEL: Final = 96
_LABEL_END: Final = 24
_LONG_PAUSE: Final = 1.0

_STYLE: Final = (
    "text{font-family:'DejaVu Sans',Helvetica,sans-serif;font-size:12px;fill:#222}"
    ".time{font-size:11px;fill:#555;text-anchor:end}.name{font-weight:bold;text-anchor:middle}"
    ".gap{font-size:11px;fill:#888;text-anchor:middle}.label{text-anchor:middle}"
    "line{stroke:#222;stroke-width:1.4}.life{stroke:#999}.to-server{stroke:#1f5fa8}"
    ".to-client{stroke:#1a7f4b}.again{stroke-opacity:.45}.lost{stroke-dasharray:5 3;stroke:#b22}"
    ".cross{stroke:#b22;stroke-width:2}"
)


def ladder_svg(
    datagrams: Iterable[DatagramSeen],
    *,
    label: Callable[[bytes], str] = datagram_label,
    at_server: bool = False,
    names: tuple[str, str] = ("client", "server"),
    title: str = "",
) -> str:
    """A picture of ``datagrams``, which one client and one server exchanged, as an SVG document.

    ``at_server`` says that they were observed at the server, else at the client, who stands on the
    left.  Times are in seconds since the first datagram.  ``title`` is its text for screen readers.
    """
    rows: list[str] = []
    before: set[tuple[Direction, bytes]] = set()
    y = _TOP + _ROW
    start = last = None
    for seen in datagrams:
        start = seen.time if start is None else start
        if last is not None and seen.time - last > _LONG_PAUSE:
            rows.append(_text("gap", (_LEFT + _RIGHT) // 2, y - 8, f"{seen.time - last:.1f} s"))
            y += _GAP
        last = seen.time
        again = (seen.direction, seen.data) in before
        before.add((seen.direction, seen.data))
        rightwards = (seen.direction is Direction.SENT) is not at_server
        rows.append(_text("time", _LEFT - 12, y + 4, f"{seen.time - start:.3f} s"))
        rows += _arrow(y, label(seen.data), rightwards, lost=seen.fate is Fate.LOST, again=again)
        y += _ROW
    return _document(rows, y, names, title)


def _arrow(y: int, text: str, rightwards: bool, *, lost: bool, again: bool) -> list[str]:
    """One datagram: a sloping line with its head or cross, and the label above it."""
    tail, head = (_LEFT, _RIGHT) if rightwards else (_RIGHT, _LEFT)
    end = tail + round((head - tail) * 0.72) if lost else head
    kinds = ["to-server" if rightwards else "to-client"]
    kinds += ["again"] * again + ["lost"] * lost
    marker = "" if lost else f' marker-end="url(#{kinds[0]})"'
    parts = [
        _text("label", (_LEFT + _RIGHT) // 2, y - 7, _shortened(text + " (again)" * again)),
        (
            f'<line class="{" ".join(kinds)}" x1="{tail}" y1="{y - 2}" x2="{end}" '
            f'y2="{y + _SLOPE}"{marker}/>'
        ),
    ]
    if lost:
        parts += [
            f'<line class="cross" x1="{end - 5}" y1="{y + _SLOPE - slant}" '
            f'x2="{end + 5}" y2="{y + _SLOPE + slant}"/>'
            for slant in (5, -5)
        ]
    return parts


def _shortened(text: str) -> str:
    """A label that fits: its end stays, where the size stands and that it was sent before."""
    if len(text) <= _LONGEST_LABEL:
        return text
    return text[: _LONGEST_LABEL - 3 - _LABEL_END] + "..." + text[-_LABEL_END:]


def _document(rows: list[str], bottom: int, names: tuple[str, str], title: str) -> str:
    height = bottom + 16
    heads = "".join(
        f'<marker id="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
        for kind, colour in (("to-server", "#1f5fa8"), ("to-client", "#1a7f4b"))
    )
    lives = [
        _text("name", x, _TOP - 14, name) + f'<line class="life" x1="{x}" y1="{_TOP - 6}" x2="{x}" '
        f'y2="{bottom}"/>'
        for x, name in ((_LEFT, names[0]), (_RIGHT, names[1]))
    ]
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img">'
        ),
        f"<title>{_plain(title or 'ladder diagram')}</title>",
        f"<style>{_STYLE}</style><defs>{heads}</defs>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *lives,
        *rows,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(kind: str, x: int, y: int, words: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{_plain(words)}</text>'


def _plain(words: str) -> str:
    """``words`` as XML text: what XML 1.0 cannot hold becomes a question mark."""
    return escape("".join(each if each.isprintable() else "?" for each in words))
