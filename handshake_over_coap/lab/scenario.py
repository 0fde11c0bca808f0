"""A scenario: one handshake between one client and one server, and the network between them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.keywords import ScenarioValues
from handshake_over_coap.lab.network import LINKS, LOSS_UNITS, check_network
from handshake_over_coap.net.declared import DEFAULT, declarations, declaring, option
from handshake_over_coap.net.fitting import fitting
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.proofs import PROOFS, File
from handshake_over_coap.net.strategies import ROOMS, name_of, options_of
from handshake_over_coap.sim import DEVICES
from handshake_over_coap.sim.lowpan.reassembly import BUFFERS, TIMEOUT
from handshake_over_coap.tls.credentials import PSK

if TYPE_CHECKING:
    from typing import Unpack

NETWORK: Final = "network"
"""The heading under which help tells the options of the network."""

_AUTH: Final = dataclasses.replace(declarations(Options)["auth"], default="psk")
_OF_RADIO: Final[dict[str, Any]] = {"group": NETWORK, "needs": {"link": ("802154",)}}

FILES: Final = frozenset({"keylog", "pcap", "pcap_dtls"})
"""Fields of :class:`Options` that are no part of a scenario."""

NOT_OF_SCENARIOS: Final = FILES | {"limits"}
"""Those and the fields that the command line does not have."""


def _numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas in between; nothing at all is none of them."""
    try:
        return tuple(int(each) for each in text.split(",") if each.strip() or text.strip())
    except ValueError:
        raise ConfigurationError(f"{text!r} is no list of numbers such as 3,7") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Options):
    """The options of a handshake (:class:`Options`) and those of the network it crosses.

    Names and defaults are those of the command line, with underscores.  Credentials derive from the
    seed unless they are given: ``psk`` (a PSK or ``"IDENTITY:HEXKEY"``, one or several; a client
    uses the first), or the files ``key`` and ``cert`` (the server's), ``ca`` and ``peer_key`` (what
    the client checks them against; ``insecure``: nothing).  With files the time of day is that at
    which the last of the certificates becomes valid, so that the outcome does not change with it.

    ``link`` is ``"udp"`` or ``"802154"``; to the latter belong ``hops``, ``link_retries`` (of each
    frame), ``reassembly_timeout`` (seconds that an incomplete packet is kept) and
    ``reassembly_buffers`` (packets that a node puts together at a time).  ``delay`` is one way,
    ``jitter`` the most that is added to it, in seconds; ``rate`` in bits per second (``None``:
    unlimited).  ``loss`` is a probability, of every ``loss_unit`` (``"datagram"`` or ``"frame"``),
    independent or in bursts of ``burst`` units on average; ``drop`` lists the datagrams that are
    lost, counted from 1 over both directions in the order in which they are sent.  ``duplicate``
    and ``reorder`` are probabilities of a datagram.  ``device`` is the kind of both sides,
    ``server_device`` and ``client_device`` of one.

    Raises ConfigurationError, naming the option and the remedy.
    """

    auth: str = declaring(_AUTH)
    psk: PSK | str | Sequence[PSK | str] = declaring(PROOFS["psk"], secret=True)
    key: File | None = declaring(PROOFS["key"])
    cert: File | None = declaring(PROOFS["cert"])
    ca: File | Sequence[File] = declaring(PROOFS["ca"])
    peer_key: File | Sequence[File] = declaring(PROOFS["peer_key"])
    insecure: bool = declaring(PROOFS["insecure"])
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

    if TYPE_CHECKING:  # as for Options

        def __init__(self, **values: Unpack[ScenarioValues]) -> None: ...

    def __post_init__(self) -> None:
        for name, hint in option_types().items():
            object.__setattr__(self, name, fitting(name, hint, getattr(self, name)))
        for name in FILES:
            if getattr(self, name) is not None:
                raise ConfigurationError(_no_part(name))
        for room in ROOMS:
            choice = getattr(self, room.option)
            if choice is not None:
                room.choice(choice)
        Options.__post_init__(self)
        # Both look at everything once, so that a mistake shows before any work.
        _ = self.coap if self.transport == "coap" else self.udp
        _ = self.suites
        check_network(self)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Scenario:
        """A scenario from option names and values, names checked; raises ConfigurationError."""
        for name in values:
            if name not in option_types():
                raise ConfigurationError(unknown_option(name))
        return cls(**typing.cast("dict[str, Any]", values))

    @property
    def options(self) -> Options:
        """The handshake's options alone, without files."""
        names = {each.name for each in dataclasses.fields(Options)} - FILES
        return Options(**{name: getattr(self, name) for name in names})

    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults, in the order they are declared."""
        return {
            each.name: getattr(self, each.name)
            for each in dataclasses.fields(self)
            if each.name in option_types() and getattr(self, each.name) != each.default
        }

    def used(self, name: str) -> Any:
        """The value of an option that is in use: a timer's own where that is left to it."""
        value = getattr(self, name)
        if value != DEFAULT:
            return value
        if name == "timeout":
            return self.time_limit
        timer = self.policies[self.dtls == "1.2"]
        field = options_of(timer).get(name)
        return None if field is None else getattr(timer, field)

    def described(self, without: Collection[str] = ()) -> str:
        """The options that are not at their defaults, in words; no secret is among them."""
        hidden = {"psk", *without}
        told = {name: value for name, value in self.changed().items() if name not in hidden}
        return ", ".join(f"{name} {as_text(value)}" for name, value in told.items()) or "defaults"


def as_text(value: object) -> str:
    """The value of an option as the command line writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    if isinstance(value, float):
        return f"{value:g}"
    return name_of(value) if hasattr(value, "name") else str(value)


@cache
def option_types() -> Mapping[str, object]:
    """The options of a scenario and their annotations."""
    hints = typing.get_type_hints(Scenario)
    names = (each.name for each in dataclasses.fields(Scenario))
    return {name: hints[name] for name in names if name not in NOT_OF_SCENARIOS}


def _no_part(name: str) -> str:
    return f"{name} is no part of a scenario: hoc simulate writes files of the first trial"


def unknown_option(name: str, others: Sequence[str] = (), *, dashes: bool = False) -> str:
    """What to say of an option that there is not: its name, and those that look like it.

    ``dashes``: as they are written in a file.
    """
    import difflib

    if name.replace("-", "_") in FILES:
        return _no_part(name)
    known = [*option_types(), *others]
    close = difflib.get_close_matches(name.replace("-", "_"), known, n=3, cutoff=0.6)
    if dashes:
        known, close = ([each.replace("_", "-") for each in names] for names in (known, close))
    if close:
        return f"unknown option {name!r}: did you mean {' or '.join(close)}?"
    return f"unknown option {name!r}; known are {', '.join(sorted(known))}"
