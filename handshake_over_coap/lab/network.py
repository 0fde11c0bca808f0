"""The network of a scenario: whether its options go together, and what they become in ``sim``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.declared import declarations, option
from handshake_over_coap.net.options import Options
from handshake_over_coap.sim import DEVICES, LinkOptions, LossTrace, device
from handshake_over_coap.sim.lowpan.reassembly import BUFFERS, TIMEOUT

if TYPE_CHECKING:
    from handshake_over_coap.sim.radio import RadioOptions

SERVER_HOST: Final = "2001:db8::1"
CLIENT_HOST: Final = "2001:db8::2"
SERVER_PORTS: Final = {"coap": 5683, "udp": 5684}
"""By transport: an analyser takes what is on 5684 for DTLS, and what is on 5683 for CoAP."""
CLIENT_PORT: Final = 40000

LARGEST_OVER_FRAMES: Final = 1280 - 40 - 8
"""Bytes of UDP payload in the largest packet that 6LoWPAN carries (RFC 4944 section 4)."""

LINKS: Final = ("udp", "802154")
LOSS_UNITS: Final = ("datagram", "frame")


NETWORK: Final = "network"
"""The heading under which help tells the options of the network."""

_OF_RADIO: Final[dict[str, Any]] = {"group": NETWORK, "needs": {"link": ("802154",)}}


def _numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas in between; nothing at all is none of them."""
    try:
        return tuple(int(each) for each in text.split(",") if each.strip() or text.strip())
    except ValueError:
        raise ConfigurationError(f"{text!r} is no list of numbers such as 3,7") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions(Options):
    """The options of a handshake (:class:`Options`) and those of the network it crosses.

    ``link`` is ``"udp"`` or ``"802154"``; to the latter belong ``hops``, ``link_retries`` (of each
    frame), ``reassembly_timeout`` (seconds that an incomplete packet is kept) and
    ``reassembly_buffers`` (packets that a node puts together at a time).  ``delay`` is one way,
    ``jitter`` the most that is added to it, in seconds; ``rate`` in bits per second (``None``:
    unlimited).  ``loss`` is a probability, of every ``loss_unit`` (``"datagram"`` or ``"frame"``),
    independent or in bursts of ``burst`` units on average; ``loss_trace`` is a recorded link in
    place of that (:class:`~.sim.loss_trace.LossTrace`, or its file); ``drop`` lists the datagrams
    that are lost, counted from 1 over both directions in the order in which they are sent.
    ``duplicate`` and ``reorder`` are probabilities of a datagram.  ``device`` is the kind of both
    sides, ``server_device`` and ``client_device`` of one.
    """

    link: str = option(
        "udp",
        "what datagrams cross: a plain link, or IEEE 802.15.4 frames with 6LoWPAN",
        group=NETWORK,
        choices=LINKS,
    )
    hops: int = option(1, "802154: hops", why="a plain link has no hops", **_OF_RADIO)
    link_retries: int = option(
        0,
        "802154: repetitions of an unacknowledged frame",
        why="a plain link repeats nothing",
        **_OF_RADIO,
    )
    reassembly_timeout: float = option(
        TIMEOUT,
        "802154: how long a node keeps an incomplete packet, at most 60",
        unit="s",
        why="a plain link puts nothing together",
        **_OF_RADIO,
    )
    reassembly_buffers: int = option(
        BUFFERS,
        "802154: packets that a node puts together at a time",
        why="a plain link puts nothing together",
        **_OF_RADIO,
    )
    delay: float = option(0.05, "delay, one way, in seconds", unit="s", group=NETWORK)
    jitter: float = option(0.0, "most that is added to it", unit="s", group=NETWORK)
    rate: float | None = option(
        None, "rate of the link", group=NETWORK, metavar="BITS/S", told="none: unlimited"
    )
    loss: float = option(0.0, "probability of loss, 0 to 1", group=NETWORK, metavar="P")
    loss_unit: str = option(
        "datagram",
        "what is lost (frame: with 802154 only)",
        choices=LOSS_UNITS,
        why="a plain link has no frames",
        **_OF_RADIO,
    )
    burst: float | None = option(
        None,
        "losses come in bursts of this mean length",
        group=NETWORK,
        metavar="MEAN",
        told="independent",
    )
    loss_trace: str | PathLike[str] | LossTrace | None = option(
        None,
        "what became of datagrams, one a line (columns direction, fate, delay), in place of loss "
        "and delay; each trial begins at a line of its own",
        group=NETWORK,
        metavar="FILE.csv",
        parse=LossTrace.from_csv,
    )
    drop: Sequence[int] = option(
        (),
        "lose exactly these datagrams, counted from 1 over both directions",
        group=NETWORK,
        metavar="N,N...",
        parse=_numbers,
    )
    duplicate: float = option(0.0, "probability of arriving twice", group=NETWORK, metavar="P")
    reorder: float = option(
        0.0, "probability of being overtaken by later ones", group=NETWORK, metavar="P"
    )
    device: str = option(
        "fast",
        f"kind of device of both sides: {', '.join(DEVICES)}",
        group=NETWORK,
        metavar="NAME",
    )
    server_device: str | None = option(
        None, "kind of device of the server", group=NETWORK, metavar="NAME"
    )
    client_device: str | None = option(
        None, "kind of device of the client", group=NETWORK, metavar="NAME"
    )

    def check_network(self) -> None:
        """Raise ConfigurationError, naming the option and the remedy, for what cannot be."""
        self.check_choices()
        if self.loss_trace is not None and self.loss:
            raise ConfigurationError(
                f"loss {self.loss:g} with a loss_trace, which takes its place: give one of them"
            )
        for name in ("device", "server_device", "client_device"):
            kind = getattr(self, name)
            if kind is not None:
                _check_device(name, kind)
        if self.hops < 1 or self.link_retries < 0:
            raise ConfigurationError("hops is 1 or more, and link_retries 0 or more")
        if self.link == "udp":
            self._check_plain()
        elif self.mtu > LARGEST_OVER_FRAMES:
            raise ConfigurationError(
                f"mtu {self.mtu} with link 802154: 6LoWPAN carries IPv6 packets of 1280 bytes, so "
                f"give {LARGEST_OVER_FRAMES} or less"
            )
        if self.burst is not None and not self.loss:
            raise ConfigurationError(
                f"burst {self.burst:g} without loss: give a loss above 0, or leave burst out"
            )
        link_options(self)
        radio_options(self)

    @property
    def trace(self) -> LossTrace | None:
        """The recorded losses; raises ConfigurationError for a file that is none."""
        given = self.loss_trace
        return given if given is None or isinstance(given, LossTrace) else LossTrace.from_csv(given)

    def _check_plain(self) -> None:
        known = declarations(type(self))
        for name, declared in known.items():
            value = getattr(self, name)
            if "link" in declared.needs and value != declared.default:
                raise ConfigurationError(
                    f"{name} {value} with link udp: {declared.why}; leave {name} out, or choose "
                    "link 802154"
                )


def link_options(options: NetworkOptions) -> LinkOptions:
    """The link that datagrams cross; what belongs to frames is not in it."""
    framed = options.loss_unit == "frame"
    return LinkOptions(
        delay=options.delay,
        jitter=options.jitter,
        loss=0.0 if framed else options.loss,
        burst=None if framed else options.burst,
        drop=frozenset(options.drop),
        duplicate=options.duplicate,
        reorder=options.reorder,
        rate=options.rate,
        trace=options.trace,
    )


def radio_options(options: NetworkOptions) -> RadioOptions | None:
    """The frames below it, None on a plain link."""
    if options.link == "udp":
        return None
    from handshake_over_coap.sim.radio import RadioOptions

    framed = options.loss_unit == "frame"
    return RadioOptions(
        hops=options.hops,
        retries=options.link_retries,
        loss=options.loss if framed else 0.0,
        burst=options.burst if framed else None,
        reassembly_timeout=options.reassembly_timeout,
        reassembly_buffers=options.reassembly_buffers,
    )


def _check_device(name: str, kind: str) -> None:
    try:
        device(kind)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
