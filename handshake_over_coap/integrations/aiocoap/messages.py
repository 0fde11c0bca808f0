"""What a message says, from aiocoap's objects to ours and back.

Only code, options and payload cross: type, message ID and token are the business of whoever carries
the message.  Our strict reader has the last word, since aiocoap's is lenient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import aiocoap
from aiocoap.numbers.optionnumbers import OptionNumber

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import MessageType
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.coap.options import Option

COAP_PORT = 5683
"""The port of a URI that names none (RFC 7252 section 6.1)."""

_OF_THE_TARGET = frozenset(
    {Option.URI_HOST, Option.URI_PORT, Option.URI_PATH, Option.URI_PATH_ABBREV}
)


def datagram_of(
    message: Any, kind: MessageType, message_id: int, *, path: Iterable[str] | None = None
) -> bytes:
    """A message of aiocoap's as the datagram that it could have come in.

    With ``path``, it is for the resource there and for no host in particular, whatever it says.
    Raises MessageFormatError where there is no such datagram.
    """
    options = [(int(each.number), bytes(each.encode())) for each in message.opt.option_list()]
    if path is not None:
        options = [each for each in options if each[0] not in _OF_THE_TARGET]
        options += [(int(Option.URI_PATH), segment.encode()) for segment in path]
        options.sort(key=lambda each: each[0])  # stable: segments keep their order
    token = bytes(message.token or b"")
    if message.code is None or len(token) > 8:
        raise MessageFormatError("no code, or a token that is none")
    content = Content(int(message.code), tuple(options), bytes(message.payload))
    return content.encode(kind, message_id, token)


def message_of(response: Any) -> Message:
    """A response that aiocoap has received.

    Raises MessageFormatError where it is malformed, or says what has to be understood and is not
    (RFC 7252 section 5.4.1).
    """
    message = Message.decode(datagram_of(response, MessageType.NON, 0))
    if message.bad_option or message.bad_block:
        raise MessageFormatError("an option that has to be understood is not")
    return message


def aiocoap_message(content: Content, **arguments: Any) -> Any:
    """A message for aiocoap to send; ``arguments`` are further ones of its constructor."""
    message = aiocoap.Message(code=aiocoap.Code(content.code), payload=content.payload, **arguments)
    for number, value in content.options:
        message.opt.add_option(OptionNumber(number).create_option(decode=value))
    return message


def address_of(remote: Any) -> Address:
    """Where the peer of a message is; MessageFormatError for what is no address of UDP."""
    if remote is None or remote.scheme != "coap":
        raise MessageFormatError("not CoAP over UDP")
    parts = urlsplit(f"//{remote.hostinfo}")
    try:
        return Address(parts.hostname or "", parts.port or COAP_PORT)
    except ValueError as error:
        raise MessageFormatError(str(error)) from None
