"""Records every call that a piece of our code makes into ``cryptography``, and plays it back.

While a :class:`Tape` records, the names by which this package's modules know ``cryptography`` are
stand-ins: calling one, or anything got from one, makes the real call and notes it down.  The notes
become one straight-line function, the calls in their order and nothing else, so that its time is
what the primitives alone cost.  Reading a parsed certificate's fields counts as a call: it parses.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from types import ModuleType
from typing import Any
from unittest.mock import patch

_PACKAGE = "handshake_over_coap"
_FACTORIES = {"EllipticCurvePublicKey", "X25519PrivateKey", "X25519PublicKey"}
"""Abstract classes with class methods that our code calls; the others it only compares with."""
_UNTOUCHED = {"handshake_over_coap.tls.signatures": _FACTORIES}
"""Where such a class stands in a match statement, which takes nothing but a real one."""


class Tape:
    """The calls, in order; ``counts`` says how many by name."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self.counts: Counter[str] = Counter()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note every call of this package into ``cryptography``."""
        with ExitStack() as stack:
            for module in [m for n, m in sys.modules.items() if n.startswith(_PACKAGE)]:
                untouched = _UNTOUCHED.get(module.__name__, set())
                for name, value in list(vars(module).items()):
                    if _is_foreign(value):
                        stack.enter_context(
                            patch.object(module, name, _wrap(self, value, untouched))
                        )
            yield

    def rewind(self) -> None:
        """Forget the calls so far; what they made may still be used, as it is."""
        self._lines.clear()
        self._names.clear()
        self._constants.clear()
        self.counts.clear()

    def player(self) -> Callable[[], None]:
        """A function that makes the calls again, with the arguments that they had."""
        constants = dict(self._constants)
        source = [f"def play({', '.join(f'{n}={n}' for n in constants)}):"]
        source += [f"    {line}" for line in self._lines]
        exec("\n".join(source), constants)
        play: Callable[[], None] = constants["play"]
        return play

    def note(self, call: str, name: str, result: Any) -> None:
        """Add a call, and remember where its result stands."""
        self.counts[name] += 1
        target = f"r{len(self._lines)}"
        self._lines.append(f"{target} = {call}")
        if _is_foreign(result):
            self._names[id(result)] = target
            self._constants.setdefault("_kept", []).append(result)  # or its id would come again

    def reference(self, value: Any) -> str:
        """How the played function names ``value``: an earlier result, or a constant."""
        if isinstance(value, _StandIn):
            value = value._real
        if isinstance(value, list | tuple):
            inner = "".join(self.reference(each) + ", " for each in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        if id(value) in self._names:
            return self._names[id(value)]
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name


class _StandIn:
    """Acts for an object of ``cryptography``."""

    __slots__ = ("_name", "_real", "_tape", "_untouched")

    def __init__(self, tape: Tape, real: Any, name: str, untouched: set[str]) -> None:
        self._tape, self._real, self._name, self._untouched = tape, real, name, untouched

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._real)

    def __instancecheck__(self, instance: object) -> bool:
        real = instance._real if type(instance) is _StandIn else instance
        return isinstance(real, self._real)

    def __or__(self, other: Any) -> Any:
        return self._real | _real(other)

    def __ror__(self, other: Any) -> Any:
        return _real(other) | self._real

    def __eq__(self, other: object) -> bool:
        return bool(self._real == _real(other))

    def __hash__(self) -> int:
        return hash(self._real)

    def __iter__(self) -> Iterator[Any]:
        return iter([_wrap(self._tape, each, self._untouched) for each in self._real])

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if isinstance(self._real, ModuleType | type):
            if inspect.isroutine(real):
                return _StandIn(self._tape, real, f"{self._name}.{name}", self._untouched)
            return _wrap(self._tape, real, self._untouched, f"{self._name}.{name}")
        if inspect.isroutine(real):
            return _Method(self, name)
        self._tape.note(f"{self._tape.reference(self)}.{name}", f"{self._name}.{name}", real)
        return _wrap(self._tape, real, self._untouched)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self._tape, self._real, self._tape.reference(self), self._name, args, kwargs)


class _Method:
    """A bound method of what stands in: looked up and called in one line of the tape."""

    def __init__(self, owner: _StandIn, name: str) -> None:
        self._owner, self._method = owner, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        owner = self._owner
        real = getattr(owner._real, self._method)
        where = f"{owner._tape.reference(owner)}.{self._method}"
        name = f"{type(owner._real).__name__}.{self._method}"
        return _call(owner._tape, real, where, name, args, kwargs)


def _call(
    tape: Tape,
    function: Callable[..., Any],
    where: str,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    given = [tape.reference(each) for each in args]
    given += [f"{key}={tape.reference(value)}" for key, value in kwargs.items()]
    result = function(*_real(args), **{key: _real(value) for key, value in kwargs.items()})
    tape.note(f"{where}({', '.join(given)})", name, result)
    return _wrap(tape, result, set())


def _real(value: Any) -> Any:
    if type(value) is _StandIn:
        return value._real
    if type(value) in {list, tuple}:
        return type(value)(_real(each) for each in value)
    return value


def _is_foreign(value: object) -> bool:
    """Whether this is ``cryptography``'s: a module, a class, a function or an object."""
    if isinstance(value, ModuleType):
        return value.__name__.startswith("cryptography")
    described = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    module = getattr(described, "__module__", None) or ""
    return module.startswith(("cryptography", "_rust"))


def _wrap(tape: Tape, value: Any, untouched: set[str], name: str = "") -> Any:
    if type(value) in {list, tuple}:
        return type(value)(_wrap(tape, each, untouched) for each in value)
    if not _is_foreign(value) or type(value) is _StandIn or isinstance(value, Enum):
        return value
    if isinstance(value, type):
        compared_only = inspect.isabstract(value) and value.__name__ not in _FACTORIES
        if issubclass(value, BaseException | Enum) or compared_only or value.__name__ in untouched:
            return value
    label = name or getattr(value, "__name__", type(value).__name__)
    return _StandIn(tape, value, label.rpartition("cryptography.")[2], untouched)
