"""Declared options as arguments of a command, and the types of other values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_origin

from handshake_over_coap.cli.parsing import Parser
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.declared import DEFAULT, Declared, declarations
from handshake_over_coap.net.fitting import alternatives, parsed, takes_several
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.profiles import profiled
from handshake_over_coap.net.proofs import PROOFS
from handshake_over_coap.net.strategies import ROOMS
from handshake_over_coap.tls.groups import GROUPS13
from handshake_over_coap.tls.suites import SUITES
from handshake_over_coap.tls.suites13 import SUITES13

if TYPE_CHECKING:
    # argparse has no public names for what its own methods return.
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001
    Group: TypeAlias = argparse._ArgumentGroup  # noqa: SLF001

NAMES_OF_SUITES: Final = (
    "cipher suites of DTLS 1.3: "
    + ", ".join(suite.name for suite in SUITES13)
    + "; of 1.2: "
    + ", ".join(suite.name for suite in SUITES)
    + ".  groups: "
    + ", ".join(group.name for group in GROUPS13)
    + "."
)
"""Text for the end of a command's help."""

_GROUPS: Final = (
    "handshake",
    "credentials",
    "exchange over CoAP",
    "session",
    "timers",
    "traces",
)
"""The headings of help, in their order."""

_TITLES: Final = {"timers": "timers (seconds)"}

_METAVARS: Final = {"s": "S", "bytes": "BYTES"}


def handshake_options() -> dict[str, Declared]:
    """The options of a handshake that commands have."""
    return {name: each for name, each in declarations(Options).items() if each.group}


def add_handshake_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of a handshake to a command."""
    every = [*handshake_options().values(), *PROOFS.values()]
    add_options(parser, sorted(every, key=lambda each: _GROUPS.index(each.group)))
    if isinstance(parser, Parser):
        parser.settle = _follow_profile
        parser.fallbacks["auth"] = "psk"  # the library goes by the credentials that it is given


def _follow_profile(arguments: argparse.Namespace) -> None:
    """What is left out is as the profile has it, wherever arguments are looked at."""
    given = {name: getattr(arguments, name) for name in arguments.given}
    for name, value in profiled(given).items():
        setattr(arguments, name, value)


def add_options(parser: argparse.ArgumentParser, declared: Iterable[Declared]) -> None:
    """Add options under their headings; what is left out of a command is at its default."""
    groups: dict[str, Group] = {}
    for each in declared:
        if each.group not in groups:
            groups[each.group] = parser.add_argument_group(_TITLES.get(each.group, each.group))
        _add(groups[each.group], each)
        if isinstance(parser, Parser):
            parser.fallbacks[each.name] = None if each.default == () else each.default


def _add(group: Group, declared: Declared) -> None:
    how: dict[str, Any] = {"default": argparse.SUPPRESS, "help": _help(declared)}
    kinds = alternatives(declared.hint)
    if bool in kinds and str in kinds and declared.default is True:
        _add_switch(group, declared, how)
        return
    if bool in kinds:
        optional = declared.default is False
        how["action"] = "store_true" if optional else argparse.BooleanOptionalAction
    else:
        how["type"] = argument(declared)
        how["metavar"] = _metavar(declared, kinds)
        if declared.choices:
            how["choices"] = _OrOwn(declared.values) if declared.own else declared.values
        if declared.repeatable:
            how["action"] = "append"
    group.add_argument(declared.flag, **how)


class _OrOwn(tuple[Any, ...]):
    """Choices beside which ``module:Name`` may stand."""

    __slots__ = ()

    def __contains__(self, value: object) -> bool:
        return super().__contains__(value) or (isinstance(value, str) and ":" in value)


def _add_switch(group: Group, declared: Declared, how: dict[str, Any]) -> None:
    """A flag that may stand alone, for the first of its words, and has a negation."""
    words = [each for each in declared.values if isinstance(each, str)]
    group.add_argument(declared.flag, nargs="?", const=words[0], choices=words, **how)
    negation = declared.flag.replace("--", "--no-", 1)
    how |= {"help": f"the same as {words[-1]}", "action": "store_const", "const": False}
    group.add_argument(negation, dest=declared.name, **how)


def _metavar(declared: Declared, kinds: tuple[Any, ...]) -> str | None:
    """What stands for the value in help; None where its choices do."""
    if declared.metavar or declared.choices:
        return declared.metavar or None
    if declared.unit:
        return _METAVARS[declared.unit]
    if any(get_origin(kind) is PathLike for kind in kinds) or takes_several(declared.hint):
        return "FILE"
    number = "N" if int in kinds else "F"
    return f"{{{number},none}}" if type(None) in kinds else number


def _help(declared: Declared) -> str:
    doc = declared.doc + (", repeatable" if declared.repeatable else "")
    owners = declared.defaults
    if owners and not any(set(room.members) == set(owners) for room in ROOMS):
        doc = f"{', '.join(owners)}: {doc}"
    told = declared.told or _told_of_members(owners) or _told(declared.default)
    return f"{doc}{f' (default: {told})' if told else ''}".replace("%", "%%")


def _told_of_members(defaults: Any) -> str:
    """The defaults of the members that own an option: one where all have the same."""
    values = {
        name: "none" if each is None else "off" if each is False else _told(each)
        for name, each in defaults.items()
    }
    if len(set(values.values())) <= 1:
        return next(iter(values.values()), "")
    return ", ".join(f"{value} with {name}" for name, value in values.items())


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    if value is None or value in ((), DEFAULT):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def argument(declared: Declared) -> Callable[[str], Any]:
    """A type of argument: the text of a declared option."""

    def parse(text: str) -> Any:
        try:
            if declared.parse is not None:
                return declared.parse(text)
            hint = declared.hint
            return text if takes_several(hint) else parsed(hint, text)
        except ConfigurationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def port_number(text: str) -> int:
    """A type of argument: a UDP port, 0 included."""
    if text.isascii() and text.isdigit() and int(text) <= 0xFFFF:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no UDP port: give a number from 0 to 65535")


def host_name(text: str) -> str:
    """A type of argument: a name or address; an IPv6 one may stand in brackets."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not host:
        raise argparse.ArgumentTypeError("a host is a name or an address, not nothing")
    return host


def seconds(text: str) -> float:
    """A type of argument: a time in seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return value
