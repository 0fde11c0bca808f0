"""A CoAP message as an onlooker reads it: whatever can be made out, and never an error.

Carriers judge what they receive by a strict scan of their own; a picture of the traffic has to
show garbage too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

URI_PATH: Final = 11
LOCATION_PATH: Final = 8
CONTENT_FORMAT: Final = 12
BLOCK2: Final = 23
BLOCK1: Final = 27
ECHO: Final = 252

TYPES: Final = ("CON", "NON", "ACK", "RST")
_METHODS: Final = {
    1: "GET",
    2: "POST",
    3: "PUT",
    4: "DELETE",
    5: "FETCH",
    6: "PATCH",
    7: "iPATCH",
}

# What a path segment may hold literally (RFC 3986 section 3.3), beside letters and digits.
_SEGMENT_CHARACTERS: Final = "!$&'()*+,;=:@"


@dataclass(frozen=True, slots=True)
class CoapSeen:
    """A message of CoAP version 1 (RFC 7252 section 3), as far as it could be read.

    ``options`` holds number and value of each option in order.  ``intact`` is false where the
    message breaks the format: what stands before that place is there, the payload is not.
    """

    type: int
    code: int
    message_id: int
    token: bytes
    options: tuple[tuple[int, bytes], ...]
    payload: bytes
    intact: bool

    @property
    def code_text(self) -> str:
        """The method's name, else the code in its dotted form; nothing for the empty message."""
        if not self.code:
            return ""
        return _METHODS.get(self.code) or f"{self.code >> 5}.{self.code & 31:02}"

    def path(self, number: int) -> str | None:
        """The values of all options ``number`` as a path in a URI, ``None`` if there is none."""
        segments = [value for each, value in self.options if each == number]
        if not segments:
            return None
        return "".join("/" + quote_from_bytes(part, _SEGMENT_CHARACTERS) for part in segments)

    def option(self, number: int) -> bytes | None:
        """The value of the first option ``number``, ``None`` if there is none."""
        return next((value for each, value in self.options if each == number), None)


def read_coap(data: bytes) -> CoapSeen | None:
    """What ``data`` looks like as a CoAP message, ``None`` if its header is not one."""
    if len(data) < 4 or data[0] >> 6 != 1:
        return None
    token_length, code = data[0] & 15, data[1]
    start = 4 + token_length
    token = data[4:start]
    options: list[tuple[int, bytes]] = []
    payload: bytes | None = None
    if token_length <= 8 and len(token) == token_length and (code or len(data) == 4):
        payload = _read_options(data, start, options)
    return CoapSeen(
        type=data[0] >> 4 & 3,
        code=code,
        message_id=int.from_bytes(data[2:4], "big"),
        token=token,
        options=tuple(options),
        payload=payload or b"",
        intact=payload is not None,
    )


def _read_options(data: bytes, position: int, options: list[tuple[int, bytes]]) -> bytes | None:
    """Append the options from ``position`` on; gives the payload, ``None`` where they break off."""
    number = 0
    while position < len(data):
        first = data[position]
        position += 1
        if first == 0xFF:
            return data[position:] or None
        delta, position = _extended(first >> 4, data, position)
        length, position = _extended(first & 15, data, position)
        if delta is None or length is None or position + length > len(data):
            return None
        number += delta
        options.append((number, data[position : position + length]))
        position += length
    return b""


def _extended(nibble: int, data: bytes, position: int) -> tuple[int | None, int]:
    """Option delta or length, and where reading goes on; ``None`` if reserved or cut off."""
    if nibble < 13:
        return nibble, position
    end = position + nibble - 12
    if nibble == 15 or end > len(data):
        return None, position
    return int.from_bytes(data[position:end], "big") + (13 if nibble == 13 else 269), end
