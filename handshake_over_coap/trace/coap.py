"""A CoAP message as an onlooker reads it: whatever can be made out, and never an error."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_from_bytes

from handshake_over_coap.coap.codes import MessageType, code_text, method_text
from handshake_over_coap.coap.message import Message, MessageFormatError

TYPES: Final = tuple(each.name for each in MessageType)

# What a path segment may hold literally (RFC 3986 section 3.3), beside letters and digits.
_SEGMENT_CHARACTERS: Final = "!$&'()*+,;=:@"


def read_coap(data: bytes) -> Message | None:
    """What ``data`` looks like as a CoAP message, ``None`` if its header is not one."""
    try:
        return Message.decode(data, tolerant=True)
    except MessageFormatError:
        return None


def code_words(message: Message) -> str:
    """The method's name, else the code in its dotted form; nothing for the empty message."""
    return (method_text(message.code) or code_text(message.code)) if message.code else ""


def path_text(message: Message, number: int) -> str | None:
    """The values of all options ``number`` as a path in a URI, ``None`` if there is none."""
    segments = message.values(number)
    if not segments:
        return None
    return "".join("/" + quote_from_bytes(part, _SEGMENT_CHARACTERS) for part in segments)
