"""What an encoding knows around a flight of a stack that others wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from handshake_over_coap.carriers.protection import EpochView, Protection12
from handshake_over_coap.encodings.items import StandardRecord, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.alerts import BadRecordMac
from handshake_over_coap.tls.flight import HandshakeMessage

FindKeys = Callable[[], Protection12 | None]
"""Gives what opens the records of the flight's sender, once there are keys and they are known."""


class StackAround:
    """A :class:`~..encodings.base.FlightContext` around a flight from or for a stack.

    Standard records pass as they are: the stack seals and opens.  An encoding that seals in its
    own way needs ``find``; where that gives nothing it gets a ConfigurationError.
    """

    def __init__(
        self,
        messages: Sequence[HandshakeMessage],
        *,
        from_client: bool,
        next_message_seq: int,
        digest: bytes,
        find: FindKeys,
        references: int = 0,
    ) -> None:
        self.messages = messages
        self.from_client = from_client
        self.next_message_seq = next_message_seq
        self.digest = digest
        self.references = references
        self.pins: frozenset[bytes] = frozenset()
        self._find = find
        self._found: Protection12 | None = None

    def open(self, record: StandardRecord) -> StandardRecord:
        """The record itself: the stack opens it."""
        return record

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The record that the stack has sealed."""
        return record.standard()

    def sealed(self, record: Unsealed) -> None:
        """The stack has used its number already."""

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """What the encoding has opened in its own way; its standard form is for the stack."""
        try:
            return self._keys().opened(epoch, number, content_type, plaintext, last=last)
        except RecordDropped as dropped:
            raise BadRecordMac(str(dropped)) from None

    def forged(self, epoch: int) -> Exception:
        """What to raise for a body that did not authenticate."""
        return BadRecordMac(f"what is sealed of epoch {epoch} in the body does not authenticate")

    def epoch(self, number: int) -> EpochView:
        """The keys of an epoch; raises ConfigurationError where the stack does not tell them."""
        try:
            view = self._keys().view(number, reading=True)
        except RecordDropped as missing:
            raise BadRecordMac(str(missing)) from None
        return EpochView(view.keys, 0)

    def _keys(self) -> Protection12:
        if self._found is None:
            self._found = self._find()
        return self._found or self._no_keys()

    def _no_keys(self) -> NoReturn:
        raise ConfigurationError(
            "this encoding seals in its own way, and the stack keeps its keys to itself: use plain"
        )
