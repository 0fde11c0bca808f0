"""Whether a value fits an option: types are those that the option is declared with."""

from __future__ import annotations

import contextlib
import math
import os
import types
from collections.abc import Sequence
from typing import Any, Final, Literal, Union, get_args, get_origin

from handshake_over_coap.errors import ConfigurationError

_SAID: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "none",
}


def fitting(name: str, hint: object, value: object) -> Any:
    """``value`` in the form that the annotation ``hint`` has: lists as tuples, 1 as 1.0.

    Raises ConfigurationError, naming the option ``name`` and what it takes.
    """
    for each in alternatives(hint):
        fits, made = _as(each, value)
        if fits:
            return made
    raise ConfigurationError(f"{name}: {value!r} is not {_described(hint)}{_remedy(hint, value)}")


def _remedy(hint: object, value: object) -> str:
    """What is most often wrong in a file: a number that should be text, or the other way round."""
    plain = alternatives(hint)
    if isinstance(value, int | float) and not isinstance(value, bool) and str in plain:
        return f": put it in quotes, '{value}'"
    if isinstance(value, str) and (int in plain or float in plain):
        with contextlib.suppress(ValueError):
            return f": leave the quotes out, {float(value):g}"
    return ""


def takes_several(hint: object) -> bool:
    """Whether a list is one value of an option with this annotation."""
    return any(_is_sequence(each) for each in alternatives(hint))


def takes_none(hint: object) -> bool:
    """Whether the option can be none."""
    return type(None) in alternatives(hint)


def alternatives(hint: object) -> tuple[Any, ...]:
    """The members of the annotation ``hint``, floats last: 1 stays whole if it may."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [part for each in get_args(hint) for part in alternatives(each)]
        return tuple(sorted(parts, key=lambda part: part is float))
    return (hint,)


def _as(hint: Any, value: object) -> tuple[bool, Any]:
    """Whether ``value`` is of one plain type, and what it becomes."""
    if get_origin(hint) is Literal:
        return value in get_args(hint), value
    if _is_sequence(hint):
        return _as_sequence(hint, value)
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (True, float(value)) if number and math.isfinite(value) else (False, None)  # type: ignore[arg-type]
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if get_origin(hint) is os.PathLike:
        return (True, os.fspath(value)) if isinstance(value, os.PathLike) else (False, None)
    return isinstance(hint, type) and isinstance(value, hint), value


def _as_sequence(hint: Any, value: object) -> tuple[bool, Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return False, None
    parts = alternatives(get_args(hint)[0])
    made = []
    for each in value:
        found = [m for fits, m in (_as(part, each) for part in parts) if fits]
        if not found:
            return False, None
        made.append(found[0])
    return True, tuple(made)


def _is_sequence(hint: object) -> bool:
    return get_origin(hint) in (tuple, Sequence)


def _described(hint: object) -> str:
    return " or ".join(_describe(each) for each in alternatives(hint))


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(map(repr, get_args(hint)))
    if _is_sequence(hint):
        return f"a list of {_described(get_args(hint)[0])}"
    if get_origin(hint) is os.PathLike:
        return "a path"
    return _SAID.get(hint, getattr(hint, "__name__", str(hint)))
