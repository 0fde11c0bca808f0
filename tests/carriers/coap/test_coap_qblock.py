"""Handshakes whose flights cross by Q-Block (RFC 9177), on virtual time."""

from __future__ import annotations

import asyncio
from itertools import combinations
from typing import Any

import pytest

from handshake_over_coap.coap.message import Message
from handshake_over_coap.transfers.qblock import QBLOCK
from tests.support.exchange import (
    CON,
    ECHO,
    NON,
    PSK,
    REQUEST_TAG,
    RESOURCE,
    SERVER,
    SIZE1,
    Exchange,
    agree,
    agree13,
    block,
    exchange,
    request,
    uint,
    virtual,
)
from tests.support.network import dropping
from tests.support.parties import ECDSA_CCM, Scenario
from tests.support.parties13 import Scenario13

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
Q_BLOCK1, Q_BLOCK2 = 19, 31
LONG: dict[str, Any] = {"timeout": 600.0, "max_retransmit": 10, "transfer": QBLOCK}


async def complete(here: Exchange) -> None:
    """Make one handshake and see that it is whole: both agree, and it happened once."""
    established = await here.client().handshake()
    assert (len(here.completed), here.begun) == (1, 1)
    assert agree(established, here.completed[0].established)


async def _length(**parameters: Any) -> int:
    async with exchange(RPK, block_size=64, **LONG, **parameters) as here:
        await complete(here)
        return len(here.network.sent)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"location": False}, {"address_check": False}],
    ids=["location", "no location", "no address check"],
)
@virtual
async def test_every_single_datagram_may_be_lost(parameters: dict[str, Any]) -> None:
    for lost in range(await _length(**parameters) + 2):
        async with exchange(
            RPK, block_size=64, verdict=dropping(lost), **LONG, **parameters
        ) as here:
            await complete(here)


@pytest.mark.slow
@virtual
async def test_every_pair_of_datagrams_may_be_lost() -> None:
    for pair in combinations(range(await _length() + 1), 2):
        async with exchange(RPK, block_size=64, verdict=dropping(*pair), **LONG) as here:
            await complete(here)


@virtual
async def test_dtls_13_takes_two_messages_and_then_none_that_is_confirmable() -> None:
    async with exchange(Scenario13(), block_size=32, **LONG) as here:
        established = await here.client().handshake13()
        assert agree13(established, here.completed[0].established13)
        kinds = [Message.decode(each.data).type for each in here.network.sent]
        assert kinds[0] == CON
        assert set(kinds[2:]) == {NON}


@virtual
async def test_a_slow_server_answers_whoever_asks_again_once() -> None:
    async with exchange(RPK, block_size=64, think=lambda _: 9.0, **LONG) as here:
        await complete(here)


def _part(number: int, more: bool, total: int, *more_options: tuple[int, bytes]) -> Any:
    return (
        *RESOURCE,
        (Q_BLOCK1, block(number, more, 16)),
        (SIZE1, uint(total)),
        (REQUEST_TAG, b"ab"),
        *more_options,
    )


@virtual
async def test_a_later_block_brings_the_proof_where_the_first_one_is_lost() -> None:
    async with exchange(PSK) as here:
        raw = here.raw()
        echo = await raw.echo()
        payload = b"x" * 16
        assert (await raw.ask(*_part(1, True, 40), payload=payload)).code == 0x81
        proven = _part(1, True, 40, (ECHO, echo))
        assert (await raw.ask(*proven, payload=payload, wait=1.0)).code == 0  # acknowledged
        # Now the body is known here, and its other blocks need no proof.
        assert (await raw.ask(*_part(0, True, 40), payload=payload, wait=1.0)).code == 0
        whole = await raw.ask(*_part(2, False, 40), payload=b"x" * 8)
        assert whole.code == 0x80  # no ClientHello


@pytest.mark.parametrize(
    ("options", "payload", "code"),
    [
        (((Q_BLOCK1, block(0, True, 16)), (REQUEST_TAG, b"ab")), b"x" * 16, 0x80),
        (((Q_BLOCK1, block(0, True, 16)), (SIZE1, uint(40))), b"x" * 16, 0x80),
        (_part(3, False, 40)[2:], b"x", 0x80),
        (_part(0, True, 40)[2:], b"x", 0x80),
        (_part(2, True, 40)[2:], b"x" * 16, 0x80),
        (_part(0, True, 1 << 20)[2:], b"x" * 16, 0x8D),
        ((*_part(0, True, 40)[2:], (27, b"\x08")), b"x" * 16, 0x82),
        (((Q_BLOCK2, block(3, True, 16)),), b"", 0x88),
        (((Q_BLOCK1, b"\x0f"), (SIZE1, uint(40)), (REQUEST_TAG, b"ab")), b"x" * 16, 0x80),
    ],
    ids=[
        "no size", "no tag", "beyond the end", "too short", "more after the last", "too large",
        "blocks of both kinds", "blocks of no answer", "reserved size",
    ],
)  # fmt: skip
@virtual
async def test_what_cannot_be_a_block_is_refused(options: Any, payload: bytes, code: int) -> None:
    async with exchange(PSK) as here:
        raw = here.raw()
        echo = (ECHO, await raw.echo())
        response = await raw.ask(*RESOURCE, *options, echo, payload=payload)
        assert response.code == code


@virtual
async def test_a_flood_of_bodies_that_never_end_keeps_a_few_and_draws_little() -> None:
    async with exchange(PSK) as here:
        raw = here.raw()
        echo = (ECHO, await raw.echo())
        for number in range(300):
            options = [
                *RESOURCE,
                (Q_BLOCK1, block(0, True, 16)),
                (SIZE1, uint(16000)),
                (REQUEST_TAG, number.to_bytes(2, "big")),
                echo,
            ]
            raw.endpoint.send(_request(number, *options), SERVER)
        await asyncio.sleep(300.0)
        (peer,) = list(here.server.peers) or (None,)
        assert peer is None or not peer.sides["qblock"].held
        assert len(raw.received) < 1 + 4 * 8 + 8  # four reports for each body that is kept


def _request(number: int, *options: tuple[int, bytes]) -> bytes:
    return request(*options, payload=b"x" * 16, mid=number + 100, token=b"t%03d" % number, kind=NON)
