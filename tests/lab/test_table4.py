from __future__ import annotations

from handshake_over_coap.lab.example import CLIENT_KEYS
from handshake_over_coap.lab.published import TABLE_4, Left
from handshake_over_coap.lab.table4 import left, rows
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.codepoints import ContentType


def test_table_4_is_met_exactly() -> None:
    assert [row.ours for row in rows()] == [row.published for row in rows()]
    assert TABLE_4[80] == Left(51, 69)


def test_what_is_left_fills_the_datagram() -> None:
    sealed = Sealer(CLIENT_KEYS).seal_datagram(ContentType.application_data, bytes(left(80).plain))
    assert len(sealed) == 80
