"""Table 2 of the practical-issues draft: table 1 with its stateless header compression (SHC).

Ours is the example handshake (:mod:`.example`), each message in a record of its own and cut where
the classic carrier would cut it, with headers as our codec of the draft's sketch makes them
(:mod:`.shc`).  No carrier sends it.

As in table 1, a budget says which bytes a difference is made of, against the packing that the nine
small columns point to: the messages of :mod:`.reconstruction`, sharing records, a Finished not cut
unless it has to be.  What that leaves over stands in the budget too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.lab.example import flights
from handshake_over_coap.lab.published import TABLE_2, Total
from handshake_over_coap.lab.reconstruction import FLIGHTS, LEAST, Flight, Message
from handshake_over_coap.lab.shc_packing import CompressedParts, Policy, pack
from handshake_over_coap.lab.table1 import UNEXPLAINED
from handshake_over_coap.tls.flight import HandshakeMessage

UNCUT: Final = 1152
"""The limit at which nothing is fragmented; the published example has other messages there."""

_OURS: Final = Policy()
_THEIRS: Final = Policy(share=True, least=LEAST, least_sealed=12)


@dataclass(frozen=True, slots=True)
class Row:
    """One column of the draft's table; see :class:`.table1.Row`."""

    limit: int
    published: Total
    ours: Total
    budget: dict[str, int] = field(default_factory=dict)


def rows() -> tuple[Row, ...]:
    """The table, by rising limit."""
    return tuple(_row(limit, published) for limit, published in TABLE_2.items())


def compressed(limit: int) -> CompressedParts:
    """The example handshake with SHC and datagrams of at most ``limit`` bytes."""
    return pack(_example(), limit, _OURS)


def reconstructed(limit: int) -> CompressedParts:
    """The messages that the small columns point to, in their packing."""
    return pack(FLIGHTS, limit, _THEIRS)


def _example() -> tuple[Flight, ...]:
    return tuple(
        tuple(
            Message(item.type, len(item.body), item.message_seq, bool(item.epoch))
            if isinstance(item, HandshakeMessage)
            else None
            for item in flight
        )
        for flight in flights()
    )


def _row(limit: int, published: Total) -> Row:
    ours = compressed(limit)
    theirs = ours if limit == UNCUT else reconstructed(limit)
    mine, them = ours.by_name(), theirs.by_name()
    budget = {name: them[name] - mine[name] for name in mine}
    budget[UNEXPLAINED] = published.bytes - theirs.bytes
    return Row(limit, published, ours.total, {name: n for name, n in budget.items() if n})
