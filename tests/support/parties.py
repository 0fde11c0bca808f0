"""Who takes part in the handshakes of the tests: configurations by kind of credential.

Everything derives from texts and seeds, so that equal calls give equal handshakes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.config import (
    ClientConfig,
    Rng,
    ServerConfig,
)
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey, Trust, psk_lookup
from handshake_over_coap.tls.groups import GROUPS
from handshake_over_coap.tls.suites import CipherSuite, suite_by_name
from tests.support import pki

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
NAME: Final = "server.example"
ADDRESS: Final = "2001:db8::1"
IDENTITY: Final = b"Client_identity"
KEY: Final = bytes(range(16))
HINT: Final = b"a hint"
SECRET: Final = b"only the server knows this text."

PSK_CCM = suite_by_name("TLS_PSK_WITH_AES_128_CCM_8")
PSK_GCM = suite_by_name("TLS_PSK_WITH_AES_128_GCM_SHA256")
ECDHE_PSK_CCM = suite_by_name("TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256")
ECDSA_CCM = suite_by_name("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8")
ECDSA_GCM = suite_by_name("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")

ROOT = pki.CertificateAuthority("Root of the tests")
INTERMEDIATE = ROOT.intermediate("Intermediate of the tests")


def _certificate(issued: pki.Issued) -> Certificate:
    return Certificate(issued.chain, pki.private_pem(issued.private_key))


SERVER_KEYS: Final[dict[str, RawPublicKey | Certificate]] = {
    "rpk-p256": RawPublicKey(pki.p256_key("server")),
    "rpk-ed25519": RawPublicKey(pki.ed25519_key("server")),
    "x509": _certificate(ROOT.issue(NAME, ADDRESS)),
    "x509-intermediate": _certificate(INTERMEDIATE.issue(NAME, ADDRESS)),
}
"""What a server presents, by kind."""

CLIENT_KEYS: Final[dict[str, RawPublicKey | Certificate]] = {
    "rpk-p256": RawPublicKey(pki.p256_key("client")),
    "rpk-ed25519": RawPublicKey(pki.ed25519_key("client")),
    "x509": _certificate(ROOT.issue(subject="a client")),
    "x509-intermediate": _certificate(INTERMEDIATE.issue(subject="a client")),
}
"""What a client presents, by kind."""


def seeded(seed: int | str) -> Rng:
    """Random bytes that are always the same."""
    return random.Random(seed).randbytes


def trust_in(credential: RawPublicKey | Certificate) -> Trust:
    """The trust that accepts ``credential`` and nothing that is not related to it."""
    if isinstance(credential, RawPublicKey):
        return Trust(raw_public_keys=credential.public_key)
    return Trust(ROOT.certificate)


@dataclass(frozen=True)
class Scenario:
    """Which handshake: ``server_key`` and ``client_key`` name kinds of credential, or none."""

    suite: CipherSuite
    group: NamedGroup | None = None
    server_key: str | None = None
    client_key: str | None = None
    hint: bytes = b""

    def __str__(self) -> str:
        group = self.group.name if self.group else None
        hint = "hint" if self.hint else None
        parts = (self.suite.name, group, self.server_key, self.client_key, hint)
        return " ".join(part for part in parts if part)

    def client(self, seed: int | str = "client", **changes: Any) -> ClientConfig:
        """A client that takes this suite only; ``changes`` are keywords of ClientConfig."""
        fields: dict[str, Any] = {"suites": (self.suite,), "server_name": NAME}
        if self.server_key is None:
            fields["psk"] = PSK(IDENTITY, KEY)
        else:
            fields["trust"] = trust_in(SERVER_KEYS[self.server_key])
        if self.client_key is not None:
            fields["credential"] = CLIENT_KEYS[self.client_key]
        return ClientConfig(**{"rng": seeded(seed), "now": lambda: NOW, **fields, **changes})

    def server(self, seed: int | str = "server", **changes: Any) -> ServerConfig:
        """A server of this suite and group only; ``changes`` are keywords of ServerConfig."""
        fields: dict[str, Any] = {"suites": (self.suite,), "psk_identity_hint": self.hint}
        if self.group is not None:
            fields["groups"] = (self.group,)
        if self.server_key is None:
            fields["psk"] = psk_lookup({IDENTITY: KEY}, SECRET)
        else:
            fields["credentials"] = (SERVER_KEYS[self.server_key],)
        if self.client_key is not None:
            fields["request_client_certificate"] = True
            fields["trust"] = trust_in(CLIENT_KEYS[self.client_key])
        return ServerConfig(**{"rng": seeded(seed), "now": lambda: NOW, **fields, **changes})


def _all() -> tuple[Scenario, ...]:
    plain = [Scenario(suite, hint=hint) for suite in (PSK_CCM, PSK_GCM) for hint in (b"", HINT)]
    both = [Scenario(ECDHE_PSK_CCM, group, hint=hint) for group in GROUPS for hint in (b"", HINT)]
    signed = [
        Scenario(suite, group, server_key, client_key)
        for suite in (ECDSA_CCM, ECDSA_GCM)
        for group in GROUPS
        for server_key in SERVER_KEYS
        for client_key in (None, *CLIENT_KEYS)
    ]
    return (*plain, *both, *signed)


ALL: Final = _all()
"""Every suite with every group, key and form of client authentication that it can have."""

TYPICAL: Final = (
    Scenario(PSK_CCM),
    Scenario(PSK_GCM, hint=HINT),
    Scenario(ECDHE_PSK_CCM, NamedGroup.x25519),
    Scenario(ECDSA_CCM, NamedGroup.secp256r1, "rpk-p256", "rpk-ed25519"),
    Scenario(ECDSA_GCM, NamedGroup.x25519, "x509-intermediate", "x509"),
    Scenario(ECDSA_CCM, NamedGroup.secp256r1, "x509"),
)
"""One handshake of each shape, for tests that take each of them apart."""
