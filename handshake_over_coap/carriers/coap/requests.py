"""A client's requests: one body out by Block1, one body back by Block2.

What the responses mean for the handshake is for :mod:`.client` to say.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiocoap.error import ConRetransmitsExceeded, MessageError, NetworkError

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import CarrierError, ConfigurationError, Error, HandshakeTimeout
from handshake_over_coap.tls.config import Rng

from .aiocoap_layer import CoapLayer, Question
from .blocks import as_option, block_at, sizes_up_to
from .gate import Code
from .messages import CoapMessage, Options, Remote
from .parameters import BLOCK_SIZES, CoapParameters
from .scan import Block, MessageFormatError, Scanned, reset, scan

REQUEST_TAG_LENGTH = 2
"""Bytes of a Request-Tag: random, so that bodies of one endpoint do not mix (RFC 9175 3)."""


class Incomplete(Error):
    """The body did not get through whole, or the answer changed on the way: start it again."""


class ResetByPeer(Error):
    """A reset came instead of an answer; anybody may have sent it."""


class Interrupted(Error):
    """Whoever asked needs the answer no more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a whole body, its blocks joined."""

    code: int
    payload: bytes
    location: tuple[str, ...]
    content_format: int | None
    echo: bytes | None
    max_age: int

    @property
    def dotted(self) -> str:
        """The code in its usual form, such as "4.01"."""
        return f"{self.code >> 5}.{self.code & 31:02}"


class Requests:
    """Posts bodies to one server and gives the replies.

    ``signalled`` is whether the server knows our block size by now.
    """

    def __init__(
        self, endpoint: DatagramEndpoint, server: Address, parameters: CoapParameters, rng: Rng
    ) -> None:
        self._endpoint = endpoint
        self._parameters = parameters
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._remote = Remote(server)
        self._layer = CoapLayer(self._send, parameters, rng, self._loop)
        self._layer.messages.on_empty_ack = self._on_empty_ack
        self._question: Question | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._repost_after = parameters.repost_after or 4 * parameters.ack_timeout
        self._wait = self._repost_after
        self._asked: CoapMessage | None = None
        self._acknowledged = False
        self._interrupted = False
        self.heard = False
        self.signalled = False

    @property
    def retransmissions(self) -> int:
        """Confirmable messages sent again so far."""
        return self._layer.messages.retransmissions

    def _send(self, datagram: bytes, remote: Remote) -> None:
        self._endpoint.send(datagram, remote.address)

    def receive(self, data: bytes) -> bool:
        """Take a datagram from the server; False if it is nothing that a server sends."""
        try:
            message = scan(data)
        except MessageFormatError:
            return False
        if message.code != 0 and not message.is_response:
            return False
        self.heard = True
        # Whoever waited may have been cancelled in this very turn of the loop.
        waiting = self._question is not None and not self._question.response.cancelled()
        expected = waiting and self._layer.expects(message.token, self._remote)
        acceptable = expected and _is_sound(message)
        if message.code == 0 or acceptable:
            self._layer.receive(message, self._remote)
        elif message.type == 0:
            # Rejected: nobody waits for it, or it cannot be understood (RFC 7252 section 4.2).
            self._endpoint.send(reset(data[2:4]), self._remote.address)
        return True

    @property
    def answered(self) -> bool:
        """Whether a response has come that whoever asked has yet to see."""
        question = self._question
        if question is None or not question.response.done() or question.response.cancelled():
            return False
        return question.response.exception() is None

    def fail(self, reason: str) -> None:
        """End what is under way: the network says that nobody is there."""
        self._layer.fail(NetworkError(reason), self._remote)

    def interrupt(self) -> None:
        """The answer is not needed any more: what is under way raises :class:`Interrupted`.

        The request is not repeated either, as it would be if only its response were cancelled.
        """
        self._interrupted = True
        self.fail("the answer is not needed any more")

    def _check_not_interrupted(self) -> None:
        if self._interrupted:
            raise Interrupted("the answer is not needed any more")

    def resume(self) -> None:
        """Requests may be made again after :meth:`interrupt`."""
        self._interrupted = False

    async def close(self) -> None:
        """Cancel everything; the endpoint stays open."""
        self._stop_timer()
        await self._layer.close()

    async def post(
        self,
        path: tuple[str, ...],
        body: bytes,
        content_format: int | None = None,
        echo: bytes | None = None,
    ) -> Reply:
        """Post ``body`` to ``path``, block by block, and collect the reply.

        Raises :class:`Incomplete` where it has to be begun again, :class:`ResetByPeer`,
        HandshakeTimeout when the server does not answer, CarrierError when it cannot be reached,
        :class:`Interrupted` after :meth:`interrupt`.
        """
        template = _Template.of(path, content_format, echo)
        message, block = self._cut(template, body, 0, self._parameters.largest_block, None)
        tag = None
        if block is not None:
            tag = self._rng(REQUEST_TAG_LENGTH)
            message.opt.request_tag = [tag]
        while True:
            response = await self._exchange(message)
            if block is None or not block.more:
                break
            acknowledged = response.opt.block1
            if response.code != Code.CONTINUE or acknowledged is None:
                break
            offset = block.offset + block.size
            largest = min(self._parameters.largest_block, BLOCK_SIZES[acknowledged.size_exponent])
            message, block = self._cut(template.later(), body, offset, largest, tag)
        if response.code == Code.REQUEST_ENTITY_INCOMPLETE:
            raise Incomplete("the server misses a part of the body (4.08)")
        return await self._collect(path, tag, response)

    def _cut(
        self, template: _Template, body: bytes, offset: int, largest: int, tag: bytes | None
    ) -> tuple[CoapMessage, Block | None]:
        """The request with the block at ``offset``, as large as the mtu lets it be."""
        if offset == 0 and tag is None and len(body) <= largest:
            message = template.message(body)
            if largest < BLOCK_SIZES[-1] and not self.signalled:
                message.opt.block2 = (0, False, BLOCK_SIZES.index(largest))
            if self._fits(message):
                return message, None
        size = 0
        for limit in sizes_up_to(largest):
            block = block_at(offset, len(body), limit)
            message = template.message(body[offset : offset + block.size])
            message.opt.block1 = as_option(block)
            message.opt.request_tag = [tag or bytes(REQUEST_TAG_LENGTH)]
            if self._fits(message):
                return message, block
            size = message.size(self._parameters.token_length)
        raise ConfigurationError(
            f"an mtu of {self._parameters.mtu} bytes is too small: a request to this path with a "
            f"block of {BLOCK_SIZES[0]} bytes takes {size}; raise the mtu or shorten the path"
        )

    def _fits(self, message: CoapMessage) -> bool:
        return message.size(self._parameters.token_length) <= self._parameters.mtu

    async def _collect(self, path: tuple[str, ...], tag: bytes | None, first: CoapMessage) -> Reply:
        """Fetch the rest of the reply by Block2; every block has to have the same ETag."""
        # A refusal may come from a server that keeps nothing, such as a challenge.
        self.signalled = first.code.is_successful()
        payload, option = bytearray(), first.opt.block2
        self._append(payload, first)
        while option is not None and option.more:
            size = min(BLOCK_SIZES[option.size_exponent], self._parameters.largest_block)
            number = len(payload) // size
            message = _Template.of(path).message(b"")
            message.opt.block2 = (number, False, BLOCK_SIZES.index(size))
            if tag is not None:
                message.opt.request_tag = [tag]
            response = await self._exchange(message)
            option = response.opt.block2
            same = response.code == first.code and response.opt.etag == first.opt.etag
            if not same or option is None:
                raise Incomplete("the reply changed between two blocks")
            self._append(payload, response)
        age = first.opt.max_age
        return Reply(
            code=int(first.code),
            payload=bytes(payload),
            location=first.opt.location_path,
            content_format=first.opt.content_format,
            echo=first.opt.echo,
            max_age=60 if age is None else age,
        )

    def _append(self, payload: bytearray, response: CoapMessage) -> None:
        """Take one block of a reply, or all of it."""
        option, limit = response.opt.block2, self._parameters.limits.body
        if option is not None and (
            option.start != len(payload) or (option.more and len(response.payload) != option.size)
        ):
            raise Incomplete("the blocks of the reply do not follow one another")
        payload += response.payload
        if len(payload) > limit:
            raise CarrierError(f"the reply of {self._remote.address} passes {limit} bytes")

    async def _exchange(self, message: CoapMessage) -> CoapMessage:
        """One request and its response, whatever becomes of acknowledgements.

        A separate response may be lost after an empty ACK, or the ACK was forged: then the
        request is made anew, which the server answers like the first.  Whichever answer comes
        first is taken: the first one may only have been slow.
        """
        self._check_not_interrupted()
        self._wait, self._asked, self._acknowledged = self._repost_after, message, False
        asked, again = self._loop.time(), self.retransmissions
        self._question = self._layer.request(message, self._remote)
        try:
            response = await self._question.response
        except ConRetransmitsExceeded:
            raise HandshakeTimeout(
                f"no answer from {self._remote.address} to a message sent "
                f"{(self._parameters.max_retransmit or 0) + 1} times; is a server there, and "
                "does the network pass UDP? (a lossy one: raise max-retransmit)"
            ) from None
        except MessageError:
            raise ResetByPeer("a reset came instead of an answer") from None
        except NetworkError as error:
            self._check_not_interrupted()
            raise CarrierError(str(error.args[0]) if error.args else str(error)) from None
        else:
            if self.retransmissions == again and not self._acknowledged:
                self._layer.measured(self._loop.time() - asked)
            return response
        finally:
            self._question = None
            self._stop_timer()

    def _on_empty_ack(self) -> None:
        self._acknowledged = True
        if self._question is not None and self._timer is None:
            self._timer = self._loop.call_later(self._wait, self._repost)
            self._wait = min(2 * self._wait, self._parameters.max_interval)

    def _repost(self) -> None:
        self._timer = None
        question, message = self._question, self._asked
        if question is not None and message is not None and not question.response.done():
            self._layer.request_again(question, message, self._remote)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_sound(response: Scanned) -> bool:
    """Whether all that is critical in a response is understood."""
    return not (response.bad_option or response.bad_block)


@dataclass(frozen=True, slots=True)
class _Template:
    """What the blocks of one request body have in common; Echo rides on the first only."""

    options: Options

    @classmethod
    def of(
        cls, path: tuple[str, ...], content_format: int | None = None, echo: bytes | None = None
    ) -> _Template:
        options = Options()
        options.uri_path = path
        options.content_format = content_format
        options.echo = echo
        return cls(options)

    def later(self) -> _Template:
        options = self.options.copy()
        options.echo = None
        return _Template(options)

    def message(self, payload: bytes) -> CoapMessage:
        return CoapMessage(Code.POST, payload, self.options.copy())
