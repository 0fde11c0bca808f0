"""What a DTLS stack has to offer so that CoAP can carry its handshake: a connection in memory.

Everything is bytes in, bytes out, at once: the stack opens no socket, and no timer of its own ever
counts.  It keeps its keys to itself, unless it has a method to tell them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from handshake_over_coap.errors import Error


class StackFailed(Error):
    """The stack has given its connection up, for the reason in the message.

    ``alert`` is the number of the alert that the peer sent, sealed, where it was that and the stack
    tells; an alert of the stack's own is read from its records.
    """

    def __init__(self, reason: str, alert: int | None = None) -> None:
        super().__init__(reason)
        self.alert = alert


class DtlsStack(Protocol):
    """One side of one DTLS 1.2 connection; whichever side it is, it was told when it was made.

    Its address check (HelloVerifyRequest) and resumption are off.
    """

    def start(self) -> None:
        """Begin: a client has its first flight to give afterwards, a server waits.

        Raises :class:`StackFailed`.
        """

    def receive(self, datagram: bytes) -> None:
        """Take a datagram, which is one record, and do all that follows from it.

        What does not authenticate is dropped without a word.  Raises :class:`StackFailed`.
        """

    def take(self) -> bytes:
        """The records that have to be sent, one after the other; each is given once.

        Where a datagram ends does not matter; nor does it if handshake messages are fragmented or
        repeated.
        """

    @property
    def handshake_complete(self) -> bool:
        """Whether both Finished messages have been said and verified."""

    @property
    def overhead(self) -> int:
        """How many bytes a record is longer than its application data, at most."""

    def send(self, data: bytes) -> None:
        """Seal application data: :meth:`take` has the record afterwards.

        Raises :class:`StackFailed`, or ConfigurationError for what the stack cannot send.
        """

    def read(self) -> bytes | None:
        """The next application data that has been received, or None.

        Raises Closed after the peer's close_notify, :class:`StackFailed` when all is over.
        """

    def close(self) -> None:
        """Seal a close_notify: :meth:`take` has the record afterwards.  Never raises."""

    def export(self, label: str, length: int, context: bytes | None) -> bytes:
        """Keying material (RFC 5705); ConfigurationError where the stack has no exporter."""


@runtime_checkable
class TellsSecrets(Protocol):
    """What a stack has besides, if it can stand behind an encoding that seals in its own way."""

    def master_secret(self) -> bytes | None:
        """The master secret, 48 bytes, as soon as the key exchange is over; None before."""


@runtime_checkable
class DtlsStack13(DtlsStack, Protocol):
    """One side of one DTLS 1.3 connection: what :class:`DtlsStack` has, and its secrets.

    It asks for no second ClientHello, sends no tickets, and gives each record its length.
    """

    def traffic_secrets(self) -> Mapping[str, bytes]:
        """The traffic secrets of both directions, as far as they are there, by their names.

        These are those of key logs: ``CLIENT_HANDSHAKE_TRAFFIC_SECRET``,
        ``SERVER_HANDSHAKE_TRAFFIC_SECRET``, ``CLIENT_TRAFFIC_SECRET_0`` and
        ``SERVER_TRAFFIC_SECRET_0``.
        """
