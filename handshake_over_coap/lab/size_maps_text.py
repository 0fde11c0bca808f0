"""The tables of :mod:`.size_maps` as text: for the command, and in Markdown for docs/sizes.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from handshake_over_coap.encodings.floor import Kind
from handshake_over_coap.lab.byte_map import KINDS
from handshake_over_coap.lab.markdown import as_markdown
from handshake_over_coap.lab.size_maps import UDP, Carried, Row

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        UDP: "DTLS over UDP",
        "plain": "CoAP, plain",
        "compact": "CoAP, compact",
        "compact, keys pinned": "compact, keys pinned",
        "compact, derived random": "compact, derived random",
        "compact, keys pinned, derived random": "compact, pinned, derived",
    }
)
_KINDS: Final = MappingProxyType(
    {kind: kind for kind in KINDS}
    | {Kind.CHAIN: "certs", Kind.SIGNATURE: "sign.", Kind.FINISHED: "Fin.", Kind.NAME: "ident."}
)
TOTALS: Final = ("", "#1", "#2", "#3", "#4", "all", "floor", "with CoAP", "of UDP")
MAPS: Final = ("", "flight", "bytes", *_KINDS.values())


def total_lines(row: Row) -> Iterator[tuple[str, ...]]:
    """One line a way: bytes of each flight, of all, the floor, with the CoAP around, over UDP's.

    Then those of others, marked by an asterisk: what is published of them.
    """
    over_udp = row.ways[UDP].datagrams
    for name, way in row.ways.items():
        sent = "" if name == UDP else _number(way.datagrams)
        flights = [_number(flight.total) for flight in way.flights]
        share = f"{way.datagrams / over_udp:.2f}"
        yield NAMES[name], *flights, _number(way.total), _number(way.floor), sent, share
    for rival in row.rivals:
        published = [str(size) for size in rival.flights]
        yield (
            f"{rival.name} *",
            *published,
            *[""] * (4 - len(published)),
            str(rival.total),
            *[""] * 3,
        )


def map_lines(name: str, way: Carried) -> Iterator[tuple[str, ...]]:
    """One line a flight: how many bytes of each kind it has."""
    for number, flight in enumerate(way.flights, 1):
        who = "client" if flight.from_client else "server"
        found = (
            _number(flight.bytes.get(kind, 0)) if kind in flight.bytes else "" for kind in KINDS
        )
        yield NAMES[name] if number == 1 else "", f"#{number} {who}", _number(flight.total), *found


def left_out(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """What published figures leave out, once for each name."""
    said: set[str] = set()
    for rival in (rival for row in rows for rival in row.rivals):
        if rival.name not in said:
            said.add(rival.name)
            yield rival.name, rival.leaves_out


def as_text(rows: Sequence[Row]) -> str:
    """All of it, for a terminal."""
    lines = []
    for row in rows:
        lines += [f"DTLS {row.name}, mean of {row.trials} seeds", ""]
        lines += _columns([TOTALS, *total_lines(row)])
        found = [line for name, way in row.ways.items() for line in map_lines(name, way)]
        lines += ["", *_columns(_without_empty([MAPS, *found])), ""]
    lines += [f"* {name}, published. Left out: {what}." for name, what in left_out(rows)]
    return "\n".join(lines).rstrip()


def totals_page(rows: Sequence[Row]) -> str:
    """The totals of all handshakes, in Markdown."""
    lines: list[Sequence[str]] = []
    for row in rows:
        name, *others = total_lines(row)
        lines += [(row.name, *name), *(("", *each) for each in others)]
    return as_markdown(("handshake", *TOTALS), lines)


def map_page(row: Row) -> str:
    """The byte map of one handshake, in Markdown."""
    found = [line for name, way in row.ways.items() for line in map_lines(name, way)]
    head, *lines = _without_empty([MAPS, *found])
    return as_markdown(head, lines)


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Padded to the widest cell: the first column to the left, all others to the right."""
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _without_empty(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Without columns that have nothing but a heading."""
    used = [place for place, cells in enumerate(zip(*lines, strict=True)) if any(cells[1:])]
    return [[line[place] for place in used] for line in lines]


def _number(value: float) -> str:
    """Without a fraction where there is none."""
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


CONDITIONS: Final = (
    "no address check, CCM_8, one suite and group, an identity of one byte; CoAP: path /d, tokens "
    "of one byte, no Location-Path"
)
"""What holds for all of it."""
