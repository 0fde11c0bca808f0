"""Keys, certificates and signatures that do not hold, and Finished that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handshake_over_coap.carriers.protection import Protection12
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    BadRecordMac,
    CertificateExpired,
    CertificateUnknown,
    DecodeError,
    DecryptError,
    HandshakeFailure,
    IllegalParameter,
    UnknownCa,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import (
    ContentType,
    HandshakeType,
    SignatureScheme,
)
from handshake_over_coap.tls.credentials import MAX_CHAIN_LENGTH, Certificate, RawPublicKey, Trust
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import Certificate as CertificateMessage
from handshake_over_coap.tls.messages import (
    CertificateVerify,
    RawPublicKeyCertificate,
    ServerKeyExchangeEcdheEcdsa,
)
from tests.support import parties, pki
from tests.support.hellos import damaged
from tests.support.memory_pair import (
    Point,
    agreed,
    change_item,
    flip,
    refused,
    rewrite,
    set_fields,
    substitute,
)
from tests.support.parties import ADDRESS, CLIENT_KEYS, NAME, NOW, ROOT, SERVER_KEYS, Scenario

typical = pytest.mark.parametrize("scenario", parties.TYPICAL, ids=str)

X509 = Scenario(parties.ECDSA_CCM, None, "x509")
MUTUAL_X509 = Scenario(parties.ECDSA_CCM, None, "x509", "x509")
MUTUAL_X509_ED25519 = Scenario(parties.ECDSA_CCM, None, "rpk-ed25519", "x509-intermediate")
RAW = {kind: Scenario(parties.ECDSA_CCM, None, kind, kind) for kind in ("rpk-p256", "rpk-ed25519")}
signed = pytest.mark.parametrize(
    "scenario", [MUTUAL_X509, MUTUAL_X509_ED25519, *RAW.values()], ids=str
)
DAY = timedelta(days=1)


def certificate(issued: pki.Issued) -> Certificate:
    return Certificate(issued.chain, issued.key_pem)


STRANGE_ROOT = pki.CertificateAuthority("Another root")
IMPOSTOR_ROOT = pki.CertificateAuthority(ROOT.name, key=pki.p256_key("an impostor"))

Make = Callable[..., pki.Issued]

BAD: dict[str, tuple[type[AlertError], Callable[[Make], pki.Issued]]] = {
    "expired": (CertificateExpired, lambda issue: issue(not_after=NOW - DAY)),
    "not valid yet": (CertificateExpired, lambda issue: issue(not_before=NOW + DAY)),
    "self-signed": (UnknownCa, lambda _: pki.self_signed(NAME)),
    "of another root": (UnknownCa, lambda _: STRANGE_ROOT.issue(NAME)),
    "by an impostor": (UnknownCa, lambda _: IMPOSTOR_ROOT.issue(NAME)),
    "without its intermediate": (
        UnknownCa,
        lambda _: replace(parties.INTERMEDIATE.issue(NAME), intermediates=()),
    ),
}
"""Chains that neither a client nor a server accepts, and the alert."""


@pytest.mark.parametrize("case", BAD)
def test_a_servers_certificate_that_does_not_hold(case: str) -> None:
    alert, make = BAD[case]
    issued = make(partial(ROOT.issue, NAME))
    server = X509.server(credentials=(certificate(issued),))
    refused("client", alert, X509.client(), server)


@pytest.mark.parametrize("case", BAD)
def test_a_clients_certificate_that_does_not_hold(case: str) -> None:
    alert, make = BAD[case]
    issued = make(ROOT.issue)
    client = MUTUAL_X509.client(credential=certificate(issued))
    refused("server", alert, client, MUTUAL_X509.server())


def test_a_certificate_for_another_name_or_address() -> None:
    server = X509.server()
    for wanted in ("other.example", "sub." + NAME, "192.0.2.9", "2001:db8::2"):
        refused("client", CertificateUnknown, X509.client(server_name=wanted), server)
    for address in ("192.0.2.9", "2001:db8::2"):
        client = X509.client(server_name=None, server_address=address)
        refused("client", CertificateUnknown, client, server)
    agreed(Point.start(X509.client(server_name=None, server_address=ADDRESS), server).finish())


def test_the_time_of_the_handshake_is_what_counts() -> None:
    issued = ROOT.issue(NAME, not_before=NOW, not_after=NOW + DAY)
    server = X509.server(credentials=(certificate(issued),))
    for late, alert in ((-DAY, CertificateExpired), (2 * DAY, CertificateExpired)):
        refused("client", alert, X509.client(now=lambda late=late: NOW + late), server)
    agreed(Point.start(X509.client(now=lambda: NOW + DAY / 2), server).finish())


def test_a_key_that_is_not_pinned() -> None:
    for kind, scenario in RAW.items():
        make = pki.p256_key if kind == "rpk-p256" else pki.ed25519_key
        stranger = RawPublicKey(make("a stranger"))
        server = scenario.server(credentials=(stranger,))
        refused("client", CertificateUnknown, scenario.client(), server)
        client = scenario.client(credential=stranger)
        refused("server", CertificateUnknown, client, scenario.server())


def test_a_raw_key_that_is_no_key_or_of_an_unsupported_kind() -> None:
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    unsupported = RawPublicKeyCertificate(
        rsa_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    garbage = RawPublicKeyCertificate(b"\x30\x03\x02\x01\x00")
    for scenario in RAW.values():
        for number, by in ((2, "client"), (3, "server")):
            for message, alert in (
                (unsupported, UnsupportedCertificate),
                (garbage, BadCertificate),
            ):
                damaged(by, alert, scenario, number, substitute(message))


def test_a_chain_that_is_empty_too_long_or_no_certificate() -> None:
    leaf = CLIENT_KEYS["x509"]
    assert isinstance(leaf, Certificate)
    (der,) = leaf.chain_der
    chains: list[tuple[bytes, ...]] = [
        (),
        (der,) * (MAX_CHAIN_LENGTH + 1),
        (b"\x00",),
        (der[:-1],),
        (der, b"\x00"),
    ]
    for chain in chains:
        change = substitute(CertificateMessage(chain))
        damaged("client", BadCertificate, X509, 2, change)
        alert = BadCertificate if chain else HandshakeFailure
        damaged("server", alert, MUTUAL_X509, 3, change)


def test_a_client_without_a_certificate_where_one_is_required() -> None:
    said = refused(
        "server", HandshakeFailure, MUTUAL_X509.client(credential=None), MUTUAL_X509.server()
    )
    assert "no certificate" in said


def test_an_empty_certificate_of_a_raw_key() -> None:
    scenario = RAW["rpk-p256"]
    point = Point.start(scenario.client(), scenario.server()).until(3)
    empty = change_item(0, lambda _: bytes(3))
    with pytest.raises(DecodeError):
        point.deliver(empty(point.pending))
    agreed(point.finish())


@signed
def test_a_key_exchange_with_a_bad_signature(scenario: Scenario) -> None:
    for change in (
        lambda m: replace(m, signature=flip(m.signature)),
        lambda m: replace(m, signature=flip(m.signature, 5)),
        lambda m: replace(m, signature=m.signature[:-1]),
        lambda m: replace(m, signature=m.signature + b"\x00"),
        lambda m: replace(m, signature=b""),
        lambda m: replace(m, public=flip(m.public)),
        lambda m: replace(m, named_curve=29),
    ):
        spoilt = rewrite(ServerKeyExchangeEcdheEcdsa, change)
        damaged("client", DecryptError, scenario, 2, spoilt)


@signed
def test_a_key_exchange_signed_for_another_handshake(scenario: Scenario) -> None:
    other = Point.start(scenario.client("another"), scenario.server("other")).until(2)
    kind = HandshakeType.server_key_exchange
    (foreign,) = (
        item for item in other.pending if isinstance(item, HandshakeMessage) and item.type == kind
    )
    swapped = rewrite(
        ServerKeyExchangeEcdheEcdsa, lambda _: ServerKeyExchangeEcdheEcdsa.decode(foreign.body)
    )
    damaged("client", DecryptError, scenario, 2, swapped)


@signed
def test_a_certificate_verify_that_is_bad(scenario: Scenario) -> None:
    for change in (
        lambda m: replace(m, signature=flip(m.signature)),
        lambda m: replace(m, signature=flip(m.signature, 5)),
        lambda m: replace(m, signature=m.signature[:-1]),
        lambda m: replace(m, signature=m.signature + b"\x00"),
        lambda m: replace(m, signature=b""),
    ):
        damaged("server", DecryptError, scenario, 3, rewrite(CertificateVerify, change))


@signed
def test_a_signature_scheme_that_is_not_the_keys(scenario: Scenario) -> None:
    ours, theirs = (
        SignatureScheme.ed25519
        if keys.scheme == SignatureScheme.ecdsa_secp256r1_sha256
        else SignatureScheme.ecdsa_secp256r1_sha256
        for keys in (
            SERVER_KEYS[scenario.server_key or ""],
            CLIENT_KEYS[scenario.client_key or ""],
        )
    )
    for scheme in (ours, 0x0201, 0x0401):
        change = set_fields(ServerKeyExchangeEcdheEcdsa, scheme=int(scheme))
        damaged("client", IllegalParameter, scenario, 2, change)
    for scheme in (theirs, 0x0201, 0x0401):
        change = set_fields(CertificateVerify, scheme=int(scheme))
        damaged("server", IllegalParameter, scenario, 3, change)


@signed
def test_a_client_that_shows_a_key_that_is_not_its_own(scenario: Scenario) -> None:
    mine = CLIENT_KEYS[scenario.client_key or ""]
    scheme, make = mine.scheme, pki.p256_key
    other = pki.ed25519_key("thief") if scheme == SignatureScheme.ed25519 else make("thief")
    thief = object.__new__(type(mine))
    for name in type(mine).__slots__:
        object.__setattr__(thief, name, getattr(mine, name))
    object.__setattr__(thief, "private_key", other)
    refused("server", DecryptError, scenario.client(credential=thief), scenario.server())


def test_a_server_that_has_no_name_to_be_checked_by_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ConfigurationError, match="name or address"):
        Point.start(X509.client(server_name=None), X509.server()).finish()


def cut_at(length: int, data: bytes) -> bytes:
    return data[:length]


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_a_finished_record_that_is_tampered_with(scenario: Scenario, number: int) -> None:
    by = "server" if number == 3 else "client"
    items = Point.start(scenario.client(), scenario.server()).until(number).pending
    record, last = items[-1], len(items) - 1
    assert isinstance(record, SealedRecord)
    for index in range(len(record.fragment)):
        spoilt = change_item(last, partial(flip, index=index))
        damaged(by, BadRecordMac, scenario, number, spoilt)
        shorter = change_item(last, partial(cut_at, index))
        damaged(by, BadRecordMac, scenario, number, shorter)


@typical
@pytest.mark.parametrize("number", [3, 4])
def test_a_finished_that_is_sealed_well_and_wrong(scenario: Scenario, number: int) -> None:
    point = Point.start(scenario.client(), scenario.server()).until(number)
    client, _ = agreed(point.finish())
    protection = point.client.protection
    assert isinstance(protection, Protection12)
    keys = protection.keys.write if number == 3 else protection.keys.read
    assert keys is not None
    data = client.connected.verify_data[number - 3]
    of_peer = client.connected.verify_data[4 - number]
    seq = _seq_of_finished(point)
    for wrong in (flip(data, 0), flip(data), bytes(12), of_peer):
        message = HandshakeMessage(HandshakeType.finished, wrong, seq, 1)
        record = Sealer(keys).seal(ContentType.handshake, message.dtls_bytes())
        with pytest.raises(DecryptError):
            point.deliver((*point.pending[:-1], record))
        agreed(point.finish())


def _seq_of_finished(point: Point) -> int:
    receiver = point.client if point.receiver == "client" else point.server
    plain = sum(isinstance(item, HandshakeMessage) for item in point.pending)
    return receiver.next_message_seq + plain


def test_a_server_with_x509_trust_alone_does_not_negotiate_raw_keys() -> None:
    scenario = Scenario(parties.ECDSA_CCM, None, "rpk-p256", "x509")
    point = Point.start(scenario.client(), scenario.server(trust=Trust(ROOT.certificate)))
    _, server = agreed(point.finish())
    assert server.connected.peer.certificates
