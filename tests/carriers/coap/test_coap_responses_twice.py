"""Responses that come twice, or as no response may: what a client makes of them.

With short tokens a late copy has the token of the request that is under way by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from handshake_over_coap.coap.message import Message
from tests.support.exchange import (
    ACK,
    CON,
    NON,
    RST,
    SERVER,
    agree,
    exchange,
    response,
    virtual,
)
from tests.support.network import Delivery, Sent


@pytest.mark.parametrize("code", [0x41, 0x44, 0x80, 0x81, 0xA3])
@virtual
async def test_a_reset_is_empty_or_it_is_none(code: int) -> None:
    """RFC 7252 section 4.2: what is no good and no CON is ignored."""

    def verdict(sent: Sent) -> Iterable[bytes]:
        if sent.destination == SERVER and sent.data[0] >> 6 == 1:
            forged = response(sent.data, code, kind=RST, payload=b"x")
            here.network.inject(forged, SERVER, sent.source, 0.001)
        return (sent.data,)

    async with exchange(verdict=verdict) as here:
        client = here.client()
        assert agree(await client.handshake(), here.completed[0].established)
        assert client.coap.retransmissions == 0
        assert here.begun == 1


@pytest.mark.parametrize("token_length", [0, 1, 4])
@pytest.mark.parametrize("size", [16, 1024])
@virtual
async def test_a_separate_response_that_comes_again_answers_no_other_request(
    token_length: int, size: int
) -> None:
    """RFC 7252 section 4.5: it is acknowledged each time, and processed once."""

    def verdict(sent: Sent) -> Iterable[bytes | Delivery]:
        if sent.source == SERVER and sent.data[0] >> 4 == 4 + CON:
            separate.append(sent.data)
            return [Delivery(sent.data, at) for at in (0.0, 0.05, 0.15, 0.4, 1.0)]
        return (sent.data,)

    separate: list[bytes] = []
    async with exchange(
        verdict=verdict, think=lambda body: 2.0, token_length=token_length, block_size=size
    ) as here:
        client = here.client()
        assert agree(await client.handshake(), here.completed[0].established)
        await asyncio.sleep(3)
        sent = here.network.between(client.address, SERVER)
        for data in set(separate):
            acknowledgement = bytes([0x60, 0]) + data[2:4]
            assert [each.data for each in sent].count(acknowledgement) >= 5
        assert here.server.counters["repeated flights"] == 0
        assert len(separate) == len(set(separate)) == 2


@pytest.mark.parametrize("token_length", [0, 4])
@virtual
async def test_a_response_that_is_not_confirmable_is_taken_once_too(token_length: int) -> None:
    def verdict(sent: Sent) -> Iterable[bytes | Delivery]:
        data = sent.data
        if sent.source != SERVER or data[0] >> 6 != 1 or data[0] >> 4 & 3 != ACK:
            return (data,)
        number = len(copies) + 1
        copies.append(data)
        return [Delivery(as_non(data, number), at) for at in (0.0, 0.07, 0.12, 0.3)]

    copies: list[bytes] = []
    async with exchange(verdict=verdict, token_length=token_length) as here:
        client = here.client()
        assert agree(await client.handshake(), here.completed[0].established)
        assert here.server.counters["repeated flights"] == 0
        assert len(copies) == 3


def as_non(data: bytes, message_id: int) -> bytes:
    """A piggybacked response as a non-confirmable one of its own."""
    assert Message.decode(data).type == ACK
    return bytes([data[0] & 0xCF | NON << 4, data[1]]) + message_id.to_bytes(2, "big") + data[4:]
