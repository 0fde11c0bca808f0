"""Which blocks are missing: application/missing-blocks+cbor-seq (RFC 9177 section 5).

A CBOR Sequence (RFC 8742) of unsigned integers in ascending order, the body of a 4.08 that asks for
blocks again.  There is nothing else of CBOR in it, so that this is all of it that is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from handshake_over_coap.errors import Error

CONTENT_FORMAT: Final = 272
"""application/missing-blocks+cbor-seq in the registry "CoAP Content-Formats"."""

MOST_BLOCKS: Final = 1 << 20
"""Block numbers have 20 bits (RFC 7959 section 2.2)."""

_EXTENSIONS: Final = {24: 1, 25: 2, 26: 4, 27: 8}


class BadReport(Error):
    """The report is no sequence of block numbers in ascending order, or empty."""


def encode_missing(numbers: Iterable[int], room: int) -> bytes:
    """The report of these block numbers, ascending; of the first ones that ``room`` bytes hold."""
    report = b""
    for number in numbers:
        item = _uint(number)
        if len(report) + len(item) > room:
            break
        report += item
    return report


def decode_missing(report: bytes, most: int) -> tuple[int, ...]:
    """The first ``most`` block numbers of a report.

    Raises :class:`BadReport` for one that breaks the format, what is behind the first ``most``
    excepted: that is not even looked at.
    """
    numbers: list[int] = []
    position = 0
    while position < len(report) and len(numbers) < most:
        number, position = _read(report, position)
        if number >= MOST_BLOCKS or (numbers and number <= numbers[-1]):
            raise BadReport(f"block {number} out of order or out of range")
        numbers.append(number)
    if not numbers:
        raise BadReport("a report of no block")
    return tuple(numbers)


def _uint(value: int) -> bytes:
    """An unsigned integer in CBOR's shortest form (RFC 8949 section 3)."""
    if value < 24:
        return bytes((value,))
    if value < 1 << 8:
        return bytes((24, value))
    if value < 1 << 16:
        return bytes((25,)) + value.to_bytes(2, "big")
    return bytes((26,)) + value.to_bytes(4, "big")


def _read(report: bytes, position: int) -> tuple[int, int]:
    """The unsigned integer at ``position``, in whichever length, and where the next one begins."""
    first = report[position]
    position += 1
    if first < 24:
        return first, position
    size = _EXTENSIONS.get(first)
    if size is None or position + size > len(report):
        raise BadReport("not a whole unsigned integer")
    return int.from_bytes(report[position : position + size], "big"), position + size
