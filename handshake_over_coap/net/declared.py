"""Options declared once: a field of a dataclass, with all that anybody wants to know of it.

From a declaration derive the keyword, the flag on the command line with its help, the key in a
file of scenarios, and when the option has no part in what was chosen.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, overload

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")
_KEY: Final = "option"

ByDefault: TypeAlias = Literal["default"]
DEFAULT: Final = "default"
"""The value of an option that is left to what it belongs to: a timer's own wait, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One option.

    ``hint`` is its type; ``doc`` what it is, in lower case and without a full stop; ``unit`` that
    of its number (``s``, ``bytes``).  ``group`` is the heading of help that it stands under, empty
    for an option that the command line does not have.  ``choices`` are its values where they are
    few, or what gives them; with ``own`` also ``module:Name`` of the user's.  ``needs`` are other
    options with the values that it has a part in, ``why`` what is missing otherwise.
    ``repeatable``: the command line takes it several times.
    ``metavar`` and ``told`` (of the default) are for help where nothing better follows from the
    rest; ``parse`` makes the value of a text, where its type does not say how.  ``defaults`` are
    those of the members that own it, by their names.
    """

    name: str = ""
    hint: Any = str
    default: Any = None
    doc: str
    unit: str = ""
    group: str = ""
    choices: tuple[Any, ...] | Callable[[], tuple[Any, ...]] = ()
    own: bool = False
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    why: str = ""
    metavar: str = ""
    repeatable: bool = False
    told: str = ""
    parse: Callable[[str], Any] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of ``choices``; empty where anything of its type will do."""
        return self.choices() if callable(self.choices) else self.choices

    def allows(self, value: object) -> bool:
        """Whether ``value`` is one of its choices, or may be where to find one of one's own."""
        if not self.values or value == self.default or value in self.values:
            return True
        return self.own and isinstance(value, str) and ":" in value

    @property
    def flag(self) -> str:
        """How the command line spells it."""
        return spelt(self.name)


def option(default: Any, doc: str, *, secret: bool = False, **more: Any) -> Any:
    """A field that declares an option; further arguments are fields of :class:`Declared`."""
    return declaring(Declared(default=default, doc=doc, **more), secret=secret)


def declaring(declared: Declared, *, secret: bool = False) -> Any:
    """The field of a dataclass that declares an option; ``secret`` stays out of its repr."""
    return dataclasses.field(
        default=declared.default, repr=not secret, metadata={_KEY: declared, "doc": declared.doc}
    )


def spelt(name: str) -> str:
    """An option's name as the command line spells it."""
    return "--" + name.replace("_", "-")


def declarations(owner: type[DataclassInstance]) -> Mapping[str, Declared]:
    """The options that a dataclass declares, by their names, in the order of its fields."""
    return _declarations(owner)


@cache
def _declarations(owner: Any) -> Mapping[str, Declared]:
    hints = typing.get_type_hints(owner)
    found = {}
    for each in dataclasses.fields(owner):
        declared: Declared | None = each.metadata.get(_KEY)
        if declared is not None:
            found[each.name] = dataclasses.replace(
                declared, name=each.name, hint=hints[each.name], default=each.default
            )
    return MappingProxyType(found)


class Deriving:
    """An object that never changes, and remembers what has been :class:`derived` from it."""

    __slots__ = ("_derived",)
    _derived: dict[str, Any]

    @property
    def known(self) -> dict[str, Any]:
        """What has been derived so far, by name."""
        try:
            return self._derived
        except AttributeError:  # dataclasses initialise nothing but their fields
            object.__setattr__(self, "_derived", {})
            return self._derived


class derived(Generic[_T]):  # noqa: N801 - used like property
    """A property of a :class:`Deriving` object that is worked out when it is first asked for."""

    def __init__(self, work: Callable[[Any], _T]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> derived[_T]: ...
    @overload
    def __get__(self, owner: Deriving, kind: type) -> _T: ...
    def __get__(self, owner: Deriving | None, kind: type) -> derived[_T] | _T:
        if owner is None:
            return self
        known = owner.known
        if self._name not in known:
            known[self._name] = self._work(owner)
        value: _T = known[self._name]
        return value
