"""Headers of classic DTLS on and off: nothing is lost, and nothing raises but our errors."""

from __future__ import annotations

import contextlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.adapters.conversation import begin_client, begin_server
from handshake_over_coap.adapters.framing import FromStack, ToStack
from handshake_over_coap.encodings.items import BodyItem
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls12 import (
    MAX_PLAINTEXT,
    PlaintextRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import Alert, UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from tests.support.openssl_stacks import ECDSA_CCM_8

bodies = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=6)
sealed = st.builds(
    SealedRecord,
    content_type=st.just(int(ContentType.handshake)),
    epoch=st.integers(1, 3),
    sequence_number=st.integers(0, 2**48 - 1),
    fragment=st.binary(min_size=17, max_size=80),
)


def framed(items: list[BodyItem]) -> list[bytes]:
    framing = ToStack()
    return [datagram for item in items for datagram in framing.datagrams(item)]


@given(bodies, st.lists(sealed, min_size=1, max_size=2))
def test_a_flight_comes_back_from_its_datagrams(
    messages: list[tuple[int, bytes]], records: list[SealedRecord]
) -> None:
    items: list[BodyItem] = [
        HandshakeMessage(kind, body, seq) for seq, (kind, body) in enumerate(messages)
    ]
    items += [ChangeCipherSpec(), *records]
    datagrams = framed(items)
    assert len(datagrams) == len(items)
    back = FromStack()
    assert list(back.said(b"".join(datagrams)).items) == items
    assert back.said(b"".join(datagrams)).items == (), "all of it is repetition"


def test_records_in_the_clear_are_numbered_as_they_go() -> None:
    datagrams = framed(
        [HandshakeMessage(1, b"a"), HandshakeMessage(2, b"b", 1), ChangeCipherSpec()]
    )
    numbers = [record.sequence_number for each in datagrams for record in split_datagram(each)]
    assert numbers == [0, 1, 2]


def test_a_message_too_long_for_a_record_goes_in_fragments() -> None:
    message = HandshakeMessage(11, bytes(range(256)) * 64, 0)  # 16,384 bytes and a header
    datagrams = framed([message])
    assert len(datagrams) == 2
    assert all(len(each) <= 13 + MAX_PLAINTEXT for each in datagrams)
    assert FromStack().said(b"".join(datagrams)).items == (message,)


def test_a_fatal_alert_is_told_and_a_warning_is_not() -> None:
    warning, fatal = Alert(1, 41), Alert(2, 40)
    output = [
        PlaintextRecord(ContentType.alert, number, alert.encode()).to_bytes()
        for number, alert in enumerate((fatal, warning))
    ]
    assert FromStack().said(b"".join(output)).alert == fatal
    assert FromStack().said(output[1]).alert is None


@cache
def _of_openssl() -> tuple[bytes, ...]:
    """A flight 2 of OpenSSL's as records."""
    client, flight = begin_client(ECDSA_CCM_8.client())
    del client
    _, answer = begin_server(ECDSA_CCM_8.server()).receive(flight)
    return tuple(framed([*answer, ChangeCipherSpec(), SealedRecord(22, 1, 0, bytes(40))]))


@given(st.data())
def test_output_that_was_mutated_raises_nothing_but_our_errors(data: st.DataObject) -> None:
    records = list(data.draw(st.permutations(_of_openssl())))
    output = bytearray(b"".join(records[: data.draw(st.integers(1, len(records)))]))
    for _ in range(data.draw(st.integers(1, 4))):
        output[data.draw(st.integers(0, len(output) - 1))] = data.draw(st.integers(0, 255))
    framing = FromStack()
    with contextlib.suppress(Error):
        found = framing.said(bytes(output[: data.draw(st.integers(0, len(output)))]))
        assert sum(isinstance(item, HandshakeMessage) for item in found.items) <= 5


def test_a_record_of_dtls_13_has_no_datagram() -> None:
    with pytest.raises(UnexpectedMessage, match=r"DTLS 1\.3"):
        framed([CiphertextRecord(b"\x2c\x00", bytes(40))])
