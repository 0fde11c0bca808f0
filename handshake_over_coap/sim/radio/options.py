"""How a simulated IEEE 802.15.4 network is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim.gilbert import check_loss
from handshake_over_coap.sim.lowpan.iphc import interface_identifier
from handshake_over_coap.sim.lowpan.mac import MAX_FRAME, LinkAddress
from handshake_over_coap.sim.lowpan.reassembly import BUFFERS, MAX_TIMEOUT, TIMEOUT
from handshake_over_coap.sim.wire import check_count, check_seconds

from .energy import CC2538, RadioCurrents

MAX_HOPS: Final = 32
MAX_RETRIES: Final = 7
"""The largest macMaxFrameRetries (IEEE 802.15.4-2006 table 86)."""

_LINK_LOCAL: Final = "fe80::"
_ROUTED: Final = "2001:db8::"


@dataclass(frozen=True, slots=True)
class RadioOptions:
    """The radio network between client and server; :mod:`.link` says how it behaves.

    Raises ConfigurationError, naming the field, for what cannot be.
    """

    hops: int = 1
    """Hops from one end to the other, with a router after each but the last."""
    loss: float = 0.0
    """The probability that a single frame is lost, on each hop."""
    burst: float | None = None
    """Frames in a burst of losses on average; None for independent losses."""
    acks: bool = False
    """Whether frames are acknowledged on the link layer."""
    retries: int = 0
    """Repetitions of a frame that nobody acknowledges; above 0 they imply ``acks``.

    macMaxFrameRetries, 3 by default in the standard.
    """
    csma: bool = True
    """Whether each attempt is preceded by a random back-off."""
    interval: float = 0.0
    """Seconds at least between the starts of two frames of one node, which sleeps in between."""
    prefix: str | None = None
    """The upper half of the nodes' addresses.

    By default ``fe80::`` (link-local) for a single hop and ``2001:db8::`` for several.
    """
    context: bool = True
    """Whether the nodes know the prefix as context 0."""
    short_addresses: bool = False
    """Addresses of 16 bits instead of 64."""
    pan: int = 0xABCD
    """The PAN identifier, 16 bits."""
    max_frame: int = MAX_FRAME
    """Bytes of the largest frame.

    To be lowered so as to leave room for what is not simulated, such as link-layer security.
    """
    reassembly_timeout: float = TIMEOUT
    """Seconds that an incomplete packet is kept."""
    reassembly_buffers: int = BUFFERS
    """Packets that a node puts together at a time."""
    queue: int = 16
    """Packets that may wait at each node."""
    currents: RadioCurrents = CC2538
    """What the radio draws in each of its states."""

    def __post_init__(self) -> None:
        if not 1 <= self.hops <= MAX_HOPS:
            raise ConfigurationError(f"hops: give 1 to {MAX_HOPS}, not {self.hops}")
        check_loss(self.loss, self.burst, "frame loss")
        if not 0 <= self.retries <= MAX_RETRIES:
            raise ConfigurationError(f"link retries: give 0 to {MAX_RETRIES}, not {self.retries}")
        check_seconds("interval", self.interval)
        check_seconds("reassembly timeout", self.reassembly_timeout)
        if not self.reassembly_timeout <= MAX_TIMEOUT:
            raise ConfigurationError(
                f"reassembly timeout: RFC 4944 allows up to {MAX_TIMEOUT:g} s, "
                f"not {self.reassembly_timeout:g}"
            )
        check_count("reassembly buffers", self.reassembly_buffers, least=1)
        check_count("queue", self.queue, least=1)
        if not 80 <= self.max_frame <= MAX_FRAME:
            raise ConfigurationError(f"frame size: give 80 to {MAX_FRAME}, not {self.max_frame}")
        if not 0 <= self.pan <= 0xFFFF:
            raise ConfigurationError(f"PAN: give 0 to 65535, not {self.pan}")
        if self.hops > 1 and self.prefix == _LINK_LOCAL:
            raise ConfigurationError("link-local addresses reach one hop only: choose a prefix")
        self._prefix_bytes()

    @property
    def addresses(self) -> str:
        """The upper half of the nodes' addresses, in the usual notation."""
        if self.prefix is not None:
            return self.prefix
        return _LINK_LOCAL if self.hops == 1 else _ROUTED

    @property
    def contexts(self) -> Mapping[int, bytes]:
        """The prefixes that all nodes know."""
        link_local = self.addresses == _LINK_LOCAL
        return {0: self._prefix_bytes()} if self.context and not link_local else {}

    def _prefix_bytes(self) -> bytes:
        try:
            address = IPv6Address(self.addresses).packed
        except ValueError as error:
            raise ConfigurationError(f"prefix: {error}; give one such as {_ROUTED}") from error
        if any(address[8:]) or address[0] == 0xFF:
            raise ConfigurationError(f"prefix {self.addresses}: give one of 64 bits: {_ROUTED}")
        return address[:8]

    def link_address(self, node: int) -> LinkAddress:
        """The MAC address of a node: locally administered, numbered from 1 (the client)."""
        if self.short_addresses:
            return (node + 1).to_bytes(2, "big")
        return b"\x02" + (node + 1).to_bytes(7, "big")

    def address(self, node: int) -> str:
        """The IPv6 address of a node, which follows from its MAC address."""
        identifier = interface_identifier(self.link_address(node))
        return str(IPv6Address(self._prefix_bytes() + identifier))
