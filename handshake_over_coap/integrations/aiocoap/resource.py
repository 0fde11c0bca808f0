"""The handshake as a resource of somebody's aiocoap site.

Theory of operation.  aiocoap has the socket and the message layer: message IDs, deduplication,
tokens, repetition.  Each request that it hands on goes, as the datagram that it could have been, to
the very engine that our own carrier is, :class:`~handshake_over_coap.carriers.coap.CoapServer`;
what that answers goes back.  So the address check before anything is assembled, the bounds, the
repeated flights and the sessions are those of the carrier.

Blocks are joined by the engine too and not by aiocoap, which keeps bodies of any size from anybody
for 93 s and joins them before a resource is asked (``needs_blockwise_assembly``).

A resource of aiocoap has one path, so flights 1 and 3 both come to it, without Location-Path: the
engine tells them apart by what they hold, for the one half-open handshake of an endpoint.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, Unpack

from aiocoap import error, resource

from handshake_over_coap.carriers.base import HandshakeCompleted, Output
from handshake_over_coap.carriers.coap import CoapServer
from handshake_over_coap.carriers.coap.confirmable import MessageIds
from handshake_over_coap.carriers.coap.gate import transfer_of
from handshake_over_coap.carriers.conversation import begin_server
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.coap.options import Option
from handshake_over_coap.encodings import BY_CONTENT_FORMAT
from handshake_over_coap.net.options import OptionValues, now_utc
from handshake_over_coap.timers import draws_from
from handshake_over_coap.tls.config import Clock, Rng
from handshake_over_coap.tls.credentials import Credential, PskSource, Trust
from handshake_over_coap.transfers.blockwise import BLOCKWISE

from .choices import options_of
from .completed import CompletedHandshake
from .messages import address_of, aiocoap_message, datagram_of

log = logging.getLogger(__name__)

_INSIDE = ("d",)
"""The path inside the engine, whatever the resource is mounted at.

The shortest there is: an unproven address gets at most three times the bytes that came from it, and
they are counted as the engine sees them.
"""
_FREE_OF_RESPONSES = 26
"""No-Response to whatever the code is (RFC 7967 section 2.1)."""


class HandshakeResource(resource.Resource):  # type: ignore[misc]
    """The handshake resource, to be mounted anywhere in a site of aiocoap's.

    ``credentials``, ``psk``, ``trust`` and the keywords are those of
    :func:`handshake_over_coap.serve`, but for what aiocoap decides (:mod:`.choices`).
    ``on_completed`` is called with each handshake that has completed, before the client is told;
    what it raises is logged.  ``counters`` counts what was refused, by reason.

    Raises ConfigurationError for what cannot work.
    """

    rt: ClassVar[str] = "core.dtls"
    ct: ClassVar[str] = " ".join(map(str, BY_CONTENT_FORMAT))

    def __init__(
        self,
        credentials: Credential | Iterable[Credential] = (),
        *,
        on_completed: Callable[[CompletedHandshake], None],
        psk: PskSource | None = None,
        trust: Trust | None = None,
        rng: Rng = os.urandom,
        clock: Clock = now_utc,
        **options: Unpack[OptionValues],
    ) -> None:
        super().__init__()
        self._options = options_of(options)
        given = credentials if isinstance(credentials, Iterable) else (credentials,)
        config = self._options.server_config(given, psk, trust, rng, clock)
        self._parameters = replace(
            self._options.coap, resource="/" + "/".join(_INSIDE), location=False
        )
        self._engine = CoapServer(
            self._parameters, lambda: begin_server(config), rng, draws_from(rng)
        )
        self._ids = MessageIds(int.from_bytes(rng(2), "big"))
        self._on_completed = on_completed
        self._timer: asyncio.TimerHandle | None = None
        self.counters = self._engine.counters

    @property
    def kept(self) -> int:
        """Endpoints for which anything is kept."""
        return self._engine.known_peers

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        """No: blocks are joined behind the address check."""
        return False

    async def render(self, request: Any) -> Any:
        """The response to one message of the exchange."""
        if request.remote.is_multicast_locally:
            return aiocoap_message(Content(Code.BAD_REQUEST), no_response=_FREE_OF_RESPONSES)
        try:
            peer = address_of(request.remote)
            # Confirmable, whatever it was: then each has its response, refusals included.
            datagram = datagram_of(request, MessageType.CON, self._ids.take(), path=_INSIDE)
            message = Message.decode(datagram)
        except MessageFormatError as why:
            raise error.BadRequest from why
        # Transfers that draw several responses: aiocoap gives one.  No words, as the address is not
        # proven.
        if any(message.get(each) is not None for each in (Option.Q_BLOCK1, Option.Q_BLOCK2)):
            raise error.BadOption
        if transfer_of(message, self._parameters).name != BLOCKWISE.name:
            raise error.UnsupportedContentFormat
        output = self._engine.receive(datagram, peer, asyncio.get_running_loop().time())
        self._take(output)
        for data, _ in output.datagrams:
            response = Message.decode(data)
            if response.token == message.token:
                return aiocoap_message(response.content)
        # Not even the bare code is within three times what came.
        return aiocoap_message(Content(Code.UNAUTHORIZED), no_response=_FREE_OF_RESPONSES)

    def _take(self, output: Output) -> None:
        for event in output.events:
            if isinstance(event, HandshakeCompleted):
                self._completed(event)
        self._arm()

    def _completed(self, done: HandshakeCompleted) -> None:
        completed = CompletedHandshake(done.address, done.established, self._options, done.figures)
        # The session is the user's from here on: what is kept to repeat its flights ages.
        self._engine.release(done.address, done.name)
        try:
            self._on_completed(completed)
        except Exception:
            self.counters["handler errors"] += 1
            log.exception("nobody took the handshake with %s", done.address)

    def _arm(self) -> None:
        """Have the engine forget what is over, also where no request comes any more."""
        if self._timer is not None:
            self._timer.cancel()
        due, loop = self._engine.deadline, asyncio.get_running_loop()
        self._timer = None if due is None else loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._take(self._engine.on_timer(asyncio.get_running_loop().time()))
