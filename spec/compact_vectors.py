"""Bodies of the compact encoding, written out: ``python -m spec.compact_vectors`` makes the file.

Nothing is random: the client draws 00, 01, 02, ... and the server 80, 81, 82, ...; the pre-shared
key is 16 times 2a, and the raw keys have the private keys 1 (server) and 2 (client).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.tls.codepoints import NamedGroup, ProtocolVersion, PskKeyExchangeMode
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, RawPublicKey, Trust, psk_lookup
from handshake_over_coap.tls.suites import suite_by_name
from handshake_over_coap.tls.suites13 import suite13_by_name

from .memory import counting, today

FILE: Final = Path(__file__).parent / "vectors-compact.txt"

_KEY: Final = PSK(b"c", b"\x2a" * 16)
_GROUPS: Final = {"groups": (NamedGroup.secp256r1,)}
_NEWER: Final = _GROUPS | {
    "versions": (ProtocolVersion.DTLS_1_3,),
    "suites13": (suite13_by_name("TLS_AES_128_CCM_8_SHA256"),),
}
_OLDER: Final = _GROUPS | {"versions": (ProtocolVersion.DTLS_1_2,)}
_BY_KEY: Final = ({"psk": _KEY}, {"psk": psk_lookup(_KEY, bytes(32))})


def _raw_keys() -> tuple[dict[str, Any], dict[str, Any]]:
    server, client = (RawPublicKey(ec.derive_private_key(n, ec.SECP256R1())) for n in (1, 2))
    return (
        {"trust": Trust(raw_public_keys=server.public_key), "credential": client},
        {
            "credentials": (server,),
            "trust": Trust(raw_public_keys=client.public_key),
            "request_client_certificate": True,
        },
    )


def _of(suite: str) -> dict[str, Any]:
    return _OLDER | {"suites": (suite_by_name(suite),)}


def _cases() -> dict[str, tuple[dict[str, Any], tuple[dict[str, Any], dict[str, Any]]]]:
    ke_only = ({"psk_modes": (PskKeyExchangeMode.psk_ke,)} | _BY_KEY[0], _BY_KEY[1])
    return {
        "DTLS 1.3, psk_ke": (_NEWER, ke_only),
        "DTLS 1.3, psk_dhe_ke": (_NEWER, _BY_KEY),
        "DTLS 1.3, raw public keys, both pinned": (_NEWER, _raw_keys()),
        "DTLS 1.2, PSK": (_of("TLS_PSK_WITH_AES_128_CCM_8"), _BY_KEY),
        "DTLS 1.2, ECDHE_PSK": (_of("TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256"), _BY_KEY),
        "DTLS 1.2, raw public keys, both pinned": (
            _of("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
            _raw_keys(),
        ),
    }


def _bodies(client: ClientConfig, server: ServerConfig) -> Iterator[bytes]:
    turn = open_client(client, COMPACT)
    ends = [turn.after, begin_server(server)]
    number = 1
    while turn.body:
        yield turn.body
        turn = ends[number % 2].hear(turn.body, COMPACT)
        ends[number % 2] = turn.after
        number += 1


def text() -> str:
    """The file."""
    parts = []
    for name, (both, (of_client, of_server)) in _cases().items():
        client = ClientConfig(
            rng=counting(0), now=today, ask_for_tickets=False, **both, **of_client
        )
        server = ServerConfig(rng=counting(0x80), now=today, tickets=0, **both, **of_server)
        parts.append(name)
        for number, body in enumerate(_bodies(client, server), 1):
            lines = [body[at : at + 32].hex() for at in range(0, len(body), 32)]
            parts += [f"  flight {number}, {len(body)} bytes", *(f"    {line}" for line in lines)]
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="ascii")
