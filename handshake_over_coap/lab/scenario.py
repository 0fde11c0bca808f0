"""A scenario: one handshake between one client and one server, and the network between them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from os import PathLike
from typing import Any, Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.network import check_network
from handshake_over_coap.lab.values import fitting
from handshake_over_coap.net.options import Options
from handshake_over_coap.sim.lowpan.reassembly import BUFFERS, TIMEOUT
from handshake_over_coap.tls.credentials import PSK

File: TypeAlias = str | PathLike[str]

FILES: Final = frozenset({"keylog", "pcap", "pcap_dtls"})
"""Fields of :class:`Options` that are no part of a scenario."""

NOT_OF_SCENARIOS: Final = FILES | {"idle_timeout", "limits"}
"""Those and the fields that the command line does not have."""


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

    auth: str = "psk"
    psk: PSK | str | Sequence[PSK | str] = field(default=(), repr=False)
    key: File | None = None
    cert: File | None = None
    ca: File | Sequence[File] = ()
    peer_key: File | Sequence[File] = ()
    insecure: bool = False
    link: str = "udp"
    hops: int = 1
    link_retries: int = 0
    reassembly_timeout: float = TIMEOUT
    reassembly_buffers: int = BUFFERS
    delay: float = 0.05
    jitter: float = 0.0
    rate: float | None = None
    loss: float = 0.0
    loss_unit: str = "datagram"
    burst: float | None = None
    drop: Sequence[int] = ()
    duplicate: float = 0.0
    reorder: float = 0.0
    device: str = "fast"
    server_device: str | None = None
    client_device: str | None = None

    def __post_init__(self) -> None:
        for name, hint in option_types().items():
            object.__setattr__(self, name, fitting(name, hint, getattr(self, name)))
        for name in FILES:
            if getattr(self, name) is not None:
                raise ConfigurationError(_no_part(name))
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
    return f"{value:g}" if isinstance(value, float) else str(value)


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
