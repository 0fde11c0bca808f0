"""What carriers and sessions need of a handshake, whoever makes it.

The usual conversation is ours (:mod:`.conversation`), and so are the keys that it ends with.  A
DTLS stack written by others keeps its keys to itself; what stands for it here has the same shape
(``adapters/``), and nothing between the two faces of the library can tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.encodings.base import Encoding
from handshake_over_coap.encodings.floor import Floor
from handshake_over_coap.encodings.items import FlightItem
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.trace.report import TrialFigures


class CarriedFlight(NamedTuple):
    """A flight as it was carried: its items, whose it was, and when (seconds of the loop).

    ``key_known``: its receiver is known to have the sender's raw public key pinned.
    """

    time: float
    from_client: bool
    items: tuple[FlightItem, ...]
    key_known: bool = False


def floor_bytes(flights: Iterable[CarriedFlight]) -> tuple[int, ...]:
    """The bytes of each flight of a handshake that no lossless encoding can save."""
    floor = Floor()
    return tuple(floor.flight(each.items, key_known=each.key_known) for each in flights)


OnFlights: TypeAlias = Callable[[Address, Sequence[CarriedFlight]], None]
"""Gets the flights of a handshake with a client at that address, just before it is established."""


class Agreement(Protocol):
    """What a side knows once its handshake is complete."""

    @property
    def peer(self) -> PeerIdentity:
        """Who the peer proved to be."""

    @property
    def auth(self) -> str:
        """How the two sides proved who they are: psk, ecdhe-psk, rpk or x509."""

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """Keying material for the application (RFC 5705), ``length`` bytes."""


class DatagramSealer(Protocol):
    """Turns plaintext into datagrams."""

    @property
    def overhead(self) -> int:
        """How many bytes a datagram is longer than its plaintext, at most."""

    def seal_datagram(self, content_type: int, plaintext: bytes) -> bytes:
        """A datagram that holds one record.

        Raises DatagramTooLarge, or NumbersExhausted where nothing more can be sealed.
        """


class DatagramOpener(Protocol):
    """Turns records into plaintext, each at most once."""

    @property
    def dead(self) -> bool:
        """Whether nothing will be opened any more."""

    def open_datagram(self, data: bytes) -> tuple[int, bytes] | None:
        """Content type and plaintext of a datagram that is one record; None if it is not.

        Raises RecordDropped.  An opener may say None to any datagram: then it gets the records
        one by one.
        """

    def open(self, record: SealedRecord) -> bytes:
        """The plaintext of a record; raises RecordDropped."""


class Completed(Protocol):
    """A completed handshake; what it leaves of a record layer depends on the version."""

    @property
    def connected(self) -> Agreement:
        """What was agreed on."""


class CompletedRecords(Completed, Protocol):
    """A completed handshake whose record layer is one epoch in each direction, as in DTLS 1.2.

    ``early`` are content type and plaintext of records that were opened before completion.
    """

    @property
    def sealer(self) -> DatagramSealer:
        """Seals what is sent from now on."""

    @property
    def opener(self) -> DatagramOpener:
        """Opens what is received from now on."""

    @property
    def early(self) -> tuple[tuple[int, bytes], ...]:
        """Content type and plaintext of records that came early."""


CompletedT = TypeVar("CompletedT", bound=Completed)
_Completed_co = TypeVar("_Completed_co", bound=Completed, covariant=True)
_Completed_contra = TypeVar("_Completed_contra", bound=Completed, contravariant=True)


class CarriedConversation(Protocol[_Completed_co]):
    """One side of a handshake between two flights."""

    @property
    def established(self) -> _Completed_co | None:
        """The result, once the handshake is complete."""

    def hear(self, body: bytes, encoding: Encoding) -> Turn[_Completed_co]:
        """Take the peer's flight; gives the conversation after it and our next flight.

        Raises the AlertError to send where the flight is wrong, BadRecordMac included.  The
        conversation is then still there for the flight that is right: ours as it was, another as
        far as its stack allows.
        """

    def continues(self, hello: HandshakeMessage) -> bool:
        """Whether a ClientHello is the second of this conversation, after a HelloRetryRequest."""

    def provisional(self) -> _Completed_co | None:
        """What a client may work with before the server has answered its last flight, if at all."""

    def confirm(self, datagram: bytes) -> _Completed_co | None:
        """The result, if a datagram of records from the server shows that it has completed."""

    def sealed_alert(self, error: AlertError) -> bytes | None:
        """A datagram that tells a peer who may be complete already that we never will be.

        None where nothing can be sealed.
        """


class Turn(NamedTuple, Generic[_Completed_co]):
    """What a flight has led to: ``after`` it, and our answer as a ``body``, empty for none.

    ``heard`` and ``said`` are what is in the two bodies.  A client's first turn hears nothing.
    ``peer_pinned``: this side has raw public keys of peers pinned; ``own_pinned``: the peer has
    said so.
    """

    after: CarriedConversation[_Completed_co]
    body: bytes
    heard: tuple[FlightItem, ...]
    said: tuple[FlightItem, ...]
    peer_pinned: bool = False
    own_pinned: bool = False


class OnCompleted(Protocol[_Completed_contra]):
    """What a server calls when a handshake has completed."""

    def __call__(
        self, address: Address, name: str, established: _Completed_contra, figures: TrialFigures
    ) -> None:
        """``name`` is the handshake's own at that address; ``release`` wants it back.

        ``figures`` are what the server saw from the first proven message to completion.
        """
