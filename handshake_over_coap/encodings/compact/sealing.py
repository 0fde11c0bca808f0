"""The sealed part of a body: records in, bytes out, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.encodings.base import FlightContext
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import EXPLICIT_NONCE_LENGTH, SEQUENCE_BITS, SealedRecord
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.flight import ChangeCipherSpec
from handshake_over_coap.tls.schedule13 import APPLICATION_EPOCH, HANDSHAKE_EPOCH

from . import cbor
from .proof import Known
from .records import (
    Content,
    Contents,
    Setting,
    check_counts,
    contents_of,
    escaped,
    messages_alone,
    read_escaped,
)
from .seal import OwnKeys
from .sealed13 import Sealed13
from .setting import FINISHED12_SIZE, Older, Said
from .strict import decoding

_FINISHED: Final = int(HandshakeType.finished)
_HANDSHAKE: Final = int(ContentType.handshake)
_EPOCH_OF_1_2: Final = 1


def is_finished12(records: Sequence[Unsealed]) -> bool:
    """Whether these are the one record of 1.2 that has a short form."""
    if len(records) != 1 or records[0].content_type != _HANDSHAKE:
        return False
    (content,) = _contents(records)
    return _finished12(content.messages[0].type, content.messages[0].body)


def _finished12(kind: int, body: bytes) -> bool:
    return kind == _FINISHED and len(body) == FINISHED12_SIZE


def _contents(records: Sequence[Unsealed]) -> list[Content]:
    return [Content.of(each.content_type, each.plaintext, each.epoch) for each in records]


@dataclass(frozen=True, slots=True)
class Sealing:
    """Seals and opens what follows ``begun``, the part of a body that is in the clear.

    ``said`` includes the messages of that part, which are ``clear_messages`` in number.
    """

    content_format: int
    said: Said
    context: FlightContext
    begun: bytes
    clear_messages: int
    known: Known

    @property
    def _setting(self) -> Setting:
        message_seq = self.context.next_message_seq + self.clear_messages
        if not self.said.is_1_3:
            return Setting(_EPOCH_OF_1_2, message_seq, one_by_one=True)
        epoch = APPLICATION_EPOCH if self._is_last else HANDSHAKE_EPOCH
        return Setting(epoch, message_seq, one_by_one=False)

    @property
    def _is_last(self) -> bool:
        """Whether this is the server's last flight of 1.3, which has no ServerHello."""
        return not self.context.from_client and not self.clear_messages

    def _plaintexts(self) -> Sealed13 | _Sealed12:
        if not self.said.is_1_3:
            return _Sealed12(self._setting)
        return Sealed13(
            from_client=self.context.from_client,
            last=self._is_last,
            setting=self._setting,
            hello=self.said.parts,
            known=self.known,
        )

    def write(self, records: Sequence[Unsealed], references: int) -> bytes:
        """The sealed part; ``references`` says how many bytes name a key that this side knows.

        Raises ConfigurationError for records that no flight has.
        """
        setting = self._setting
        own = OwnKeys.of(self.context, setting.epoch, self.begun, self.said.version)
        for place, record in enumerate(records, 0 if own is None else own.first):
            if (record.epoch, record.number) != (setting.epoch, place):
                raise ConfigurationError(f"record {record.epoch}.{record.number} out of order")
        if own is None:
            return self._standard(records)
        contents = _contents(records)
        check_counts(contents, setting)
        sealed = own.seal(self._plaintexts().write(contents, references), self.content_format)
        for record in records:
            self.context.sealed(record)
        return sealed

    def read(self, sealed: bytes) -> Iterator[FlightItem]:
        """What is in the sealed part, and before it the ChangeCipherSpec that 1.2 has there.

        Raises BadRecordMac where it does not authenticate, DecodeError where it is not the one
        encoding of what is in it.
        """
        setting = self._setting
        own = OwnKeys.of(self.context, setting.epoch, self.begun, self.said.version)
        if own is None:
            yield from self._read_standard(sealed)
            return
        plaintext = own.open(sealed, self.content_format)
        if plaintext is None:
            raise self.context.forged(setting.epoch)
        with decoding():
            contents, references = self._plaintexts().read(plaintext)
        if self.said.is_1_3 and not self.context.from_client:
            self.context.references = references
        if not self.said.is_1_3 and contents and contents[0].content_type == _HANDSHAKE:
            yield ChangeCipherSpec()
        last = len(contents) - 1
        for place, each in enumerate(contents):
            yield self.context.opened(
                setting.epoch,
                own.first + place,
                each.content_type,
                each.plaintext,
                last=place == last,
            )

    def _standard(self, records: Sequence[Unsealed]) -> bytes:
        """A Finished of 1.2 without an extended master secret, in its standard record.

        What that would have besides is known: epoch, number and explicit nonce.
        """
        if not is_finished12(records):
            raise ConfigurationError("without an extended master secret only Finished is sealed")
        record = self.context.seal(records[0], last=True)
        if not isinstance(record, SealedRecord) or record.sequence_number:
            raise ConfigurationError("not the first record of an epoch of DTLS 1.2")
        return record.fragment[EXPLICIT_NONCE_LENGTH:]

    def _read_standard(self, sealed: bytes) -> Iterator[FlightItem]:
        cid = Older.of(self.said, from_client=self.context.from_client).cid
        content_type = int(ContentType.tls12_cid) if cid else _HANDSHAKE
        nonce = (_EPOCH_OF_1_2 << SEQUENCE_BITS).to_bytes(EXPLICIT_NONCE_LENGTH, "big")
        record = SealedRecord(content_type, _EPOCH_OF_1_2, 0, nonce + sealed, cid)
        opened = self.context.open(record)
        yield ChangeCipherSpec()
        yield opened


@dataclass(frozen=True, slots=True)
class _Sealed12:
    """What is sealed in a flight of 1.2: Finished alone, or an escape."""

    setting: Setting

    def write(self, contents: Contents, references: int) -> bytes:
        """The plaintext; there is nothing that ``references`` would be said with."""
        messages = messages_alone(contents, self.setting)
        alone = messages is not None and len(messages) == 1
        if messages and alone and _finished12(messages[0].type, messages[0].body):
            return messages[0].body
        return escaped(contents, self.setting, FINISHED12_SIZE)

    def read(self, plaintext: bytes) -> tuple[Contents, int]:
        """The records; raises DecodeError for anything that :meth:`write` does not produce."""
        if len(plaintext) == FINISHED12_SIZE:
            return contents_of([(_FINISHED, plaintext)], self.setting), 0
        if not plaintext or plaintext[0] < cbor.ARRAY:
            raise DecodeError("no sealed flight of DTLS 1.2 begins like this")
        contents, references = read_escaped(plaintext, self.setting)
        if references or self.write(contents, 0) != plaintext:
            raise DecodeError("not the one encoding of what is sealed")
        return contents, 0
