"""A handshake as bars, one a way, each byte in its place: a picture for a slide.

Kinds of bytes differ in hatch, and are named where there is room: it can be read without colour.
Needs matplotlib, which comes with the extra ``notebooks``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from handshake_over_coap.encodings.floor import Kind
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.byte_map import HEAD, REST
from handshake_over_coap.lab.published_rivals import Rival
from handshake_over_coap.lab.size_maps import UDP, Carried, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SHOWN: Final = "1.3 RPK, mutual"
"""The handshake that most figures of others are for."""


class _Look(NamedTuple):
    """How bytes of a kind are drawn, by which letter, and what the legend calls them."""

    colour: str
    hatch: str
    letter: str
    text: str


_LOOKS: Final[Mapping[str, _Look]] = MappingProxyType(
    {
        Kind.RANDOM: _Look("#9ecae1", "", "R", "random"),
        Kind.SHARE: _Look("#fdd0a2", "////", "E", "ephemeral share (x)"),
        Kind.KEY: _Look("#c7e9c0", "xxxx", "K", "raw public key (x)"),
        Kind.CHAIN: _Look("#e5f5e0", "++", "C", "certificates"),
        Kind.SIGNATURE: _Look("#dadaeb", "....", "S", "signature (r, s)"),
        Kind.FINISHED: _Look("#fcbba1", "\\\\\\\\", "F", "Finished"),
        Kind.BINDER: _Look("#fee391", "||||", "B", "binder"),
        Kind.NAME: _Look("#ffffff", "oooo", "", "identity"),
        Kind.TAG: _Look("#ffffff", "------", "", "tag of a seal"),
        Kind.OTHER: _Look("#e0e0e0", "", "", "other"),
        HEAD: _Look("#000000", "", "", "headers, or a shape"),
        REST: _Look("#e6e6e6", "", "", "all else in messages"),
    }
)
_WAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        UDP: "DTLS over UDP",
        "plain": "CoAP, plain bodies",
        "compact": "CoAP, compact",
        "compact, keys pinned": "…, keys pinned",
        "compact, keys pinned, derived random": "…, derived random",
    }
)
_NAMED: Final = 12
"""Bytes of the shortest run in which its letter has room."""

_HEIGHT: Final = 0.56
"""Of a bar, where 1 is from one to the next."""

_LABEL: Final = 24
"""Characters of a line of a label."""

_WIDTH: Final = 13.3
_PITCH: Final = 0.54
_MARGIN: Final = 2.0
"""Inches: the width of a slide, from one bar to the next, and what is above and below all bars."""

_DOTS: Final = 150
"""In an inch."""

_ENDINGS: Final = (".svg", ".png", ".pdf")


def draw(row: Row, path: Path, conditions: str) -> None:
    """Draw a handshake into a file of one of the endings svg, png and pdf.

    ``conditions`` says below it how it was made.  Raises ConfigurationError.
    """
    if path.suffix not in _ENDINGS:
        raise ConfigurationError(f"a picture ends in {', '.join(_ENDINGS)}, not {path.suffix!r}")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise ConfigurationError(
            "a picture needs matplotlib: pip install -e '.[notebooks]' in the checkout"
        ) from missing
    fixed: dict[Any, Any] = {"svg.hashsalt": "handshake-over-coap", "hatch.linewidth": 0.5}
    with rc_context({**fixed, "font.size": 11}):
        ways = [(name, row.ways[name]) for name in _WAYS if name in row.ways]
        bars = len(ways) + len(row.rivals)
        height = _PITCH * bars + _MARGIN
        figure = Figure(figsize=(_WIDTH, height))
        axis = figure.add_axes((0.175, 1.45 / height, 0.815, _PITCH * bars / height))
        for place, (name, way) in enumerate(ways):
            _bar(axis, bars - place, name, way)
        for place, rival in enumerate(row.rivals, len(ways)):
            _published(axis, bars - place, rival)
        _finish(axis, row, [way for _, way in ways])
        figure.text(0.008, 0.012, conditions, size=8, color="#444444")
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        try:
            figure.savefig(path, dpi=_DOTS, metadata=metadata)
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _bar(axis: Axes, y: int, name: str, way: Carried) -> None:
    """The flights one after the other, and their bytes at the end."""
    left = 0
    for flight in way.flights:
        start = left
        for kind, length in flight.runs:
            look = _LOOKS[kind]
            axis.barh(
                y, length, _HEIGHT, left, color=look.colour, hatch=look.hatch,
                edgecolor="#333333", linewidth=0.3,
            )  # fmt: skip
            if length >= _NAMED and look.letter:
                _letter(axis, left + length / 2, y, look.letter)
            left += length
        who = "client" if flight.from_client else "server"
        _flight(axis, y, start, left, f"{who} {left - start}")
    around = "" if name == UDP else f", with CoAP {way.datagrams:.0f}"
    _beside(axis, left, y, 8, f"{left}", size=14, weight="bold")
    _beside(axis, left, y, 46, f"floor {way.floor:.0f}{around}", size=10)
    _beside(axis, 0, y, -8, _WAYS[name], size=12, ha="right")


def _beside(axis: Axes, x: float, y: float, points: float, text: str, **style: Any) -> None:
    """Text so many points to the right of a place."""
    at, unit = (points, 0), "offset points"
    axis.annotate(text, (x, y), at, textcoords=unit, va="center", annotation_clip=False, **style)


def _letter(axis: Axes, x: float, y: float, letter: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.9, "alpha": 0.9}
    axis.text(x, y, letter, va="center", ha="center", size=9, weight="bold", bbox=box)


def _flight(axis: Axes, y: float, start: float, end: float, text: str) -> None:
    top = y + _HEIGHT / 2
    axis.plot([start, start], [y - _HEIGHT / 2, top + 0.2], color="black", linewidth=1.2)
    if end - start > 50:
        axis.text(start + 3, top + 0.03, text, va="bottom", size=8)


def _published(axis: Axes, y: int, rival: Rival) -> None:
    """What others have published: how long, and where a flight ends if that is known."""
    style: dict[str, Any] = {"edgecolor": "black", "linewidth": 1.0, "linestyle": "--"}
    axis.barh(y, rival.total, _HEIGHT, color="white", **style)
    left = 0
    for number, size in enumerate(rival.flights):
        _flight(axis, y, left, left + size, f"{('client', 'server')[number % 2]} {size}")
        left += size
    _beside(axis, rival.total, y, 8, f"{rival.total}", size=14)
    label = "\n".join(wrap(f"{rival.name}*", _LABEL))
    _beside(axis, 0, y, -8, label, size=10.5, ha="right", style="italic")


def _finish(axis: Axes, row: Row, ways: Sequence[Carried]) -> None:
    from matplotlib.patches import Patch

    title = f"DTLS {row.name}: every byte of the handshake"
    axis.set_title(title, loc="left", size=16, weight="bold", pad=8)
    axis.set_xlabel("bytes of all flights")
    axis.set_yticks([])
    axis.set_xlim(0, max(way.total for way in ways) * 1.24)
    bars = len(ways) + len(row.rivals)
    axis.set_ylim(0.45, bars + 0.75)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    used = {kind for way in ways for flight in way.flights for kind, _ in flight.runs}
    handles = [
        Patch(
            facecolor=look.colour,
            hatch=look.hatch,
            edgecolor="#333333",
            label=f"{look.letter}  {look.text}" if look.letter else look.text,
        )
        for kind, look in _LOOKS.items()
        if kind in used
    ]
    if row.rivals:
        published = "* published by others"
        handles.append(Patch(facecolor="white", edgecolor="black", linestyle="--", label=published))
    below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.62 / (_PITCH * bars))}
    axis.legend(handles=handles, **below, ncols=5, frameon=False, fontsize=9.5, handlelength=2.4)
