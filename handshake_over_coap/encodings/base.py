"""What an encoding is: a flight in its context becomes a body, and the body the same flight.

The encoding decides what is sealed how.  It may seal the standard records
(:meth:`FlightContext.seal`), or seal in its own way under keys derived for it alone
(:meth:`FlightContext.epoch`); the numbers of the standard records are used up in either case, so
that what follows the handshake goes on behind them.

An encoding of your own is an object with these two attributes and three methods, and goes wherever
a name goes.  It keeps no state between flights: what it needs to know is in the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.suites import AeadAlgorithm

from .items import FlightItem, StandardRecord, Unsealed


class EpochContext(Protocol):
    """One epoch in the direction of a flight."""

    @property
    def aead(self) -> AeadAlgorithm:
        """The algorithm of the suite."""

    @property
    def next_number(self) -> int:
        """The number of the first record that the flight has in this epoch."""

    def derive(self, label: str, length: int) -> bytes | None:
        """``length`` bytes of key material that belongs to ``label`` and this direction.

        In 1.3 from the traffic secret by HKDF-Expand-Label (RFC 8446 section 7.1); in 1.2 by the
        exporter (RFC 5705), with the sender's role after the label, and None where the handshake
        has no extended master secret (RFC 7627 section 5.4).
        """


class FlightContext(Protocol):
    """What is known around one flight: of the peer's while it is decoded, of ours to encode it.

    It is alive: an item that a decoder yields is handled before the decoder goes on, and new keys
    are there from then on.
    """

    references: int
    """How many bytes of a digest name a raw public key that the peer of this side knows.

    0 where it has asked for none.  A decoder sets it, the encoder of the answer follows it.
    """

    @property
    def from_client(self) -> bool:
        """Whether the flight is the client's."""

    @property
    def next_message_seq(self) -> int:
        """The message_seq of the first handshake message of the flight."""

    @property
    def messages(self) -> Sequence[HandshakeMessage]:
        """The handshake messages of both sides before this flight, in order."""

    @property
    def digest(self) -> bytes:
        """A hash over all bodies of the conversation before this one, 32 bytes.

        SHA-256 of the digest before and the body, 32 zeros before the first.
        """

    @property
    def pins(self) -> frozenset[bytes]:
        """The peer's raw public keys (DER SubjectPublicKeyInfo) that this side accepts.

        Empty where it accepts anything else besides.
        """

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        """The standard record; ``last`` tells that it is the body's last item.

        Records are sealed in the order in which they stand in the flight.
        """

    def sealed(self, record: Unsealed) -> None:
        """The encoding has sealed the next record in its own way: its number is used."""

    def open(self, record: StandardRecord) -> Unsealed | StandardRecord:
        """What is in a standard record; the record itself where others have the keys.

        Raises UnexpectedMessage before there are keys, and BadRecordMac.
        """

    def opened(
        self, epoch: int, number: int, content_type: int, plaintext: bytes, *, last: bool
    ) -> Unsealed:
        """What the encoding has opened in its own way: that standard record is received.

        ``last`` tells that it is the last item of the flight.  Raises BadRecordMac where it was
        received before.
        """

    def forged(self, epoch: int) -> Exception:
        """Counts a body that did not authenticate; gives the BadRecordMac to raise."""

    def epoch(self, number: int) -> EpochContext:
        """The keys of an epoch; raises UnexpectedMessage before there are any."""


@runtime_checkable
class Encoding(Protocol):
    """One lossless form of bodies; encoders and decoders keep no state."""

    @property
    def name(self) -> str:
        """The name in options and reports."""

    @property
    def content_format(self) -> int:
        """The CoAP Content-Format number, from the experimental range unless registered."""

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """The body that holds ``flight``; ConfigurationError for one that has no encoding."""

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """The items of ``body``, one by one.

        What is sealed is verified before it is decoded.  Raises an AlertError for anything that
        :meth:`encode` does not produce, BadRecordMac where it does not authenticate.
        """

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """The ClientHello that ``body`` is, taken as flight 1; None if it cannot be one."""
