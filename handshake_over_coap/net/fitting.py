"""Whether a value fits an option: types are those that the option is declared with."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import types
from collections.abc import Sequence
from typing import Any, Final, Literal, SupportsFloat, SupportsIndex, Union, get_args, get_origin

from handshake_over_coap.errors import ConfigurationError

_SAID: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "none",
}
_SEVERAL: Final[dict[object, str]] = {
    bool: "values that are true or false",
    int: "whole numbers",
    float: "numbers",
    str: "texts",
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


def parsed(hint: object, text: str) -> Any:
    """The value that ``text`` stands for on a command line, as the annotation ``hint`` has it.

    Raises ConfigurationError, with what it takes.
    """
    for each in alternatives(hint):
        if each is type(None) and text == "none":
            return None
        if get_origin(each) is Literal and text in get_args(each):
            return text
        if each in (int, float):
            with contextlib.suppress(ValueError):
                value = each(text)
                if math.isfinite(value):
                    return value
    if str in alternatives(hint):
        return text
    raise ConfigurationError(f"{text!r} is not {_described(hint)}")


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
        number = isinstance(value, SupportsFloat) and _is_number(value)
        return (True, float(value)) if number and math.isfinite(value) else (False, None)  # type: ignore[arg-type]
    if hint is int:
        whole = isinstance(value, SupportsIndex) and _is_number(value)
        return (True, operator.index(value)) if whole else (False, None)  # type: ignore[arg-type]
    if getattr(hint, "_is_protocol", False):  # whoever chooses looks at it closely
        plain = value is None or isinstance(value, str | bytes | int | float | Sequence)
        return not plain, value
    if get_origin(hint) is os.PathLike:
        return (True, os.fspath(value)) if isinstance(value, os.PathLike) else (False, None)
    return isinstance(hint, type) and isinstance(value, hint), value


def _is_number(value: object) -> bool:
    """Whether it is one number, of Python or of numpy; bool is none, and an array is many."""
    return not isinstance(value, bool) and not hasattr(value, "__len__")


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
    *most, last = (_describe(each) for each in alternatives(hint))
    return f"{', '.join(most)} or {last}" if most else last


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if _is_sequence(hint):
        parts = alternatives(get_args(hint)[0])
        return f"a list of {' or '.join(_SEVERAL.get(part, _describe(part)) for part in parts)}"
    if get_origin(hint) is os.PathLike:
        return "a path"
    if getattr(hint, "_is_protocol", False):
        return "an object of your own"
    return _SAID.get(hint, getattr(hint, "__name__", str(hint)))
