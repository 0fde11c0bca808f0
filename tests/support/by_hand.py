"""A client's side of the handshake by hand: the flights as bytes, one request at a time."""

from __future__ import annotations

from handshake_over_coap.carriers.conversation import Conversation, begin_client
from handshake_over_coap.encodings import DEFAULT
from tests.support.exchange import (
    ECHO,
    PSK,
    RESOURCE,
    URI_PATH,
    Raw,
)


def hello(seed: str = "by hand") -> tuple[Conversation, bytes]:
    conversation, flight = begin_client(PSK.client(seed))
    return conversation, DEFAULT.encode(flight)


def answer_to(conversation: Conversation, flight2: bytes) -> tuple[Conversation, bytes]:
    """The client after flight 2, and its flight 3."""
    after, flight = conversation.receive(DEFAULT.decode(flight2, next_message_seq=0))
    return after, DEFAULT.encode(flight)


def session_path(name: bytes) -> tuple[tuple[int, bytes], ...]:
    return ((URI_PATH, b".well-known"), (URI_PATH, name))


async def open_half(raw: Raw, seed: str = "by hand") -> tuple[bytes, bytes]:
    """Leave a handshake half-open; gives the session's name and a flight 3 that completes it."""
    conversation, flight1 = hello(seed)
    response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
    assert response.code == 0x41
    return response.values(8)[-1], answer_to(conversation, response.payload)[1]
