"""What a kind of credential is: all that the rest of the library asks of one.

A handshake knows credentials by their behaviour alone.  A side *presents* one as the entries of a
Certificate message and signs with its key; the other *reads* the key out of these entries and
*verifies* that it believes them; both then tell the *identity* that was proven.  Commands and
simulations besides take a credential from files, or have one *made up*.

To add a kind, derive from :class:`CertificateKind` in a module of its own and give it a line in the
table of :mod:`.kinds`.  From outside the package it is found as ``auth="module:Name"``, or passed
to :func:`.kinds.register` (docs/own-parts.md has one).

Pre-shared keys travel in messages of their own, so that their kind (:mod:`.psk`) has the part of
this that is common to all: names, files and what is made up.

Source: RFC 7250 (forms of the Certificate message), RFC 4279 (pre-shared keys).
"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar, Final, Protocol, TypeAlias

from handshake_over_coap.tls.alerts import AlertError, CertificateUnknown
from handshake_over_coap.tls.codepoints import CertificateType, PskKeyExchangeMode, SignatureScheme
from handshake_over_coap.tls.identity import PeerIdentity, Shown
from handshake_over_coap.tls.signatures import PrivateKey, PublicKey
from handshake_over_coap.tls.suites import KeyExchange

from .given import Given, Workshop

Address: TypeAlias = str | ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_FORM: Final = CertificateType.X509
"""The form of a Certificate message where none is negotiated (RFC 7250 section 4.2)."""

PSK_MODES: Final = (PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke)
"""How a pre-shared key is used in 1.3, the way with forward secrecy first."""


class PeerRole(Enum):
    """Which side of the handshake the peer to be verified is."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Asked:
    """In which role the peer shows a credential, and whom it is expected to be.

    A server must be the one called ``server_name`` or, where that is None, the one at
    ``server_address``; a ``server_name`` that is the text of an IP address counts as one.  ``now``
    is the time of day, with a time zone.
    """

    role: PeerRole
    now: datetime
    server_name: str | None = None
    server_address: Address | None = None


class SharedKey(Protocol):
    """A key that both sides have, and the identity it goes by."""

    @property
    def identity(self) -> bytes:
        """1 to 65,535 bytes, in the clear on the wire."""

    @property
    def key(self) -> bytes:
        """1 to 64 bytes, secret."""


class AsymmetricCredential(Protocol):
    """A key pair, and what it shows of itself in a Certificate message."""

    @property
    def form(self) -> int:
        """The CertificateType number of :attr:`entries` (RFC 7250)."""

    @property
    def entries(self) -> tuple[bytes, ...]:
        """The content of the Certificate message, 1 byte or more each."""

    @property
    def private_key(self) -> PrivateKey:
        """What signs CertificateVerify and, in 1.2, ServerKeyExchange."""

    @property
    def public_key(self) -> PublicKey:
        """The public half of :attr:`private_key`."""

    @property
    def scheme(self) -> SignatureScheme:
        """How :attr:`private_key` signs."""


Credential: TypeAlias = SharedKey | AsymmetricCredential
"""What a side proves itself with."""


class Verifier(Protocol):
    """What peers' credentials of one kind are checked against."""

    @property
    def form(self) -> int:
        """The CertificateType number of that kind."""

    @property
    def schemes(self) -> tuple[SignatureScheme, ...]:
        """How a peer that can be accepted may sign; none where nobody can be accepted."""

    def verify(self, entries: tuple[bytes, ...], asked: Asked) -> PublicKey:
        """The key of the peer that showed ``entries``, if it is one to be believed.

        Raises the alert that names what is wrong, and ConfigurationError where ``asked`` lacks what
        has to be known.
        """


@dataclass(frozen=True, slots=True)
class Way:
    """A name of ``--auth``: a kind of credential and how keys are agreed on with it.

    ``exchange`` is that of the suites of 1.2, ``psk_modes`` those of 1.3 (RFC 8446 section 4.2.9).
    ``bodies`` are the bytes of all flights together, amply: how long it may take follows from them.
    """

    name: str
    exchange: KeyExchange
    psk_modes: tuple[PskKeyExchangeMode, ...] = PSK_MODES
    bodies: int = 1024


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Credentials for both sides of a run in one process, some given and the rest made for it.

    ``server_known_by`` is what the client checks the server's with, ``client_known_by`` the
    reverse; None where a shared key does that, or nobody is asked.  ``now`` is a time of day at
    which all of it is valid.  ``story`` says in a line each where things come from.
    """

    server: tuple[Credential, ...]
    client: Credential | None
    server_known_by: Verifier | None
    client_known_by: Verifier | None
    now: datetime
    story: tuple[str, ...]


class Kind(ABC):
    """What all kinds of credentials have in common."""

    ways: ClassVar[tuple[Way, ...]]
    """The names under which ``--auth`` selects this kind."""
    form: ClassVar[int | None] = None
    """The CertificateType number; None for a kind that has no Certificate message."""
    options: ClassVar[frozenset[str]]
    """Fields of :class:`.given.Given` that have a part in this kind."""
    known_by_name: ClassVar[bool] = False
    """Whether a server has to be asked for by name or address to know that it is the right one."""
    advice: ClassVar[Mapping[type[AlertError], str]] = {}
    """What to try when a handshake with this kind ends with such an alert."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of :attr:`ways`."""
        return tuple(way.name for way in self.ways)

    @abstractmethod
    def proven(self, peer: PeerIdentity) -> bool:
        """Whether ``peer`` proved who it is by a credential of this kind."""

    @abstractmethod
    def told(self, peer: PeerIdentity) -> tuple[str, bytes | None]:
        """Who such a ``peer`` is, in words, and its name, as yet unquoted, where it has one."""

    @abstractmethod
    def own(self, given: Given) -> tuple[Credential, ...]:
        """The credentials in what is ``given``, possibly none; raises ConfigurationError."""

    @abstractmethod
    def needed(self, given: Given) -> str:
        """What to add so that :meth:`own` gives something, in the user's spelling."""

    def known_by(self, given: Given) -> Verifier | None:
        """What is ``given`` to check peers with, if anything; raises ConfigurationError."""
        del given
        return None

    @abstractmethod
    def made_up(self, given: Given, workshop: Workshop) -> MadeUp:
        """Both sides' credentials: the server's as ``given``, and the rest from ``workshop``.

        Raises ConfigurationError for what does not fit together.
        """


class CertificateKind(Kind):
    """A kind that is shown in a Certificate message and proven by a signature.

    As it stands it is what RFC 7250 section 3 has for kinds to come: one entry.
    """

    form: ClassVar[int]
    listed: ClassVar[bool] = False
    """Whether the message holds any number of entries; otherwise one (RFC 7250 section 3)."""
    issuer_schemes: ClassVar[tuple[SignatureScheme, ...]] = ()
    """How whoever vouches for such a credential may have signed it."""

    def identity(self, entries: tuple[bytes, ...]) -> PeerIdentity:
        """Who a peer is that showed ``entries`` and was believed."""
        return PeerIdentity(other=Shown(self.form, entries)) if entries else PeerIdentity()

    def entries(self, peer: PeerIdentity) -> tuple[bytes, ...]:
        """The reverse: what such a ``peer`` showed; none where it proved itself otherwise."""
        ours = peer.other is not None and peer.other.form == self.form
        return peer.other.entries if peer.other is not None and ours else ()

    def proven(self, peer: PeerIdentity) -> bool:
        """Whether ``peer`` showed anything of this kind."""
        return bool(self.entries(peer))

    @abstractmethod
    def read(self, entries: tuple[bytes, ...]) -> PublicKey:
        """The key in well-formed ``entries``, whoever's it is.

        Raises BadCertificate for malformed ones, UnsupportedCertificate for another sort of key.
        """

    def stranger(self) -> AlertError:
        """The alert for a peer that shows such a credential to a side that believes none."""
        return CertificateUnknown("no credential of this kind is believed")

    @abstractmethod
    def unknown(self, given: Given, peer: str) -> str:
        """Why nothing that is ``given`` tells who the ``peer`` is, and what to add."""
