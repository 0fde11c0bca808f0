"""Connection IDs in DTLS 1.3 (RFC 9147 sections 4 and 9)."""

from __future__ import annotations

import pytest

from handshake_over_coap.records import (
    CiphertextRecord,
    MalformedRecord,
    Opener13,
    Sealer13,
    UnknownConnectionId,
    split13,
)
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import AES_128_CCM_8

CID = b"\xc1\xd2\xe3"
KEYS = TrafficKeys(3, AES_128_CCM_8, bytes(range(16)), bytes(range(12)), bytes(range(16, 32)))


def opener(cid: bytes = CID) -> Opener13:
    made = Opener13(cid=cid)
    made.add(KEYS)
    return made


def test_a_record_needs_the_connection_id_that_was_agreed_on() -> None:
    receiver = opener()
    good = Sealer13(KEYS, cid=CID).seal(23, b"data")
    for cid in (b"", b"\xc1\xd2\xe4"):
        other = Sealer13(KEYS, cid=cid).seal(23, b"data")
        with pytest.raises(UnknownConnectionId) as caught:
            receiver.open(other)
        assert caught.value.reason == "connection-id"
        with pytest.raises(UnknownConnectionId):
            receiver.open_datagram(other.to_bytes())
    assert receiver.forgeries == 0
    assert receiver.open_datagram(good.to_bytes()) == (23, b"data", 3, 0)


def test_the_first_record_of_a_datagram_speaks_for_the_others() -> None:
    with_cid = Sealer13(KEYS, cid=CID).seal_datagram(23, b"one")
    without = Sealer13(KEYS, next_sequence_number=1).seal_datagram(23, b"two")
    receiver = opener()
    plaintexts = []
    for record in split13(with_cid + without, len(CID)):
        assert isinstance(record, CiphertextRecord)
        plaintexts.append(receiver.open(record).plaintext)
    assert plaintexts == [b"one", b"two"]


def test_a_body_needs_no_connection_id_but_no_other_either() -> None:
    receiver = opener()
    sealers = [Sealer13(KEYS, cid=cid, next_sequence_number=len(cid)) for cid in (b"", CID)]
    for sealer in sealers:
        assert receiver.open_in_body(sealer.seal(22, b"message")).plaintext == b"message"
    with pytest.raises(UnknownConnectionId):
        receiver.open_in_body(Sealer13(KEYS, cid=b"\xff").seal(22, b"message"))


def test_a_connection_id_that_nobody_agreed_on_is_no_record() -> None:
    data = Sealer13(KEYS, cid=CID).seal_datagram(23, b"data")
    assert opener(b"").open_datagram(data) is None
    with pytest.raises(MalformedRecord):
        list(split13(data))
