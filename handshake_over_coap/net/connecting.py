"""``connect``: a session with a server, by its name or address."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Unpack

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.tls.config import Clock, Rng
from handshake_over_coap.tls.credentials import Credential, Trust
from handshake_over_coap.tls.tickets import Ticket

from .client import Client
from .endpoint import HostPort, UdpEndpoint, check_address, named
from .options import Options, OptionValues, now_utc
from .reaching import Attempt, reached
from .session import Session


@asynccontextmanager
async def connect(
    address: HostPort,
    credential: Credential | None = None,
    *,
    trust: Trust | None = None,
    ticket: Ticket | None = None,
    local: HostPort | None = None,
    rng: Rng = os.urandom,
    clock: Clock = now_utc,
    **options: Unpack[OptionValues],
) -> AsyncIterator[Session]:
    """Make a handshake with the server at ``address`` and give its session.

    ``credential`` is a pre-shared key, or the client's raw public key or certificate;  ``trust``
    is what the server's is checked against, a certificate for ``server_name`` or, without one, for
    the host in ``address``, name or number.
    ``ticket``, one of the ``tickets`` of an earlier session, resumes that (DTLS 1.3).  ``local``
    binds the client's own host and port.  Further keywords are those of :class:`Options`.  The
    session is closed when the block is left.

    Raises ConfigurationError, AlertError (either side refused), HandshakeTimeout or CarrierError,
    and at the end an Error where a key log or capture that was asked for could not be written.
    """
    check_address(address)
    chosen = Options(**options)
    if trust is not None and trust.asks_for_name(chosen.auth):
        # What a resolver says where a host is must not decide who it is.
        chosen = replace(chosen, server_name=chosen.server_name or named(address[0]))

    def attempt(endpoint: UdpEndpoint, server: Address) -> Attempt:
        config = chosen.client_config(credential, trust, server.host, rng, clock, ticket)
        client = Client(endpoint, server, chosen, rng)
        return client, partial(client.handshake, config)

    async with reached(address, local, attempt) as session:
        yield session
