"""A client's bodies as bursts of CoAP requests, and the responses to them.

A server that takes no pieces says so (4.15), and gets blocks of RFC 7959.  One that does not know
the abbreviation of the path says so too (4.02), or drops what is not confirmable without a word
(RFC 7252 section 5.4.1): whatever is repeated before anything was heard has the path spelled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from handshake_over_coap.coap.codes import Code, is_success
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option, OptionValue, uint
from handshake_over_coap.coap.paths import path_options
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import ConfigurationError, HandshakeTimeout
from handshake_over_coap.timers import earliest

from .base import Outgoing, Posting, Reply, Terms, Upload
from .blockwise_client import BlockwiseClient, BlockwisePosting
from .burst_client import ClientHalf
from .burst_half import Send
from .pieces import TAG_LENGTH, PieceError, decode
from .single import SinglePosting, reply_of
from .wrapping import wrapped

CHALLENGES = 8
"""How often a challenge to a first flight is answered before it is taken for a refusal."""
REFUSALS = 4
"""How often in a row the first flight has to draw an error before that is told: whoever has seen
its tag can draw one from the server, and the answer to the genuine flight may be under way."""
HINTS = 2
"""The same of a later flight, which is posted several times."""
_CHALLENGE_SIZE = 4 + 2 + 8
"""Bytes of a challenge, token aside: header, option header and Echo value."""


class BurstClient:
    """What a client keeps from flight to flight; ``quick`` and ``answer_bytes`` as in ``Burst``.

    ``echo`` is what the first flight goes with; ``understood`` is whether the server has taken an
    abbreviated path, ``spelled`` whether it gets none any more.
    """

    def __init__(self, terms: Terms, *, quick: bool, answer_bytes: int) -> None:
        self._terms = terms
        self._quick = quick
        self._answer_bytes = answer_bytes
        self._half: ClientHalf | None = None
        self._blocks: BlockwiseClient | None = None
        self.spelled = self.understood = False
        self.echo: bytes | None = None
        self._upload: Upload | None = None
        self._posting: BurstPosting | None = None

    def post(self, upload: Upload) -> Posting:
        """A body to the server."""
        if self.spelled:
            upload = replace(upload, abbreviated=False)
        if upload.content_format == ALERT:
            return SinglePosting(upload)
        if self._blocks is not None:
            return self._blocks.post(upload)
        before = self._posting
        same = before is not None and self._upload is not None and _alike(self._upload, upload)
        if upload.first:
            self._half, self.echo = None, None
        posting = BurstPosting(self, upload, self._terms)
        if same and before is not None and before.reply is not None and before.has_body:
            posting.rejects_reply(before.reply)
        posting.repeats = same
        posting.opening |= same and before is not None and before.opening
        self._upload, self._posting = upload, posting
        return posting

    def by_blocks(self, upload: Upload) -> BlockwisePosting:
        """The server takes no pieces: this flight and all later ones go in blocks."""
        self._blocks = BlockwiseClient(self._terms)
        return self._blocks.post(upload)

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
    genuine; ``opening`` that it is the first flight of a handshake.
    """

    def __init__(self, side: BurstClient, upload: Upload, terms: Terms) -> None:
        self._side = side
        self._upload = upload
        self._terms = terms
        self._echo = upload.echo or side.echo
        self._probing = upload.first and upload.echo is None and terms.probe
        self._half = side.half(probing=self._probing)
        self._by_blocks: BlockwisePosting | None = None
        self._format = (int(Option.CONTENT_FORMAT), uint(wrapped(upload.content_format)))
        self._challenges = 0
        self._refusals = 0
        self.opening = upload.first
        self._ask_again_at: float | None = None
        self._silent_before = self._half.repeats
        self.repeats = self.rejects = False
        self._reply: Reply | None = None
        self.has_body = False
        self._rejected: bytes | None = None

    @property
    def several(self) -> bool:
        """Any request may draw any number of responses, unless the server does not know that."""
        return self._by_blocks is None

    @property
    def reply(self) -> Reply | None:
        """The reply, once all of it has come."""
        return self._reply if self._by_blocks is None else self._by_blocks.reply

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_timer` has something to do."""
        return earliest(self._half.deadline, self._ask_again_at)

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
        echo = ((int(Option.ECHO), self._echo),) if self._echo and self.opening else ()
        return (*sorted((*self._path(), self._format), key=lambda option: option[0]), *echo)

    def _path(self) -> tuple[OptionValue, ...]:
        abbreviated = self._upload.abbreviated and not self._side.spelled
        return path_options(self._upload.path, abbreviated=abbreviated)

    def _requests(self, sends: Sequence[Send]) -> Sequence[Outgoing]:
        """Payloads as requests; a probe is padded until three times its bytes hold the answers."""
        out = []
        for each in sends:
            payload, options = each.payload, self._options()
            if not payload:
                options = self._path()
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
        if self._by_blocks is not None:
            return self._by_blocks.answered(response, asked, now)
        if self._tentative:
            if response.code == Code.BAD_OPTION:
                return self._spell_out(now)
            self._side.understood = True
        if self._upload.first and response.code == Code.UNSUPPORTED_CONTENT_FORMAT:
            return self._turn_to_blocks(now)
        if self.opening and response.code == Code.UNAUTHORIZED:
            echo = response.get(Option.ECHO)
            if echo is not None and self._challenges < CHALLENGES:
                return self._challenged(echo, asked.stamp, now)
        if not is_success(response.code):
            self._refused(response, asked.stamp, now)
            return ()
        try:
            part = decode(response.payload, tagged=False)
        except PieceError:
            return ()
        out = self._half.take(part, now, asked.stamp)
        if self._half.begun:
            self._ask_again_at = None
        self._look(now)
        return self._requests(out)

    @property
    def _tentative(self) -> bool:
        """Whether the server may not know what stands for the path."""
        side = self._side
        return self._upload.abbreviated and not (side.spelled or side.understood)

    def _spell_out(self, now: float) -> Sequence[Outgoing]:
        """Begin anew with the path in full, which leaves less room for a piece."""
        self._side.spelled = True
        if self._probing and self._echo is None:
            return self._requests(self._half.probe(now))
        return self._anew(now)

    def _turn_to_blocks(self, now: float) -> Sequence[Outgoing]:
        self._half.finish()
        abbreviated = self._upload.abbreviated and not self._side.spelled
        upload = replace(self._upload, echo=self._echo, abbreviated=abbreviated)
        self._by_blocks = self._side.by_blocks(upload)
        return self._by_blocks.start(now)

    def _anew(self, now: float) -> Sequence[Outgoing]:
        """The flight once more, cut to the room that there is by now."""
        try:
            return self._requests(self._half.again(now, (self._upload.body, self._room())))
        except PieceError as error:
            raise self._too_small(error) from None

    def _challenged(self, echo: bytes, stamp: int, now: float) -> Sequence[Outgoing]:
        if self._probing and self._echo is None:
            if self._half.challenged(stamp, now) is None:
                return ()
            self._echo = self._side.echo = echo
            return self._post(now)
        # The value was too old, or the server wants one after all; all pieces draw it at once.
        if echo == self._echo or not self._half.is_news(stamp):
            return ()
        self._challenges += 1
        self._echo = self._side.echo = echo
        return self._anew(now)

    def _refused(self, response: Message, stamp: int, now: float) -> None:
        """An error response is a hint: it is told when the flight sent anew draws one as well."""
        if not self._half.is_news(stamp) or self._half.begun:
            return
        self._refusals += 1
        if self._refusals < (REFUSALS if self.opening else HINTS):
            self._ask_again_at = self._half.refused(stamp, now)
            return
        code = response.code
        if code == Code.REQUEST_ENTITY_INCOMPLETE:
            code = Code.NOT_FOUND  # the server does not know the tag, and has no handshake for it
        self._reply = reply_of(response, code)

    def _look(self, now: float) -> None:
        body = self._half.body(now)
        if body is None and self.rejects and self._half.unanimous:
            body = self._rejected  # the caller has to live with it
        if body is not None:
            self.has_body = True
            self._reply = Reply(Code.CHANGED, body, (), None, None, 0)

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the answer follows."""
        return ()

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Send more pieces, or a report.  Raises HandshakeTimeout once the timer gives up."""
        due = self._half.deadline
        if self._tentative and due is not None and due <= now:
            return self._spell_out(now)
        if self._ask_again_at is not None and self._ask_again_at <= now:
            self._ask_again_at = None
            return self._requests(self._half.again(now))
        out = self._requests(self._half.on_timer(now))
        if self._half.given_up:
            raise HandshakeTimeout("no answer to a flight that was repeated as often as it may be")
        return out


def _alike(one: Upload, other: Upload) -> bool:
    """Whether two uploads are of the same flight."""
    return replace(one, first=False, echo=None) == replace(other, first=False, echo=None)
