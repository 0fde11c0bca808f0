"""What is said of certificates that the profile does not take, as ordinary tools make them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from handshake_over_coap.tls.alerts import BadCertificate
from handshake_over_coap.tls.credentials import PeerRole, Trust
from tests.support import pki

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME = "server.example"
CONSTRAINTS = (x509.BasicConstraints(ca=True, path_length=None), True)
USAGE = (pki.key_usage(key_cert_sign=True), True)


def said(
    authority: Sequence[pki.Extension],
    leaf: Sequence[pki.Extension] = ((pki.alternative_names(NAME, None), False),),
    role: PeerRole = PeerRole.SERVER,
) -> str:
    """What is said of a leaf by such an authority."""
    key, leaf_key = pki.p256_key("an authority"), pki.p256_key("a leaf")
    root, issued = (
        pki.build(
            subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            issuer=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")]),
            key=its_key,
            signer=key,
            serial=1,
            validity=(pki.VALID_FROM, pki.VALID_UNTIL),
            extensions=extensions,
        )
        for name, its_key, extensions in (("authority", key, authority), ("leaf", leaf_key, leaf))
    )
    with pytest.raises(BadCertificate) as caught:
        Trust(root).verify_chain(
            pki.Issued(issued, leaf_key).chain_der, role=role, now=NOW, server_name=NAME
        )
    return str(caught.value)


@pytest.mark.parametrize("role", list(PeerRole))
def test_an_authority_without_key_usage_is_told_what_is_missing(role: PeerRole) -> None:
    """What ``openssl req -x509`` makes unless told."""
    assert "no keyUsage with keyCertSign (RFC 5280" in said([CONSTRAINTS], role=role)
    assert "keyCertSign" in said([CONSTRAINTS, (pki.key_usage(crl_sign=True), True)], role=role)


def test_an_authority_that_is_none_is_told_so() -> None:
    for constraints in (
        [],
        [(CONSTRAINTS[0], False)],
        [(x509.BasicConstraints(ca=False, path_length=None), True)],
    ):
        assert "no critical basicConstraints" in said([USAGE, *constraints])


def test_a_server_without_a_name_or_with_an_authoritys_certificate_is_told_so() -> None:
    good = [CONSTRAINTS, USAGE]
    assert "subjectAltName" in said(good, [])
    assert "an authority's" in said(good, [(pki.alternative_names(NAME, None), False), *good])


@pytest.mark.parametrize(
    ("key", "sort"),
    [
        (pki.ed25519_key("an authority"), "Ed25519"),
        (rsa.generate_private_key(65537, 1024), "RSA with 1024 bits"),
        (ec.derive_private_key(7, ec.SECP256K1()), "secp256k1"),
    ],
)
def test_an_authority_with_a_key_of_another_sort_is_told_which_will_do(
    key: pki.AnyKey, sort: str
) -> None:
    authority = pki.CertificateAuthority("of another sort", key=key)
    issued = authority.issue(NAME)
    with pytest.raises(BadCertificate, match=f"key is of {sort}: .* P-256, P-384") as caught:
        Trust(authority.certificate).verify_chain(
            issued.chain_der, role=PeerRole.SERVER, now=NOW, server_name=NAME
        )
    assert "::" not in str(caught.value)


def test_the_verifiers_own_words_are_kept_for_the_cause() -> None:
    """A critical extension that nobody understands, of which the profile has nothing to say."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"")
    name = (pki.alternative_names(NAME, None), False)
    assert "the chain does not verify" in said([CONSTRAINTS, USAGE], [name, (extension, True)])
