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
    Contents,
    Plain,
    Setting,
    check_counts,
    cut,
    escaped,
    plain,
    read_escaped,
)
from .seal import OwnKeys
from .sealed13 import Sealed13
from .setting import FINISHED12_SIZE, Older, Said

_FINISHED: Final = int(HandshakeType.finished)
_HANDSHAKE: Final = int(ContentType.handshake)
_EPOCH_OF_1_2: Final = 1


def is_finished12(contents: Contents) -> bool:
    """Whether these are the one record of 1.2 that has a short form."""
    messages = contents[0].messages if len(contents) == 1 else ()
    if len(messages) != 1:
        return False
    return messages[0].type == _FINISHED and len(messages[0].body) == FINISHED12_SIZE


class Sealing:
    """Seals and opens what follows ``begun``, the part of a body that is in the clear.

    ``said`` includes the messages of that part, which are ``clear_messages`` in number.
    """

    def __init__(
        self,
        content_format: int,
        said: Said,
        context: FlightContext,
        begun: bytes,
        clear_messages: int,
        known: Known,
    ) -> None:
        self._content_format = content_format
        self._said = said
        self._context = context
        self._begun = begun
        message_seq = context.next_message_seq + clear_messages
        self._plaintexts: Sealed13 | _Sealed12
        if said.is_1_3:
            # The server's last flight of 1.3 is the one without a ServerHello.
            last = not context.from_client and not clear_messages
            epoch = APPLICATION_EPOCH if last else HANDSHAKE_EPOCH
            setting = Setting(epoch, message_seq, one_by_one=False)
            self._plaintexts = Sealed13(context.from_client, last, setting, said.parts, known)
        else:
            setting = Setting(_EPOCH_OF_1_2, message_seq, one_by_one=True)
            self._plaintexts = _Sealed12(setting)
        self._setting = setting

    def write(self, records: Sequence[Unsealed], contents: Contents, references: int) -> bytes:
        """The sealed part; ``references`` says how many bytes name a key that this side knows.

        ``contents`` is what the records hold.  Raises ConfigurationError for records that no flight
        has.
        """
        context, epoch = self._context, self._setting.epoch
        own = OwnKeys.of(context, epoch, self._begun, self._said.version)
        for place, record in enumerate(records, 0 if own is None else own.first):
            if record.epoch != epoch or record.number != place:
                raise ConfigurationError(f"record {record.epoch}.{record.number} out of order")
        if own is None:
            return self._standard(records, contents)
        check_counts(contents, self._setting)
        sealed = own.seal(self._plaintexts.write(contents, references), self._content_format)
        for record in records:
            context.sealed(record)
        return sealed

    def read(self, sealed: bytes) -> Iterator[FlightItem]:
        """What is in the sealed part, and before it the ChangeCipherSpec that 1.2 has there.

        Raises BadRecordMac where it does not authenticate, DecodeError where it is not the one
        encoding of what is in it.
        """
        context, epoch = self._context, self._setting.epoch
        own = OwnKeys.of(context, epoch, self._begun, self._said.version)
        if own is None:
            yield from self._read_standard(sealed)
            return
        plaintext = own.open(sealed, self._content_format)
        if plaintext is None:
            raise context.forged(epoch)
        try:
            records, references = self._plaintexts.read(plaintext)
        except ConfigurationError as error:  # fields that no message has
            raise DecodeError(str(error)) from None
        if self._said.is_1_3:
            if not context.from_client:
                context.references = references
        elif records and records[0][0] == _HANDSHAKE:
            yield ChangeCipherSpec()
        last = own.first + len(records) - 1
        for number, (content_type, plaintext) in enumerate(records, own.first):
            yield context.opened(epoch, number, content_type, plaintext, last=number == last)

    def _standard(self, records: Sequence[Unsealed], contents: Contents) -> bytes:
        """A Finished of 1.2 without an extended master secret, in its standard record.

        What that would have besides is known: epoch, number and explicit nonce.
        """
        if not is_finished12(contents):
            raise ConfigurationError("without an extended master secret only Finished is sealed")
        record = self._context.seal(records[0], last=True)
        if not isinstance(record, SealedRecord) or record.sequence_number:
            raise ConfigurationError("not the first record of an epoch of DTLS 1.2")
        return record.fragment[EXPLICIT_NONCE_LENGTH:]

    def _read_standard(self, sealed: bytes) -> Iterator[FlightItem]:
        cid = Older.of(self._said, from_client=self._context.from_client).cid
        content_type = int(ContentType.tls12_cid) if cid else _HANDSHAKE
        nonce = (_EPOCH_OF_1_2 << SEQUENCE_BITS).to_bytes(EXPLICIT_NONCE_LENGTH, "big")
        record = SealedRecord(content_type, _EPOCH_OF_1_2, 0, nonce + sealed, cid)
        opened = self._context.open(record)
        yield ChangeCipherSpec()
        yield opened


@dataclass(frozen=True, slots=True)
class _Sealed12:
    """What is sealed in a flight of 1.2: Finished alone, or an escape."""

    setting: Setting

    def write(self, contents: Contents, references: int) -> bytes:
        """The plaintext; there is nothing that ``references`` would be said with."""
        if is_finished12(contents):
            return contents[0].messages[0].body
        return escaped(contents, self.setting, FINISHED12_SIZE)

    def read(self, plaintext: bytes) -> tuple[list[Plain], int]:
        """The records; raises DecodeError for anything that :meth:`write` does not produce."""
        if len(plaintext) == FINISHED12_SIZE:
            return cut([(_FINISHED, plaintext)], self.setting), 0
        if not plaintext or plaintext[0] < cbor.ARRAY:
            raise DecodeError("no sealed flight of DTLS 1.2 begins like this")
        contents, references = read_escaped(plaintext, self.setting)
        if references or self.write(contents, 0) != plaintext:
            raise DecodeError("not the one encoding of what is sealed")
        return plain(contents), 0
