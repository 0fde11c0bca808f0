"""``connect`` and ``serve`` with a DTLS stack of the caller's: sessions are the usual ones."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Unpack

from handshake_over_coap.carriers.carried import CarriedConversation, Turn
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.encodings.base import Encoding
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.endpoint import HostPort, UdpEndpoint, open_udp
from handshake_over_coap.net.options import Options, OptionValues, options_over_coap
from handshake_over_coap.net.reaching import Attempt, reached
from handshake_over_coap.net.server import Handler, Server
from handshake_over_coap.net.session import Session
from handshake_over_coap.tls.config import Rng

from .conversation import NewStack, StackConversation, StackEstablished
from .conversation13 import StackConversation13
from .stack import DtlsStack13

_OF_THE_STACK = ("auth", "mutual", "suite", "group", "server_name", "cid", "tickets", "keylog")


@asynccontextmanager
async def connect(
    address: HostPort,
    stack: NewStack,
    *,
    local: HostPort | None = None,
    rng: Rng = os.urandom,
    **options: Unpack[OptionValues],
) -> AsyncIterator[Session]:
    """Have a client made by ``stack`` talk to the server at ``address``, and give its session.

    Each attempt at a handshake takes a new stack.  Options are those of
    :func:`handshake_over_coap.connect` but for the stack's own business: whom to trust, and which
    cipher suites, groups, names and key logs.  Raises what that function raises.
    """
    chosen = _options(options)

    def attempt(endpoint: UdpEndpoint, server: Address) -> Attempt:
        client = Client(endpoint, server, chosen, rng)
        return client, partial(client.handshake, partial(_open_client, stack))

    async with reached(address, local, attempt) as session:
        yield session


@asynccontextmanager
async def serve(
    address: HostPort,
    stack: NewStack,
    *,
    handler: Handler,
    receive_buffer: int | None = None,
    rng: Rng = os.urandom,
    **options: Unpack[OptionValues],
) -> AsyncIterator[Server]:
    """Serve handshakes on one UDP port, each by a new server that ``stack`` makes.

    A stack is made once a client's address is proven.  Options are those of
    :func:`handshake_over_coap.serve` but for the stack's own business, as in :func:`connect`.
    """
    chosen = _options(options)
    endpoint = await open_udp(address, receive_buffer=receive_buffer)
    try:
        server = Server(endpoint, chosen, partial(_begin_server, stack), handler, rng)
    except BaseException:
        endpoint.close()
        raise
    try:
        yield server
    finally:
        await server.close()


def _options(given: OptionValues) -> Options:
    """The options of the carrier; ConfigurationError for those that a stack decides by itself."""
    return options_over_coap(
        given,
        _OF_THE_STACK,
        where="set that in the DTLS stack",
        over_udp="over UDP a DTLS stack needs nobody to carry its handshake",
    )


def _open_client(new_stack: NewStack, encoding: Encoding) -> Turn[StackEstablished]:
    """A client's flight 1 as a body, from a new stack of either version."""
    stack = new_stack()
    if isinstance(stack, DtlsStack13):
        return StackConversation13(stack, is_client=True).open(encoding)
    return StackConversation(stack, is_client=True).open(encoding)


def _begin_server(new_stack: NewStack) -> CarriedConversation[StackEstablished]:
    """A server's conversation with a new stack, before any client has spoken."""
    stack = new_stack()
    stack.start()
    if isinstance(stack, DtlsStack13):
        return StackConversation13(stack, is_client=False)
    return StackConversation(stack, is_client=False)
