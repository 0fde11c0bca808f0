"""A kind of credential from outside the package goes wherever one of the package's own goes.

The dummy is a bare Ed25519 key of 32 bytes in a form of its own of the Certificate message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import handshake_over_coap as hoc
from handshake_over_coap.cli.describe import peer_text
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.watch import watch
from handshake_over_coap.tls.alerts import BadCertificate, CertificateUnknown
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.credentials import (
    Asked,
    CertificateKind,
    Given,
    MadeUp,
    Trust,
    Way,
    Workshop,
    auth_names,
    register,
)
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.signatures import PublicKey
from handshake_over_coap.tls.suites import KeyExchange
from tests.support import pki
from tests.support.sockets import LOOPBACK, echo

FORM = 224
"""From the range for private use (RFC 7250 section 6)."""


@dataclass(frozen=True)
class BareKey:
    """A credential of the dummy kind."""

    private_key: Ed25519PrivateKey
    form: int = FORM
    scheme: SignatureScheme = SignatureScheme.ed25519

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self.private_key.public_key()

    @property
    def entries(self) -> tuple[bytes, ...]:
        return (self.public_key.public_bytes_raw(),)


@dataclass(frozen=True)
class Known:
    """Believes one bare key."""

    key: bytes
    form: int = FORM
    schemes: tuple[SignatureScheme, ...] = (SignatureScheme.ed25519,)

    def verify(self, entries: tuple[bytes, ...], asked: Asked) -> PublicKey:
        key = BareKeyKind().read(entries)
        if entries != (self.key,):
            raise CertificateUnknown(f"another {asked.role.value}")
        return key


class BareKeyKind(CertificateKind):
    """The one file that a new kind takes."""

    ways: ClassVar = (Way("bare", KeyExchange.ECDHE_ECDSA),)
    form: ClassVar = FORM
    options: ClassVar = frozenset({"key"})

    def read(self, entries: tuple[bytes, ...]) -> PublicKey:
        (entry,) = entries
        try:
            return Ed25519PublicKey.from_public_bytes(entry)
        except ValueError:
            raise BadCertificate("no bare key") from None

    def told(self, peer: PeerIdentity) -> tuple[str, bytes | None]:
        return f"bare key {self.entries(peer)[0].hex()}", None

    def own(self, given: Given) -> tuple[BareKey, ...]:
        return ()

    def needed(self, given: Given) -> str:
        return given.spelt("key")

    def unknown(self, given: Given, peer: str) -> str:
        return f"nothing to know the {peer} by"

    def made_up(self, given: Given, workshop: Workshop) -> MadeUp:
        both = [
            BareKey(Ed25519PrivateKey.from_private_bytes(workshop.chance.rng(side)(32)))
            for side in ("server", "client")
        ]
        known = [Known(key.entries[0]) for key in both]
        return MadeUp((both[0],), both[1], known[0], known[1], workshop.now, ("made up",))


@pytest.fixture(autouse=True)
def kind() -> Iterator[CertificateKind]:
    with register(BareKeyKind()):
        yield BareKeyKind()
    assert "bare" not in auth_names()


@pytest.mark.parametrize("transport", ["coap", "udp"])
@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("mutual", [False, True])
def test_a_simulation_makes_up_a_credential_of_a_kind_from_outside(
    transport: str, dtls: str, mutual: bool
) -> None:
    scenario = hoc.Scenario(auth="bare", dtls=dtls, transport=transport, mutual=mutual)
    assert watch(scenario).trial.completed
    assert hoc.simulate(scenario, trials=2).auth == "bare"


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_a_session_knows_its_peer_by_a_kind_from_outside(dtls: str) -> None:
    server_key, client_key = (BareKey(pki.ed25519_key(name)) for name in ("server", "client"))
    known = [Trust(others=[Known(key.entries[0])]) for key in (server_key, client_key)]

    async def scenario() -> None:
        async with hoc.serve(
            LOOPBACK, server_key, trust=known[1], handler=echo, dtls=dtls, mutual=True, tickets=True
        ) as server:
            asked: Any = {"trust": known[0], "dtls": dtls, "auth": "bare", "tickets": True}
            async with hoc.connect(server.address, client_key, **asked) as session:
                await session.send(b"hello")
                assert await session.receive() == b"hello"
                assert peer_text(session.peer) == f"bare key {server_key.entries[0].hex()}"
                assert session.report.auth == "bare"
                (other,) = server.sessions
                assert other.peer.other is not None
                assert other.peer.other.entries == client_key.entries
                tickets = session.tickets
            if dtls == "1.3":  # what it was given by is checked again, on both sides
                async with hoc.connect(
                    server.address, client_key, ticket=tickets[0], **asked
                ) as resumed:
                    assert resumed.connected.resumed  # type: ignore[union-attr]

    asyncio.run(scenario())


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_a_stranger_of_a_kind_from_outside_is_refused(dtls: str) -> None:
    own = BareKey(pki.ed25519_key("server"))

    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, own, handler=echo, dtls=dtls) as server:
            for trust in (
                Trust(others=[Known(bytes(32))]),
                Trust(others=[Known(pki.ed25519_key("other").public_key().public_bytes_raw())]),
            ):
                with pytest.raises(CertificateUnknown):
                    async with hoc.connect(server.address, trust=trust, dtls=dtls):
                        pass
            async with hoc.connect(server.address, trust=Trust(insecure=True), dtls=dtls):
                pass

    asyncio.run(scenario())


def test_a_name_is_given_to_one_kind_alone() -> None:
    with pytest.raises(ConfigurationError, match="bare already"), register(BareKeyKind()):
        pass
