"""Content formats that wrap others: what is in the pieces of a body stays to be told."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.encodings import DEFAULT
from handshake_over_coap.errors import ConfigurationError

_DISTANCE = 256
"""How far the number of a wrapping format is above that of what it wraps."""
_FIRST, _LAST = 65000, 65000 + _DISTANCE - 1
"""What can be wrapped: the first of the numbers for experiments (RFC 7252 section 12.3)."""


def wrapped(content_format: int | None) -> int:
    """The Content-Format of pieces of a body in ``content_format``, None being the default.

    Raises ConfigurationError where that cannot be wrapped.
    """
    number = DEFAULT.content_format if content_format is None else content_format
    if not _FIRST <= number <= _LAST:
        raise ConfigurationError(
            f"content format {number} cannot cross in pieces: choose one of {_FIRST} to {_LAST}"
        )
    return number + _DISTANCE


def with_wrapped(content_formats: Sequence[int]) -> tuple[int, ...]:
    """These formats, and behind them those of pieces of bodies in them, where there are any."""
    pieces = [wrapped(each) for each in content_formats if _FIRST <= each <= _LAST]
    return (*content_formats, *pieces)


def unwrapped(content_format: int) -> int | None:
    """What a Content-Format wraps; None if nothing."""
    number = content_format - _DISTANCE
    return number if _FIRST <= number <= _LAST else None
