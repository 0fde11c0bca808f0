"""What is sealed in the flights of 1.3.

::

    Finished 32                         alone: EncryptedExtensions follow from the hellos
    shape key signature 64 Finished 32  a side that proves itself with a key of its own
    (nothing)                           the server's last flight: an ACK of the client's

The shape of a server says how its key stands (:mod:`.proof`), which CertificateRequest there is,
and how many bytes name a client's key that it knows; that of a client says how its key stands, or
that it has none.  All else is escaped (:mod:`.records`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.wire import Reader, u8, u16, u24, vec16, vec24

from . import cbor, proof
from .opened import Opened, write_extensions
from .proof import FORMS, REFERENCE, Known, Proof
from .records import (
    Content,
    Contents,
    Plain,
    Setting,
    cut,
    escaped,
    messages_alone,
    plain,
    read_escaped,
)
from .shapes import CLIENT_TYPE, LIMIT, SERVER_TYPE, SNI

FINISHED_SIZE: Final = 32
_LARGEST_LIMIT: Final = u16(2**14 + 1)
_RAW, _X509 = b"\2", b"\0"

_EE: Final = int(HandshakeType.encrypted_extensions)
_CERTIFICATE: Final = int(HandshakeType.certificate)
_REQUEST: Final = int(HandshakeType.certificate_request)
_VERIFY: Final = int(HandshakeType.certificate_verify)
_FINISHED: Final = int(HandshakeType.finished)

_REQUESTS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "000008000d000400020403",
        "000008000d000400020807",
        "00000a000d0006000404030807",
        "000022000d0006000404030807003200140012040305030603040105010601080408050806",
    )
)
"""The CertificateRequests that a shape can say, from 1 on: raw keys, then certificates."""

_CHAINS_ASKED: Final = len(_REQUESTS)
_STEP: Final = proof.MAX_REFERENCE + 1
_ROW: Final = (len(_REQUESTS) + 1) * _STEP
_NO_KEY: Final = FORMS
_VERIFY_HEADER: Final = 4
_ACK_OF_ALL: Final = Ack.of([RecordNumber(2, 0)]).encode()

Message = tuple[int, bytes]


class Sealed13(NamedTuple):
    """The sealed part of one flight; ``known`` is what its receiver has said of keys it knows."""

    from_client: bool
    last: bool
    setting: Setting
    hello: Opened | None
    known: Known

    def write(self, contents: Contents, references: int) -> bytes:
        """The plaintext that is sealed; a server that asks for a key gives ``references``."""
        short = self._short(contents, references)
        return (
            escaped(contents, self.setting, FINISHED_SIZE, references) if short is None else short
        )

    def _short(self, contents: Contents, references: int) -> bytes | None:
        if self.last and len(contents) == 1 and contents[0] == _whole_ack():
            return b""
        messages = messages_alone(contents, self.setting)
        if messages is None:
            return None
        kinds = tuple(message.type for message in messages)
        bodies = tuple(message.body for message in messages)
        if bodies[-1:] and len(bodies[-1]) != FINISHED_SIZE:
            return None
        if self.from_client:
            return self._write_client(kinds, bodies)
        return self._write_server(kinds, bodies, references)

    def _write_client(self, kinds: tuple[int, ...], bodies: tuple[bytes, ...]) -> bytes | None:
        if kinds == (_FINISHED,):
            return bodies[0]
        if kinds == (_CERTIFICATE, _FINISHED):
            return u8(_NO_KEY) + bodies[1] if bodies[0] == _certificate(()) else None
        if kinds != (_CERTIFICATE, _VERIFY, _FINISHED):
            return None
        shown = _write_proof(bodies[0], bodies[1], self.known)
        return None if shown is None else u8(shown[0]) + shown[1] + bodies[2]

    def _write_server(
        self, kinds: tuple[int, ...], bodies: tuple[bytes, ...], references: int
    ) -> bytes | None:
        if kinds == (_EE, _FINISHED):
            usual = self._extensions(None, 0)
            return bodies[1] if bodies[0] == usual and not references else None
        if kinds == (_EE, _CERTIFICATE, _VERIFY, _FINISHED):
            asked = 0
        elif kinds == (_EE, _REQUEST, _CERTIFICATE, _VERIFY, _FINISHED):
            if bodies[1] not in _REQUESTS:
                return None
            asked = _REQUESTS.index(bodies[1]) + 1
        else:
            return None
        shown = _write_proof(bodies[-3], bodies[-2], self.known)
        if shown is None or bodies[0] != self._extensions(_is_raw(shown[0]), asked):
            return None
        shape = shown[0] * _ROW + asked * _STEP + references
        return u8(shape) + shown[1] + bodies[-1]

    def _extensions(self, raw: bool | None, asked: int) -> bytes:
        """EncryptedExtensions as they follow from the ClientHello; ``raw`` None: no key."""
        offered: Mapping[int, bytes] = {} if self.hello is None else self.hello.by_number
        return _usual_extensions(
            SNI in offered,
            raw if SERVER_TYPE in offered else None,
            asked if CLIENT_TYPE in offered else 0,
            LIMIT in offered,
        )

    def read(self, plaintext: bytes) -> tuple[list[Plain], int]:
        """The records, and how many bytes name a key that the sender knows.

        Raises DecodeError for anything that :meth:`write` does not produce.
        """
        if not plaintext:
            if not self.last:
                raise DecodeError("a flight with nothing in it")
            return [(int(ContentType.ack), _ACK_OF_ALL)], 0
        if len(plaintext) == FINISHED_SIZE:
            before: list[Message] = [] if self.from_client else [(_EE, self._extensions(None, 0))]
            return cut([*before, (_FINISHED, plaintext)], self.setting), 0
        if plaintext[0] >= cbor.ARRAY:
            return self._read_escaped(plaintext)
        reader = Reader(plaintext)
        messages, references = self._read_shape(reader)
        messages.append((_FINISHED, reader.take(FINISHED_SIZE)))
        reader.done()
        return cut(messages, self.setting), references

    def _read_escaped(self, plaintext: bytes) -> tuple[list[Plain], int]:
        """What is written out; it is encoded again to see that there is no short form."""
        contents, references = read_escaped(plaintext, self.setting)
        if references and (self.from_client or not _asks(contents)):
            raise DecodeError("references to keys in a flight that asks for none")
        if self.write(contents, references) != plaintext:
            raise DecodeError("not the one encoding of what is sealed")
        return plain(contents), references

    def _read_shape(self, reader: Reader) -> tuple[list[Message], int]:
        shape = reader.u8()
        if self.from_client and shape == _NO_KEY:
            return [(_CERTIFICATE, _certificate(()))], 0
        form, asked, references = shape, 0, 0
        if not self.from_client:
            form, rest = divmod(shape, _ROW)
            asked, references = divmod(rest, _STEP)
        if form >= FORMS or (references and not asked):
            raise DecodeError(f"no sealed flight has the shape {shape}")
        shown = proof.read(form, reader, self.known, FINISHED_SIZE)
        messages = [
            (_CERTIFICATE, _certificate(shown.chain)),
            (_VERIFY, u16(shown.scheme) + vec16(shown.signature)),
        ]
        if self.from_client:
            return messages, 0
        request = [(_REQUEST, _REQUESTS[asked - 1])] if asked else []
        extensions = (_EE, self._extensions(_is_raw(form), asked))
        return [extensions, *request, *messages], references


@lru_cache(maxsize=64)
def _usual_extensions(named: bool, raw: bool | None, asked: int, limited: bool) -> bytes:
    """EncryptedExtensions to a hello that offers these; 0 and None for what does not count."""
    found = [(SNI, b"")] if named else []
    if raw is not None:
        found.append((SERVER_TYPE, _RAW if raw else _X509))
    if asked:
        found.append((CLIENT_TYPE, _X509 if asked == _CHAINS_ASKED else _RAW))
    if limited:
        found.append((LIMIT, _LARGEST_LIMIT))
    return write_extensions(found)


def _is_raw(form: int) -> bool:
    return form <= REFERENCE


def _whole_ack() -> Content:
    return Content(int(ContentType.ack), other=_ACK_OF_ALL)


def _certificate(chain: tuple[bytes, ...]) -> bytes:
    """Certificate of 1.3 without a context, and without extensions of its entries."""
    if len(chain) == 1:
        size = len(chain[0])
        return b"\0%b%b%b\0\0" % (u24(size + 5), u24(size), chain[0])
    return b"\0" + vec24(b"".join(vec24(each) + b"\0\0" for each in chain))


def _write_proof(certificate: bytes, verify: bytes, known: Known) -> tuple[int, bytes] | None:
    """Form and bytes of Certificate and CertificateVerify; None if they have none."""
    if len(verify) < _VERIFY_HEADER:
        return None
    scheme, length = verify[0] << 8 | verify[1], verify[2] << 8 | verify[3]
    signature = verify[_VERIFY_HEADER:]
    try:
        chain = _read_certificate(certificate)
    except DecodeError:
        return None
    if length != len(signature) or not chain or _certificate(chain) != certificate:
        return None
    raw = len(chain) == 1 and proof.is_raw_key(chain[0])
    return proof.write(Proof(raw, chain, scheme, signature), known)


def _read_certificate(body: bytes) -> tuple[bytes, ...]:
    entries = Reader(body)
    entries.take(4)
    found = []
    while entries.remaining:
        found.append(entries.vec24())
        entries.take(2)
    return tuple(found)


def _asks(contents: Contents) -> bool:
    """Whether a CertificateRequest is among the messages."""
    return any(message.type == _REQUEST for each in contents for message in each.messages)
