"""How a flight becomes the body of a CoAP message, losslessly.

An encoding turns one flight into bytes and back, to the exact standard messages.  Each has a name
(the value of ``--encoding``) and a CoAP content format from the experimental range (RFC 7252
section 12.3).  :mod:`.base` says what one is; this is the one table of those that have a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from handshake_over_coap.encodings.base import Encoding, EpochContext, FlightContext
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.items import BodyItem, FlightItem, Unsealed
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.named import users_own

__all__ = [
    "BY_CONTENT_FORMAT",
    "BY_NAME",
    "DEFAULT",
    "BodyItem",
    "Encoding",
    "EncodingChoice",
    "EpochContext",
    "FlightContext",
    "FlightItem",
    "Unsealed",
    "encoding_for",
    "encoding_named",
]

DEFAULT: Encoding = PLAIN
"""What a resource speaks when no Content-Format says otherwise."""

_ALL: tuple[Encoding, ...] = (PLAIN, COMPACT)

BY_NAME: Mapping[str, Encoding] = MappingProxyType({each.name: each for each in _ALL})

BY_CONTENT_FORMAT: Mapping[int, Encoding] = MappingProxyType(
    {each.content_format: each for each in _ALL}
)

EncodingChoice: TypeAlias = str | Encoding
"""A name, or an encoding of one's own."""


def encoding_named(choice: EncodingChoice) -> Encoding:
    """The encoding that a name stands for; one of one's own stands for itself.

    A name may be ``module:Name`` of one's own.  Raises ConfigurationError, with the known names,
    where there is none of that name.
    """
    if not isinstance(choice, str):
        return choice
    if ":" in choice:
        own = users_own(choice, Encoding, "encoding")
        assert isinstance(own, Encoding)  # noqa: S101 -- just checked; for the type checker
        return own
    try:
        return BY_NAME[choice]
    except KeyError:
        known = ", ".join(BY_NAME)
        raise ConfigurationError(f"no encoding is called {choice!r}; there is: {known}") from None


def encoding_for(content_format: int, own: Encoding) -> Encoding | None:
    """The encoding of a content format, ``own`` before those with a name; None if unknown."""
    if content_format == own.content_format:
        return own
    return BY_CONTENT_FORMAT.get(content_format)
