"""What slow devices do to a trial: who computes, for how long, and on what.

Both sides are processors that do one thing at a time (:mod:`handshake_over_coap.sim.processor`).
A server over CoAP knows before it begins whether an answer will take it long (``slow``): then it
acknowledges the request first and answers separately, as RFC 7252 section 5.2.2 allows.  Meanwhile
it hears nothing: what comes in waits, whichever carrier it is.

How much each body takes it to answer is measured once: the same handshake on a network without
faults, its primitives counted.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from handshake_over_coap.carriers.datagram import DatagramEndpoint
from handshake_over_coap.net.strategies import ENCODINGS
from handshake_over_coap.sim import Device, Operation, device, think_time
from handshake_over_coap.sim.lowpan.reassembly import BUFFERS, TIMEOUT
from handshake_over_coap.sim.processor import Processor
from handshake_over_coap.tls.effort import Primitive

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import Scenario

FAST: Final = "fast"
Effort: TypeAlias = Mapping[Primitive, int]
Measuring: TypeAlias = Callable[..., object]
"""What makes one handshake, of a scenario, a seed and a number, and has its ``meter`` count."""
Slow: TypeAlias = "Callable[[bytes], bool] | None"

_FAULTLESS: Final[dict[str, Any]] = {
    "link": "udp",
    "hops": 1,
    "link_retries": 0,
    "reassembly_timeout": TIMEOUT,
    "reassembly_buffers": BUFFERS,
    "delay": 0.0,
    "jitter": 0.0,
    "rate": None,
    "loss": 0.0,
    "loss_unit": "datagram",
    "burst": None,
    "drop": (),
    "duplicate": 0.0,
    "reorder": 0.0,
    "device": FAST,
    "server_device": None,
    "client_device": None,
}


@dataclass(frozen=True, slots=True)
class ComputingDevices:
    """The devices of a scenario: the kind of each side's processor, None for one that is fast.

    ``slow`` is for a server over CoAP: whether a body takes it longer to answer than a request
    should wait for its acknowledgement.
    """

    client: Device | None = None
    server: Device | None = None
    slow: Slow = None


def computing(scenario: Scenario, seed: int, measuring: Measuring) -> ComputingDevices:
    """The devices of ``scenario``; ``measuring`` makes the handshakes that tell their work.

    Raises ConfigurationError where a device has no figure for something that it would compute.
    """
    client = _slow(scenario.client_device or scenario.device)
    server = _slow(scenario.server_device or scenario.device)
    if client is None and server is None:
        return ComputingDevices()
    all_work = efforts(dataclasses.replace(scenario, **_FAULTLESS), seed, measuring)
    for kind, effort in ((client, all_work.client), (server, all_work.server)):
        if kind is not None:
            _seconds(kind, effort)
    if server is None or scenario.transport != "coap":
        return ComputingDevices(client, server)
    limit = scenario.coap.separate_after
    slow = tuple(_seconds(server, effort) > limit for effort in (all_work.flight_1, all_work.later))
    return ComputingDevices(client, server, lambda body: slow[not _is_flight_1(scenario, body)])


def processor(endpoint: DatagramEndpoint, kind: Device | None) -> Processor | None:
    """The processor before ``endpoint``, where one is needed."""
    return None if kind is None else Processor(endpoint, kind)


def at_work(cpu: Processor | None) -> AbstractContextManager[None]:
    """What is begun within is done by ``cpu``, if there is one."""
    return nullcontext() if cpu is None else cpu.at_work()


def _slow(name: str) -> Device | None:
    return None if name == FAST else device(name)


def _seconds(kind: Device, effort: Effort) -> float:
    return think_time(kind, {Operation[each.name]: count for each, count in effort.items()})


def _is_flight_1(scenario: Scenario, body: bytes) -> bool:
    return ENCODINGS.choice(scenario.encoding).hello(body) is not None


@dataclass(slots=True)
class Meter:
    """Counts what both sides compute, and a server over CoAP for each body, as it comes in."""

    bodies: list[Counter[Primitive]] = field(default_factory=list)
    client: Processor | None = None
    server: Processor | None = None
    _before: Counter[Primitive] = field(default_factory=Counter)

    def is_slow(self, _body: bytes) -> bool:
        """A body is about to be answered; not slowly."""
        self.settle()
        self.bodies.append(Counter())
        return False

    def settle(self) -> None:
        """What was computed since the last body is booked on it."""
        if self.server is not None:
            if self.bodies:
                self.bodies[-1] = self.server.spent - self._before
            self._before = Counter(self.server.spent)


@dataclass(frozen=True, slots=True)
class Efforts:
    """What each side computes in all, and a server over CoAP for flight 1 and the one after it."""

    client: Effort
    server: Effort
    flight_1: Effort
    later: Effort


@lru_cache(maxsize=64)
def efforts(scenario: Scenario, seed: int, measuring: Measuring) -> Efforts:
    """Measure them in one handshake."""
    meter = Meter()
    measuring(scenario, seed, 0, meter=meter)
    meter.settle()
    client, server = (
        Counter() if cpu is None else cpu.spent for cpu in (meter.client, meter.server)
    )
    first, *later = meter.bodies or [Counter()]
    return Efforts(client, server, first, later[-1] if later else Counter())
