"""Pre-shared keys: an identity in the clear, and a key that both sides have.

A server's keys become one lookup (:func:`psk_lookup`) that answers for every identity, known or
not, with the same steps.

Source: RFC 4279 (1.2), RFC 5489 (with ECDHE), RFC 8446 section 4.2.11 (1.3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from cryptography.hazmat.primitives import hashes, hmac

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import alerts
from handshake_over_coap.tls.codepoints import PskKeyExchangeMode
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.suites import KeyExchange

from .base import Kind, MadeUp, Way
from .given import Given, Workshop

log = logging.getLogger(__name__)

MAX_PSK_LENGTH: Final = 64
"""Bytes of the longest pre-shared key: what RFC 4279 section 5.3 asks everybody to support."""

MAX_IDENTITY_LENGTH: Final = 0xFFFF
"""Bytes of the longest PSK identity: the limit of its field (RFC 4279 section 2)."""


@dataclass(frozen=True, slots=True, init=False)
class PSK:
    """A pre-shared key and the identity it goes by.

    ``identity`` is bytes, or text that is taken as UTF-8 (RFC 4279 section 5.1): 1 to 65,535
    bytes, and in the clear on the wire.  ``key`` is 1 to 64 bytes.  Raises ConfigurationError for
    anything else.
    """

    identity: bytes
    key: bytes = field(repr=False)

    def __init__(self, identity: bytes | str, key: bytes) -> None:
        object.__setattr__(self, "identity", _identity(identity))
        object.__setattr__(self, "key", _psk_key(key))


def _identity(identity: object) -> bytes:
    if isinstance(identity, str):
        identity = identity.encode()
    if not isinstance(identity, bytes):
        raise ConfigurationError("a PSK identity is bytes or text")
    if not 1 <= len(identity) <= MAX_IDENTITY_LENGTH:
        raise ConfigurationError(
            f"a PSK identity has 1 to {MAX_IDENTITY_LENGTH} bytes, not {len(identity)}"
        )
    return identity


def _psk_key(key: object) -> bytes:
    if not isinstance(key, bytes):
        raise ConfigurationError("a pre-shared key is bytes")
    if not 1 <= len(key) <= MAX_PSK_LENGTH:
        raise ConfigurationError(f"a pre-shared key has 1 to {MAX_PSK_LENGTH} bytes")
    return key


PskSource: TypeAlias = (
    PSK
    | Iterable[PSK]
    | Mapping[bytes, bytes]
    | Mapping[str, bytes]
    | Callable[[bytes], bytes | None]
)
"""Where a server's keys come from: keys, a mapping from identity to key, or a callable that gives
the key of an identity, or None.  A callable should take the same time for both."""

_DUMMY_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key of an identity: the shared one or, if it is not ``known``, one that nobody has."""

    key: bytes = field(repr=False)
    known: bool


class PskLookup:
    """A server's pre-shared keys; made by :func:`psk_lookup`."""

    __slots__ = ("_failures", "_find", "_lengths", "_secret")

    def __init__(self, find: Callable[[bytes], object], lengths: list[int], secret: bytes) -> None:
        self._find, self._lengths, self._secret = find, lengths, secret
        self._failures = 0

    def __call__(self, identity: bytes) -> bytes:
        """A key for every identity: the shared one, or one that nobody has."""
        return self.look_up(identity).key

    def look_up(self, identity: bytes) -> FoundKey:
        """The same, and whether the identity is known."""
        dummy = _dummy_key(self._secret, identity, self._lengths)
        try:
            found = self._find(identity)
            key = None if found is None else _psk_key(found)
        except Exception:
            # The caller's own fault, but told apart from an unknown identity it must not be.
            self._failures += 1
            if self._failures & (self._failures - 1) == 0:
                # The 1st, 2nd, 4th, 8th time: any peer can ask, and there is no clock here.
                log.exception("looking up a pre-shared key failed, %d by now", self._failures)
            key = None
        return FoundKey(dummy, known=False) if key is None else FoundKey(key, known=True)


def psk_lookup(source: PskSource, secret: bytes) -> PskLookup:
    """The lookup over ``source`` for a server that keeps ``secret`` (32 random bytes) to itself.

    An unknown identity gets a key made of the secret and the identity: nobody has it, so that
    the handshake goes on and fails at Finished exactly as with a wrong key, with the same
    messages and the same work.  It is always computed, also when it is not used, and it is as
    long as one of the known keys, since a premaster secret over 64 bytes costs HMAC one more
    block.  Keys are copied when this is called; a callable is asked each time, and where it raises
    or returns a malformed key, that is logged and the identity is an unknown one.  In DTLS 1.3 an
    unknown identity leads to the server's certificate instead, if there is one that the client
    takes.

    Raises ConfigurationError for a malformed key, an identity that stands twice, or no key at all.
    """
    find: Callable[[bytes], object]
    if callable(source):
        find, lengths = source, [_DUMMY_LENGTH]
    else:
        keys = _table(source)
        find, lengths = keys.get, sorted(len(key) for key in keys.values())
    return PskLookup(find, lengths, secret)


def _table(
    source: PSK | Iterable[PSK] | Mapping[bytes, bytes] | Mapping[str, bytes],
) -> dict[bytes, bytes]:
    if isinstance(source, PSK):
        source = (source,)
    elif isinstance(source, Mapping):
        source = [PSK(identity, key) for identity, key in source.items()]
    table: dict[bytes, bytes] = {}
    for psk in source:
        if psk.identity in table:
            identity = psk.identity.decode(errors="backslashreplace")
            raise ConfigurationError(f"two keys for the PSK identity {identity!r}")
        table[psk.identity] = psk.key
    if not table:
        raise ConfigurationError("no pre-shared key is given")
    return table


def _dummy_key(secret: bytes, identity: bytes, lengths: list[int]) -> bytes:
    # SHA-512: 64 bytes, as many as the longest key has.
    context = hmac.HMAC(secret, hashes.SHA512())
    context.update(b"unknown PSK identity" + identity)
    digest = context.finalize()
    # The same identity always meets the same length, as it would if it were known.
    return digest[: lengths[int.from_bytes(digest, "big") % len(lengths)]]


_PSK_LENGTH: Final = 16
_WRONG_KEY: Final = (
    "identity or key differ between the two sides: compare --psk, and mind that an unknown "
    "identity looks the same as a wrong key"
)


class PskKind(Kind):
    """Pre-shared keys, by themselves or with an ephemeral exchange that gives forward secrecy."""

    ways: ClassVar = (
        Way("psk", KeyExchange.PSK, (PskKeyExchangeMode.psk_ke,), bodies=512),
        Way("ecdhe-psk", KeyExchange.ECDHE_PSK, (PskKeyExchangeMode.psk_dhe_ke,), bodies=768),
    )
    options: ClassVar = frozenset({"psk"})
    advice: ClassVar[Mapping[type[alerts.AlertError], str]] = {
        alerts.BadRecordMac: _WRONG_KEY,
        alerts.DecryptError: _WRONG_KEY,
    }

    def proven(self, peer: PeerIdentity) -> bool:
        """Whether ``peer`` has the key of an identity."""
        return peer.psk_identity is not None

    def told(self, peer: PeerIdentity) -> tuple[str, bytes | None]:
        """The identity."""
        return "pre-shared key of identity", peer.psk_identity

    def own(self, given: Given) -> tuple[PSK, ...]:
        """The keys, in their order."""
        return pre_shared(given.psk)

    def needed(self, given: Given) -> str:
        """The same on both sides."""
        psk = given.spelt("psk")
        return f"a pre-shared key: add {psk} IDENTITY:HEXKEY, the same on both sides"

    def made_up(self, given: Given, workshop: Workshop) -> MadeUp:
        """The client uses the first of the server's keys."""
        keys, origin = self.own(given), "as given"
        if not keys:
            name = workshop.called.get("identity", "client")
            keys = (PSK(name, workshop.chance.rng("psk")(_PSK_LENGTH)),)
            origin = "made for this run"
        story = (f"a pre-shared key, {origin}",)
        return MadeUp(keys, keys[0], None, None, workshop.now, story)


def pre_shared(credentials: Iterable[object]) -> tuple[PSK, ...]:
    """Those of ``credentials`` that are pre-shared keys."""
    return tuple(each for each in credentials if isinstance(each, PSK))


def auth_by_psk(*, ephemeral: bool) -> str:
    """The name of ``--auth`` for a handshake by pre-shared key, with an exchange or without."""
    alone, with_exchange = PskKind.ways
    return with_exchange.name if ephemeral else alone.name
