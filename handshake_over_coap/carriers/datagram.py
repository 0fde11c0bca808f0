"""Datagrams in and out: what carriers and sessions stand on.

A real socket (``net/``) and a simulated link (``sim/``) are both a :class:`DatagramEndpoint`.  A
network loses datagrams without notice, and so may an endpoint: sending never raises for a reason
that lies in the network.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Address:
    """A peer's end: host and port, and by which local address to answer it.

    ``host`` is a numeric address as the operating system gives it, an IPv4-mapped one included, or
    a node's name on a simulated link.  ``scope_id`` tells the interfaces of link-local IPv6
    addresses apart, 0 elsewhere.  ``local_host`` is the local address that a datagram came to,
    where the endpoint can tell; sending to this object leaves from there.  It is no part of the
    identity: addresses are equal, and hash alike, by the peer alone.
    """

    host: str
    port: int
    scope_id: int = 0
    local_host: str | None = field(default=None, compare=False)

    @property
    def zoned(self) -> str:
        """The host as it is written: a link-local address with its interface."""
        if not self.scope_id or "%" in self.host:
            return self.host
        try:
            return f"{self.host}%{socket.if_indextoname(self.scope_id)}"
        except OSError:  # an interface that has gone, or a simulated one
            return f"{self.host}%{self.scope_id}"

    def __str__(self) -> str:
        return f"[{self.zoned}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class DatagramReceiver(Protocol):
    """What an endpoint delivers to.  Neither method may block."""

    def on_datagram(self, data: bytes, address: Address) -> None:
        """A datagram came in from ``address``."""

    def on_error(self, error: OSError, address: Address | None) -> None:
        """The network refused something; ``address`` is the peer concerned, where it is known.

        A hint and no more: whoever is on the path, or guesses ports, can cause one.
        """


class DatagramEndpoint(Protocol):
    """One local address and port that sends and receives datagrams."""

    @property
    def local_address(self) -> Address:
        """Where the endpoint is bound; readable after closing too."""

    @property
    def send_errors(self) -> int:
        """How many datagrams were not sent."""

    @property
    def kernel_drops(self) -> int | None:
        """Received datagrams that were dropped before we saw them; None where nobody tells."""

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver`` from now on; once in an endpoint's life.

        What arrived before is delivered too, as far as it was kept.  Delivery never happens within
        a call of the receiver's own, such as ``send``.  Raises Error when called a second time.
        """

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or count a ``send_errors``: never raises for the network's reasons.

        Nothing is sent once the endpoint is closed.
        """

    def close(self) -> None:
        """Deliver and send nothing more.  Closing again does nothing."""
