"""The same code on virtual time: a clock that jumps, links, and devices that compute slowly.

Nothing in here sleeps or looks at the wall clock, and every draw is seeded: one seed gives one
trace.
"""

from handshake_over_coap.sim.devices import DEVICES, Device, Operation, device, think_time
from handshake_over_coap.sim.draws import Draws
from handshake_over_coap.sim.loop import DeadlockError, VirtualTimeLoop, run
from handshake_over_coap.sim.loss_trace import LossTrace, TraceRow
from handshake_over_coap.sim.network import Endpoint, Network, Sent
from handshake_over_coap.sim.passages import (
    Datagram,
    Outcome,
    Passage,
    PassageObserver,
    PassageRecorder,
    Side,
    view,
)
from handshake_over_coap.sim.radio import (
    FrameCapture,
    FrameFate,
    FrameObserver,
    FrameSeen,
    NodeFigures,
    Radio,
    RadioOptions,
)
from handshake_over_coap.sim.wire import LinkOptions, Wire

__all__ = [
    "DEVICES",
    "Datagram",
    "DeadlockError",
    "Device",
    "Draws",
    "Endpoint",
    "FrameCapture",
    "FrameFate",
    "FrameObserver",
    "FrameSeen",
    "LinkOptions",
    "LossTrace",
    "Network",
    "NodeFigures",
    "Operation",
    "Outcome",
    "Passage",
    "PassageObserver",
    "PassageRecorder",
    "Radio",
    "RadioOptions",
    "Sent",
    "Side",
    "TraceRow",
    "VirtualTimeLoop",
    "Wire",
    "device",
    "run",
    "think_time",
    "view",
]
