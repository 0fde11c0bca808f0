"""The kinds of credentials there are, and who asks by which mark for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.named import users_own
from handshake_over_coap.tls.codepoints import SignatureScheme
from handshake_over_coap.tls.identity import PeerIdentity, Shown

from .base import AsymmetricCredential, CertificateKind, Credential, Kind, Way
from .psk import PSK, PskKind
from .rpk import RawPublicKeyKind
from .x509 import CertificateChainKind

_KINDS: list[Kind] = [
    PskKind(),
    RawPublicKeyKind(),
    CertificateChainKind(),
]
"""One line for each kind.  The order is that of preference, on the wire too."""


@contextmanager
def register(kind: Kind) -> Iterator[None]:
    """Have one more kind until the block is left; raises ConfigurationError for a name in use."""
    _add(kind)
    try:
        yield
    finally:
        _KINDS.remove(kind)


def _add(kind: Kind) -> None:
    taken = set(auth_names()) & set(kind.names)
    if taken:
        raise ConfigurationError(f"there is a kind called {min(taken)} already")
    _KINDS.append(kind)


def _users_own(text: str) -> Kind:
    """The kind at ``module:Name``, which stays in the table for as long as the process runs.

    It has to: a peer's credential is looked up by its form, long after the name was read.
    """
    kind = _loaded(text)
    known = next((each for each in _KINDS if type(each) is type(kind)), None)
    if known is None:
        _add(kind)
    return known or kind


@cache
def _loaded(text: str) -> Kind:
    kind = users_own(text, Kind, "kind of credential")
    assert isinstance(kind, Kind)  # noqa: S101 -- just checked; for the type checker
    return kind


def auth_names() -> tuple[str, ...]:
    """Every name of ``--auth``."""
    return tuple(name for kind in _KINDS for name in kind.names)


def kind_and_way(auth: str) -> tuple[Kind, Way]:
    """What a name of ``--auth`` stands for; raises ConfigurationError, naming the known ones.

    ``module:Name`` is a kind of one's own, by the first of its ways.
    """
    if ":" in auth:
        own = _users_own(auth)
        return own, own.ways[0]
    for kind in _KINDS:
        for way in kind.ways:
            if way.name == auth:
                return kind, way
    raise ConfigurationError(f"auth {auth!r} is none of {', '.join(auth_names())}")


def kind_by_auth(auth: str) -> Kind:
    """The kind of credential that goes with a name of ``--auth``; raises ConfigurationError."""
    return kind_and_way(auth)[0]


def certificate_kinds() -> tuple[CertificateKind, ...]:
    """The kinds that are shown in a Certificate message, in order of preference."""
    return tuple(kind for kind in _KINDS if isinstance(kind, CertificateKind))


def kind_by_form(form: int) -> CertificateKind:
    """The kind of a CertificateType number; raises ConfigurationError where there is none."""
    for kind in certificate_kinds():
        if kind.form == form:
            return kind
    raise ConfigurationError(f"there is no kind of certificate with number {form}")


def known_form(number: int) -> int:
    """``number`` as the kind that has it spells it: a CertificateType where that has a name."""
    return kind_by_form(number).form


def issuer_schemes(forms: Iterable[int]) -> tuple[SignatureScheme, ...]:
    """How credentials in one of ``forms`` may be signed by those who vouch for them."""
    found = [scheme for form in forms for scheme in kind_by_form(form).issuer_schemes]
    return tuple(dict.fromkeys(found))


def auth_by_form(form: int) -> str:
    """The name of ``--auth`` for a server that shows a certificate of this form."""
    return kind_by_form(form).names[0]


def identity_of(shown: Shown) -> PeerIdentity:
    """Who the peer is that ``shown`` has been believed of."""
    return kind_by_form(shown.form).identity(shown.entries)


def kind_of_peer(peer: PeerIdentity) -> Kind | None:
    """By which kind of credential ``peer`` proved itself; None where it was not asked."""
    return next((kind for kind in _KINDS if kind.proven(peer)), None)


def shown_by(peer: PeerIdentity) -> Shown | None:
    """What ``peer`` showed in its Certificate message; None where there was none."""
    for kind in certificate_kinds():
        if kind.proven(peer):
            return Shown(kind.form, kind.entries(peer))
    return None


def asymmetric(credentials: Iterable[Credential]) -> tuple[AsymmetricCredential, ...]:
    """Those of ``credentials`` that are not pre-shared keys."""
    own = (each for each in credentials if not isinstance(each, PSK))
    return tuple(cast("AsymmetricCredential", each) for each in own)
