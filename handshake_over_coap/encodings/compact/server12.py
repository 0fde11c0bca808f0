"""What the server's first flight of 1.2 has in the clear, which is all of it.

::

    head [flags [suite 16] [cid]] random [share] [key signature]

The head says which messages there are, how share and key stand in them and whether the server asks
for a key of the client; these heads begin where those of a ServerHello of 1.3 end.  Flags say what
does not follow from the ClientHello, and how many bytes name a client's key that the server knows.
The signature is that of ServerKeyExchange.  All else is escaped (:mod:`.clear`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.wire import Reader, u8, u16, vec8, vec16

from . import points, proof
from .opened import LEGACY_VERSION, RANDOM_SIZE, Opened, answered, write_extensions
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
from .proof import FORMS, REFERENCE, Known, Proof
from .server_hello import HEADS_OF_1_3, first_suite
from .shapes import CID, CLIENT_TYPE, EMS, LIMIT, POINTS, SERVER_TYPE, SNI

_HELLO: Final = int(HandshakeType.server_hello)
_SERVER_KEY: Final = int(HandshakeType.server_key_exchange)
_REQUEST: Final = int(HandshakeType.certificate_request)
_DONE: Final = int(HandshakeType.server_hello_done)

_RENEGOTIATION: Final = int(ExtensionType.renegotiation_info)
_SCSV = b"\x00\xff"
_USUAL_REQUEST: Final = bytes.fromhex("01400004040308070000")
_LARGEST_LIMIT: Final = u16(2**14)
_NAMED_CURVE = b"\3"
_UNCOMPRESSED: Final = b"\1\0"
_NO_HINT = b"\0\0"
_RAW, _X509 = b"\2", b"\0"

_REFERENCES, _SUITE, _CID, _NO_EMS, _NO_NAME = 3, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class _ServerHead:
    """How share and key stand, None for none, and whether a key of the client is asked for."""

    share: int | None = None
    form: int | None = None
    asked: bool = False


_SERVER_HEADS: Final = (
    _ServerHead(),
    *(_ServerHead(code) for code in CODES),
    *(_ServerHead(*each) for each in product(CODES[:-1], range(FORMS), (False, True))),
)
_SERVER_NUMBERS: Final = {head: number for number, head in enumerate(_SERVER_HEADS, HEADS_OF_1_3)}


def _group(code: int) -> bytes:
    return u16(0x001D) if code == points.X25519 else u16(0x0017)


class _Shown(NamedTuple):
    """An ephemeral key: how it stands in a body, and in a message with its group."""

    code: int
    short: bytes
    group: bytes
    key: bytes

    @classmethod
    def of(cls, group: bytes, key: bytes) -> _Shown:
        """The key of a message; its group is written out where it has no short form."""
        code, short = short_point(key)
        if code == points.OTHER or group != _group(code):
            return cls(points.OTHER, group + vec8(key), group, key)
        return cls(code, short, group, key)

    @classmethod
    def read(cls, code: int, reader: Reader) -> _Shown:
        """The key of a body; raises DecodeError for one written out that has a short form."""
        if code != points.OTHER:
            return cls(code, b"", _group(code), read_point(code, reader))
        found = cls.of(reader.take(2), reader.vec8())
        if found.code != points.OTHER:
            raise DecodeError("a key written out that has a short form")
        return found


class _Answer(NamedTuple):
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
                found += [(CERTIFICATE, certificate(shown)), (_SERVER_KEY, signed)]
        if self.head.asked:
            found.append((_REQUEST, _USUAL_REQUEST))
        return [*found, (_DONE, b"")]

    def _extensions(self, hello: Opened | None) -> bytes:
        """The extensions of ServerHello as they follow from those of the ClientHello."""
        offered: Mapping[int, bytes] = {} if hello is None else hello.by_number
        suites = b"" if hello is None else hello.suites
        head, form = self.head, b""
        if head.form is not None and SERVER_TYPE in offered:
            form = _RAW if head.form <= REFERENCE else _X509
        return _usual_extensions(
            suites[-2:] == _SCSV or _RENEGOTIATION in offered,
            SNI in offered and not self.flags & _NO_NAME,
            head.share is not None and POINTS in offered,
            form,
            form if head.asked and CLIENT_TYPE in offered else b"",
            not self.flags & _NO_EMS,
            LIMIT in offered,
            self.cid,
        )


@lru_cache(maxsize=64)
def _usual_extensions(
    renegotiation: bool,
    named: bool,
    on_curve: bool,
    server_type: bytes,
    client_type: bytes,
    extended: bool,
    limited: bool,
    cid: bytes | None,
) -> bytes:
    """The extensions of a ServerHello that has these, in the order that is usual."""
    found: list[tuple[bool, int, bytes]] = [
        (renegotiation, _RENEGOTIATION, b"\0"),
        (named, SNI, b""),
        (on_curve, POINTS, _UNCOMPRESSED),
        (bool(server_type), SERVER_TYPE, server_type),
        (bool(client_type), CLIENT_TYPE, client_type),
        (extended, EMS, b""),
        (limited, LIMIT, _LARGEST_LIMIT),
        (cid is not None, CID, cid or b""),
    ]
    block = [(number, data) for there, number, data in found if there]
    return write_extensions(block) if block else b""


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
            exchange.take(0 if CERTIFICATE in kinds else len(_NO_HINT))
            share = _Shown.of(exchange.take(3)[1:], exchange.vec8())
            if CERTIFICATE in kinds:
                shown = proof_of(bodies[CERTIFICATE], exchange)
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
        """The parts, with what flags say of a ServerHello; raises DecodeError where it is none."""
        parts = answered(hello)
        if parts is None:
            raise DecodeError("not a ServerHello")
        cid = parts.extensions.get(CID)
        flags = references
        if parts.suite != first_suite(self.hello):
            flags |= _SUITE
        if cid is not None:
            flags |= _CID
        if EMS not in parts.extensions:
            flags |= _NO_EMS
        if SNI not in parts.extensions and self._named:
            flags |= _NO_NAME
        return _Answer(head, flags, parts.suite, cid, parts.random, share, shown)

    @property
    def _named(self) -> bool:
        """Whether the client has said whom it wants."""
        return self.hello is not None and SNI in self.hello.by_number

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
        always = _SUITE | _CID | _NO_EMS
        return always | (_REFERENCES if head.asked else 0) | (_NO_NAME if self._named else 0)
