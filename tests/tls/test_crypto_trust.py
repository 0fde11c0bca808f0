from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadCertificate,
    CertificateExpired,
    CertificateUnknown,
    UnknownCa,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import CertificateType
from handshake_over_coap.tls.credentials import (
    MAX_CHAIN_LENGTH,
    Address,
    PeerRole,
    RawPublicKey,
    Trust,
)
from handshake_over_coap.tls.signatures import SCHEMES
from tests.support import pki

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NAME, ADDRESS = "server.example", "2001:db8::1"

ROOT = pki.CertificateAuthority()
TRUST = Trust(ROOT.certificate)


def verify(
    issued: pki.Issued | Sequence[bytes],
    *,
    trust: Trust = TRUST,
    name: str | None = NAME,
    address: Address | None = None,
    role: PeerRole = PeerRole.SERVER,
    now: datetime = NOW,
) -> bool:
    """Whether the chain is accepted, with the key of its leaf: the alternative is an exception."""
    chain = issued.chain_der if isinstance(issued, pki.Issued) else issued
    key = trust.verify_chain(chain, role=role, now=now, server_name=name, server_address=address)
    return key == x509.load_der_x509_certificate(chain[0]).public_key()


def as_client(issued: pki.Issued | Sequence[bytes], trust: Trust = TRUST) -> bool:
    return verify(issued, trust=trust, role=PeerRole.CLIENT, name=None)


def test_a_chain_for_the_right_name_gives_the_leafs_key() -> None:
    issued = ROOT.issue(NAME)
    assert verify(issued)
    assert verify(issued, name=NAME.upper() + ".")


def test_a_chain_may_have_intermediates_in_any_order_and_the_root_itself() -> None:
    issued = ROOT.intermediate("one").intermediate("two").issue(NAME)
    leaf, two, one = issued.chain_der
    root = TRUST.anchors[0].public_bytes(serialization.Encoding.DER)
    for chain in ([leaf, two, one], [leaf, one, two], [leaf, two, one, root]):
        assert verify(chain)
    with pytest.raises(UnknownCa):
        verify([leaf, one])


def test_an_intermediate_may_be_the_anchor() -> None:
    authority = ROOT.intermediate("three")
    assert verify(authority.issue(NAME), trust=Trust([ROOT.pem, authority.certificate]))
    # cryptography takes a non-root anchor as one, as RFC 5280 section 6.1.1 (d) allows.
    assert verify(authority.issue(NAME), trust=Trust(authority.certificate))


@pytest.mark.parametrize("address", [ADDRESS, "192.0.2.1"])
def test_a_server_may_be_known_by_its_address(address: str) -> None:
    issued = ROOT.issue(address=address)
    assert verify(issued, name=None, address=address)
    assert verify(issued, name=None, address=ipaddress.ip_address(address))
    assert verify(issued, name=address)
    for wrong in ("2001:db8::2", "192.0.2.2"):
        with pytest.raises(CertificateUnknown, match="another name or address"):
            verify(issued, name=None, address=wrong)


def test_the_zone_of_an_address_means_nothing_to_a_certificate() -> None:
    assert verify(ROOT.issue(address="fe80::1"), name=None, address="fe80::1%lo")


def test_a_name_goes_before_an_address() -> None:
    issued = ROOT.issue(address=ADDRESS)
    with pytest.raises(CertificateUnknown):
        verify(issued, name=NAME, address=ADDRESS)


@pytest.mark.parametrize("certified", ["other.example", "*.example.org", "xn--bcher-kva.example"])
def test_a_certificate_for_another_name_is_certificate_unknown(certified: str) -> None:
    with pytest.raises(CertificateUnknown, match="another name or address"):
        verify(ROOT.issue(certified))


def test_a_wildcard_covers_one_label() -> None:
    issued = ROOT.issue("*.example")
    assert verify(issued)
    with pytest.raises(CertificateUnknown):
        verify(issued, name="a.b.example")


@pytest.mark.parametrize(
    ("not_before", "not_after"),
    [(NOW - 2 * DAY, NOW - DAY), (NOW + DAY, NOW + 2 * DAY)],
    ids=["expired", "not yet"],
)
def test_a_leaf_out_of_its_time_is_certificate_expired(
    not_before: datetime, not_after: datetime
) -> None:
    issued = ROOT.issue(NAME, not_before=not_before, not_after=not_after)
    with pytest.raises(CertificateExpired):
        verify(issued)
    with pytest.raises(CertificateExpired):
        as_client(issued)
    assert verify(issued, now=not_before + DAY / 2)


def test_a_wrong_name_on_an_expired_leaf_is_still_certificate_expired() -> None:
    with pytest.raises(CertificateExpired):
        verify(ROOT.issue("other.example", not_after=NOW - DAY))


def test_an_intermediate_or_an_anchor_out_of_its_time_is_certificate_expired() -> None:
    old = pki.CertificateAuthority("old", issuer=ROOT, not_after=NOW - DAY)
    with pytest.raises(CertificateExpired):
        verify(old.issue(NAME))
    ancient = pki.CertificateAuthority("ancient", not_after=NOW - DAY)
    with pytest.raises(CertificateExpired):
        verify(ancient.issue(NAME), trust=Trust(ancient.certificate))


def test_an_expired_certificate_beside_the_path_does_no_harm() -> None:
    unrelated = pki.CertificateAuthority("unrelated", not_after=NOW - DAY)
    extra = unrelated.certificate.public_bytes(serialization.Encoding.DER)
    assert verify([*ROOT.issue(NAME).chain_der, extra])


def test_the_time_is_compared_across_zones() -> None:
    issued = ROOT.issue(NAME, not_after=NOW)
    west = timezone(timedelta(hours=-5))
    assert verify(issued, now=(NOW - DAY / 24).astimezone(west))
    with pytest.raises(CertificateExpired):
        verify(issued, now=(NOW + DAY / 24).astimezone(west))


def test_a_leaf_of_another_authority_is_unknown_ca_even_if_the_names_are_equal() -> None:
    with pytest.raises(UnknownCa):
        verify(pki.CertificateAuthority("another").issue(NAME))
    namesake = pki.CertificateAuthority(ROOT.name, key=pki.p256_key("a namesake"))
    with pytest.raises(UnknownCa):
        verify(namesake.issue(NAME))


def test_a_self_signed_leaf_is_unknown_ca() -> None:
    with pytest.raises(UnknownCa):
        verify(pki.self_signed(NAME))
    with pytest.raises(UnknownCa):
        verify(ROOT.issue(NAME), trust=Trust(raw_public_keys=pki.p256_key("a").public_key()))


def test_a_forged_signature_is_bad_certificate() -> None:
    issued = ROOT.issue(NAME)
    der = bytearray(issued.chain_der[0])
    der[-1] ^= 1
    with pytest.raises(BadCertificate):
        verify([bytes(der)])
    namesake = pki.CertificateAuthority(ROOT.name, key=pki.p256_key("a namesake"))
    with pytest.raises(BadCertificate):
        verify(namesake.issue(NAME, authority_key_identifier=False))


def test_a_leaf_that_certifies_another_is_bad_certificate() -> None:
    key = pki.p256_key("a leaf")
    issued = ROOT.issue(NAME, key=key)
    leaf = pki.build(
        subject=x509.Name([]),
        issuer=issued.certificate.subject,
        key=pki.p256_key("victim"),
        signer=key,
        serial=1,
        validity=(pki.VALID_FROM, pki.VALID_UNTIL),
        extensions=[(pki.alternative_names(NAME, None), True)],
    )
    with pytest.raises(BadCertificate):
        verify(pki.Issued(leaf, key, issued.chain))


@pytest.mark.parametrize("chain", [[], [b""], [b"\x30\x03\x02\x01\x00"], [b"\xff" * 100]])
def test_a_chain_that_cannot_be_decoded_is_bad_certificate(chain: list[bytes]) -> None:
    for trust in (TRUST, Trust(insecure=True)):
        with pytest.raises(BadCertificate):
            verify(chain, trust=trust)


def test_a_truncated_or_trailing_certificate_is_bad_certificate() -> None:
    (der,) = ROOT.issue(NAME).chain_der
    for bad in (der[:-1], der + b"\x00"):
        with pytest.raises(BadCertificate):
            verify([bad])


@pytest.mark.parametrize("warnings_are", ["error", "ignore"])
def test_a_serial_number_that_is_not_positive_is_bad_certificate(
    warnings_are: Literal["error", "ignore"],
) -> None:
    (der,) = ROOT.issue(NAME).chain_der
    position = der.index(bytes.fromhex("a003020102 0201")) + 7  # after version 3 and the tag
    for serial in (0x00, 0x80):
        bad = der[:position] + bytes([serial]) + der[position + 1 :]
        with warnings.catch_warnings():
            warnings.simplefilter(warnings_are)
            with pytest.raises(BadCertificate, match="decoded"):
                verify([bad])
            with pytest.raises(ConfigurationError):
                Trust(bad)


def test_a_chain_has_a_longest_length() -> None:
    (der,) = ROOT.issue(NAME).chain_der
    assert verify([der] * MAX_CHAIN_LENGTH)
    with pytest.raises(BadCertificate, match="9 certificates"):
        verify([der] * (MAX_CHAIN_LENGTH + 1))


@pytest.mark.parametrize(
    "key",
    [ec.derive_private_key(7, ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["p384", "rsa"],
)
def test_a_leaf_key_that_we_cannot_speak_is_unsupported_certificate(key: pki.AnyKey) -> None:
    issued = ROOT.issue(NAME, key=key)
    for trust in (TRUST, Trust(insecure=True)):
        with pytest.raises(UnsupportedCertificate):
            verify(issued, trust=trust)


def test_an_ed25519_leaf_is_fine_and_an_ed25519_authority_is_not() -> None:
    key = pki.ed25519_key("leaf")
    assert verify(ROOT.issue(NAME, key=key))
    authority = pki.CertificateAuthority("ed", key=pki.ed25519_key("authority"))
    with pytest.raises(BadCertificate, match="key is of Ed25519"):
        verify(authority.issue(NAME), trust=Trust(authority.certificate))


def test_the_extensions_that_the_profile_asks_for_are_as_documented() -> None:
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    signing = (pki.key_usage(digital_signature=True), True)
    assert verify(ROOT.issue(NAME, authority_key_identifier=False))
    assert verify(ROOT.issue(NAME, usages=[server], extensions=[signing]))
    assert verify(ROOT.issue(NAME, subject=""))
    with pytest.raises(BadCertificate, match="subjectAltName"):
        verify(ROOT.issue())
    with pytest.raises(BadCertificate, match="extendedKeyUsage"):
        verify(ROOT.issue(NAME, usages=[client]))
    assert as_client(ROOT.issue())
    assert as_client(ROOT.issue(authority_key_identifier=False))
    assert as_client(ROOT.issue(NAME, usages=[client], extensions=[signing]))
    with pytest.raises(BadCertificate, match="extendedKeyUsage"):
        as_client(ROOT.issue(usages=[server]))


def test_a_key_that_may_not_sign_is_unsupported_certificate() -> None:
    issued = ROOT.issue(NAME, extensions=[(pki.key_usage(), True)])
    with pytest.raises(UnsupportedCertificate, match="may not sign"):
        verify(issued)
    with pytest.raises(UnsupportedCertificate, match="may not sign"):
        as_client(issued)


def test_an_authority_is_no_leaf() -> None:
    der = ROOT.intermediate("four").certificate.public_bytes(serialization.Encoding.DER)
    with pytest.raises(BadCertificate, match=r"basicConstraints|keyCertSign|keyUsage"):
        as_client([der])


def test_a_critical_extension_that_nobody_knows_is_bad_certificate() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    assert verify(ROOT.issue(NAME, extensions=[(unknown, False)]))
    with pytest.raises(BadCertificate):
        verify(ROOT.issue(NAME, extensions=[(unknown, True)]))


def test_insecure_takes_any_readable_chain_and_key() -> None:
    trust = Trust(insecure=True)
    trust.require_usable()
    issued = pki.self_signed(NAME)
    assert verify(issued, trust=trust, name=None)
    spki = RawPublicKey(pki.ed25519_key("anybody")).spki
    assert trust.verify_raw_public_key(spki) == pki.ed25519_key("anybody").public_key()


def test_a_server_without_a_name_or_a_time_without_zone_is_our_own_mistake() -> None:
    issued = ROOT.issue(NAME)
    with pytest.raises(ConfigurationError, match="name or address"):
        verify(issued, name=None)
    with pytest.raises(ConfigurationError, match="time zone"):
        verify(issued, now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("name", ["", "bücher.example", "a_b.example", "a..b", "192.0.2.1.5 "])
def test_a_server_name_that_is_none_is_our_own_mistake(name: str) -> None:
    with pytest.raises(ConfigurationError, match="server name"):
        verify(ROOT.issue(NAME), name=name)


def test_trust_in_nobody_is_a_mistake() -> None:
    nobody = Trust()
    assert nobody.certificate_types == ()
    with pytest.raises(ConfigurationError, match="trust anchor"):
        nobody.require_usable()
    for somebody in (TRUST, Trust(raw_public_keys=pki.p256_key("a").public_key())):
        somebody.require_usable()
        assert len(somebody.certificate_types) == 1


def test_trust_comes_from_files(tmp_path: Path) -> None:
    roots, pin = tmp_path / "roots.pem", tmp_path / "pin.pem"
    roots.write_bytes(ROOT.pem + pki.CertificateAuthority("another").pem)
    pin.write_bytes(pki.public_pem(pki.p256_key("peer")))
    trust = Trust.from_files([roots], [pin])
    assert len(trust.anchors) == 2
    assert trust.raw_public_keys == {RawPublicKey(pki.p256_key("peer")).spki}
    with pytest.raises(ConfigurationError, match="not a public key"):
        Trust.from_files(raw_public_keys=[roots])
    with pytest.raises(ConfigurationError, match="not a certificate"):
        Trust.from_files([pin])


_CHAIN = ROOT.intermediate("five").issue(NAME, extensions=[(pki.key_usage(), True)]).chain_der


@given(
    st.integers(0, 1),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=4),
    st.sampled_from(PeerRole),
    st.sampled_from([TRUST, Trust(insecure=True)]),
)
@example(1, [(93, 3)], PeerRole.CLIENT, TRUST)
def test_no_altered_chain_raises_anything_but_an_alert(
    index: int, changes: list[tuple[int, int]], role: PeerRole, trust: Trust
) -> None:
    chain = [bytearray(der) for der in _CHAIN]
    for position, value in changes:
        chain[index][position % len(chain[index])] = value
    altered = [bytes(der) for der in chain]
    with contextlib.suppress(AlertError):
        assert verify(altered, role=role, trust=trust)
        assert trust.insecure or altered == _CHAIN


def test_trust_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TRUST.insecure = True  # type: ignore[misc]


def test_a_leaf_whose_own_names_are_no_names_is_bad_certificate() -> None:
    """Its issuer is called like the anchor, its signature is worthless, its name is UTF-8."""
    issued = ROOT.issue("aab.example")
    der = issued.certificate.public_bytes(serialization.Encoding.DER)
    with pytest.raises(BadCertificate):
        verify([der.replace(b"aab.example", b"\xc3\xa9b.example")])


def test_the_schemes_of_pinned_keys_are_asked_for_where_nothing_else_will_do() -> None:
    p256, ed25519 = pki.p256_key("server").public_key(), pki.ed25519_key("server").public_key()
    raw, chains = CertificateType.RawPublicKey, CertificateType.X509
    assert Trust(raw_public_keys=p256).schemes((raw,)) == SCHEMES[:1]
    assert Trust(raw_public_keys=ed25519).schemes((raw,)) == SCHEMES[1:]
    assert Trust(raw_public_keys=(ed25519, p256)).schemes((raw,)) == SCHEMES
    assert Trust(ROOT.certificate, raw_public_keys=p256).schemes((raw, chains)) == SCHEMES
    assert Trust(raw_public_keys=p256, insecure=True).schemes((raw,)) == SCHEMES
    assert Trust(ROOT.certificate).schemes((raw,)) == SCHEMES
