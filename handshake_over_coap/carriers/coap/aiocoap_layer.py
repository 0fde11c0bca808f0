"""Every semi-private part of aiocoap that this project touches, in one place.

aiocoap does the message layer (confirmable messages, their back-off, acknowledgements piggybacked
or empty, separate responses), tokens and tasks.  What it does not bound or not offer is replaced
here: deduplication is a short list per peer that dies with the peer, the back-off has a ceiling,
tokens are random, and messages go through a datagram endpoint of ours.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from aiocoap import Context, Message, messagemanager, tokenmanager
from aiocoap.error import NetworkError
from aiocoap.interfaces import MessageInterface
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import INTERNAL_SERVER_ERROR
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.types import ACK, CON
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager

from handshake_over_coap.carriers.timer13 import ROUND_TRIPS, SHORTEST
from handshake_over_coap.tls.config import Rng

from .messages import CoapMessage, Remote
from .parameters import CoapParameters
from .scan import Scanned

log = logging.getLogger(__name__)

RECENT_MESSAGES = 16
"""Message IDs remembered for each peer.

A client has one confirmable message under way (NSTART 1), and the resources answer a repetition
that slips past with the same bytes, so this is a short-cut and not what correctness rests on.
"""


SEPARATE_RETRANSMIT = 4
"""How often a separate response is sent again where ``max_retransmit`` sets no limit.

A client that misses it asks anew; one that has vanished must not be written to for ever.
"""


def transport_tuning(parameters: CoapParameters) -> TransportTuning:
    """The timers of ``parameters`` in aiocoap's form."""
    tuning = TransportTuning()
    tuning.ACK_TIMEOUT = parameters.ack_timeout
    tuning.ACK_RANDOM_FACTOR = parameters.ack_random_factor
    retransmit = parameters.max_retransmit
    tuning.MAX_RETRANSMIT = math.inf if retransmit is None else retransmit
    tuning.EMPTY_ACK_DELAY = parameters.separate_after
    return tuning


class Messages(MessageManager):  # type: ignore[misc]
    """aiocoap's message layer with a bounded memory and a capped back-off."""

    def __init__(self, tokens: TokenManager, max_interval: float, rng: Rng) -> None:
        super().__init__(tokens)
        self.message_id = int.from_bytes(rng(2), "big")
        self._max_interval = max_interval
        self._request_ids: dict[tuple[Remote, bytes], int] = {}
        self.retransmissions = 0
        self.on_empty_ack: Callable[[], None] = lambda: None

    def dispatch_message(self, message: Message) -> None:
        """Also tells the client when its request is acknowledged but not answered yet."""
        if self._active_exchanges is None:
            return  # closed
        empty_ack = message.mtype is ACK and message.code == 0
        expected = (message.remote, message.mid) in self._active_exchanges
        super().dispatch_message(message)
        if empty_ack and expected:
            self.on_empty_ack()

    def _deduplicate_message(self, message: Message) -> bool:
        recent, now = message.remote.recent, self.loop.time()
        known = recent.get(message.mid)
        if known is None or now - known[0] > message.transport_tuning.EXCHANGE_LIFETIME:
            recent[message.mid] = (now, None)
            recent.move_to_end(message.mid)
            while len(recent) > RECENT_MESSAGES:
                recent.popitem(last=False)
            return False
        if message.mtype is CON and known[1] is not None:
            self._send_initially(known[1])
        return True

    def _store_response_for_duplicates(self, message: Message) -> None:
        # Only an acknowledgement has the message ID of what it answers.
        recent = message.remote.recent
        if message.mtype is ACK and message.mid in recent:
            recent[message.mid] = (recent[message.mid][0], message)

    def _add_exchange(self, message: Message, monitor: Callable[[], None]) -> None:
        if message.code.is_request():
            self._request_ids[message.remote, message.token] = message.mid
        super()._add_exchange(message, monitor)

    def _process_response(self, response: Message) -> bool:
        """A response acknowledges its request, even if the empty ACK was lost (RFC 7252 5.2.2).

        One that is piggybacked has the request's message ID too (5.3.2): with short tokens, a late
        one would else be taken for the answer to another request.
        """
        known = self._request_ids.get((response.remote, response.token))
        if response.mtype is ACK and known is not None and response.mid != known:
            return False
        expected: bool = super()._process_response(response)
        self.withdraw(response.remote, response.token)
        return expected

    def withdraw(self, remote: Remote, token: bytes) -> None:
        """The request with ``token`` needs not be sent again."""
        mid = self._request_ids.pop((remote, token), None)
        exchange = (self._active_exchanges or {}).pop((remote, mid), None)
        if exchange is not None:
            exchange[1].cancel()
            self._continue_backlog(remote)

    def _schedule_retransmit(self, message: Message, timeout: float, counter: int) -> Any:
        return super()._schedule_retransmit(message, min(timeout, self._max_interval), counter)

    def _retransmit(self, message: Message, timeout: float, counter: int) -> None:
        if counter < message.transport_tuning.MAX_RETRANSMIT:
            self.retransmissions += 1
        super()._retransmit(message, timeout, counter)


class Tokens(TokenManager):  # type: ignore[misc]
    """aiocoap's tokens, random and of a chosen length."""

    def __init__(self, context: Context, length: int, rng: Rng) -> None:
        super().__init__(context)
        self._length = length
        self._rng = rng

    def next_token(self) -> bytes:
        """A random token that no outstanding request uses (RFC 7252 section 5.3.1)."""
        in_use = {token for token, _ in self.outgoing_requests}
        for _ in range(16):
            token = self._rng(self._length)
            if token not in in_use:
                return token
        raise NetworkError("no free token: use a greater token length")


class Interface(MessageInterface):  # type: ignore[misc]
    """Sends aiocoap's messages through a function; received ones are pushed in by the carrier."""

    def __init__(self, send: Callable[[bytes, Remote], None]) -> None:
        self._send = send
        self.closed = False

    def send(self, message: Message) -> None:
        """Encode and send one message."""
        if not self.closed:
            self._send(message.encode(), message.remote)

    async def recognize_remote(self, remote: object) -> bool:
        """Whether ``remote`` is one of ours."""
        return isinstance(remote, Remote)

    async def determine_remote(self, message: Message) -> None:
        """Requests always name their remote: nothing is looked up."""
        return

    async def fill_or_recognize_remote(self, message: Message) -> bool:
        """The same, as newer versions ask it."""
        return isinstance(message.remote, Remote)

    async def shutdown(self) -> None:
        """Stop sending; the endpoint is closed by its owner."""
        self.closed = True


class ServerContext(Context):  # type: ignore[misc]
    """aiocoap's context with, for a site, a single function from request to response.

    A request is answered at once if ``render`` never waits (``waits``), else in a task of its own,
    which ends without a trace if the peer gives the same token to another request meanwhile.
    """

    def __init__(
        self,
        render: Callable[[CoapMessage], Coroutine[Any, Any, CoapMessage]],
        tuning: TransportTuning,
        *,
        waits: bool,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self._render = render
        self._tuning = tuning
        self._waits = waits

    def render_to_pipe(self, pipe: Pipe) -> None:
        """Have one request answered with one message."""
        answering = self._answer(pipe)
        if self._waits:
            task = self.loop.create_task(answering)
            pipe.on_interest_end(task.cancel)
            return
        with suppress(StopIteration):
            answering.send(None)
            answering.close()
            raise RuntimeError("answering was to wait for nothing, and waits")

    async def _answer(self, pipe: Pipe) -> None:
        try:
            response = await self._render(pipe.request)
        except Exception:
            log.exception("a request of %s could not be answered", pipe.request.remote)
            response = CoapMessage(INTERNAL_SERVER_ERROR)
        response.transport_tuning = self._tuning
        pipe.add_response(response, is_last=True)


class Question:
    """What waits for one response, to one request or the same request made anew.

    It is as much of aiocoap's Pipe as its token manager uses.  ``response`` gives the response or
    raises aiocoap's error; ``request`` is the latest message.
    """

    def __init__(self, response: asyncio.Future[CoapMessage]) -> None:
        self.request: CoapMessage | None = None
        self.response = response
        # Before whoever waits goes on: the tokens are free for what he asks next.
        self.response.add_done_callback(self._over)
        self._at_end: list[Callable[[], object]] = []

    def on_interest_end(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once nobody waits any more."""
        self._at_end.append(callback)

    def add_response(self, response: CoapMessage, is_last: bool = False) -> None:
        """The response has come."""
        if not self.response.done():
            self.response.set_result(response)

    def add_exception(self, exception: BaseException | type[BaseException]) -> None:
        """There will be none."""
        if not self.response.done():
            self.response.set_exception(exception)
        self._over()

    def _over(self, _response: object = None) -> None:
        callbacks, self._at_end = self._at_end, []
        for callback in callbacks:
            callback()


class CoapLayer:
    """aiocoap's stack over a send function: the whole of what carriers use of it.

    ``render`` answers requests (a server), ``None`` on a client; ``waits`` tells whether it ever
    waits for anything.
    """

    def __init__(
        self,
        send: Callable[[bytes, Remote], None],
        parameters: CoapParameters,
        rng: Rng,
        loop: asyncio.AbstractEventLoop,
        render: Callable[[CoapMessage], Coroutine[Any, Any, CoapMessage]] | None = None,
        *,
        waits: bool = True,
    ) -> None:
        self._loop = loop
        self._parameters = parameters
        self.tuning = transport_tuning(parameters)
        more = {"loop": loop, "loggername": "handshake_over_coap.aiocoap"}
        if render is None:
            self._context = Context(**more)
        else:
            separate = transport_tuning(parameters)
            if parameters.max_retransmit is None:
                separate.MAX_RETRANSMIT = SEPARATE_RETRANSMIT
            self._context = ServerContext(render, separate, waits=waits, **more)
        self.tokens = Tokens(self._context, parameters.token_length, rng)
        self.messages = Messages(self.tokens, parameters.max_interval, rng)
        self.messages.message_interface = Interface(send)
        self.tokens.token_interface = self.messages
        self._context.request_interfaces.append(self.tokens)

    def receive(self, datagram: Scanned, remote: Remote) -> None:
        """Hand a message to aiocoap, with what was recognised in it."""
        self.messages.dispatch_message(CoapMessage.incoming(datagram, remote, self.tuning))

    def expects(self, token: bytes, remote: Remote) -> bool:
        """Whether a response with ``token`` from ``remote`` answers a request of ours."""
        return (token, remote) in (self.tokens.outgoing_requests or ())

    def request(self, message: CoapMessage, remote: Remote) -> Question:
        """Send a confirmable request; ``message`` itself stays as it is."""
        question = Question(self._loop.create_future())
        self._ask(question, message, remote)
        return question

    def request_again(self, question: Question, message: CoapMessage, remote: Remote) -> None:
        """Send the request anew, with another message ID and token: either response will do."""
        if not self._parameters.token_length:
            # There is only the one token, and it may be used again for the same.
            self.tokens.outgoing_requests.pop((b"", remote), None)
        token = self._ask(question, message, remote)
        question.on_interest_end(lambda: self.messages.withdraw(remote, token))

    def _ask(self, question: Question, message: CoapMessage, remote: Remote) -> bytes:
        # Its options are shared, as nobody changes them.
        request = CoapMessage(message.code, message.payload, message.opt)
        request.transport_tuning = self.tuning
        request.remote = remote
        question.request = request
        try:
            self.tokens.request(question)
        except NetworkError as error:
            question.add_exception(error)
        return request.token

    def measured(self, round_trip: float) -> None:
        """A request was answered after ``round_trip`` seconds without having been sent again."""
        if self._parameters.adapt_timer:
            shortest = min(SHORTEST, self._parameters.ack_timeout)
            longest = self._parameters.max_interval
            self.tuning.ACK_TIMEOUT = min(max(ROUND_TRIPS * round_trip, shortest), longest)

    def fail(self, error: Exception, remote: Remote) -> None:
        """End everything under way with ``remote``."""
        self.messages.dispatch_error(error, remote)

    async def close(self) -> None:
        """Cancel timers and requests.  Closing again does nothing."""
        if self.tokens.outgoing_requests is not None:
            # What the context's own shutdown does, which takes a task and a timer for it.
            await self.tokens.shutdown()


_draws: ContextVar[random.Random | None] = ContextVar("_draws", default=None)
_installed: list[tuple[object, object]] = []
"""What message and token manager drew from before, once for each who wants it otherwise."""
_installing = threading.Lock()


class _ContextDraws:
    """Stands in for the module ``random``: the draws of the running context, if it has its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_draws.get() or random, name)


class _UnusedDraws:
    """The same for the first token, which nobody uses: no stream should move for its sake."""

    _own = random.Random(0)  # noqa: S311 - for simulations

    def __getattr__(self, name: str) -> Any:
        return getattr(random if _draws.get() is None else self._own, name)


@contextmanager
def time_outs_drawn_from(draws: random.Random) -> Iterator[None]:
    """Within, aiocoap spreads time-outs (RFC 7252 section 4.8) by ``draws``: for simulations.

    Python's shared generator is left alone.  It holds for the running context and the tasks begun
    in it; other threads, and tasks that ran before, draw as they did.  At the end of the last of
    those that overlap, aiocoap is left as it was found.
    """
    with _installing:
        _installed.append((messagemanager.random, tokenmanager.random))
        if len(_installed) == 1:
            messagemanager.random, tokenmanager.random = _ContextDraws(), _UnusedDraws()
    token = _draws.set(draws)
    try:
        yield
    finally:
        _draws.reset(token)
        with _installing:
            # The first to come found aiocoap's own; the others found the stand-in.
            found = _installed.pop()
            if not _installed:
                messagemanager.random, tokenmanager.random = found
