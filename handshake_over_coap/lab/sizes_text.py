"""The tables of docs/sizes.md, from the figures of :mod:`.sizes`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from handshake_over_coap.lab.markdown import as_markdown
from handshake_over_coap.lab.published_sizes import CONTENT_TYPE, SEALED, Place
from handshake_over_coap.lab.sizes import ACK, checked, records, rows

REASONS: Final[Mapping[Place, str]] = MappingProxyType(
    {
        Place("encrypted_extensions", "client_certificate_type"): (
            "a server names one type in one byte (RFC 7250 section 3), here 5 bytes with the"
            " extension's header; the draft writes a list's length before it"
        ),
        Place("encrypted_extensions", "server_certificate_type"): "the same once more",
        Place(ACK, "record"): (
            "the last flight is acknowledged (RFC 9147 section 7.1); the draft counts no ACK."
            " Header 2, length 2, one record number 16, content type 1, tag 8; 1 more with a"
            " connection ID, 2 more for a length if another record follows"
        ),
        Place("client_hello", "psk_key_exchange_modes"): (
            "says which tickets are of use (RFC 8446 section 4.2.9); the draft's handshake gets"
            " one without saying so"
        ),
        Place("new_session_ticket", "ticket"): (
            "ours holds the session, sealed, so that a server keeps nothing; the draft's is a"
            " reference of 4 bytes to what a server keeps"
        ),
        Place(SEALED, CONTENT_TYPE): (
            "every sealed record has its type inside (RFC 9147 section 4); the draft's record with"
            " the ticket lacks it"
        ),
    }
)
"""Why ours differ from the draft's figures, by place."""


def sizes_table() -> str:
    """Bytes of each flight: the draft's, ours over UDP, our bodies and payloads over CoAP."""
    head = ("handshake", "", "#1", "#2", "#3", "#4", "flights of the draft", "everything")
    return as_markdown(head, _size_lines())


def _size_lines() -> Iterator[tuple[object, ...]]:
    for row in rows():
        totals, flights = row.published.totals, row.flights
        count = len(totals)
        yield row.published.name, "draft", *totals, *[""] * (4 - count), sum(totals), ""
        kinds = {
            f"UDP, {row.udp} datagrams": [flight.bytes for flight in flights],
            f"CoAP, {row.coap} datagrams": [flight.coap for flight in flights],
            "CoAP, bodies in them": [flight.body for flight in flights],
        }
        for kind, found in kinds.items():
            yield "", kind, *found[:4], sum(found[:count]), sum(found)


def budget_table() -> str:
    """Where ours and the draft's differ, by how many bytes, and why."""
    found: dict[tuple[int, Place], dict[int, int]] = {}
    for row in rows():
        for number, flight in enumerate(row.flights, 1):
            for place, more in flight.budget.items():
                counts = found.setdefault((number, place), {})
                counts[more] = counts.get(more, 0) + 1
    lines = []
    for (number, place), counts in sorted(found.items()):
        where = "record with an ACK" if place.where == ACK else ", ".join(place)
        bytes_ = ", ".join(f"{each:+} ({count})" for each, count in sorted(counts.items()))
        lines.append((f"#{number}", where, bytes_, REASONS[place]))
    return as_markdown(("flight", "where", "bytes (handshakes)", "why"), lines)


def checked_table() -> str:
    """The same handshakes with the address check, datagram by datagram."""
    lines: list[tuple[object, ...]] = []
    for row in checked():
        for name, sizes in (("UDP", row.udp), ("CoAP", row.coap)):
            lines.append((row.name, name, *sizes, sum(sizes)))
    return as_markdown(("handshake", "", "1", "2", "3", "4", "5", "6", "all"), lines)


def records_table() -> str:
    """What a record adds to 6 bytes of application data."""
    lines = [
        (f"DTLS {row.version}", row.cid.hex() or "none", row.published, row.ours)
        for row in records()
    ]
    return as_markdown(("", "connection ID", "draft", "ours"), lines)


TABLES: Final = (sizes_table, budget_table, checked_table, records_table)
"""What makes the tables, in the order of the page."""
