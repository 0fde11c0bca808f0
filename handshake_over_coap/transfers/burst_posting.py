"""A client's bodies as bursts of CoAP requests, and the responses to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from handshake_over_coap.coap.codes import Code, is_success
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue, uint
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import ConfigurationError, HandshakeTimeout

from .base import Outgoing, Posting, Reply, Terms, Upload
from .burst_client import ClientHalf
from .burst_half import Send
from .pieces import TAG_LENGTH, PieceError, decode
from .single import SinglePosting, reply_of
from .wrapping import wrapped

CHALLENGES = 8
"""How often a challenge to a first flight is answered before it is taken for a refusal."""
HINTS = 2
"""Error responses that a later flight has to draw before one is told; anybody can send one."""
_CHALLENGE_SIZE = 4 + 2 + 8
"""Bytes of a challenge, token aside: header, option header and Echo value."""


class BurstClient:
    """What a client keeps from flight to flight; ``quick`` and ``answer_bytes`` as in ``Burst``."""

    def __init__(self, terms: Terms, *, quick: bool, answer_bytes: int) -> None:
        self._terms = terms
        self._quick = quick
        self._answer_bytes = answer_bytes
        self._half: ClientHalf | None = None
        self._upload: Upload | None = None
        self._posting: BurstPosting | None = None

    def post(self, upload: Upload) -> Posting:
        """A body to the server."""
        if upload.content_format == ALERT:
            return SinglePosting(upload)
        before = self._posting
        same = before is not None and self._upload is not None and _alike(self._upload, upload)
        if upload.first:
            self._half = None
        posting = BurstPosting(self, upload, self._terms)
        if same and before is not None and before.reply is not None and before.has_body:
            posting.rejects_reply(before.reply)
        posting.repeats = same
        self._upload, self._posting = upload, posting
        return posting

    def half(self, *, probing: bool) -> ClientHalf:
        """The half of this handshake; made with its first flight."""
        if self._half is None:
            terms = self._terms
            self._half = ClientHalf(
                terms.timer.start(terms.draw),
                terms.rng(TAG_LENGTH),
                terms.body_limit,
                probing=probing,
                quick=self._quick,
            )
        return self._half

    @property
    def answer_bytes(self) -> int:
        """What three times a first flight has to hold at least, in bytes."""
        return self._answer_bytes


class BurstPosting:
    """One flight out and the next one in.

    ``repeats`` says that this body was posted before, ``rejects`` that what came back then was not
    genuine.
    """

    several = True

    def __init__(self, side: BurstClient, upload: Upload, terms: Terms) -> None:
        self._side = side
        self._upload = upload
        self._terms = terms
        self._echo = upload.echo
        self._probing = upload.first and upload.echo is None and terms.probe
        self._half = side.half(probing=self._probing)
        self._path = tuple((int(Option.URI_PATH), each.encode()) for each in upload.path)
        self._format = (int(Option.CONTENT_FORMAT), uint(wrapped(upload.content_format)))
        self._challenges = 0
        self._errors = 0
        self._silent_before = self._half.repeats
        self.repeats = self.rejects = False
        self.reply: Reply | None = None
        self.has_body = False
        self._rejected: bytes | None = None

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        return self._half.deadline

    def rejects_reply(self, reply: Reply) -> None:
        """What came back to the same body before was not genuine."""
        self.rejects, self._rejected = True, reply.payload

    @property
    def repetitions(self) -> int:
        """Messages that silences have drawn."""
        return self._half.repeats - self._silent_before

    def start(self, now: float) -> Sequence[Outgoing]:
        """Probe, or send all pieces; a body that comes again asks for another answer."""
        if self._probing:
            return self._requests(self._half.probe(now))
        if not self.repeats or self._upload.first:
            return self._post(now)
        if self.rejects:
            self._half.reject(now)
            self._look(now)
            return () if self.reply is not None else self._requests(self._half.ask(now))
        return self._requests(self._half.again(now))

    def _post(self, now: float) -> Sequence[Outgoing]:
        room, least = self._room(), 0
        if self._upload.first and not self._echo and not self._terms.probe:
            pieces = -(-(len(self._upload.body) + 1) // max(1, room - 2))
            least = -(-self._side.answer_bytes // (3 * pieces)) - (self._terms.mtu - room)
        try:
            return self._requests(self._half.post(self._upload.body, room, now, least=least))
        except PieceError as error:
            raise self._too_small(error) from None

    def _room(self) -> int:
        """Bytes for a piece without its tag, beside the options of this flight."""
        around = Content(Code.POST, self._options()).size(self._terms.token_length)
        return self._terms.mtu - around - 1 - TAG_LENGTH

    def _too_small(self, error: PieceError) -> ConfigurationError:
        return ConfigurationError(
            f"an mtu of {self._terms.mtu} bytes is too small: {error}; raise the mtu or shorten "
            "the path"
        )

    def _options(self) -> tuple[OptionValue, ...]:
        echo = ((int(Option.ECHO), self._echo),) if self._echo and self._upload.first else ()
        return (*self._path, self._format, *echo)

    def _requests(self, sends: Sequence[Send]) -> Sequence[Outgoing]:
        """Payloads as requests; a probe is padded until three times its bytes hold the answers."""
        out = []
        for each in sends:
            payload, options = each.payload, self._options()
            if not payload:
                options = self._path
            elif self._probing and not self._echo:
                content = Content(Code.POST, options, payload)
                size = content.size(self._terms.token_length)
                wanted = payload[1] * (_CHALLENGE_SIZE + self._terms.token_length)
                payload += bytes(max(0, min(self._terms.mtu, -(-wanted // 3)) - size))
            content = Content(Code.POST, options, payload)
            out.append(Outgoing(content, confirmable=False, stamp=each.stamp))
        return out

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """Take a response to any of the requests."""
        if self._upload.first and response.code == Code.UNAUTHORIZED:
            echo = response.get(Option.ECHO)
            if echo is not None and self._challenges < CHALLENGES:
                return self._challenged(echo, asked.stamp, now)
        if not is_success(response.code):
            self._refused(response)
            return ()
        try:
            part = decode(response.payload, tagged=False)
        except PieceError:
            return ()
        out = self._half.take(part, now, asked.stamp)
        self._look(now)
        return self._requests(out)

    def _challenged(self, echo: bytes, stamp: int, now: float) -> Sequence[Outgoing]:
        if self._probing and self._echo is None:
            if self._half.challenged(stamp, now) is None:
                return ()
            self._echo = echo
            return self._post(now)
        # The value was too old, or the server wants one after all; all pieces draw it at once.
        if echo == self._echo or not self._half.is_news(stamp):
            return ()
        self._challenges += 1
        self._echo = echo
        try:
            return self._requests(self._half.again(now, (self._upload.body, self._room())))
        except PieceError as error:
            raise self._too_small(error) from None

    def _refused(self, response: Message) -> None:
        """An error response: to a later flight it is a hint, and told when it comes again."""
        self._errors += 1
        if not self._upload.first and self._errors < HINTS:
            return
        code = response.code
        if code == Code.REQUEST_ENTITY_INCOMPLETE:
            code = Code.NOT_FOUND  # the server does not know the tag, and has no handshake for it
        self.reply = reply_of(response, code)

    def _look(self, now: float) -> None:
        body = self._half.body(now)
        if body is None and self.rejects and self._half.unanimous:
            body = self._rejected  # the caller has to live with it
        if body is not None:
            self.has_body = True
            self.reply = Reply(Code.CHANGED, body, (), None, None, 0)

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the answer follows."""
        return ()

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Send more pieces, or a report.  Raises HandshakeTimeout once the timer gives up."""
        out = self._requests(self._half.on_timer(now))
        if self._half.given_up:
            raise HandshakeTimeout("no answer to a flight that was repeated as often as it may be")
        return out


def _alike(one: Upload, other: Upload) -> bool:
    """Whether two uploads are of the same flight."""
    return replace(one, first=False, echo=None) == replace(other, first=False, echo=None)
