"""One trial: one handshake on virtual time.

It follows from (scenario, seed, number) alone: every draw of a trial comes from a stream that is
named after the seed, the number and what it is for (:mod:`handshake_over_coap.sim.draws`), so that
a trial can be run by itself, in any process and any order, and comes out the same.  Scenarios that
are compared under one seed meet the same luck where they draw for the same purpose (common random
numbers), which makes their differences more certain than independent draws would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from handshake_over_coap.errors import (
    CarrierError,
    ConfigurationError,
    Error,
    HandshakeTimeout,
)
from handshake_over_coap.lab.cast import Cast, cast
from handshake_over_coap.lab.computing import (
    FAST,
    ComputingDevices,
    Meter,
    at_work,
    computing,
    processor,
)
from handshake_over_coap.lab.metrics import Trial
from handshake_over_coap.lab.network import (
    CLIENT_HOST,
    CLIENT_PORT,
    SERVER_HOST,
    SERVER_PORTS,
    link_options,
    radio_options,
)
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim import (
    Draws,
    LinkOptions,
    Network,
    Passage,
    PassageObserver,
    Side,
    device,
    run,
)
from handshake_over_coap.sim.loop import RESOLUTION
from handshake_over_coap.sim.processor import Processor
from handshake_over_coap.sim.radio import FrameObserver, FrameSeen, RadioOptions
from handshake_over_coap.timers.base import Draw
from handshake_over_coap.tls.alerts import AlertError

SAME_INSTANT: Final = 2 * RESOLUTION
"""Seconds after the end of a trial in which what is sent still counts: less than any delay."""


_INTERNAL_ERROR: Final = "5.00"
"""What a server answers, without an alert, when answering raised what it should not."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What all trials of a scenario and seed have in common."""

    options: Options
    cast: Cast
    link: LinkOptions
    radio: RadioOptions | None
    computing: ComputingDevices


@lru_cache(maxsize=64)
def prepared(scenario: Scenario, seed: int) -> Prepared:
    """Get everything ready; raises ConfigurationError for what could fail only later."""
    who = cast(scenario, seed)
    draws = Draws(seed, "check")
    who.client_config(scenario, SERVER_HOST, draws.rng("client"))
    who.server_config(scenario, draws.rng("server"))
    return Prepared(
        scenario.options,
        who,
        link_options(scenario),
        radio_options(scenario),
        computing(scenario, seed, run_trial),
    )


def run_trial(
    scenario: Scenario,
    seed: int,
    number: int,
    *,
    observers: Sequence[PassageObserver] = (),
    frame_observers: Sequence[FrameObserver] = (),
    ended: Callable[[Sequence[str]], None] | None = None,
    files: Options | None = None,
    meter: Meter | None = None,
) -> Trial:
    """Make the handshake ``number`` (from 0) of ``seed``.

    ``observers`` are told of every datagram, ``frame_observers`` of every frame, and ``ended``
    once, after them, the client's secrets as lines of a key log (none if it has come to no
    session); ``files`` are the scenario's options with key log and captures, which the client then
    writes; ``meter`` counts what both sides compute.  Raises ConfigurationError for what cannot be
    done; a handshake that fails is a result.
    """
    began = time.thread_time()
    draws = Draws(seed, "trial", number)
    ready = prepared(scenario, seed)
    audience = _Audience(observers, frame_observers, ended)
    measured = run(_Handshake.make(scenario, ready, draws, number, audience, files, meter))
    return Trial(**measured, cpu_s=time.thread_time() - began)


@dataclass(slots=True)
class _Audience:
    """The observers of a trial, who have left when the sessions are closed after it."""

    observers: Sequence[PassageObserver]
    frame_observers: Sequence[FrameObserver]
    ended: Callable[[Sequence[str]], None] | None
    gone: bool = False

    def attend(self, network: Network) -> None:
        if self.observers:
            network.observe(self)
        if self.frame_observers and network.radio is not None:
            network.radio.observe(self)

    def leave(self, key_log: Sequence[str]) -> None:
        self.gone = True
        if self.ended is not None:
            self.ended(key_log)

    def passed(self, passage: Passage) -> None:
        for observer in () if self.gone else self.observers:
            observer.passed(passage)

    def seen(self, frame: FrameSeen) -> None:
        for observer in () if self.gone else self.frame_observers:
            observer.seen(frame)


class _Handshake:
    """The two sides, the network between them, and what is known of the outcome."""

    def __init__(
        self,
        scenario: Scenario,
        ready: Prepared,
        draws: Draws,
        files: Options | None,
        meter: Meter | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._unseen: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self._unseen.append(context))
        self._timeout = scenario.time_limit
        self._server_done = asyncio.Event()
        self._began = self._loop.time()
        self._client_s: float | None = None
        self._server_s: float | None = None
        self.network = Network(ready.link, draws.below("network"), ready.radio)
        server_end = self.network.endpoint(
            Side.SERVER, SERVER_HOST, SERVER_PORTS[scenario.transport]
        )
        client_end = self.network.endpoint(Side.CLIENT, CLIENT_HOST, CLIENT_PORT)
        kinds = ready.computing
        if meter is not None:
            kinds = ComputingDevices(device(FAST), device(FAST), meter.is_slow)
        self._server_cpu = processor(server_end, kinds.server)
        self._client_cpu = processor(client_end, kinds.client)
        if meter is not None:
            meter.client, meter.server = self._client_cpu, self._server_cpu
        timing = _timing(draws)
        who = ready.cast
        self._config = who.client_config(scenario, SERVER_HOST, draws.rng("client"))
        with at_work(self._server_cpu):
            self._server = scenario.sides.server(
                self._server_cpu or server_end,
                ready.options,
                who.server_config(scenario, draws.rng("server")),
                self._serve,
                draws.rng("server's carrier"),
                kinds.slow,
                draw=timing,
            )
        with at_work(self._client_cpu):
            self._client = scenario.sides.client(
                self._client_cpu or client_end,
                server_end.local_address,
                files or ready.options,
                draws.rng("client's carrier"),
                timing,
            )

    @classmethod
    async def make(
        cls,
        scenario: Scenario,
        ready: Prepared,
        draws: Draws,
        number: int,
        audience: _Audience,
        files: Options | None,
        meter: Meter | None,
    ) -> dict[str, Any]:
        """The whole trial; gives the fields of :class:`Trial`, its time of computing aside."""
        this = cls(scenario, ready, draws, files, meter)
        audience.attend(this.network)
        try:
            failure = await this._outcome()
            ended = this._ended()
            await asyncio.sleep(this._began + ended - this._loop.time() + SAME_INSTANT)
            trial = this._measured(number, failure, ended)
        finally:
            this.network.finish()
            audience.leave(this._client.key_log)
            await this._client.close()
            await this._server.close()
            this._raise_unseen()
        if this._client.files_failure is not None:
            raise this._client.files_failure
        return trial

    def _elapsed(self, cpu: Processor | None) -> float:
        """Seconds since the client began, to when ``cpu`` is done."""
        return (self._loop.time() if cpu is None else cpu.time) - self._began

    def _ended(self) -> float:
        done = (each for each in (self._client_s, self._server_s) if each is not None)
        return max(self._elapsed(None), *done, 0.0)

    async def _serve(self, _session: Session) -> None:
        if self._server_s is None:
            self._server_s = self._elapsed(self._server_cpu)
            self._server_done.set()
        await self._loop.create_future()

    async def _outcome(self) -> str | None:
        """Make the handshake; gives why it failed, or None."""
        try:
            with at_work(self._client_cpu):
                await self._client.handshake(self._config)
        except Error as error:
            return self._reason(error)
        self._client_s = self._elapsed(self._client_cpu)
        try:
            async with asyncio.timeout_at(self._began + self._timeout):
                await self._server_done.wait()
        except TimeoutError:
            return "server incomplete"
        return None

    def _reason(self, error: Error) -> str:
        if isinstance(error, AlertError):
            return f"alert {error.name}"
        if isinstance(error, HandshakeTimeout):
            over = self._loop.time() - self._began >= self._timeout - SAME_INSTANT
            return "timeout" if over else "retransmissions"
        if isinstance(error, CarrierError):
            if error.code == _INTERNAL_ERROR:
                raise RuntimeError("the server made a mistake of its own: see the log") from error
            return f"response {error.code}" if error.code else "carrier"
        raise error

    def _measured(self, number: int, failure: str | None, ended: float) -> dict[str, Any]:
        sent = self.network.sent
        nodes = () if self.network.radio is None else self.network.radio.nodes
        figures = [node.figures for node in nodes]
        return dict(
            trial=number,
            completed=failure is None,
            failure=failure,
            datagrams=sum(each.datagrams for each in sent.values()),
            bytes=sum(each.bytes for each in sent.values()),
            client_datagrams=sent[Side.CLIENT].datagrams,
            client_bytes=sent[Side.CLIENT].bytes,
            frames=sum(each.frames_sent for each in figures) if figures else None,
            frame_bytes=sum(each.frame_bytes_sent for each in figures) if figures else None,
            frame_acks=sum(each.acks_sent for each in figures) if figures else None,
            retransmissions=self._client.retransmissions
            + self._server.retransmissions
            + sum(session.retransmissions for session in self._server.sessions),
            client_retransmissions=self._client.retransmissions,
            duration_s=ended,
            client_s=self._client_s,
            server_s=self._server_s,
            body_bytes=self._client.body_bytes,
            floor_bytes=self._client.floor_bytes,
            client_energy_j=figures[0].energy if figures else None,
            server_energy_j=figures[-1].energy if figures else None,
            **_of_device("client", self._client_cpu),
            **_of_device("server", self._server_cpu),
        )

    def _raise_unseen(self) -> None:
        """What was raised where only the event loop could see it is a mistake of ours."""
        for context in self._unseen:
            cause = context.get("exception")
            if isinstance(cause, ConfigurationError):  # a part of the user's own
                raise cause
            raise RuntimeError(f"in a simulation: {context['message']}") from cause


def _timing(draws: Draws) -> Draw:
    """What both sides draw their waits from.

    Its name, and two draws that nobody wants, are from when aiocoap drew from it: a seed gives the
    trace that it has always given.
    """
    stream = Draws(draws.stream("aiocoap").getrandbits(64)).stream("aiocoap")
    for _ in range(2):
        stream.randint(0, 0xFFFF)
    return stream.random


def _of_device(side: str, cpu: Processor | None) -> dict[str, Any]:
    return {
        f"{side}_buffer": 0 if cpu is None else cpu.most_waiting,
        f"{side}_overflow": 0 if cpu is None else cpu.overflowed,
        f"{side}_busy_s": 0.0 if cpu is None else cpu.busy_s,
    }
