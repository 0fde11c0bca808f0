"""Every byte of our DTLS 1.3 flights beside the comparison draft's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from handshake_over_coap.lab.published_sizes import (
    CONTENT_TYPE,
    RECORDS,
    SEALED,
    SIZES,
    Place,
    Published,
)
from handshake_over_coap.lab.sizes import ACK, MEAN_SIGNATURE, Row, checked, records, rows
from handshake_over_coap.lab.sizes_text import REASONS, TABLES
from handshake_over_coap.records.dtls13 import MIN_CIPHERTEXT
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.sim import Side
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import AES_128_CCM_8

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizes.md"
TYPES = {
    Place("encrypted_extensions", "client_certificate_type"): -1,
    Place("encrypted_extensions", "server_certificate_type"): -1,
}
TICKET = "raw public keys, connection IDs, a ticket"

UDP = {
    "raw public keys": (179, 445, 254, 29),
    "PSK, ECDHE": (213, 219, 55, 29),
    "PSK": (130, 146, 55, 29),
    "raw public keys, x25519 and Ed25519": (146, 358, 200, 29),
    "PSK, ECDHE with x25519": (180, 186, 55, 29),
    "raw public keys, connection IDs": (185, 452, 255, 30),
    "PSK, ECDHE, connection IDs": (219, 226, 56, 30),
    "PSK, connection IDs": (136, 153, 56, 30),
    TICKET: (192, 452, 255, 264, 30),
}
COAP = {
    "raw public keys": (183, 446, 277, 38),
    "PSK, ECDHE": (217, 220, 78, 38),
    "PSK": (134, 147, 78, 38),
    "raw public keys, x25519 and Ed25519": (150, 359, 223, 38),
    "PSK, ECDHE with x25519": (184, 187, 78, 38),
    "raw public keys, connection IDs": (189, 452, 277, 38),
    "PSK, ECDHE, connection IDs": (223, 226, 78, 38),
    "PSK, connection IDs": (140, 153, 78, 38),
    TICKET: (196, 452, 277, 271, 0),
}


def names(value: object) -> str:
    if isinstance(value, Published):
        return value.name
    return value.published.name if isinstance(value, Row) else ""


@pytest.mark.parametrize("published", SIZES, ids=names)
def test_the_lists_of_the_draft_add_up_to_its_totals(published: Published) -> None:
    assert tuple(sum(flight.values()) for flight in published.flights) == published.totals


@pytest.mark.parametrize("row", rows(), ids=names)
def test_our_flights_have_these_sizes_over_udp_and_over_coap(row: Row) -> None:
    assert tuple(flight.bytes for flight in row.flights) == UDP[row.published.name]
    assert tuple(flight.coap for flight in row.flights) == COAP[row.published.name]


@pytest.mark.parametrize("row", rows(), ids=names)
def test_the_differences_by_field_are_the_whole_difference(row: Row) -> None:
    for flight in row.flights:
        assert flight.bytes - flight.published == sum(flight.budget.values())
        assert set(flight.budget) <= set(REASONS)
        assert all(flight.budget.values())


@pytest.mark.parametrize("row", rows(), ids=names)
def test_ours_differ_from_the_draft_in_what_it_gets_wrong_or_leaves_out(row: Row) -> None:
    signs = row.published.options["auth"] == "rpk"
    first, second, third, fourth, *more = (dict(flight.budget) for flight in row.flights)
    assert second == (TYPES if signs else {})
    assert third == {}
    if row.published.name == TICKET:
        assert first == {Place("client_hello", "psk_key_exchange_modes"): 7}
        ticket = fourth.pop(Place("new_session_ticket", "ticket"))
        assert ticket > 100
        assert fourth == {Place(ACK, "record"): 32, Place(SEALED, CONTENT_TYPE): 1}
        assert more == [{Place(ACK, "record"): 30}]
    else:
        assert first == {}
        assert fourth == {Place(ACK, "record"): 30 if row.published.cid else 29}
        assert not more


@pytest.mark.parametrize("row", rows(), ids=names)
def test_the_flights_are_those_of_the_draft(row: Row) -> None:
    senders = [flight.sender for flight in row.flights[:4]]
    assert senders == [Side.CLIENT, Side.SERVER] * 2
    for flight in row.flights:
        signature = flight.fields.get(Place("certificate_verify", "signature"))
        assert signature in (None, 64, MEAN_SIGNATURE)


@pytest.mark.parametrize("row", rows(), ids=names)
def test_a_body_is_shorter_than_the_flight_over_udp_and_coap_adds_little(row: Row) -> None:
    for flight in row.flights[:4]:
        assert flight.body <= flight.bytes
        assert 9 <= flight.coap - flight.body <= 26


def test_a_cookie_has_no_byte_that_the_second_hello_tells_again() -> None:
    """A proof of 8 bytes and the first hello's hash; the extension has 6 bytes around them."""
    for row in checked():
        cookie = 6 + 8 + 32
        hello_retry_request = 13 + 12 + 2 + 32 + 1 + 2 + 1 + 2 + 6 + cookie
        assert row.udp[0] == UDP[row.name][0]
        assert row.udp[1:3] == (hello_retry_request, row.udp[0] + cookie)
        assert row.coap[1] == 4 + 4 + 10  # header, token and an Echo of 8 bytes


def test_records_are_as_long_as_the_draft_says_but_where_it_breaks_a_rule() -> None:
    more = {("1.2", ""): 0, ("1.2", "42"): 1, ("1.2", "4002"): 1}
    found = {(row.version, row.cid.hex()): row.ours - row.published for row in records()}
    # 1.2: a content type inside (RFC 9146); 1.3: ciphertexts of 16 bytes at least (RFC 9147).
    assert found == {**more, ("1.3", ""): 1, ("1.3", "42"): 1, ("1.3", "4002"): 1}


@pytest.mark.parametrize("cid", RECORDS["1.3"])
def test_records_of_1_3_are_as_the_draft_says_from_7_bytes_of_data_on(cid: str) -> None:
    keys = TrafficKeys(3, AES_128_CCM_8, bytes(16), bytes(12), bytes(16))
    sealer = Sealer13(keys, cid=bytes.fromhex(cid), short_header=True)
    lengths = [len(sealer.seal_datagram(ContentType.application_data, bytes(n))) for n in (6, 7)]
    assert lengths[1] - 7 == RECORDS["1.3"][cid]
    assert lengths[0] == lengths[1] == 2 + len(bytes.fromhex(cid)) + MIN_CIPHERTEXT


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_the_tables_of_this_code(table: Callable[[], str]) -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
