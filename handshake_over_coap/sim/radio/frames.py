"""Frames as they are seen in the air, and a capture of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from handshake_over_coap.trace.pcapng import PcapngWriter, Sink

LINK_TYPE: Final = 195
"""LINKTYPE_IEEE802_15_4_WITHFCS."""


class FrameFate(Enum):
    """What became of a frame in the air."""

    RECEIVED = "received"
    LOST = "lost"
    REPEATED = "repeated"
    """Received, but it had been received before: its acknowledgement was lost."""


@dataclass(frozen=True, slots=True)
class FrameSeen:
    """One frame, whole, from preamble's end to FCS."""

    time: float
    """When its preamble begins, in seconds."""
    source: int
    """The number of the node that sent it, 0 for the client."""
    destination: int
    """The number of the node that it is for."""
    data: bytes = field(repr=False)
    fate: FrameFate
    datagram: int
    """The number of the datagram that it carries, or acknowledges, a part of."""
    attempt: int = 0
    """How often it has been sent before."""
    ack: bool = False
    """Whether it is an acknowledgement."""


class FrameObserver(Protocol):
    """Whoever wants to know of frames."""

    def seen(self, frame: FrameSeen) -> None:
        """A frame was in the air.  Must not raise."""


class FrameCapture:
    """Writes frames to ``sink`` in pcapng, link type 195; those that were lost are marked so.

    ``time_zero_ns`` is the time at which ``FrameSeen.time`` is 0, in nanoseconds since 1970 (UTC).
    """

    def __init__(self, sink: Sink, time_zero_ns: int = 0) -> None:
        self._writer = PcapngWriter(sink, LINK_TYPE)
        self._time_zero_ns = time_zero_ns

    def secrets(self, key_log: str) -> None:
        """Append lines of a key log; they serve the frames after them."""
        self._writer.secrets(key_log)

    def seen(self, frame: FrameSeen) -> None:
        """Append one frame."""
        when = self._time_zero_ns + round(frame.time * 1e9)
        comment = "" if frame.fate is FrameFate.RECEIVED else frame.fate.value
        self._writer.packet(when, frame.data, comment=comment)
