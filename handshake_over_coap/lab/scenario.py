"""A scenario: one handshake between one client and one server, and the network between them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.keywords import ScenarioValues
from handshake_over_coap.lab.network import NetworkOptions
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.declared import DEFAULT, declarations, declaring
from handshake_over_coap.net.fitting import fitting
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.profiles import with_profiles
from handshake_over_coap.net.proofs import PROOFS, File
from handshake_over_coap.net.server import Server
from handshake_over_coap.net.strategies import ROOMS, name_of, options_of
from handshake_over_coap.tls.credentials import PSK

if TYPE_CHECKING:
    from typing import Unpack

_AUTH: Final = dataclasses.replace(declarations(Options)["auth"], default="psk")

FILES: Final = frozenset({"keylog", "pcap", "pcap_dtls"})
"""Fields of :class:`Options` that are no part of a scenario."""

NOT_OF_SCENARIOS: Final = FILES | {"limits"}
"""Those and the fields that the command line does not have."""


class Sides(NamedTuple):
    """What a trial runs: the two ends of a real network, or what the laboratory has for them."""

    client: type[Client]
    server: type[Server]


@with_profiles
@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(NetworkOptions):
    """The options of a handshake, of the network it crosses, and the credentials of both sides.

    Names and defaults are those of the command line, with underscores.  Credentials derive from the
    seed unless they are given: ``psk`` (a PSK or ``"IDENTITY:HEXKEY"``, one or several; a client
    uses the first), or the files ``key`` and ``cert`` (the server's), ``ca`` and ``peer_key`` (what
    the client checks them against; ``insecure``: nothing).  With files the time of day is that at
    which the last of the certificates becomes valid, so that the outcome does not change with it.

    Raises ConfigurationError, naming the option and the remedy.
    """

    auth: str = declaring(_AUTH)
    psk: PSK | str | Sequence[PSK | str] = declaring(PROOFS["psk"], secret=True)
    key: File | None = declaring(PROOFS["key"])
    cert: File | None = declaring(PROOFS["cert"])
    ca: File | Sequence[File] = declaring(PROOFS["ca"])
    peer_key: File | Sequence[File] = declaring(PROOFS["peer_key"])
    insecure: bool = declaring(PROOFS["insecure"])

    sides: ClassVar[Sides] = Sides(Client, Server)

    if TYPE_CHECKING:  # as for Options

        def __init__(self, **values: Unpack[ScenarioValues]) -> None: ...

    def __post_init__(self) -> None:
        for name, hint in option_types().items():
            object.__setattr__(self, name, fitting(name, hint, getattr(self, name)))
        object.__setattr__(self, "loss_trace", self.trace)  # read once, for whatever comes of it
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
        self.check_network()

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
        """The value of an option that is in use: a timer's own, say, where that is left to it."""
        value = getattr(self, name)
        if value != DEFAULT:
            return value
        if name == "timeout":
            return self.time_limit
        member = self.member_with(name)
        field = options_of(member).get(name)
        return None if field is None else getattr(member, field)

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
