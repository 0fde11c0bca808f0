"""A client's side of the handshake by hand: the flights as bytes, one request at a time."""

from __future__ import annotations

from handshake_over_coap.carriers.conversation import Conversation, begin_client
from handshake_over_coap.encodings.plain import read_body, write_body
from tests.support.exchange import (
    ECHO,
    PSK,
    RESOURCE,
    URI_PATH,
    Raw,
)
from tests.support.parties import Scenario
from tests.support.parties13 import Scenario13


def hello(
    seed: str = "by hand", scenario: Scenario | Scenario13 = PSK
) -> tuple[Conversation, bytes]:
    conversation, flight = begin_client(scenario.client(seed))
    return conversation, write_body(flight)


def answer_to(conversation: Conversation, flight2: bytes) -> tuple[Conversation, bytes]:
    """The client after flight 2, and its flight 3."""
    items = read_body(flight2, next_message_seq=conversation.next_message_seq)
    after, flight = conversation.receive(items)
    return after, write_body(flight)


def session_path(name: bytes) -> tuple[tuple[int, bytes], ...]:
    return ((URI_PATH, b".well-known"), (URI_PATH, name))


async def open_half(
    raw: Raw, seed: str = "by hand", scenario: Scenario | Scenario13 = PSK
) -> tuple[bytes, bytes]:
    """Leave a handshake half-open; gives the session's name and the client's next flight.

    That completes it, but for the second hello after a HelloRetryRequest.
    """
    conversation, flight1 = hello(seed, scenario)
    response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
    assert response.code == 0x41
    return response.values(8)[-1], answer_to(conversation, response.payload)[1]


async def asked(
    raw: Raw, scenario: Scenario | Scenario13
) -> tuple[bytes, tuple[Conversation, bytes]]:
    """A handshake to the point where the client has its last flight: session, client, flight."""
    conversation, flight1 = hello("by hand", scenario)
    answer = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
    name = answer.values(8)[-1]
    after, flight = answer_to(conversation, answer.payload)
    if isinstance(scenario, Scenario13) and scenario.retry:
        answer = await raw.ask(*session_path(name), payload=flight)
        assert answer.code == 0x44
        after, flight = answer_to(after, answer.payload)
    return name, (after, flight)
