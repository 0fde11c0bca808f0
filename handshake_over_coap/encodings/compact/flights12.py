"""What is in the clear in the flights of 1.2 after the first.

::

    head [flags [suite 16] [cid]] random [share] [key signature]      the server's
    head [share] [key signature] [identity]                           the client's, then sealed

The head of a server says which messages there are, how share and key stand in them and whether it
asks for a key of the client; these heads begin where those of a ServerHello of 1.3 end.  Its flags
say what does not follow from the ClientHello, and how many bytes name a client's key that it knows.
The signature is that of ServerKeyExchange, or of the client's CertificateVerify.  All else is
escaped (:mod:`.clear`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.wire import Reader, u8, u16, vec8, vec16, vec24

from . import points, proof
from .opened import LEGACY_VERSION, RANDOM_SIZE, Opened, extensions_of, write_extensions
from .proof import FORMS, REFERENCE, Known, Proof
from .server_hello import HEADS_OF_1_3, first_suite
from .shapes import CID, CLIENT_TYPE, EMS, LIMIT, POINTS, SERVER_TYPE, SNI

_HELLO: Final = int(HandshakeType.server_hello)
_CERTIFICATE: Final = int(HandshakeType.certificate)
_SERVER_KEY: Final = int(HandshakeType.server_key_exchange)
_REQUEST: Final = int(HandshakeType.certificate_request)
_DONE: Final = int(HandshakeType.server_hello_done)
_VERIFY: Final = int(HandshakeType.certificate_verify)
_CLIENT_KEY: Final = int(HandshakeType.client_key_exchange)

_RENEGOTIATION: Final = int(ExtensionType.renegotiation_info)
_SCSV = b"\x00\xff"
_USUAL_REQUEST: Final = bytes.fromhex("01400004040308070000")
_LARGEST_LIMIT: Final = u16(2**14)
_NAMED_CURVE = b"\3"
_UNCOMPRESSED: Final = b"\1\0"
_NO_HINT = b"\0\0"
_NO_CHAIN: Final = b"\0\0\0"
_RAW, _X509 = b"\2", b"\0"

_REFERENCES, _SUITE, _CID, _NO_EMS, _NO_NAME = 3, 4, 8, 16, 32
_CODES: Final = (points.EVEN, points.ODD, points.X25519, points.OTHER)

Message = tuple[int, bytes]
Messages = Sequence[Message]


@dataclass(frozen=True, slots=True)
class _ServerHead:
    """How share and key stand, None for none, and whether a key of the client is asked for."""

    share: int | None = None
    form: int | None = None
    asked: bool = False


_SERVER_HEADS: Final = (
    _ServerHead(),
    *(_ServerHead(code) for code in _CODES),
    *(_ServerHead(*each) for each in product(_CODES[:-1], range(FORMS), (False, True))),
)
_SERVER_NUMBERS: Final = {head: number for number, head in enumerate(_SERVER_HEADS, HEADS_OF_1_3)}


def _short_point(key: bytes) -> tuple[int, bytes]:
    """Code and bytes of an ephemeral key, whichever its group is."""
    short = points.compressed(key)
    if short is not None:
        return short
    return (points.X25519, key) if len(key) == points.SIZE else (points.OTHER, vec8(key))


def _read_point(code: int, reader: Reader) -> bytes:
    if code == points.OTHER:
        return reader.vec8()
    key = reader.take(points.SIZE)
    return key if code == points.X25519 else points.restored(code, key)


def _chain_of(body: bytes) -> tuple[bool, tuple[bytes, ...]] | None:
    """Whether a Certificate message holds a raw key, and the DER in it; None if it is empty."""
    reader = Reader(body)
    whole = reader.vec24()
    reader.done()
    if proof.is_raw_key(whole):
        return True, (whole,)
    entries, found = Reader(whole), []
    while entries.remaining:
        found.append(entries.vec24())
    return (False, tuple(found)) if found else None


def _certificate(shown: Proof) -> bytes:
    if shown.raw:
        return vec24(shown.chain[0])
    return vec24(b"".join(map(vec24, shown.chain)))


def _proof(certificate: bytes, signed: Reader) -> Proof | None:
    """What a certificate shows, with the scheme and signature that ``signed`` ends with."""
    scheme, signature = signed.u16(), signed.vec16()
    signed.done()
    shown = _chain_of(certificate)
    return None if shown is None else Proof(*shown, scheme, signature)


@dataclass(frozen=True, slots=True)
class _Shown:
    """An ephemeral key: how it stands in a body, and in a message with its group."""

    code: int
    short: bytes
    group: bytes
    key: bytes

    @classmethod
    def of(cls, group: bytes, key: bytes) -> _Shown:
        """The key of a message; its group is written out where it has no short form."""
        code, short = _short_point(key)
        if code == points.OTHER or group != _group(code):
            return cls(points.OTHER, group + vec8(key), group, key)
        return cls(code, short, group, key)

    @classmethod
    def read(cls, code: int, reader: Reader) -> _Shown:
        """The key of a body; raises DecodeError for one written out that has a short form."""
        if code != points.OTHER:
            return cls(code, b"", _group(code), _read_point(code, reader))
        found = cls.of(reader.take(2), reader.vec8())
        if found.code != points.OTHER:
            raise DecodeError("a key written out that has a short form")
        return found


@dataclass(frozen=True, slots=True)
class _Answer:
    """A server's flight in its parts; None for what it does not have."""

    head: _ServerHead
    flags: int
    suite: int
    cid: bytes | None
    random: bytes
    share: _Shown | None = None
    proof: Proof | None = None

    def messages(self, hello: Opened | None) -> list[Message]:
        """The messages, as an answer to ``hello``."""
        extensions = self._extensions(hello)
        answer = LEGACY_VERSION + self.random + b"\0" + u16(self.suite) + b"\0" + extensions
        found = [(_HELLO, answer)]
        share, shown = self.share, self.proof
        if share is not None:
            exchange = _NAMED_CURVE + share.group + vec8(share.key)
            if shown is None:
                found.append((_SERVER_KEY, _NO_HINT + exchange))
            else:
                signed = exchange + u16(shown.scheme) + vec16(shown.signature)
                found += [(_CERTIFICATE, _certificate(shown)), (_SERVER_KEY, signed)]
        if self.head.asked:
            found.append((_REQUEST, _USUAL_REQUEST))
        return [*found, (_DONE, b"")]

    def _extensions(self, hello: Opened | None) -> bytes:
        """The extensions of ServerHello as they follow from those of the ClientHello."""
        offered = {} if hello is None else hello.by_number
        suites = b"" if hello is None else hello.suites
        head, found = self.head, list[tuple[int, bytes]]()
        if suites[-2:] == _SCSV or _RENEGOTIATION in offered:
            found.append((_RENEGOTIATION, b"\0"))
        if SNI in offered and not self.flags & _NO_NAME:
            found.append((SNI, b""))
        if head.share is not None and POINTS in offered:
            found.append((POINTS, _UNCOMPRESSED))
        if head.form is not None and SERVER_TYPE in offered:
            form = _RAW if head.form <= REFERENCE else _X509
            found.append((SERVER_TYPE, form))
            if head.asked and CLIENT_TYPE in offered:
                found.append((CLIENT_TYPE, form))
        if not self.flags & _NO_EMS:
            found.append((EMS, b""))
        if LIMIT in offered:
            found.append((LIMIT, _LARGEST_LIMIT))
        if self.cid is not None:
            found.append((CID, self.cid))
        return write_extensions(tuple(found)) if found else b""


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """The server's first flight, which answers ``hello``."""

    hello: Opened | None
    known: Known

    def write(self, messages: Messages, references: int) -> bytes | None:
        """The short form; None if it has none."""
        try:
            return self._write(messages, references)
        except DecodeError:
            return None

    def _write(self, messages: Messages, references: int) -> bytes | None:
        kinds = tuple(kind for kind, _ in messages)
        bodies = dict(messages)
        share: _Shown | None = None
        shown: Proof | None = None
        form, field = None, b""
        if kinds != (_HELLO, _DONE):
            exchange = Reader(bodies.get(_SERVER_KEY, b""))
            exchange.take(0 if _CERTIFICATE in kinds else len(_NO_HINT))
            share = _Shown.of(exchange.take(3)[1:], exchange.vec8())
            if _CERTIFICATE in kinds:
                shown = _proof(bodies[_CERTIFICATE], exchange)
                found = None if shown is None else proof.write(shown, self.known)
                if found is None:
                    return None
                form, field = found
        head = _ServerHead(None if share is None else share.code, form, _REQUEST in kinds)
        answer = self._parsed(bodies.get(_HELLO, b""), head, references, share, shown)
        if head not in _SERVER_NUMBERS or answer.messages(self.hello) != list(messages):
            return None
        return self._begun(answer) + (b"" if share is None else share.short) + field

    def _parsed(
        self,
        hello: bytes,
        head: _ServerHead,
        references: int,
        share: _Shown | None,
        shown: Proof | None,
    ) -> _Answer:
        """The parts, with what flags say of a ServerHello."""
        reader = Reader(hello)
        reader.take(2)
        random = reader.take(RANDOM_SIZE)
        reader.vec8()
        suite = reader.u16()
        reader.take(1)
        extensions = dict(extensions_of(reader.rest(), 0)) if reader.remaining else {}
        cid = extensions.get(CID)
        flags = references
        if suite != first_suite(self.hello):
            flags |= _SUITE
        if cid is not None:
            flags |= _CID
        if EMS not in extensions:
            flags |= _NO_EMS
        if SNI not in extensions and self.hello is not None and self.hello.get(SNI) is not None:
            flags |= _NO_NAME
        return _Answer(head, flags, suite, cid, random, share, shown)

    def _begun(self, answer: _Answer) -> bytes:
        """Head, flags and random."""
        flags, number = answer.flags, _SERVER_NUMBERS[answer.head] << 1
        if not flags:
            return u8(number) + answer.random
        suite = u16(answer.suite) if flags & _SUITE else b""
        cid = b"" if answer.cid is None else vec8(answer.cid)
        return u8(number | 1) + u8(flags) + suite + cid + answer.random

    def read(self, reader: Reader) -> tuple[list[Message], int]:
        """The messages, and how many bytes name a key that the server knows.

        Raises DecodeError for anything that :meth:`write` does not produce.
        """
        first = reader.u8()
        number = (first >> 1) - HEADS_OF_1_3
        if not 0 <= number < len(_SERVER_HEADS):
            raise DecodeError(f"no server's flight has the head {first}")
        head = _SERVER_HEADS[number]
        flags = reader.u8() if first & 1 else 0
        if flags & ~self._allowed(head) or (first & 1 and not flags):
            raise DecodeError("flags of a ServerHello that are unknown, or none")
        usual = first_suite(self.hello)
        suite = reader.u16() if flags & _SUITE else usual
        if suite is None or (flags & _SUITE and suite == usual):
            raise DecodeError("a ServerHello of no suite, or with the usual one written out")
        cid = reader.vec8() if flags & _CID else None
        random = reader.take(RANDOM_SIZE)
        share = None if head.share is None else _Shown.read(head.share, reader)
        shown = None if head.form is None else proof.read(head.form, reader, self.known, 0)
        reader.done()
        answer = _Answer(head, flags, suite, cid, random, share, shown)
        return answer.messages(self.hello), flags & _REFERENCES

    def _allowed(self, head: _ServerHead) -> int:
        """The flags that an answer may have: references where it asks for a key."""
        named = self.hello is not None and SNI in self.hello.by_number
        always = _SUITE | _CID | _NO_EMS
        return always | (_REFERENCES if head.asked else 0) | (_NO_NAME if named else 0)


def _group(code: int) -> bytes:
    return u16(0x001D) if code == points.X25519 else u16(0x0017)


_NO_KEY: Final = FORMS


@dataclass(frozen=True, slots=True)
class _ClientHead:
    """How share and key stand (``_NO_KEY``: asked for one, and has none), None for none."""

    share: int | None = None
    form: int | None = None
    psk: bool = False


_CLIENT_HEADS: Final = (
    _ClientHead(psk=True),
    *(_ClientHead(code, psk=True) for code in _CODES),
    *(_ClientHead(code, form) for code in _CODES for form in (None, *range(FORMS), _NO_KEY)),
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
        code, share = (None, b"") if key is None else _short_point(key)
        form, field = None, b""
        shown: Proof | None = None
        if _VERIFY in bodies:
            shown = _proof(bodies.get(_CERTIFICATE, _NO_CHAIN), Reader(bodies[_VERIFY]))
            found = None if shown is None else proof.write(shown, self.known)
            if found is None:
                return None
            form, field = found
        elif _CERTIFICATE in bodies:
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
        key = None if head.share is None else _read_point(head.share, reader)
        if head.share == points.OTHER and key and _short_point(key)[0] != points.OTHER:
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
        return [(_CERTIFICATE, _certificate(shown)), exchange, (_VERIFY, verify)]
    return [(_CERTIFICATE, _NO_CHAIN), exchange] if head.form == _NO_KEY else [exchange]
