"""Paths of requests, and numbers that stand for some of them (draft-ietf-core-uri-path-abbrev).

The Uri-Path-Abbrev option takes the place of all Uri-Path options of a request.  Which number
stands for which path is for a registry to say; it has none for handshakes, so that one is used here
which is free there, as long as both sides are experiments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .options import Option, OptionValue, uint

ABBREVIATIONS: Final[dict[int, tuple[bytes, ...]]] = {
    0: (b".well-known", b"core"),
    100: (b".well-known", b"dtls"),
}
"""The paths that numbers stand for, by the values of their Uri-Path options."""

_NUMBERS: Final = {path: number for number, path in ABBREVIATIONS.items()}


def can_be_abbreviated(path: Sequence[str]) -> bool:
    """Whether a number stands for the path with these segments."""
    return tuple(each.encode() for each in path) in _NUMBERS


def path_options(path: Sequence[str], *, abbreviated: bool = False) -> tuple[OptionValue, ...]:
    """The options of a request to the path with these segments.

    ``abbreviated``: in short, if there is a number for it.
    """
    segments = tuple(each.encode() for each in path)
    number = _NUMBERS.get(segments) if abbreviated else None
    if number is not None:
        return ((int(Option.URI_PATH_ABBREV), uint(number)),)
    return tuple((int(Option.URI_PATH), each) for each in segments)
