"""The inner plaintext: content, its type, and zeros as padding.

Records of 1.3 and those of 1.2 with a connection ID seal it in place of the content
(RFC 9147 section 4, RFC 9146 section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.errors import MalformedRecord
from handshake_over_coap.tls.codepoints import ContentType

TYPES_12: Final[Mapping[int, bytes]] = {
    int(known): bytes((known,))
    for known in (ContentType.alert, ContentType.handshake, ContentType.application_data)
}
"""The content types that a record of 1.2 seals, and each as a byte."""

TYPES_13: Final[Mapping[int, bytes]] = {**TYPES_12, int(ContentType.ack): bytes((ContentType.ack,))}
"""The content types that a record of 1.3 seals, and each as a byte."""


MIN_RECORD_LIMIT: Final = 64
"""The lowest record_size_limit there is, in bytes (RFC 8449 section 4)."""


def limited(longest: int, record_limit: int | None) -> int:
    """The lower of ``longest`` and a record_size_limit, in bytes.

    Raises ConfigurationError for a limit below 64.
    """
    if record_limit is None:
        return longest
    if record_limit < MIN_RECORD_LIMIT:
        raise ConfigurationError(f"record size limit of {record_limit} bytes")
    return min(longest, record_limit)


def wrap(content_type: int, content: bytes, types: Mapping[int, bytes], padding: int) -> bytes:
    """The inner plaintext with ``padding`` zeros.

    Raises ConfigurationError for a type that is not among ``types`` or a negative padding.
    """
    try:
        inner = content + types[content_type]
    except KeyError:
        raise ConfigurationError(f"content type {content_type} is not sealed") from None
    if not padding:
        return inner
    if padding < 0:
        raise ConfigurationError(f"padding of {padding} bytes")
    return inner + bytes(padding)


def unwrap(inner: bytes, types: Mapping[int, bytes]) -> tuple[int, bytes]:
    """Content type and content.

    Raises MalformedRecord where there is nothing but zeros, or a type that is not among
    ``types``: the record is dropped, as any that makes no sense (RFC 9147 section 4.5.2).
    """
    if not inner or not inner[-1]:
        inner = inner.rstrip(b"\0")
        if not inner:
            raise MalformedRecord("a record without a content type")
    content_type = inner[-1]
    if content_type not in types:
        raise MalformedRecord(f"content type {content_type} inside a record")
    return content_type, inner[:-1]
