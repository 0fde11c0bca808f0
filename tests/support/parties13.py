"""Who takes part in the handshakes of DTLS 1.3 of the tests; as :mod:`.parties` for 1.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from handshake_over_coap.tls.codepoints import NamedGroup, ProtocolVersion, PskKeyExchangeMode
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.groups import GROUPS13
from handshake_over_coap.tls.suites13 import SUITES13, CipherSuite13, suite13_by_name
from tests.support.parties import (
    CLIENT_KEYS,
    IDENTITY,
    KEY,
    NAME,
    NOW,
    SECRET,
    SERVER_KEYS,
    seeded,
    trust_in,
)

DTLS_1_2: Final = ProtocolVersion.DTLS_1_2
DTLS_1_3: Final = ProtocolVersion.DTLS_1_3
ONLY_1_3: Final = (DTLS_1_3,)

CCM: Final = suite13_by_name("TLS_AES_128_CCM_SHA256")
CCM_8: Final = suite13_by_name("TLS_AES_128_CCM_8_SHA256")
GCM: Final = suite13_by_name("TLS_AES_128_GCM_SHA256")
CHACHA: Final = suite13_by_name("TLS_CHACHA20_POLY1305_SHA256")

P256: Final = NamedGroup.secp256r1
X25519: Final = NamedGroup.x25519
HYBRID: Final = NamedGroup.X25519MLKEM768

KE: Final = PskKeyExchangeMode.psk_ke
DHE_KE: Final = PskKeyExchangeMode.psk_dhe_ke


@dataclass(frozen=True)
class Scenario13:
    """Which handshake: no ``group`` means psk_ke; ``retry`` that the group has to be asked for.

    ``server_key`` and ``client_key`` name kinds of credential of :mod:`.parties`, or none.
    """

    suite: CipherSuite13 = CCM
    group: NamedGroup | None = P256
    server_key: str | None = None
    client_key: str | None = None
    retry: bool = False

    def __str__(self) -> str:
        group = self.group.name if self.group else "psk_ke"
        again = "retry" if self.retry else None
        parts = (self.suite.name, group, self.server_key, self.client_key, again)
        return " ".join(part for part in parts if part)

    def client(self, seed: int | str = "client", **changes: Any) -> ClientConfig:
        """A client that takes this suite only; ``changes`` are keywords of ClientConfig."""
        fields: dict[str, Any] = {"suites13": (self.suite,), "server_name": NAME}
        if self.group is None:
            fields["psk_modes"] = (KE,)
        else:
            fields["key_shares"] = () if self.retry else (self.group,)
            fields["groups"] = GROUPS13
        if self.server_key is None:
            fields["psk"] = PSK(IDENTITY, KEY)
        else:
            fields["trust"] = trust_in(SERVER_KEYS[self.server_key])
        if self.client_key is not None:
            fields["credential"] = CLIENT_KEYS[self.client_key]
        fixed: dict[str, Any] = {"rng": seeded(seed), "now": lambda: NOW, "versions": ONLY_1_3}
        return ClientConfig(**{**fixed, **fields, **changes})

    def server(self, seed: int | str = "server", **changes: Any) -> ServerConfig:
        """A server of this suite and group only; ``changes`` are keywords of ServerConfig."""
        fields: dict[str, Any] = {"suites13": (self.suite,)}
        if self.group is not None:
            fields["groups"] = (self.group,)
        if self.server_key is None:
            fields["psk"] = psk_lookup({IDENTITY: KEY}, SECRET)
        else:
            fields["credentials"] = (SERVER_KEYS[self.server_key],)
        if self.client_key is not None:
            fields["request_client_certificate"] = True
            fields["trust"] = trust_in(CLIENT_KEYS[self.client_key])
        fixed: dict[str, Any] = {"rng": seeded(seed), "now": lambda: NOW, "versions": ONLY_1_3}
        return ServerConfig(**{**fixed, **fields, **changes})


PSK_ONLY: Final = Scenario13(CCM, None)
ECDHE_PSK: Final = Scenario13(CCM, P256)
RPK: Final = Scenario13(CCM, P256, "rpk-p256")
MUTUAL: Final = Scenario13(CCM, P256, "rpk-p256", "rpk-ed25519")
X509: Final = Scenario13(CCM, X25519, "x509", "x509")


def _all() -> tuple[Scenario13, ...]:
    plain = [Scenario13(suite, None) for suite in SUITES13]
    both = [
        Scenario13(suite, group, retry=retry)
        for suite in SUITES13
        for group in GROUPS13
        for retry in (False, True)
    ]
    signed = [
        Scenario13(suite, group, server_key, client_key)
        for suite in (CCM, CHACHA)
        for group in GROUPS13
        for server_key in SERVER_KEYS
        for client_key in (None, *CLIENT_KEYS)
    ]
    again = [Scenario13(GCM, group, key, retry=True) for group in GROUPS13 for key in SERVER_KEYS]
    return (*plain, *both, *signed, *again)


ALL: Final = _all()
"""Every group, credential and form of client authentication, with enough suites and retries."""

TYPICAL: Final = (
    Scenario13(CCM_8, None),
    Scenario13(CCM, P256),
    Scenario13(GCM, X25519, retry=True),
    Scenario13(CHACHA, HYBRID),
    Scenario13(CCM, P256, "rpk-p256", "rpk-ed25519"),
    Scenario13(GCM, X25519, "x509-intermediate", "x509", retry=True),
    Scenario13(CCM, P256, "x509"),
)
"""One handshake of each shape, for tests that take each of them apart."""
