"""Credentials of the demonstration: those that were given, and for the rest some made on the spot.

They live as long as the process and are worth nothing outside it.
"""

from __future__ import annotations

import secrets
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from handshake_over_coap.cli.credentials import given, warn_of_unused
from handshake_over_coap.tls.credentials import Credential, Trust, Workshop, kind_by_auth, trusts

_CALLED: Final = {
    "authority": "throw-away authority of hoc demo",
    "server": "server of hoc demo",
    "client": "client of hoc demo",
    "identity": "demo",
}


@dataclass(frozen=True, slots=True)
class ThrowawayCast:
    """What both sides of the demonstration have; ``story`` says it in one line each."""

    server: tuple[Credential, ...]
    client: Credential | None
    server_trust: Trust | None
    client_trust: Trust | None
    story: tuple[str, ...]


class _Entropy:
    """The system's, whatever for."""

    def rng(self, _purpose: str, /) -> Callable[[int], bytes]:
        return secrets.token_bytes

    def stream(self, _purpose: str, /) -> Random:
        return secrets.SystemRandom()


def cast(arguments: Namespace, host: str) -> ThrowawayCast:
    """Credentials for a server at the address ``host`` and its client.

    --key, --cert and --ca are the server's; with --mutual the client's are always made here.
    Raises ConfigurationError for files that do not fit together.
    """
    warn_of_unused(arguments)
    kind = kind_by_auth(arguments.auth)
    workshop = Workshop(
        chance=_Entropy(),
        now=datetime.now(UTC),
        server=arguments.server_name or host,
        called=_CALLED,
        groups=tuple(arguments.group or ()),
        mutual=arguments.mutual,
    )
    made = kind.made_up(given(arguments), workshop)
    server_trust, client_trust = trusts(kind, made, insecure=arguments.insecure)
    return ThrowawayCast(
        server=made.server,
        client=made.client,
        server_trust=server_trust,
        client_trust=client_trust,
        story=made.story,
    )
