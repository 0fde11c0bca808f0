"""The rooms of strategies as options: a name, an object of one's own, or where to find one.

A member of a room is a frozen dataclass whose fields are its options.  They are collected here,
under one name each whichever members have it, and given to whichever member is chosen.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Any, Final, TypeVar

from handshake_over_coap import encodings, timers, transfers
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.named import users_own

from .declared import DEFAULT, ByDefault, Declared, declaring

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room of strategies, which is one option.

    ``option`` is its name; ``members`` the table of the room, and ``named`` its way of finding one,
    by further names too (``presets``); ``protocol`` what an object of one's own has to fit, which
    is checked at run time; ``group`` the heading under which help tells its members' options.
    """

    option: str
    members: Mapping[str, Any]
    named: Callable[[str], Any]
    protocol: type
    group: str
    presets: tuple[str, ...] = ()

    def choice(self, value: object) -> Any:
        """The member that ``value`` stands for: a name, ``module:Name``, or an object.

        Raises ConfigurationError, naming the option and what it takes.
        """
        if isinstance(value, str):
            if ":" not in value:
                return self.named(value)
            value = users_own(value, self.protocol, self.option)
        if isinstance(value, type) or not isinstance(value, self.protocol):
            what = "is a class: give an object" if isinstance(value, type) else "is none"
            raise ConfigurationError(
                f"{self.option}: {value!r} {what}; give a name ({', '.join(self.members)}), "
                f"module:Name, or an object that fits {self.protocol.__name__}"
            )
        if type(value).__hash__ is None:
            raise ConfigurationError(
                f"{self.option}: {value!r} cannot be compared: make it a frozen dataclass"
            )
        return value

    def with_options(self, member: _T, values: Mapping[str, object]) -> _T:
        """``member`` with those of ``values`` that are its options and are given."""
        given = {
            field: values[name]
            for name, field in options_of(member).items()
            if values.get(name, DEFAULT) != DEFAULT
        }
        return dataclasses.replace(member, **given) if given else member  # type: ignore[type-var]


TIMERS: Final = Room(
    option="timer",
    members=timers.BY_NAME,
    named=timers.timer_named,
    protocol=timers.TimerPolicy,
    group="timers",
    presets=(*timers.PRESETS, "round-trip=S"),
)
ENCODINGS: Final = Room(
    option="encoding",
    members=encodings.BY_NAME,
    named=encodings.encoding_named,
    protocol=encodings.Encoding,
    group="exchange over CoAP",
)
TRANSFERS: Final = Room(
    option="transfer",
    members=transfers.BY_NAME,
    named=transfers.transfer_named,
    protocol=transfers.Transfer,
    group="exchange over CoAP",
)
ROOMS: Final = (TIMERS, ENCODINGS, TRANSFERS)


def options_of(member: object) -> dict[str, str]:
    """The options that a member owns, each with the name of its field."""
    if not dataclasses.is_dataclass(member):
        return {}
    return {
        each.metadata.get("option", each.name): each.name
        for each in dataclasses.fields(member)
        if each.init and "doc" in each.metadata
    }


def name_of(choice: object) -> str:
    """A choice in reports and tables: its name, and its own options unless at their defaults."""
    if isinstance(choice, str):
        return choice
    name: str = getattr(choice, "name", type(choice).__name__)
    if not dataclasses.is_dataclass(choice):
        return name
    told = [
        f"{each.name}={getattr(choice, each.name)!r}"
        for each in dataclasses.fields(choice)
        if each.init
        and each.repr
        and each.name != "name"
        and getattr(choice, each.name) != each.default
    ]
    return f"{name}({', '.join(told)})" if told else name


@cache
def members_options() -> tuple[Declared, ...]:
    """The options of all members, each once."""
    return tuple(_members_options())


def room_of(option: str) -> Room:
    """The room whose members have an option."""
    (needed,) = next(each for each in members_options() if each.name == option).needs
    return next(room for room in ROOMS if room.option == needed)


def _members_options() -> Iterator[Declared]:
    for room in ROOMS:
        owners: dict[str, list[tuple[str, Any, dataclasses.Field[Any]]]] = {}
        for name, member in room.members.items():
            for option, field in options_of(member).items():
                hint = typing.get_type_hints(type(member))[field]
                found = next(f for f in dataclasses.fields(member) if f.name == field)
                owners.setdefault(option, []).append((name, hint, found))
        for option, owned in owners.items():
            yield _declared(room, option, owned)


def _declared(
    room: Room, option: str, owned: list[tuple[str, Any, dataclasses.Field[Any]]]
) -> Declared:
    _, _, first = owned[0]
    return Declared(
        name=option,
        hint=reduce(or_, (hint for _, hint, _ in owned)) | ByDefault,
        default=DEFAULT,
        doc=first.metadata["doc"],
        unit=first.metadata.get("unit", ""),
        group=room.group,
        needs={room.option: tuple(name for name, _, _ in owned)},
        defaults={name: each.default for name, _, each in owned},
    )


def collecting(cls: type[_T]) -> type[_T]:
    """Give a class that is about to become a dataclass the options of all members."""
    for declared in members_options():
        cls.__annotations__[declared.name] = declared.hint
        setattr(cls, declared.name, declaring(declared))
    return cls
