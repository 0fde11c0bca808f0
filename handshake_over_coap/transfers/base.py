"""How a body crosses: what a transfer is given, and what it gives.

Theory of operation.  The carrier over CoAP speaks in *bodies*: it posts one and gets one back.  A
transfer turns a body into CoAP messages and messages into a body.  It is two state machines that
know neither sockets nor clocks: on a client a :class:`ClientSide` for each handshake, which makes a
:class:`Posting` of each body; on a server a :class:`ServerSide` for each endpoint.  What is below
them is the message layer (``carriers/coap``): it gives what they send message IDs and tokens,
repeats what is confirmable until it is acknowledged or answered (RFC 7252 section 4.2), and hands
back the responses that belong to their requests.

A transfer is a frozen dataclass in a file of its own, with its options as fields, behind the
:class:`Transfer` protocol; :mod:`handshake_over_coap.transfers` has the table of names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from handshake_over_coap.coap.codes import code_text
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue, uint
from handshake_over_coap.coap.paths import path_options
from handshake_over_coap.errors import Error
from handshake_over_coap.timers.base import Draw, TimerPolicy
from handshake_over_coap.tls.config import Rng

AssemblyKey: TypeAlias = tuple[tuple[bytes, ...], bytes | None]
"""Under what the blocks of a body are joined besides its endpoint: path and Request-Tag."""


class Incomplete(Error):
    """The body did not get through whole, or the reply changed on the way: post it again."""


class BodyTooLarge(Error):
    """The body passes the limit: 4.13."""


class BodyIncomplete(Error):
    """A part does not continue what is there: 4.08."""


class BadPart(Error):
    """A block or piece contradicts itself: 4.00."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a transfer has to keep to, on either side.

    ``mtu`` is the largest UDP payload in bytes, CoAP header included; ``token_length`` the bytes of
    a client's tokens; ``largest_block`` the largest block in bytes (RFC 7959) that is ever used.
    ``largest_whole`` is the largest body that goes without block options, None for any that fits a
    datagram; ``body_limit`` the largest body in bytes that is taken, ``bodies`` how many of one
    endpoint may be under way at a server.  ``timer`` says when to send again; ``rng`` gives so many
    random bytes, ``draw`` a number in [0, 1).  ``probe`` is whether a client that sends without
    waiting asks for a challenge before it does.
    """

    mtu: int
    token_length: int
    largest_block: int
    body_limit: int
    bodies: int
    timer: TimerPolicy = field(repr=False)
    rng: Rng = field(repr=False)
    draw: Draw = field(repr=False)
    probe: bool = True
    largest_whole: int | None = None


class Outgoing(NamedTuple):
    """A message that a transfer wants sent.

    ``confirmable``: the message layer repeats it until it is acknowledged or answered.  On a server
    ``token`` names the request that it answers, ``None`` the one that was just received; on a
    client the message layer chooses the token.  ``stamp`` is the transfer's own.
    """

    content: Content
    confirmable: bool = True
    token: bytes | None = None
    stamp: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    """A body to be posted: where to, in which Content-Format, and the Echo value that goes along.

    ``path`` is the values of the Uri-Path options; ``abbreviated``: a number stands for it, if
    there is one (draft-ietf-core-uri-path-abbrev).  ``content_format`` is ``None`` where the
    resource's default applies; ``first`` says that this begins a handshake, ``known`` that its
    format was said when it began: those who name the body's own need not say it again.
    ``body`` is whole; ``echo`` is None where no challenge has been given.
    """

    path: tuple[str, ...]
    body: bytes
    content_format: int | None = None
    echo: bytes | None = None
    first: bool = False
    abbreviated: bool = False
    known: bool = False

    @property
    def head(self) -> tuple[OptionValue, ...]:
        """The options that say where to and in which format, in the order of their numbers."""
        options = path_options(self.path, abbreviated=self.abbreviated)
        if self.content_format is not None and not self.known:
            options += ((int(Option.CONTENT_FORMAT), uint(self.content_format)),)
        return tuple(sorted(options, key=lambda option: option[0]))


class Reply(NamedTuple):
    """The response to a whole body, its parts joined.

    ``max_age`` is in seconds; ``location`` the values of the Location-Path options.
    ``code`` is the number on the wire; ``content_format`` is None where the option is absent,
    ``echo`` the challenge of a 4.01, if any.
    """

    code: int
    payload: bytes
    location: tuple[str, ...]
    content_format: int | None
    echo: bytes | None
    max_age: int

    @property
    def dotted(self) -> str:
        """The code in its usual form, such as "4.01"."""
        return code_text(self.code)


class Posting(Protocol):
    """One body on its way to a server, and the reply on its way back."""

    @property
    def several(self) -> bool:
        """Whether a request may draw any number of responses (draft-ietf-core-responses).

        Else the first response is the only one, and one request is under way at a time.
        """

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do besides what the message layer repeats."""

    @property
    def reply(self) -> Reply | None:
        """The reply, once all of it has come."""

    @property
    def repetitions(self) -> int:
        """Messages sent because nothing came, besides what the message layer repeats."""

    def start(self, now: float) -> Sequence[Outgoing]:
        """The first messages."""

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """Take the response to one of the messages, ``asked``; gives those that go out next.

        Raises :class:`Incomplete`, or CarrierError where the reply is none that can be taken.
        """

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """What goes out once the server has a confirmable message, and says no more yet."""

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Messages to send now that the deadline has passed."""


class ClientSide(Protocol):
    """What a client keeps of a transfer from flight to flight."""

    def post(self, upload: Upload) -> Posting:
        """A body to the server; ConfigurationError where no message can hold a part of it."""


class Answer(NamedTuple):
    """What a server answers to a whole body, kept so that the same body gets the same answer.

    ``code`` is the CoAP code as a number, ``content_format`` ``None`` where the resource's default
    applies, ``location`` the values of Location-Path options, ``echo`` a challenge, ``max_age``
    the seconds after which a refused client may try again.  ``final`` says that the handshake ends
    with it.
    """

    code: int
    payload: bytes = b""
    content_format: int | None = None
    location: tuple[str, ...] = ()
    echo: bytes | None = None
    max_age: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a valid Echo value tells: its ``age`` in seconds, and more.

    ``attempts`` is how many probes went unanswered before the one that drew it; None where it was
    no probe.
    """

    age: float
    attempts: int | None = None


class Contact(NamedTuple):
    """How a request came.

    ``proven`` tells that it may be answered as it is: its Echo value is valid, and ``challenge``
    what that tells, or the address need not be proven.  ``limited``: no more than three times the
    bytes that came may go back.
    """

    proven: bool
    challenge: Challenge | None = None
    limited: bool = False


class Whole(NamedTuple):
    """A body that has come whole, and has to be answered.

    ``request`` is the message that completed it, ``path`` the values of its Uri-Path;
    ``content_format`` that of its first part, ``proven`` whether that came with a valid Echo.
    ``attempts`` is of how many bodies for one flight this may be one, where parts may be forged;
    ``place`` is the transfer's own: where it keeps the answer.
    """

    request: Message
    body: bytes
    path: tuple[str, ...]
    content_format: int | None
    proven: bool
    attempts: int = 1
    place: object = None


class Received(NamedTuple):
    """What a request came to: messages to send, and a body where that made it whole."""

    send: Sequence[Outgoing] = ()
    whole: Whole | None = None


class ServerSide(Protocol):
    """What a server keeps of the bodies of one endpoint."""

    @property
    def proves(self) -> bool:
        """Whether what came in this way has proven an address that was answered before.

        Parts of bodies alone never do: whoever sends them need not hear anything.
        """

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""

    @property
    def held(self) -> int:
        """Bytes of bodies that are under way or were put together and are still here."""

    def continues(self, request: Message) -> bool:
        """Whether a request that is not the first of its body goes on with one that is here."""

    def receive(self, request: Message, contact: Contact, now: float) -> Received:
        """Take a request.

        Raises :class:`BadPart`, :class:`BodyIncomplete` or :class:`BodyTooLarge`; what was kept of
        that body is forgotten then.
        """

    def answer(self, whole: Whole, answer: Answer, now: float) -> Sequence[Outgoing]:
        """The messages that carry ``answer`` back; CarrierError where none can hold any of it."""

    def another(self, whole: Whole, now: float) -> Whole | None:
        """What else the parts of a body that was refused may be, where some may be forged."""

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Messages to send now that the deadline has passed."""

    def clear(self) -> None:
        """Forget all bodies: their time is over."""


@runtime_checkable
class Transfer(Protocol):
    """A way for bodies to cross; a frozen dataclass whose fields are its options."""

    @property
    def name(self) -> str:
        """The name in options and reports."""

    def client(self, terms: Terms) -> ClientSide:
        """The client's part in one handshake."""

    def server(self, terms: Terms) -> ServerSide:
        """The server's part with one endpoint."""

    def claims(self, request: Message) -> bool:
        """Whether a request that reaches a server is one of this transfer's."""

    def begins(self, request: Message) -> bool:
        """Whether a request may be the first of a body, which takes a proof of the address.

        All others have to go on with a body that is there (:meth:`ServerSide.continues`).
        """

    def asks(self, request: Message) -> int:
        """How many challenges a request asks for, which carries nothing else; 0 for any other."""

    def content_format(self, request: Message) -> int | None:
        """The Content-Format of the body that a request has a part of; None: the default."""

    @property
    def limits_itself(self) -> bool:
        """Whether the server's part may answer an address that is not proven yet."""

    @property
    def any_order(self) -> bool:
        """Whether any part of a body may come first: each may bring the proof of the address.

        One without it goes on with a body that is there.
        """
