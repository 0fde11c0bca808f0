"""What credentials are made of: the files and options of a user, and a workshop for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.signatures import PrivateKey

from .keyfiles import FilePath, read_file

_T = TypeVar("_T")

_P256_SEED_LENGTH: Final = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user gives to prove a side with, and to know the other by.

    ``psk`` are pre-shared keys; ``key`` and ``cert`` are files with a side's own private key and
    chain; ``ca`` files with trust anchors, ``peer_key`` files with pinned raw public keys;
    ``insecure`` accepts anybody.  ``spelt`` is how the user writes the name of such an option.
    """

    psk: tuple[object, ...] = field(default=(), repr=False)
    key: FilePath | None = None
    cert: FilePath | None = None
    ca: tuple[FilePath, ...] = ()
    peer_key: tuple[FilePath, ...] = ()
    insecure: bool = False
    spelt: Callable[[str], str] = str

    @property
    def names(self) -> frozenset[str]:
        """The options that are given, ``insecure`` apart."""
        every = ("psk", "key", "cert", "ca", "peer_key")
        return frozenset(name for name in every if getattr(self, name))

    def load(self, option: str, path: FilePath, parse: Callable[[bytes], _T]) -> _T:
        """What ``parse`` makes of the file; a ConfigurationError names option and file."""
        try:
            return parse(read_file(path))
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.spelt(option)} {path}: {error}") from None


class Chance(Protocol):
    """Where a workshop draws from: an independent stream for each purpose."""

    def rng(self, purpose: str, /) -> Callable[[int], bytes]:
        """Bytes for ``purpose``, from the beginning of its stream."""

    def stream(self, purpose: str, /) -> Random:
        """Numbers for ``purpose``, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where credentials are made up for a run in one process; nobody should trust them elsewhere.

    ``chance`` decides about keys.  Certificates are valid within ``validity`` of ``now``, the
    server's for ``server`` (a name or an address), and their subjects are in ``called``, by role
    (authority, server, client).  ``groups`` are those that the handshake may use (all, if none is
    named), and ``mutual`` whether the client needs a key.  ``moves``: the time of day may be
    another one, if what is given asks for it.
    """

    chance: Chance = field(repr=False)
    now: datetime
    server: str
    called: Mapping[str, str]
    groups: tuple[str, ...] = ()
    mutual: bool = False
    moves: bool = False
    validity: timedelta = timedelta(days=1)

    def key(self, purpose: str) -> PrivateKey:
        """P-256, unless ``groups`` leave out its curve (RFC 8422 section 5.1 counts keys too)."""
        if self.groups and "secp256r1" not in self.groups:
            return ed25519.Ed25519PrivateKey.from_private_bytes(self.chance.rng(purpose)(32))
        return self.p256(purpose)

    def p256(self, purpose: str) -> ec.EllipticCurvePrivateKey:
        """A key in 1 .. 2^248, all of which are below the order of the curve: good enough here."""
        secret = int.from_bytes(self.chance.rng(purpose)(_P256_SEED_LENGTH), "big") + 1
        return ec.derive_private_key(secret, ec.SECP256R1())
