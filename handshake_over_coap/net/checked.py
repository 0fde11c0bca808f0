"""Parts of a user's own under watch: what breaks its protocol is named at the first use.

A timer, an encoding or a transfer from outside the package is wrapped, and what it gives is looked
at: a wait of "x" seconds or of none, a body that is no bytes, a deadline that has passed.  Without
that a mistake shows far from its place, or a simulation turns on the spot.  Members of the rooms
are not wrapped: tests hold them to the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any, NoReturn, TypeVar

from handshake_over_coap.encodings import Encoding, FlightContext, FlightItem
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers import Draw, Timer, TimerPolicy
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.transfers import Transfer
from handshake_over_coap.transfers.base import Outgoing, Received

_T = TypeVar("_T")

_TIMER = ("value", "exhausted", "sent", "expired", "answered")
_CLIENT, _SERVER = ("post",), ("receive", "answer", "on_timer", "continues", "clear")
_POSTING = ("start", "answered", "acknowledged", "on_timer")


class PartError(ConfigurationError):
    """A part of the caller's own that breaks its protocol; the message names it and the method."""


class _Watched:
    """Stands for ``part``, called ``name``, and passes on all that is not looked at."""

    def __init__(self, part: Any, name: str) -> None:
        self._part, self._name = part, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._part, attribute)

    def _wrong(self, method: str, given: object, expected: str) -> NoReturn:
        raise PartError(f"{self._name}: {method} gave {given!r}, where {expected} belongs")

    def _needs(self, method: str, given: _T, attributes: Iterable[str]) -> _T:
        missing = [name for name in attributes if not hasattr(given, name)]
        if missing:
            self._wrong(method, given, f"an object with {', '.join(missing)}")
        return given


class CheckedTimer(_Watched):
    """A timer policy of a user's own."""

    def start(self, draw: Draw) -> Timer:
        """Its running part, whose waits are looked at."""
        made = self._needs("start", self._part.start(draw), _TIMER)
        return _CheckedWait(made, self._name)


class _CheckedWait(_Watched):
    @property
    def value(self) -> float:
        wait = self._part.value
        number = isinstance(wait, int | float) and not isinstance(wait, bool)
        if not (number and 0.0 < wait < math.inf):
            self._wrong("value", wait, "a number of seconds above 0")
        return float(wait)

    def __copy__(self) -> _CheckedWait:
        return _CheckedWait(copy(self._part), self._name)


class CheckedEncoding(_Watched):
    """An encoding of a user's own."""

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """Its body, which has to be bytes, and of flight 1 those that ``hello`` reads."""
        body = self._part.encode(flight, context)
        if not isinstance(body, bytes):
            self._wrong("encode", body, "bytes")
        first = flight[0] if context.from_client and not context.messages else None
        if isinstance(first, HandshakeMessage):
            self._read_back(body, first)
        return body

    def _read_back(self, body: bytes, message: HandshakeMessage) -> None:
        try:
            found = self.hello(body)
        except AlertError as error:
            raise PartError(
                f"{self._name}: hello refused what encode made of a ClientHello ({error})"
            ) from error
        if found != message:
            self._wrong("hello", found, "the ClientHello that encode was given")

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """Its items, one by one."""
        items = self._part.decode(body, context)
        return iter(items) if isinstance(items, Iterable) else self._wrong("decode", items, "items")

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """Its ClientHello, if it found one."""
        found = self._part.hello(body)
        if found is None or isinstance(found, HandshakeMessage):
            return found
        return self._wrong("hello", found, "a HandshakeMessage or None")


class CheckedTransfer(_Watched):
    """A transfer of a user's own."""

    def client(self, terms: Any) -> Any:
        """Its client's part, whose postings are looked at."""
        side = self._needs("client", self._part.client(terms), _CLIENT)
        return _CheckedClient(side, self._name)

    def server(self, terms: Any) -> Any:
        """Its server's part."""
        side = self._needs("server", self._part.server(terms), _SERVER)
        return _CheckedSide(side, self._name)


class _CheckedClient(_Watched):
    def post(self, upload: Any) -> Any:
        made = self._needs("post", self._part.post(upload), _POSTING)
        return _CheckedSide(made, self._name)


class _CheckedSide(_Watched):
    """A posting or a server's part: both send, and both have a deadline."""

    def start(self, now: float) -> Sequence[Outgoing]:
        return self._messages("start", self._part.start(now))

    def answered(self, *arguments: Any) -> Sequence[Outgoing]:
        return self._messages("answered", self._part.answered(*arguments))

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        return self._messages("acknowledged", self._part.acknowledged(now))

    def answer(self, *arguments: Any) -> Sequence[Outgoing]:
        return self._messages("answer", self._part.answer(*arguments))

    def receive(self, *arguments: Any) -> Received:
        found = self._part.receive(*arguments)
        return found if isinstance(found, Received) else self._wrong("receive", found, "Received")

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        sent = self._messages("on_timer", self._part.on_timer(now))
        deadline = self.deadline
        if deadline is not None and deadline <= now:
            self._wrong("deadline", deadline, f"a time after {now:g}, when on_timer was called,")
        return sent

    @property
    def deadline(self) -> float | None:
        at = self._part.deadline
        if at is None or (isinstance(at, int | float) and not math.isnan(at)):
            return at
        return self._wrong("deadline", at, "a time in seconds or None")

    def _messages(self, method: str, given: object) -> Sequence[Outgoing]:
        if isinstance(given, Sequence) and all(isinstance(each, Outgoing) for each in given):
            return given
        return self._wrong(method, given, "a sequence of Outgoing")


def checked_timer(policy: TimerPolicy) -> TimerPolicy:
    """``policy``, watched if it is not of this package."""
    return policy if _ours(policy) else CheckedTimer(policy, f"timer {policy.name}")


def checked_encoding(encoding: Encoding) -> Encoding:
    """``encoding``, watched if it is not of this package."""
    if _ours(encoding):
        return encoding
    return CheckedEncoding(encoding, f"encoding {encoding.name}")


def checked_transfer(transfer: Transfer) -> Transfer:
    """``transfer``, watched if it is not of this package."""
    if _ours(transfer):
        return transfer
    return CheckedTransfer(transfer, f"transfer {transfer.name}")


def _ours(part: object) -> bool:
    return type(part).__module__.partition(".")[0] == __name__.partition(".")[0]
