"""Options that have no part in what was chosen, so that nobody believes that they work."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from .declared import DEFAULT, Declared, declarations, spelt
from .options import Options, OptionValues
from .strategies import TIMERS, options_of, room_of

_log = logging.getLogger(__name__)


def without_effect(options: Options) -> Iterator[tuple[str, str]]:
    """Names of options that are not at their defaults and change nothing, and by which choice."""
    for name, declared in declarations(Options).items():
        value = getattr(options, name)
        if value == declared.default:
            continue
        choice = _by_member(options, name, value) if declared.defaults else _by(options, declared)
        if choice:
            yield name, choice


def _by(options: Options, declared: Declared) -> str:
    """The choice by which an option has no part; empty if it has one."""
    for needed, values in declared.needs.items():
        value = getattr(options, needed)
        if value not in values:
            return f"{spelt(needed)} {value}"
    return ""


def _by_member(options: Options, name: str, value: object) -> str:
    """The same of an option that belongs to members of a room."""
    room, used = room_of(name), options.member_with(name)
    if value is False or value == DEFAULT:
        return ""
    if room is not TIMERS and options.transport == "udp":
        return "--transport udp"
    if name in options_of(used):
        return ""
    if getattr(options, room.option) is not None:
        return f"{spelt(room.option)} {used.name}"
    if options.transport == "udp" and options.dtls == "1.2":
        return "--dtls 1.2 over udp"
    return f"--transport {options.transport}"


def warn_of_no_effect(values: OptionValues) -> None:
    """Say which of the options that were given are not used."""
    for name, choice in without_effect(Options(**values)):
        flag = "--no-location" if name == "location" else spelt(name)
        _log.warning("%s has no part in %s and is not used", flag, choice)
