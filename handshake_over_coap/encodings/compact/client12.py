"""What the client's second flight of 1.2 has in the clear; its Finished is sealed.

::

    head [share] [key signature] [identity]

The head says how share and key stand.  The signature is that of CertificateVerify.  All else is
escaped (:mod:`.clear`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.wire import Reader, u8, u16, vec8, vec16

from . import points, proof
from .parts12 import (
    CERTIFICATE,
    CODES,
    Message,
    Messages,
    certificate,
    proof_of,
    read_point,
    short_point,
)
from .proof import FORMS, Known, Proof

_VERIFY: Final = int(HandshakeType.certificate_verify)
_CLIENT_KEY: Final = int(HandshakeType.client_key_exchange)

_NO_CHAIN: Final = b"\0\0\0"
_NO_KEY: Final = FORMS


@dataclass(frozen=True, slots=True)
class _ClientHead:
    """How share and key stand (``_NO_KEY``: asked for one, and has none), None for none."""

    share: int | None = None
    form: int | None = None
    psk: bool = False


_CLIENT_HEADS: Final = (
    _ClientHead(psk=True),
    *(_ClientHead(code, psk=True) for code in CODES),
    *(_ClientHead(code, form) for code in CODES for form in (None, *range(FORMS), _NO_KEY)),
)
_CLIENT_NUMBERS: Final = {head: number for number, head in enumerate(_CLIENT_HEADS)}


@dataclass(frozen=True, slots=True)
class ClientFlight:
    """The client's second flight up to what is sealed, which has ``after`` bytes.

    With ``psk`` the suite has a pre-shared key in it.
    """

    known: Known
    psk: bool
    after: int

    def write(self, messages: Messages) -> bytes | None:
        """The short form; None if it has none."""
        try:
            return self._write(messages)
        except DecodeError:
            return None

    def _write(self, messages: Messages) -> bytes | None:
        bodies = dict(messages)
        exchange = Reader(bodies.get(_CLIENT_KEY, b""))
        identity = exchange.vec16() if self.psk else b""
        key = exchange.vec8() if not self.psk or exchange.remaining else None
        code, share = (None, b"") if key is None else short_point(key)
        form, field = None, b""
        shown: Proof | None = None
        if _VERIFY in bodies:
            shown = proof_of(bodies.get(CERTIFICATE, _NO_CHAIN), Reader(bodies[_VERIFY]))
            found = None if shown is None else proof.write(shown, self.known)
            if found is None:
                return None
            form, field = found
        elif CERTIFICATE in bodies:
            form = _NO_KEY
        head = _ClientHead(code, form, self.psk)
        number = _CLIENT_NUMBERS.get(head)
        if number is None or _messages(head, key, identity, shown) != list(messages):
            return None
        return u8(number) + share + field + identity

    def read(self, reader: Reader) -> list[Message]:
        """The messages up to what is sealed.

        Raises DecodeError for anything that :meth:`write` does not produce.
        """
        first = reader.u8()
        if first >= len(_CLIENT_HEADS):
            raise DecodeError(f"no client's flight has the head {first}")
        head = _CLIENT_HEADS[first]
        if head.psk is not self.psk:
            raise DecodeError("a client's flight for another kind of suite")
        key = None if head.share is None else read_point(head.share, reader)
        if head.share == points.OTHER and key and short_point(key)[0] != points.OTHER:
            raise DecodeError("a key written out that has a short form")
        identity, shown = b"", None
        if head.psk:
            identity = reader.take(max(0, reader.remaining - self.after))
        elif head.form is not None and head.form != _NO_KEY:
            shown = proof.read(head.form, reader, self.known, self.after)
        if reader.remaining != self.after:
            raise DecodeError("a flight of another length than its head says")
        return _messages(head, key, identity, shown)


def _messages(
    head: _ClientHead, key: bytes | None, identity: bytes, shown: Proof | None
) -> list[Message]:
    """A client's flight from its parts."""
    share = b"" if key is None else vec8(key)
    exchange = (_CLIENT_KEY, vec16(identity) + share if head.psk else share)
    if shown is not None:
        verify = u16(shown.scheme) + vec16(shown.signature)
        return [(CERTIFICATE, certificate(shown)), exchange, (_VERIFY, verify)]
    return [(CERTIFICATE, _NO_CHAIN), exchange] if head.form == _NO_KEY else [exchange]
