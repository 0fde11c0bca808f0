"""Answers to flight 3 that anybody can forge are hints, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

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
    SERVER,
    agree,
    exchange,
    virtual,
)
from tests.support.forgeries import FORGERIES, forging
from tests.support.network import Sent, Verdict
from tests.support.parties import IDENTITY


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
