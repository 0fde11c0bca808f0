"""Which session a record belongs to: one live association for each endpoint, and its successor.

With a connection ID, records find their session whatever address they come from (RFC 9146 section
6, RFC 9147 section 9).

A client that starts again on the same port completes a new handshake beside its old association;
the old one lives until the first valid record of the new (RFC 6347 section 4.2.8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import Closed
from handshake_over_coap.records.dtls13 import CID_BIT, FIXED_BITS, FIXED_MASK
from handshake_over_coap.records.errors import RecordDropped
from handshake_over_coap.tls.codepoints import ContentType

from .session import Session

REPLACED = "replaced by a newer handshake from the same endpoint"

MOST_ALIKE = 8
"""Sessions with one connection ID that are tried for a datagram from a new address."""

_CID_OFFSET_1_2 = 11


def connection_id_in(data: bytes, length: int) -> bytes:
    """The connection ID of ``length`` bytes in the first record of a datagram; empty if none."""
    if not data or not length:
        return b""
    if data[0] == ContentType.tls12_cid:
        return data[_CID_OFFSET_1_2 : _CID_OFFSET_1_2 + length]
    if data[0] & (FIXED_MASK | CID_BIT) == FIXED_BITS | CID_BIT:
        return data[1 : 1 + length]
    return b""


@dataclass(slots=True)
class _Association:
    live: Session
    successor: Session | None = None

    def __contains__(self, session: Session) -> bool:
        return session is self.live or session is self.successor


class Associations:
    """The sessions of a server, by the endpoint of their client and by connection ID."""

    def __init__(self, counters: Counter[str]) -> None:
        self._sessions: dict[Session, Address] = {}
        """Every session, and where :attr:`_by_address` has it, if it has."""
        self._by_address: dict[Address, _Association] = {}
        self._by_cid: dict[bytes, list[Session]] = {}
        self._cid_length = 0
        self._counters = counters

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions))

    def add(self, session: Session) -> None:
        """A handshake has completed; a successor that never spoke makes room."""
        self._sessions[session] = session.address
        if session.own_cid:
            self._cid_length = len(session.own_cid)
            # Short ones meet; of too many the oldest can no longer move.
            alike = self._by_cid.setdefault(session.own_cid, [])
            alike.append(session)
            del alike[:-MOST_ALIKE]
        association = self._by_address.get(session.address)
        if association is None:
            self._by_address[session.address] = _Association(session)
            return
        if association.successor is not None:
            association.successor.end(Closed(REPLACED))
        association.successor = session

    def remove(self, session: Session) -> None:
        """A session has ended."""
        alike = self._by_cid.get(session.own_cid, [])
        if session in alike:
            alike.remove(session)
            if not alike:
                del self._by_cid[session.own_cid]
        address = self._sessions.pop(session, None)
        if address is not None:
            self._leave(session, address)

    def _leave(self, session: Session, address: Address) -> None:
        """A session is no longer at ``address``: its successor there takes its place."""
        association = self._by_address.get(address)
        if association is None or session not in association:
            return
        if association.live is session and association.successor is not None:
            association.live = association.successor
        elif association.live is session:
            del self._by_address[address]
            return
        association.successor = None

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
            if not (self._from_elsewhere(data, address, None) or otherwise()):
                self._counters["dropped: record without a session"] += 1
            return
        live, successor = association.live, association.successor
        try:
            live.open(data)
        except RecordDropped as dropped:
            if successor is not None and self._speaks(successor, data):
                live.end(Closed(REPLACED))
            elif not (self._from_elsewhere(data, address, association) or otherwise()):
                live.drop(dropped)

    def _from_elsewhere(self, data: bytes, address: Address, tried: _Association | None) -> bool:
        """Take a datagram with the connection ID of a session that is not at ``address``."""
        cid = connection_id_in(data, self._cid_length)
        for session in tuple(self._by_cid.get(cid, ())) if cid else ():
            if tried is not None and session in tried:
                continue
            try:
                moved = session.open(data, address)
            except RecordDropped:
                session.end_if_dead()
                continue
            if moved:
                self._move(session)
            return True
        return False

    def _move(self, session: Session) -> None:
        """The peer of ``session`` is at another address now.

        Whoever is known to be there stays there: a record may come from an address of the sender's
        choice, and proves nothing about it.  A session with a connection ID is found without.
        """
        before = self._sessions.get(session)
        if before is None:  # its last record has ended it
            return
        self._leave(session, before)
        self._sessions[session] = session.address
        if session.address not in self._by_address:
            self._by_address[session.address] = _Association(session)

    def _speaks(self, successor: Session, data: bytes) -> bool:
        """Whether a datagram is the successor's."""
        try:
            successor.open(data)
        except RecordDropped:
            return False
        return True
