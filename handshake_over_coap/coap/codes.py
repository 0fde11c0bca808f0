"""Message types and codes (RFC 7252 sections 3 and 12.1)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class MessageType(IntEnum):
    """The two bits after the version."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Code(IntEnum):
    """CoAP codes of the exchange as the numbers on the wire (RFC 7252 section 12.1)."""

    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    CREATED = 0x41
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    INTERNAL_SERVER_ERROR = 0xA0
    SERVICE_UNAVAILABLE = 0xA3
    PROXYING_NOT_SUPPORTED = 0xA5

    @property
    def dotted(self) -> str:
        """The usual form, such as "4.01"."""
        return code_text(self)


_METHODS: Final = {
    1: "GET",
    2: "POST",
    3: "PUT",
    4: "DELETE",
    5: "FETCH",
    6: "PATCH",
    7: "iPATCH",
}


def code_text(code: int) -> str:
    """A code as people write it: the three digits, such as "4.01"."""
    return f"{code >> 5}.{code & 31:02}"


def method_text(code: int) -> str | None:
    """The name of a request's method, ``None`` for what is none that is registered."""
    return _METHODS.get(code)


def is_request(code: int) -> bool:
    """Whether the code is of class 0 and not the empty message."""
    return 0 < code < 32


def is_response(code: int) -> bool:
    """Whether the code is of class 2, 4 or 5; the others are reserved."""
    return code >> 5 in (2, 4, 5)


def is_success(code: int) -> bool:
    """Whether the code is of class 2."""
    return code >> 5 == 2
