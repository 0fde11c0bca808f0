"""What hellos offer, as they come out of the box: lists that a body names by a number.

A shape of ClientHello has up to eight lists of cipher suites, four of groups and eight of signature
schemes, its own most frugal first.  The three numbers together are one byte; a hello of the first
of each goes without.  The last number of each means that the list is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.wire import MAX_U16, Reader, join_u16, vec16

_SCSV: Final = 0x00FF
P256, X25519, HYBRID = 0x0017, 0x001D, 0x11EC
ECDSA, ED25519 = 0x0403, 0x0807

Table = tuple[bytes, ...]


def _table(*lists: Sequence[int]) -> Table:
    return tuple(map(join_u16, lists))


def _with_scsv(*lists: Sequence[int]) -> Table:
    return _table(*((*each, _SCSV) for each in lists))


CCM, CCM_8, GCM, CHACHA = 0x1304, 0x1305, 0x1301, 0x1303
SUITES_13: Final = _table(
    (CCM_8,), (CCM, GCM, CHACHA, CCM_8), (CCM,), (GCM,), (CHACHA,), (GCM, CCM, CCM_8)
)
SUITES_PSK: Final = _with_scsv((0xC0A8,), (0xC0A8, 0x00A8), (0x00A8,))
SUITES_ECDHE_PSK: Final = _with_scsv((0xD003,))
SUITES_ECDSA: Final = _with_scsv((0xC0AE,), (0xC0AE, 0xC02B), (0xC02B,))
GROUPS_EVEN: Final = _table((P256,), (P256, X25519), (HYBRID, P256, X25519))
"""For a hello without a share, or with one of P-256."""
GROUPS_X25519: Final = _table((X25519,), (P256, X25519), (X25519, P256))
SCHEMES_13: Final = _table((ECDSA,), (ED25519,), (ECDSA, ED25519))
SCHEMES_BOTH: Final = _table((ECDSA, ED25519), (ECDSA,), (ED25519,))


@dataclass(frozen=True, slots=True)
class Tables:
    """The lists that a shape knows by number; an empty table where it has no such list."""

    suites: Table
    groups: Table = ()
    schemes: Table = ()


_WIDTHS: Final = (3, 2, 3)
"""Bits of the three numbers, the first highest."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one hello; None where its shape has no such list."""

    suites: bytes
    groups: bytes | None
    schemes: bytes | None

    def write(self, tables: Tables) -> bytes:
        """The byte of numbers, and what has none; empty where all are the first."""
        number, written = 0, b""
        known = (tables.suites, tables.groups, tables.schemes)
        for width, table, content in zip(
            _WIDTHS, known, (self.suites, self.groups, self.schemes), strict=True
        ):
            last = (1 << width) - 1
            place = 0 if content is None else last
            if content in table[:last]:
                place = table.index(content)
            elif content is not None:
                written += vec16(content)
            number = number << width | place
        return bytes((number,)) + written if number else b""


def written_out(number: int) -> int:
    """How many lists are written out, by the byte of numbers."""
    return (number >> 5 == 7) + (number >> 3 & 3 == 3) + (number & 7 == 7)


def read(reader: Reader | None, tables: Tables) -> Lists:
    """The lists of a hello; with no ``reader``, the first of each.  Raises DecodeError."""
    number = 0 if reader is None else reader.u8()
    found: list[bytes | None] = []
    left = sum(_WIDTHS)
    for width, table in zip(_WIDTHS, (tables.suites, tables.groups, tables.schemes), strict=True):
        left -= width
        place = number >> left & (1 << width) - 1
        if reader is not None and place == (1 << width) - 1:
            found.append(reader.vec16(0, MAX_U16))
        elif not table and place == 0:
            found.append(None)
        elif place < len(table):
            found.append(table[place])
        else:
            raise DecodeError(f"no list has the number {place}")
    suites, groups, schemes = found
    return Lists(suites or b"", groups, schemes)
