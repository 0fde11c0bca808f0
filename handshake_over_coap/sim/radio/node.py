"""A node of the radio network: what it has to send, what it has heard, and what that cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from handshake_over_coap.sim.lowpan.adaptation import Adaptation
from handshake_over_coap.sim.lowpan.mac import LinkAddress
from handshake_over_coap.sim.passages import Datagram, Outcome


@dataclass(slots=True)
class NodeFigures:
    """What a node has sent and received; bytes are those of frames, times in seconds, joules.

    ``repetitions`` are frames sent again by the link layer, ``acks_sent`` its acknowledgements;
    energies are those of sending and receiving alone.
    """

    frames_sent: int = 0
    """Data frames, each repetition counted."""
    frame_bytes_sent: int = 0
    repetitions: int = 0
    frames_received: int = 0
    acks_sent: int = 0
    given_up: int = 0
    """Frames that were never acknowledged."""
    time_sending: float = 0.0
    time_receiving: float = 0.0
    energy_sending: float = 0.0
    energy_receiving: float = 0.0

    @property
    def energy(self) -> float:
        """Joules of either kind."""
        return self.energy_sending + self.energy_receiving


Done = Callable[[Datagram, Outcome], None]
"""Told once what the radio made of a datagram."""


@dataclass(slots=True)
class OutgoingPacket:
    """A packet that waits at a node for its frames to be sent to the next node."""

    datagram: Datagram
    done: Done
    receiver: Node
    payloads: list[bytes]
    place: int = 0
    """Of the frame that is next, or being sent."""
    attempt: int = 0
    frame: bytes = b""
    arrived: bool = False
    """The next node has the whole packet."""


@dataclass(slots=True, eq=False)
class Node:
    """A node; ``index`` is 0 at the client."""

    index: int
    link_address: LinkAddress
    adaptation: Adaptation
    sequence: int
    """The data sequence number of the next frame."""
    queue: deque[OutgoingPacket] = field(default_factory=deque)
    heard: dict[LinkAddress, int] = field(default_factory=dict)
    """The last sequence number of each neighbour."""
    waiting: bool = False
    """For the medium, or using it."""
    not_before: float = 0.0
    figures: NodeFigures = field(default_factory=NodeFigures)

    def next_sequence(self) -> int:
        """A sequence number for a new frame."""
        sequence, self.sequence = self.sequence, (self.sequence + 1) & 0xFF
        return sequence

    def is_repetition(self, source: LinkAddress, sequence: int) -> bool:
        """Whether the frame is the one that ``source`` sent before; it is remembered."""
        before = self.heard.get(source)
        self.heard[source] = sequence
        return before == sequence
