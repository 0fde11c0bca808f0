"""A simulated IEEE 802.15.4 network, for datagrams to go through as frames."""

from handshake_over_coap.sim.radio.energy import CC2420, CC2538, RadioCurrents, air_time
from handshake_over_coap.sim.radio.frames import (
    FrameCapture,
    FrameFate,
    FrameObserver,
    FrameSeen,
)
from handshake_over_coap.sim.radio.link import Radio
from handshake_over_coap.sim.radio.node import Node, NodeFigures
from handshake_over_coap.sim.radio.options import RadioOptions

__all__ = [
    "CC2420",
    "CC2538",
    "FrameCapture",
    "FrameFate",
    "FrameObserver",
    "FrameSeen",
    "Node",
    "NodeFigures",
    "Radio",
    "RadioCurrents",
    "RadioOptions",
    "air_time",
]
