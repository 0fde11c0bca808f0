"""What an encoding knows around a flight of a stack that keeps its keys to itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from handshake_over_coap.carriers.protection import EpochView
from handshake_over_coap.encodings.items import StandardRecord, Unsealed
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.flight import HandshakeMessage


class StackAround:
    """A :class:`~..encodings.base.FlightContext` without keys: records pass as they are.

    Whatever needs the keys raises ConfigurationError: an encoding that seals in its own way cannot
    stand before such a stack.
    """

    def __init__(
        self,
        messages: Sequence[HandshakeMessage],
        *,
        from_client: bool,
        next_message_seq: int,
        digest: bytes,
    ) -> None:
        self.messages = messages
        self.from_client = from_client
        self.next_message_seq = next_message_seq
        self.digest = digest
        self.references = 0
        self.pins: frozenset[bytes] = frozenset()

    def open(self, record: StandardRecord) -> StandardRecord:
        """The record itself: the stack opens it."""
        return record

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """Raises ConfigurationError: the stack seals."""
        self._no_keys()

    def sealed(self, record: Unsealed) -> None:
        """Raises ConfigurationError."""
        self._no_keys()

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """Raises ConfigurationError."""
        self._no_keys()

    def forged(self, epoch: int) -> Exception:
        """Raises ConfigurationError."""
        self._no_keys()

    def epoch(self, number: int) -> EpochView:
        """Raises ConfigurationError."""
        self._no_keys()

    def _no_keys(self) -> NoReturn:
        raise ConfigurationError(
            "this encoding seals in its own way, and the stack keeps its keys to itself: use plain"
        )
