"""The parser of one command: clear words for mistakes, and what was given told from defaults."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """One line for a mistake, in the name of the command that was meant.

    ``fallbacks`` are the values of declared options that are left out; what it parses has the names
    of all others in ``given``.  Options that take long to make are added by ``later``, which is
    called once, when the command is used; ``settle`` may change what was left out in the end.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("type", int, _whole_number)
        self.fallbacks: dict[str, Any] = {}
        self.later: Callable[[Parser], None] | None = None
        self.settle: Callable[[argparse.Namespace], None] = _nothing

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Look for options that there are not first: what follows them would be misread."""
        given = sys.argv[1:] if args is None else list(args)
        if self.later is not None:
            later, self.later = self.later, None
            later(self)
        if self._subparsers is None:
            given = self._with_words(given)
            self._refuse_unknown(given[: given.index("--")] if "--" in given else given)
        found, left = super().parse_known_args(given, namespace)
        if left and self._subparsers is None:
            self.error(f"unexpected argument {left[0]!r}; {self._all_options}")
        if self.fallbacks:
            found.given = frozenset(name for name in self.fallbacks if hasattr(found, name))
            for name, value in self.fallbacks.items():
                if name not in found.given:
                    setattr(found, name, value)
            self.settle(found)
        return found, left

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, without a list of all options, and exit with 2."""
        missing = message.startswith("the following arguments are required")
        hint = f"; {self._all_options}" if missing else ""
        self.exit(2, f"{self.prog}: error: {message}{hint}\n")

    @property
    def _all_options(self) -> str:
        return f"'{self.prog} --help' lists all"

    def _with_words(self, given: list[str]) -> list[str]:
        """Where a flag may stand alone, what follows it belongs to it only if it is its word."""
        words = {
            name: (action.const, tuple(action.choices))
            for name, action in self._option_string_actions.items()
            if action.nargs == "?" and action.choices
        }
        out = []
        for text, following in zip_longest(given, given[1:], fillvalue=""):
            alone = text in words and following not in words[text][1]
            out.append(f"{text}={words[text][0]}" if alone else text)
        return out

    def _refuse_unknown(self, given: Sequence[str]) -> None:
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for text in given:
            name = text.partition("=")[0]
            if not name.startswith("--") or " " in name or name in known:
                continue
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            self.error(f"unknown option {name}; {meant}{self._all_options}")


def _nothing(_: argparse.Namespace) -> None:
    pass


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
