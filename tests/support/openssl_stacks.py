"""OpenSSL on either side of a handshake over CoAP, and ours with the same credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from OpenSSL import SSL

import handshake_over_coap as hoc
from handshake_over_coap.adapters import NewStack, openssl
from handshake_over_coap.adapters.conversation import (
    StackConversation,
    begin_client,
    begin_server,
)
from handshake_over_coap.encodings.items import BodyItem
from tests.support import classic
from tests.support.parties import (
    ADDRESS,
    CLIENT_KEYS,
    IDENTITY,
    KEY,
    NAME,
    ROOT,
    SERVER_KEYS,
    trust_in,
)

QUICK: dict[str, Any] = {
    "ack_timeout": 0.05,
    "ack_random_factor": 1.0,
    "max_interval": 0.2,
    "max_retransmit": 20,
}
"""Timers for a network that loses much and delays little."""

_SERVER, _CLIENT = ROOT.issue(NAME, ADDRESS), ROOT.issue(subject="a client")
_KEYS = classic.PreSharedKey(IDENTITY, KEY)

Prepare = Callable[[SSL.Connection], None]


def _nothing(_: SSL.Connection) -> None:
    pass


def bare(ciphers: str, options: int = 0) -> SSL.Context:
    """DTLS with these suites and nothing else set: what the adapter needs it sets itself."""
    made = SSL.Context(SSL.DTLS_METHOD)
    made.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode())
    made.set_options(options)
    return made


@dataclass(frozen=True)
class Kind:
    """One kind of credential, with a suite as OpenSSL and as IANA call it."""

    cipher: str
    suite: str | None
    """None: a suite that is OpenSSL's alone."""
    auth: str = "x509"
    mutual: bool = False
    keys: classic.PreSharedKey = field(default=_KEYS, repr=False)

    def __str__(self) -> str:
        return self.cipher + ("-mutual" if self.mutual else "")

    def server(self, *, options: int = 0, prepare: Prepare = _nothing) -> NewStack:
        """OpenSSL as server."""
        made = bare(self.cipher, options)
        if self.auth == "psk":
            self.keys.install(made)
        else:
            classic.present(made, _SERVER.chain, _server_key())
        if self.mutual:
            classic.demand(made, ROOT.certificate)
        return openssl.server(made, prepare)

    def client(self, *, options: int = 0, prepare: Prepare = _nothing) -> NewStack:
        """OpenSSL as client, which trusts the authority of the tests."""
        made = bare(self.cipher, options)
        if self.auth == "psk":
            self.keys.install(made)
        else:
            classic.demand(made, ROOT.certificate)
        if self.mutual:
            classic.present(made, _CLIENT.chain, _client_key())
        return openssl.client(made, prepare)

    def our_server(self) -> dict[str, Any]:
        """Keyword arguments of ``hoc.serve`` for the same."""
        assert self.suite is not None
        chosen: dict[str, Any] = {"dtls": "1.2", "suite": self.suite, "auth": self.auth}
        if self.auth == "psk":
            return chosen | {"credentials": hoc.PSK(IDENTITY, KEY)}
        chosen["credentials"] = SERVER_KEYS["x509"]
        if self.mutual:
            chosen |= {"mutual": True, "trust": trust_in(CLIENT_KEYS["x509"])}
        return chosen

    def our_client(self) -> dict[str, Any]:
        """Keyword arguments of ``hoc.connect`` for the same."""
        assert self.suite is not None
        chosen: dict[str, Any] = {"dtls": "1.2", "suite": self.suite, "auth": self.auth}
        if self.auth == "psk":
            return chosen | {"credential": hoc.PSK(IDENTITY, KEY)}
        chosen |= {"trust": trust_in(SERVER_KEYS["x509"]), "server_name": NAME}
        return chosen | ({"credential": CLIENT_KEYS["x509"]} if self.mutual else {})


def _server_key() -> Any:
    return _SERVER.private_key


def _client_key() -> Any:
    return _CLIENT.private_key


PSK_CCM_8 = Kind("PSK-AES128-CCM8", "TLS_PSK_WITH_AES_128_CCM_8", "psk")
PSK_GCM = Kind("PSK-AES128-GCM-SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256", "psk")
ECDSA_CCM_8 = Kind("ECDHE-ECDSA-AES128-CCM8", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8")
MUTUAL_GCM = Kind(
    "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", mutual=True
)
OURS = (PSK_CCM_8, PSK_GCM, ECDSA_CCM_8, MUTUAL_GCM)
"""What both OpenSSL and we speak."""

FOREIGN = (
    Kind("ECDHE-ECDSA-CHACHA20-POLY1305", None),
    Kind("ECDHE-ECDSA-AES128-SHA256", None),
    Kind("ECDHE-PSK-CHACHA20-POLY1305", None, "psk"),
)
"""What OpenSSL speaks and we do not: no explicit nonce, and a MAC in CBC mode."""


@dataclass
class Pair:
    """OpenSSL's client and server, each behind a conversation, flight by flight."""

    client: StackConversation
    server: StackConversation
    flights: list[tuple[BodyItem, ...]]

    def next(self, *, change: Callable[[tuple[BodyItem, ...]], Any] = tuple) -> None:
        """Give the last flight, changed, to the side whose turn it is; keeps its answer."""
        to = self.server if len(self.flights) % 2 else self.client
        _, answer = to.receive(change(self.flights[-1]))
        self.flights.append(answer)


def pair(kind: Kind, **of_server: Any) -> Pair:
    """The two with flight 1 said."""
    client, flight = begin_client(kind.client())
    return Pair(client, begin_server(kind.server(**of_server)), [flight])


async def echoed(session: hoc.Session, count: int) -> None:
    """So many datagrams there and back, each sent again until it comes, and none comes twice."""
    seen: set[bytes] = set()
    for number in range(count):
        for attempt in range(100):
            await session.send(b"%d.%d" % (number, attempt))
            try:
                answer = await asyncio.wait_for(session.receive(), 0.05)
            except TimeoutError:
                continue
            assert answer not in seen
            seen.add(answer)
            break
    assert len(seen) == count
