"""How a flight becomes the body of a CoAP message, losslessly.

An encoding turns the whole messages and sealed records of one flight into bytes and back, to the
exact standard messages and records.  Each has a name (the value of ``--encoding``) and a CoAP
content format from the experimental range (RFC 7252 section 12.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.errors import ConfigurationError

__all__ = [
    "BY_CONTENT_FORMAT",
    "BY_NAME",
    "DEFAULT",
    "BodyEncoding",
    "BodyItem",
    "encoding_named",
]


class BodyEncoding(Protocol):
    """One lossless form of bodies.  Encoders and decoders keep no state."""

    @property
    def name(self) -> str:
        """The name in options and reports."""

    @property
    def content_format(self) -> int:
        """The CoAP Content-Format number."""

    def encode(self, items: Sequence[BodyItem]) -> bytes:
        """The body that holds ``items``; ConfigurationError for items that have no encoding."""

    def decode(self, body: bytes, *, next_message_seq: int) -> tuple[BodyItem, ...]:
        """The items of ``body``.

        ``next_message_seq`` is the message_seq that its first plaintext handshake message has.
        Raises DecodeError for anything that :meth:`encode` does not produce.
        """


DEFAULT: BodyEncoding = PLAIN
"""What a resource speaks when no Content-Format says otherwise."""

_ALL: tuple[BodyEncoding, ...] = (PLAIN,)

BY_NAME: Mapping[str, BodyEncoding] = MappingProxyType({each.name: each for each in _ALL})
BY_CONTENT_FORMAT: Mapping[int, BodyEncoding] = MappingProxyType(
    {each.content_format: each for each in _ALL}
)


def encoding_named(name: str) -> BodyEncoding:
    """The encoding called ``name``; ConfigurationError, with the known names, if there is none."""
    try:
        return BY_NAME[name]
    except KeyError:
        known = ", ".join(BY_NAME)
        raise ConfigurationError(f"no encoding is called {name!r}; there is: {known}") from None
