"""A client's handshake through somebody's aiocoap context.

Theory of operation.  What a client does stands in the script of the carrier
(:mod:`~handshake_over_coap.carriers.coap.script`), which yields what it wants posted and is sent
the reply.  Here aiocoap carries each message of a body, as a confirmable request of the context
that was given; the engine of the carrier does the same with datagrams of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

import aiocoap
from aiocoap import error
from aiocoap.numbers.constants import TransportTuning

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.coap.exchange import ResetByPeer
from handshake_over_coap.carriers.coap.parameters import CoapParameters
from handshake_over_coap.carriers.coap.script import Script
from handshake_over_coap.carriers.coap.steps import Pause, Post, Steps, TimeIsUp
from handshake_over_coap.carriers.conversation import open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.errors import CarrierError, ConfigurationError, Error, HandshakeTimeout
from handshake_over_coap.net.endpoint import named
from handshake_over_coap.net.options import OptionValues, now_utc
from handshake_over_coap.timers import draws_from
from handshake_over_coap.tls.config import Clock, Rng
from handshake_over_coap.tls.credentials import Credential, Trust
from handshake_over_coap.tls.tickets import Ticket
from handshake_over_coap.trace.report import TrialFigures
from handshake_over_coap.transfers.base import Outgoing, Posting, Reply

from .choices import options_of
from .completed import CompletedHandshake
from .messages import address_of, aiocoap_message, message_of
from .whole import WHOLE

_UNTIL_TIME_IS_UP = 12
"""Repetitions where no limit was given: aiocoap needs one, and doubles without a cap."""


async def handshake(
    context: Any,
    uri: str,
    credential: Credential | None = None,
    *,
    trust: Trust | None = None,
    ticket: Ticket | None = None,
    handle_blockwise: bool = False,
    rng: Rng = os.urandom,
    clock: Clock = now_utc,
    **options: Unpack[OptionValues],
) -> CompletedHandshake:
    """Make a handshake with the resource at ``uri`` through an aiocoap client context.

    ``credential``, ``trust``, ``ticket`` and the keywords are those of
    :func:`handshake_over_coap.connect`, but for what aiocoap decides.  An address in the URI costs
    fewer bytes than a name, which each request repeats.  With ``handle_blockwise`` aiocoap cuts and
    joins the bodies, as it does for any request; then nothing but the time limits how many bytes a
    server makes it keep.

    Raises ConfigurationError, AlertError (either side refused), HandshakeTimeout or CarrierError.
    """
    chosen = options_of(options)
    target = _Target(uri)
    if trust is not None and trust.asks_for_name(chosen.auth):
        chosen = replace(chosen, server_name=chosen.server_name or named(target.address.host))
    config = chosen.client_config(credential, trust, target.address.host, rng, clock, ticket)
    parameters = replace(chosen.coap, resource=target.path)
    if handle_blockwise:
        parameters = replace(parameters, transfer=WHOLE)
    script = Script(
        target.address,
        parameters,
        partial(open_client, config),
        rng,
        draws_from(rng),
        early=False,
    )
    requests = _Requests(context, target, parameters, handle_blockwise=handle_blockwise)
    began = asyncio.get_running_loop().time()
    done = await _play(script, requests, parameters, target.address)
    figures = TrialFigures(
        completed=True,
        datagrams=0,
        bytes=0,
        duration_s=asyncio.get_running_loop().time() - began,
        retransmissions=0,
        body_bytes=tuple(script.body_bytes),
    )
    return CompletedHandshake(requests.server, done.established, chosen, figures)


class _Target:
    """What a URI names; raises ConfigurationError for what is no resource of CoAP over UDP."""

    def __init__(self, uri: str) -> None:
        try:
            message = aiocoap.Message(code=aiocoap.POST, uri=uri)
            self.address = address_of(message.remote)
        except (error.Error, MessageFormatError, ValueError) as why:
            raise ConfigurationError(f"{uri} is no URI such as coap://[::1]/d: {why}") from why
        if message.opt.uri_query or any("/" in each for each in message.opt.uri_path):
            raise ConfigurationError(f"{uri}: no query, and no slash within a segment of the path")
        self.uri = uri
        self.path = "/" + "/".join(message.opt.uri_path)
        self.remote = message.remote
        self.host = message.opt.uri_host


async def _play(
    script: Script[Any], requests: _Requests, parameters: CoapParameters, server: Address
) -> HandshakeCompleted:
    """Let the script go on until the handshake is complete; raises what it raises."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + parameters.timeout
    script.now = loop.time()
    steps: Steps[None] = script.run()
    result: Reply | Error | None = None
    try:
        while True:
            script.now = loop.time()
            step = steps.throw(result) if isinstance(result, Error) else steps.send(result)
            result = None
            if isinstance(step, HandshakeCompleted):
                return step
            if isinstance(step, Post):
                until = ends if step.limit is None else min(ends, loop.time() + step.limit)
                result = await requests.carry(step.posting, until)
            elif isinstance(step, Pause):
                await asyncio.sleep(min(step.seconds, max(0.0, ends - loop.time())))
                result = TimeIsUp("no time is left") if loop.time() >= ends else None
    except TimeIsUp:
        raise HandshakeTimeout(
            f"no completed handshake with {server} in {parameters.timeout:g} s"
        ) from None
    except StopIteration:
        raise CarrierError(f"the handshake with {server} ended without a result") from None
    finally:
        steps.close()


class _Unreachable(CarrierError):
    """The network says that nobody is there."""


class _Requests:
    """Carries postings as requests of a context; ``server`` is where the last response was from."""

    def __init__(
        self, context: Any, target: _Target, parameters: CoapParameters, *, handle_blockwise: bool
    ) -> None:
        self._context = context
        self._target = target
        self._parameters = parameters
        self._handle_blockwise = handle_blockwise
        self._tuning = _tuning(parameters)
        self._remote = target.remote
        self._heard = False
        self.server = target.address

    async def carry(self, posting: Posting, until: float) -> Reply | Error:
        """The reply to a posting, or what was wrong; ``until`` is a time of the loop."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                outgoing = posting.start(loop.time())
                while posting.reply is None:
                    asked = _only(outgoing)
                    response = await self._insist(asked.content)
                    outgoing = posting.answered(response, asked, loop.time())
                return posting.reply
        except Error as failure:
            return failure
        except TimeoutError:
            return TimeIsUp("no answer in the time that it may take")

    async def _insist(self, content: Content) -> Message:
        """The response to a request, whatever the network says of a server that has been heard.

        Anybody can send an ICMP error, and aiocoap ends a request for it.
        """
        while True:
            try:
                return await self._ask(content)
            except _Unreachable:
                if not self._heard:
                    raise
                await asyncio.sleep(self._parameters.ack_timeout)

    async def _ask(self, content: Content) -> Message:
        """The response to a request, asked anew where none comes.

        aiocoap waits for ever once it has an empty acknowledgement, which anybody can have sent.
        The same request made anew is answered like the first, and either answer will do.  Not so
        where aiocoap cuts the body: blocks of two requests at once would mix.
        """
        waiting: set[asyncio.Future[Any]] = set()
        patience = None if self._handle_blockwise else self._parameters.repost_interval
        try:
            while True:
                waiting.add(self._request(content))
                done, waiting = await asyncio.wait(
                    waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return self._taken(done)
                patience = min(2 * (patience or 0), self._parameters.max_interval)
        finally:
            for each in waiting:
                each.cancel()
            # aiocoap hears of it in the next turn of the loop, and must before it is shut down.
            await asyncio.sleep(0)

    def _request(self, content: Content) -> asyncio.Future[Any]:
        message = aiocoap_message(content, transport_tuning=self._tuning)
        message.remote = self._remote
        if self._target.host is not None:
            message.opt.uri_host = self._target.host
        request = self._context.request(message, handle_blockwise=self._handle_blockwise)
        response: asyncio.Future[Any] = request.response
        return response

    def _taken(self, done: set[asyncio.Future[Any]]) -> Message:
        """What one of the requests has come to; raises what stands for a failure."""
        failures = [each.exception() for each in done]
        response = next((each.result() for each in done if each.exception() is None), None)
        if response is None:
            raise self._failure(failures[0]) from failures[0]
        try:
            message = message_of(response)
            self.server = address_of(response.remote)
        except MessageFormatError as why:
            raise CarrierError(f"{self.server} sent a response that is none: {why}") from why
        self._prefer_blocks(response.remote)
        self._heard = True
        return message

    def _failure(self, failure: BaseException | None) -> Error:
        """What stands for an error of aiocoap's."""
        if isinstance(failure, error.TimeoutError):
            return HandshakeTimeout(f"no answer from {self.server}: is a server there?")
        if isinstance(failure, error.MessageError):
            return ResetByPeer("a reset came instead of an answer")
        if isinstance(failure, error.NetworkError):
            why = f"{self.server} cannot be reached ({failure.__cause__ or failure})"
            return _Unreachable(f"{why}: is a server running there?")
        return CarrierError(f"{self.server}: {failure}")

    def _prefer_blocks(self, remote: Any) -> None:
        """Have aiocoap use our block size towards a server whose address it has resolved."""
        if self._handle_blockwise:
            exponent = self._parameters.largest_block.bit_length() - 5
            remote.maximum_block_size_exp = min(remote.maximum_block_size_exp, exponent)
            self._remote = remote


def _only(outgoing: Sequence[Outgoing]) -> Outgoing:
    """The one message that is under way at a time."""
    with contextlib.suppress(ValueError):
        (message,) = outgoing
        return message
    raise CarrierError("aiocoap carries one message at a time: use transfer blockwise")


def _tuning(parameters: CoapParameters) -> TransportTuning:
    """The timers of RFC 7252 as aiocoap takes them."""
    most = parameters.max_retransmit

    class Tuning(TransportTuning):  # type: ignore[misc]
        """Timers of one handshake."""

        ACK_TIMEOUT = parameters.ack_timeout
        ACK_RANDOM_FACTOR = parameters.ack_random_factor
        MAX_RETRANSMIT = _UNTIL_TIME_IS_UP if most is None else most

    return Tuning()
