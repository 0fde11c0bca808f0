"""The published tables as data: published figures, ours beside them.

The rows are those that ``hoc tables N --json`` prints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab import claeys, keoh, size_maps, table1, table2, table4, table5
from handshake_over_coap.lab.selection import Selection
from handshake_over_coap.lab.simulate import Progress, check_trials

NAMES: Final = ("1", "2", "4", "5", "keoh", "claeys", "sizes")
"""The tables there are; the numbers are those of the practical-issues draft."""

Row: TypeAlias = (
    table1.Row | table2.Row | table4.Row | table5.Row | keoh.Row | claeys.Row | size_maps.Row
)

_FEWEST: Final = 2


def table(
    name: int | str,
    trials: int | None = None,
    seed: int = 1,
    *,
    losses: Sequence[float] | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    authentication: str = "server",
    loss_model: str = "independent",
    carriers: bool = True,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """The rows of a published table: 1, 2, 4, 5, ``"keoh"``, ``"claeys"`` or ``"sizes"``.

    Each row has ``limit`` (bytes), ``loss`` (a fraction) or ``handshake`` (a name), ``published``
    and ``ours``.  ``trials`` (2 or more; without it, as many as ``hoc tables --full`` makes) and
    ``seed`` are for what is simulated: ``"sizes"``, 5, ``"keoh"`` and ``"claeys"``; the last three
    can be had for some of their ``losses``, and with some of their ``columns``
    (``"coap-1.3-lean"``).  Table 5 can be had under other conditions
    than the draft's: with datagrams of up to ``limit`` bytes (65, 127, 1152), with
    ``authentication`` of the ``"server"`` or ``"mutual"``, and with a ``loss_model``
    (``"independent"``, ``"bursty"``, ``"jitter"``, ``"bursty-jitter"``); and without our
    ``carriers``, which take nearly all of its time.  ``progress`` is called with the number of
    handshakes that are done, and of how many.  The same arguments give the same rows.  Raises
    ConfigurationError.
    """
    known = str(name)
    if known not in NAMES:
        raise ConfigurationError(f"there is no table {name!r}: choose one of {', '.join(NAMES)}")
    check_trials(_FEWEST if trials is None else trials, seed)
    if trials is not None and trials < _FEWEST:
        raise ConfigurationError(f"trials: one trial has no spread; give {_FEWEST} or more")
    selection = Selection(
        losses=losses,
        columns=columns,
        limit=limit,
        authentication=authentication,
        loss_model=loss_model,
    )
    selection.check_for(known)
    if known == "5":
        return in_json(
            table5.rows(trials, seed, selection=selection, carriers=carriers, progress=progress)
        )
    if not carriers:
        raise ConfigurationError("carriers belongs to table 5: leave it out")
    if known == "keoh":
        return in_json(keoh.rows(trials, seed, selection=selection, progress=progress))
    if known == "claeys":
        return in_json(claeys.rows(trials, seed, selection=selection, progress=progress))
    if known == "sizes":
        return in_json(size_maps.rows(trials, seed, progress=progress))
    if known == "1":
        return in_json(table1.rows())
    return in_json(table2.rows() if known == "2" else table4.rows())


def in_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows in the form that JSON has them."""
    return [
        dataclasses.asdict(row)
        if isinstance(row, table1.Row | table2.Row | table4.Row)
        else row.to_json()
        for row in rows
    ]
