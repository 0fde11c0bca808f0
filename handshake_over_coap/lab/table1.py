"""Table 1 of the practical-issues draft: datagrams and bytes by the limit on UDP payloads.

Beside each published figure stands that of our classic carrier for the example handshake
(:mod:`.example`).  Where they differ, a budget says which bytes the difference is made of, against
the packing that the published figures point to (:mod:`.reconstruction`); what that packing leaves
over stands in the budget too, by the name :data:`UNEXPLAINED`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.lab.example import carry
from handshake_over_coap.lab.parts import parts_of
from handshake_over_coap.lab.published import TABLE_1, Total
from handshake_over_coap.lab.reconstruction import reconstruct

UNEXPLAINED: Final = "not accounted for"
"""The entry of a budget for what the reconstruction misses of the published figure."""


@dataclass(frozen=True, slots=True)
class Row:
    """One column of the draft's table.

    ``limit`` is the largest UDP payload in bytes.  ``budget`` has the bytes by which the published
    figure exceeds ours (below zero: falls short), by cause; it is empty where both are the same.
    """

    limit: int
    published: Total
    ours: Total
    budget: dict[str, int] = field(default_factory=dict)


def rows() -> tuple[Row, ...]:
    """The table, by rising limit."""
    return tuple(_row(limit, published) for limit, published in TABLE_1.items())


def _row(limit: int, published: Total) -> Row:
    ours = parts_of(carry(limit))
    if ours.total == published:
        return Row(limit, published, ours.total)
    theirs = reconstruct(limit)
    mine, them = ours.by_name(), theirs.by_name()
    budget = {name: them[name] - mine[name] for name in mine}
    budget[UNEXPLAINED] = published.bytes - theirs.bytes
    return Row(limit, published, ours.total, {name: n for name, n in budget.items() if n})
