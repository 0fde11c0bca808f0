"""What the states of both versions do with items: expect one, refuse one, collect a flight."""

from __future__ import annotations

from .alerts import (
    IllegalParameter,
    UnexpectedMessage,
    UnrecognizedName,
    UnsupportedCertificate,
)
from .codepoints import HandshakeType
from .config import ClientConfig, ServerConfig
from .credentials import DEFAULT_FORM, known_form
from .extensions import (
    Extensions,
    SelectedClientCertificateType,
    SelectedServerCertificateType,
    ServerName,
)
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


def agreed_certificate_types(
    config: ClientConfig, extensions: Extensions, *, by_certificate: bool
) -> tuple[int, int]:
    """The server's and the client's form as a server says; X.509 where it says nothing.

    ``by_certificate``: the server proves itself with a key of its own.  Raises
    UnsupportedCertificate and IllegalParameter for forms that were not offered (RFC 7250 section
    4.2).
    """
    server = extensions.find(SelectedServerCertificateType)
    client = extensions.find(SelectedClientCertificateType)
    server_type = DEFAULT_FORM if server is None else server.type
    client_type = DEFAULT_FORM if client is None else client.type
    matters = server is not None or by_certificate
    if matters and server_type not in config.server_certificate_types:
        raise UnsupportedCertificate("the server's kind of certificate was not offered")
    credential = config.credential
    if client is not None and (credential is None or client_type != credential.form):
        raise IllegalParameter("the client certificate type was not offered")
    return known_form(server_type), known_form(client_type)


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
