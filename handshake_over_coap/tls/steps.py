"""What the states of both versions do with items: expect one, refuse one, collect a flight."""

from __future__ import annotations

from .alerts import UnexpectedMessage, UnrecognizedName
from .codepoints import HandshakeType
from .config import ServerConfig
from .extensions import Extensions, ServerName
from .flight import ChangeCipherSpec, HandshakeMessage, Item
from .messages import Message
from .transcript import Transcript


def name_of(item: Item) -> str:
    """An item's name, for messages."""
    if isinstance(item, ChangeCipherSpec):
        return "change_cipher_spec"
    try:
        return HandshakeType(item.type).name
    except ValueError:
        return f"handshake type {item.type}"


def is_message(item: Item, kind: HandshakeType, epoch: int = 0) -> bool:
    """Whether ``item`` is a message of that type in ``epoch``."""
    return isinstance(item, HandshakeMessage) and item.type == kind and item.epoch == epoch


def unexpected(item: Item, expected: str) -> UnexpectedMessage:
    """The alert for an item out of order."""
    return UnexpectedMessage(f"{name_of(item)} where {expected} belongs")


def expect(item: Item, kind: HandshakeType, epoch: int = 0) -> HandshakeMessage:
    """``item`` as a message of type ``kind`` in ``epoch``; raises UnexpectedMessage."""
    if not isinstance(item, HandshakeMessage) or item.type != kind or item.epoch != epoch:
        raise unexpected(item, kind.name)
    return item


def asked_name(config: ServerConfig, extensions: Extensions) -> str | None:
    """The name that a client asks for, if any; raises UnrecognizedName where it is not ours."""
    extension = extensions.find(ServerName)
    name = None if extension is None else extension.host_name
    if (
        name is not None
        and config.server_names
        and name.lower() not in {known.lower() for known in config.server_names}
    ):
        raise UnrecognizedName("this server does not go by that name")
    return name


class FlightBuilder:
    """Collects a flight: numbers its messages and adds them to the transcript."""

    __slots__ = ("items", "next_seq", "transcript")

    def __init__(self, transcript: Transcript, next_seq: int) -> None:
        self.items: list[Item] = []
        self.transcript = transcript
        self.next_seq = next_seq

    def add(self, message: Message, epoch: int = 0) -> None:
        """Add a message, in the transcript too."""
        framed = HandshakeMessage(message.msg_type, message.encode(), self.next_seq, epoch)
        self.next_seq += 1
        self.items.append(framed)
        self.transcript = self.transcript.append(framed)
