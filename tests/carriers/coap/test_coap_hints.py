"""Answers to flight 3 that anybody can forge are hints, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from handshake_over_coap.carriers.coap.scan import scan
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.records.dtls12 import SealedRecord, split_datagram
from handshake_over_coap.tls import credentials
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    HandshakeFailure,
)
from handshake_over_coap.tls.codepoints import AlertDescription, ContentType
from tests.support.exchange import (
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ECHO,
    ETAG,
    LOCATION_PATH,
    MAX_AGE,
    SERVER,
    Exchange,
    agree,
    block,
    exchange,
    response,
    uint,
    virtual,
)
from tests.support.network import Sent, Verdict
from tests.support.parties import IDENTITY

BAD_FORMAT = 65123
FATAL = bytes([2, AlertDescription.handshake_failure])


def is_flight_3(sent: Sent) -> bool:
    """Whether this is (a block of) a POST to a session's resource."""
    if sent.destination != SERVER or not 0x40 <= sent.data[0] < 0x80:
        return False
    path = scan(sent.data).path
    return len(path) == 2 and path[1] != b"dtls"


def forging(
    here: Exchange, forge: Callable[[Sent], bytes], *, times: int = 1, block_genuine: bool = False
) -> Verdict:
    """Answers the first flights 3 itself, before the server or in its place."""
    left = times

    def verdict(sent: Sent) -> Iterable[bytes]:
        nonlocal left
        if is_flight_3(sent) and left:
            left -= 1
            here.network.inject(forge(sent), SERVER, sent.source, 0.01)
            return () if block_genuine else (sent.data,)
        return (sent.data,)

    return verdict


FORGERIES: dict[str, Callable[[Sent], bytes]] = {
    "reset": lambda s: bytes([0x70, 0]) + s.data[2:4],
    "4.00": lambda s: response(s.data, 0x80),
    "4.00 alert": lambda s: response(s.data, 0x80, (CONTENT_FORMAT, uint(ALERT)), payload=FATAL),
    "4.00 no alert": lambda s: response(s.data, 0x80, (CONTENT_FORMAT, uint(ALERT)), payload=b"!"),
    "4.01": lambda s: response(s.data, 0x81, (ECHO, bytes(8))),
    "4.04": lambda s: response(s.data, 0x84),
    "4.08": lambda s: response(s.data, 0x88),
    "5.00": lambda s: response(s.data, 0xA0),
    "5.03": lambda s: response(s.data, 0xA3, (MAX_AGE, uint(2**32 - 1))),
    "2.04 empty": lambda s: response(s.data, 0x44),
    "2.04 garbage": lambda s: response(s.data, 0x44, payload=b"garbage"),
    "2.04 format": lambda s: response(
        s.data, 0x44, (CONTENT_FORMAT, uint(BAD_FORMAT)), payload=b"x"
    ),
    "2.01": lambda s: response(s.data, 0x41, payload=b"garbage"),
    "2.31": lambda s: response(s.data, 0x5F, (BLOCK1, block(0, True, 16))),
    "2.04 block": lambda s: response(
        s.data, 0x44, (BLOCK2, block(3, True, 16)), (ETAG, b"xx"), payload=bytes(16)
    ),
    "2.04 half": lambda s: response(
        s.data, 0x44, (BLOCK2, block(0, True, 64)), (ETAG, b"xx"), payload=bytes(9)
    ),
    "2.04 text": lambda s: response(s.data, 0x44, (LOCATION_PATH, b"\xff"), payload=b"x"),
    "2.04 exponent": lambda s: response(s.data, 0x44, (BLOCK2, b"\x0f"), payload=b"x"),
    "2.04 critical": lambda s: response(s.data, 0x44, (9, b""), payload=b"x"),
    "2.04 critical, confirmable": lambda s: response(
        s.data, 0x44, (9, b""), payload=b"x", kind=CON, mid=7
    ),
    "empty": lambda s: bytes([0x60, 0]) + s.data[2:4],
}


@pytest.mark.parametrize("size", [64, 1024])
@pytest.mark.parametrize("what", FORGERIES)
@virtual
async def test_one_forged_answer_to_flight_3_is_a_hint_and_no_more(what: str, size: int) -> None:
    async with exchange(block_size=size) as here:
        here.network.verdict = forging(here, FORGERIES[what])
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)
        assert here.begun == 1


@pytest.mark.parametrize("what", FORGERIES)
@virtual
async def test_one_forged_answer_in_place_of_the_genuine_is_survived_too(what: str) -> None:
    async with exchange() as here:
        here.network.verdict = forging(here, FORGERIES[what], block_genuine=True)
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("reset", CarrierError),
        ("4.00", CarrierError),
        ("4.00 alert", HandshakeFailure),
        ("4.00 no alert", CarrierError),
        ("4.08", CarrierError),
        ("5.00", CarrierError),
        ("5.03", CarrierError),
        ("2.04 empty", AlertError),
        ("2.04 garbage", AlertError),
        ("2.04 format", CarrierError),
        ("2.01", CarrierError),
        ("2.31", CarrierError),
        ("2.04 block", CarrierError),
        ("2.04 half", CarrierError),
        ("2.04 text", AlertError),
        ("2.04 exponent", HandshakeTimeout),
        ("2.04 critical", HandshakeTimeout),
        ("empty", HandshakeTimeout),
    ],
)
@virtual
async def test_what_stays_wrong_ends_with_an_error_of_ours(what: str, error: type[Error]) -> None:
    async with exchange() as here:
        here.network.verdict = forging(here, FORGERIES[what], times=10**6, block_genuine=True)
        with pytest.raises(error):
            await here.client().handshake()
        assert asyncio.get_running_loop().time() <= 60
        assert here.completed == []


@pytest.mark.parametrize("which", range(20))
@virtual
async def test_a_forged_reset_anywhere_is_not_the_end(which: int) -> None:
    async with exchange(block_size=32) as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.index == which:
                reset = bytes([0x70, 0]) + sent.data[2:4]
                here.network.inject(reset, sent.destination, sent.source, 0.001)
            return (sent.data,)

        here.network.verdict = verdict
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)


@virtual
async def test_a_wrong_key_is_an_alert_of_the_server_after_the_hint_was_checked() -> None:
    async with exchange() as here:
        client = here.client(psk=credentials.PSK(IDENTITY, b"not the right key"))
        with pytest.raises(AlertError) as caught:
            await client.handshake()
        assert caught.value.received
        assert not caught.value.authenticated
        codes = here.codes(SERVER)
        assert codes == ["4.01", "2.01", *["4.00"] * (1 + here.parameters.hint_retries)]
        assert here.server.counters["repeated flights"] == here.parameters.hint_retries
        assert here.completed == []
        await asyncio.sleep(61)
        assert here.residue() == {}


@virtual
async def test_an_unknown_identity_looks_like_a_wrong_key() -> None:
    seen = []
    for key in (
        credentials.PSK(IDENTITY, b"not the right key"),
        credentials.PSK(b"Xlient_identity", b"not the right key"),
    ):
        async with exchange() as here:
            with pytest.raises(AlertError) as caught:
                await here.client(psk=key).handshake()
            began = here.network.sent[0].time
            sent = here.network.between(SERVER, None)
            shapes = [(round(s.time - began, 6), s.data[1], len(s.data)) for s in sent]
            final = sent[-1].data[8:]
            seen.append((type(caught.value), caught.value.description, shapes, final))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("location", [True, False])
@pytest.mark.parametrize("size", [32, 1024])
@virtual
async def test_a_server_that_restarts_in_mid_handshake_gets_flight_1_again(
    size: int, location: bool
) -> None:
    async with exchange(block_size=size, location=location) as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            if here.begun == 1 and sent.destination == SERVER and here.completed == []:
                here.network.verdict = lambda s: (s.data,)
                here.new_server()
            return (sent.data,)

        here.network.verdict = verdict
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)
        assert here.begun == 2


@virtual
async def test_a_server_that_forgets_every_time_is_given_up() -> None:
    async with exchange(restarts=2, timeout=600) as here:
        here.network.verdict = forging(here, FORGERIES["4.04"], times=10**6, block_genuine=True)
        with pytest.raises(CarrierError, match="forgotten") as caught:
            await here.client().handshake()
        assert caught.value.code == "4.04"
        assert here.begun == 3


@virtual
async def test_a_tampered_flight_4_is_asked_for_again() -> None:
    async with exchange() as here:
        here.network.verdict = _tampering(times=2)
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)
        assert here.server.counters["repeated flights"] == 2
        assert here.records == []


@virtual
async def test_a_flight_4_that_stays_tampered_is_an_error_and_a_sealed_alert() -> None:
    async with exchange() as here:
        here.network.verdict = _tampering(times=1000)
        client = here.client()
        with pytest.raises(BadRecordMac) as caught:
            await client.handshake()
        assert not caught.value.received
        await asyncio.sleep(1)
        # Only the sealed alert ends what is complete on the server's side.
        (datagram,) = here.records
        (record,) = split_datagram(datagram)
        assert record.content_type == ContentType.alert
        assert isinstance(record, SealedRecord)
        opened = here.completed[0].established.opener.open(record)
        assert opened == bytes([2, AlertDescription.bad_record_mac])


def _tampering(times: int) -> Verdict:
    left = times

    def verdict(sent: Sent) -> Iterable[bytes]:
        nonlocal left
        if sent.source == SERVER and sent.data[1] == 0x44 and left:
            left -= 1
            return (sent.data[:-1] + bytes([sent.data[-1] ^ 1]),)
        return (sent.data,)

    return verdict
