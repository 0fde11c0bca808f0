"""Grids of scenarios, from keyword arguments or written in TOML.

::

    trials = 100                # of each scenario (default 100)
    seed = 1                    # (default 1)
    transport = ["coap", "udp"] # a list is an axis: two scenarios
    loss = [0.0, 0.1, 0.2]      # times three
    block-size = 64             # one value for all; block_size is the same key
    max-retransmit = "none"     # as on the command line
    drop = [[1], [2, 3]]        # an option that takes a list: a list of lists is the axis
    suite = ["TLS_PSK_WITH_AES_128_CCM_8"]  # ... and a plain list is one value

    [[grid]]                    # further grids, if need be, each on top of what stands above
    link = "802154"
    link-retries = [0, 3]

    [[grid]]
    link = "udp"

Keys are the options of :class:`~.scenario.Scenario`.  The axes are multiplied in the order in which
they stand in the file, the last one changing fastest; tables ``[[grid]]`` follow one another.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.scenario import Scenario, as_text, option_types, unknown_option
from handshake_over_coap.lab.simulate import Progress, check_trials, silent
from handshake_over_coap.net.fitting import takes_none, takes_several

MOST_SCENARIOS: Final = 100_000
"""A grid with more is taken for a mistake."""

_GRID: Final = "grid"
_OWN_KEYS: Final = ("trials", "seed", _GRID)


@dataclass(frozen=True, slots=True)
class Grid:
    """What a file asks for.

    ``trials`` is of each scenario, ``seed`` of all.
    """

    scenarios: tuple[Scenario, ...]
    trials: int = 100
    seed: int = 1


def grid(**options: object) -> tuple[Scenario, ...]:
    """The scenarios of a grid: each option has one value or, in a list, several.

    The values of different options are multiplied, in the order in which the options stand, the
    last one changing fastest.  Of an option that takes a list (``drop``, ``suite``), a list of
    lists is several values.  A range, an array of numpy or anything else that is a sequence and no
    text counts as a list.  Raises ConfigurationError, naming the option and the remedy.
    """
    for name in options:
        if name not in option_types():
            raise ConfigurationError(unknown_option(name))
    axes = _axes({name: _plain(name, value) for name, value in options.items()})
    total = math.prod(map(len, axes.values()))
    if not 0 < total <= MOST_SCENARIOS:
        raise ConfigurationError(
            f"{total:,} scenarios: a grid has 1 to {MOST_SCENARIOS:,}; change its axes"
        )
    return tuple(_scenarios(axes))


def _plain(name: str, value: Any) -> Any:
    """Ranges, tuples and arrays as lists, unless they are one value of an option."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple) and takes_several(option_types()[name]):
        return value
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def read_grid(path: str | PathLike[str], progress: Progress = silent) -> Grid:
    """The grid in a file; raises ConfigurationError, naming the file, the key and the remedy.

    ``progress`` is called with the scenarios that are made, and how many the file has so far.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read {str(path)!r}: {reason}") from error
    try:
        return parse_grid(text, progress)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def parse_grid(text: str, progress: Progress = silent) -> Grid:
    """The grid in ``text``; raises ConfigurationError, naming the key and the remedy."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"not TOML: {error}") from None
    trials, seed = table.pop("trials", 100), table.pop("seed", 1)
    check_trials(trials, seed)
    grids = table.pop(_GRID, [{}])
    if not isinstance(grids, list) or not all(isinstance(each, dict) for each in grids):
        raise ConfigurationError("grid: further grids are tables, each headed [[grid]]")
    common = _named(table)
    scenarios: list[Scenario] = []
    for each in grids:
        for key in ("trials", "seed"):
            if key in each:
                raise ConfigurationError(
                    f"{key} in a [[grid]]: trials and seed hold for all grids; put them above the "
                    "first [[grid]]"
                )
        axes = _axes({**common, **_named(each)})
        total = len(scenarios) + math.prod(map(len, axes.values()))
        if total > MOST_SCENARIOS:
            raise ConfigurationError(f"more than {MOST_SCENARIOS:,} scenarios: shorten the axes")
        for scenario in _scenarios(axes):
            scenarios.append(scenario)
            progress(len(scenarios), total)
    if not scenarios:
        raise ConfigurationError("no scenario is left: give every axis a value, or leave it out")
    return Grid(tuple(scenarios), trials, seed)


def _named(table: Mapping[str, Any]) -> dict[str, Any]:
    """The options under the names that Python knows them by."""
    named: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in option_types():
            raise ConfigurationError(unknown_option(key, _OWN_KEYS, dashes=True))
        if name in named:
            raise ConfigurationError(f"{key} is there twice, with a dash and an underscore")
        if isinstance(value, dict):
            raise ConfigurationError(f"{key}: give a value or a list of values, not a table")
        named[name] = value
    return named


def _axes(options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each option, one or several."""
    return {name: _values(name, value) for name, value in options.items()}


def _values(name: str, value: Any) -> list[Any]:
    hint = option_types()[name]
    several = isinstance(value, list)
    if takes_several(hint):
        several = several and bool(value) and all(isinstance(each, list) for each in value)
    values = value if several else [value]
    if takes_none(hint):
        values = [None if each == "none" else each for each in values]
    if any(values.count(each) > 1 for each in values):
        raise ConfigurationError(f"{name}: a value stands there twice")
    return list(values)


def _scenarios(axes: Mapping[str, Sequence[Any]]) -> Iterator[Scenario]:
    varying = [name for name, values in axes.items() if len(values) > 1]
    for combination in itertools.product(*axes.values()):
        values = dict(zip(axes, combination, strict=True))
        try:
            yield Scenario.of(values)
        except ConfigurationError as error:
            place = ", ".join(f"{name} {as_text(values[name])}" for name in varying)
            raise ConfigurationError(f"{error} (with {place})" if place else str(error)) from None
