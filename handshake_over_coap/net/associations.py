"""Which session a record belongs to: one live association for each endpoint, and its successor.

A client that starts again on the same port completes a new handshake beside its old association;
the old one lives until the first valid record of the new (RFC 6347 section 4.2.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import Closed
from handshake_over_coap.records.errors import RecordDropped

from .session import Session

REPLACED = "replaced by a newer handshake from the same endpoint"


@dataclass(slots=True)
class _Association:
    live: Session
    successor: Session | None = None


class Associations:
    """The sessions of a server by the endpoint of their client."""

    def __init__(self, counters: Counter[str]) -> None:
        self._by_address: dict[Address, _Association] = {}
        self._counters = counters

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Session]:
        for association in list(self._by_address.values()):
            yield association.live
            if association.successor is not None:
                yield association.successor

    def add(self, session: Session) -> None:
        """A handshake has completed; a successor that never spoke makes room."""
        association = self._by_address.get(session.address)
        if association is None:
            self._by_address[session.address] = _Association(session)
            return
        if association.successor is not None:
            association.successor.end(Closed(REPLACED))
        association.successor = session

    def remove(self, session: Session) -> None:
        """A session has ended."""
        association = self._by_address.get(session.address)
        if association is None:
            return
        if association.successor is session:
            association.successor = None
        elif association.live is session:
            if association.successor is None:
                del self._by_address[session.address]
            else:
                association.live, association.successor = association.successor, None

    def on_datagram(
        self,
        data: bytes,
        address: Address,
        otherwise: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take a datagram of records; those that open nowhere are dropped and counted.

        ``otherwise`` may take a datagram that no session can open; it says whether it did.
        """
        association = self._by_address.get(address)
        if association is None:
            if not otherwise():
                self._counters["dropped: record without a session"] += 1
            return
        live, successor = association.live, association.successor
        try:
            live.open(data)
        except RecordDropped as dropped:
            if successor is not None and self._speaks(successor, data):
                live.end(Closed(REPLACED))
            elif not otherwise():
                live.drop(dropped)

    def _speaks(self, successor: Session, data: bytes) -> bool:
        """Whether a datagram is the successor's."""
        try:
            successor.open(data)
        except RecordDropped:
            return False
        return True
