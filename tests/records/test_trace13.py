"""Records of a connection that another stack made, byte by byte.

Keys and records are those of the connection that "The Illustrated DTLS 1.3 Connection" documents
(dtls.xargs.org, by Michael Driscoll; recorded with wolfSSL, TLS_AES_128_GCM_SHA256).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from handshake_over_coap.records import (
    Ack,
    CiphertextRecord,
    Opener13,
    RecordNumber,
    Sealer13,
    split13,
)
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import AES_128_GCM


def traffic_keys(epoch: int, key: str, iv: str, sn_key: str) -> TrafficKeys:
    return TrafficKeys(
        epoch, AES_128_GCM, bytes.fromhex(key), bytes.fromhex(iv), bytes.fromhex(sn_key)
    )


CLIENT_HANDSHAKE = traffic_keys(
    2,
    "6caa2633d5e48f10051e69dc45549c97",
    "106dc6e393b7a9ea8ef29dd7",
    "beed6218676635c2cb46a45694144fec",
)
SERVER_HANDSHAKE = traffic_keys(
    2,
    "004e03e64ab6cba6b542775ec230e20a",
    "6d9924be044ee97c624913f2",
    "7173fac51194e775001d625ef69d7c9f",
)
CLIENT_APPLICATION = traffic_keys(
    3,
    "9ba90dbce8857bc1fcb81d41a0465cfe",
    "682219974631fa0656ee4eff",
    "5cb5bd8bac29777c650c0dde22d16d47",
)
SERVER_APPLICATION = traffic_keys(
    3,
    "2b65fffbbc8189474aa2003c43c32d4d",
    "582f5a11bdaf973fe3ffeb4e",
    "57ba02596c6a1352d7fe8416c7e17d5a",
)


class Seen(NamedTuple):
    """One record of the connection."""

    keys: TrafficKeys
    number: int
    wire: str
    content_type: int
    content: str


RECORDS = {
    "EncryptedExtensions": Seen(
        SERVER_HANDSHAKE,
        0,
        "2e79fa002f ee9dcff3f8679a4859fe68377fb34ada85df879c673e501d7a4e8f1950e0fc"
        "f67fe442e7d7d2b8a3d5fa59574ffd00",
        22,
        "08000012000100000000001200 10000a000c000a0017001d001800190100",
    ),
    "Finished of the server": Seen(
        SERVER_HANDSHAKE,
        3,
        "2e0bb8003d a44135732a099823b8a5f61a2b35ce921a89abb152f876cd26797dc3ed73d917"
        "b299c16928b9cf9e58d1cd58686b8b90ce9fe6454e0cef9efc40f2397a",
        22,
        "1400002000040000000000201d89aa62e5f88a0fc952884715d8acb3798659afb9e7789a8db2b3816ba45246",
    ),
    "Finished of the client": Seen(
        CLIENT_HANDSHAKE,
        0,
        "2ec248003d 8a2cd52d5000f8786afb47cdf0b8f2b81342b00c43dce64b1d0194d2e201f681"
        "750978528bbe26af79612401c007a2c5f75f7cffb7465bc01d23d8511f",
        22,
        "1400002000010000000000206f2801396b0e90ebb4a3ba384abcfc6b24201abd81b316b2391da378377facf5",
    ),
    "ACK": Seen(
        SERVER_APPLICATION,
        0,
        "2f31500023 ea80ab8e08c93895418d243571ea6de7d863ee84230bb6043cb384df94b6da285a3bc4",
        26,
        "001000000000000000020000000000000000",
    ),
    "ping": Seen(
        CLIENT_APPLICATION,
        0,
        "2f683f0015 7d72278b6c649f1e7b56b3cad411faf7bd518bfb15",
        23,
        "70696e67",
    ),
    "pong": Seen(
        SERVER_APPLICATION,
        1,
        "2fa2580015 f5bd33f27b72780e351fa00703fb9f658c689f95ae",
        23,
        "706f6e67",
    ),
    "close_notify": Seen(
        SERVER_APPLICATION,
        2,
        "2f690c0013 dd8cd07daa964fd1ab508825378fc96fa8b1e8",
        21,
        "0100",
    ),
}
EACH = pytest.mark.parametrize("seen", RECORDS.values(), ids=RECORDS)


@EACH
def test_a_record_of_the_trace_opens(seen: Seen) -> None:
    opener = Opener13()
    opener.add(seen.keys)
    expected = (seen.content_type, bytes.fromhex(seen.content), seen.keys.epoch, seen.number)
    assert opener.open_datagram(bytes.fromhex(seen.wire)) == expected


@EACH
def test_the_same_content_seals_to_the_record_of_the_trace(seen: Seen) -> None:
    sealer = Sealer13(seen.keys, next_sequence_number=seen.number)
    record = sealer.seal(seen.content_type, bytes.fromhex(seen.content))
    assert record.to_bytes() == bytes.fromhex(seen.wire)
    assert record.number == (seen.keys.epoch, seen.number)


def test_the_ack_of_the_trace_names_the_finished_of_the_client() -> None:
    content = bytes.fromhex(RECORDS["ACK"].content)
    assert Ack.decode(content) == Ack((RecordNumber(2, 0),))
    assert Ack((RecordNumber(2, 0),)).encode() == content


def test_the_records_of_the_server_open_from_one_datagram_under_two_epochs() -> None:
    names = ("EncryptedExtensions", "Finished of the server", "ACK", "pong", "close_notify")
    datagram = b"".join(bytes.fromhex(RECORDS[name].wire) for name in names)
    opener = Opener13()
    opener.add(SERVER_HANDSHAKE)
    opener.add(SERVER_APPLICATION)
    opened = []
    for record in split13(datagram):
        assert isinstance(record, CiphertextRecord)
        opened.append(opener.open(record))
    assert [each.number for each in opened] == [(2, 0), (2, 3), (3, 0), (3, 1), (3, 2)]
    assert [each.plaintext.hex() for each in opened] == [
        RECORDS[name].content.replace(" ", "") for name in names
    ]
