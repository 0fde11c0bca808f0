from __future__ import annotations

import asyncio
import logging

import pytest

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.rejections import MOST_LINES, Rejections
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.tls.alerts import HandshakeFailure
from tests.support.by_hand import hello, session_path
from tests.support.exchange import (
    CONTENT_FORMAT,
    RESOURCE,
    SERVER,
    Raw,
    agree,
    exchange,
    request,
    uint,
    virtual,
)

ADDRESS = Address("192.0.2.1", 5684)


def test_a_rejected_handshake_is_logged_with_its_endpoint_and_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        Rejections().say(ADDRESS, HandshakeFailure("no group in common"), 1.5)
    assert [each.getMessage() for each in caplog.records] == [
        "rejected handshake of 192.0.2.1:5684: handshake_failure: no group in common"
    ]


def test_a_flood_of_rejected_handshakes_is_no_flood_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rejections = Rejections()
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            rejections.say(ADDRESS, HandshakeFailure(), 7 + number / 1000)
        assert len(caplog.records) == MOST_LINES
        rejections.say(ADDRESS, HandshakeFailure(), 8.0)
    assert len(caplog.records) == MOST_LINES + 2
    assert (
        caplog.records[-2].getMessage()
        == f"and {1000 - MOST_LINES} lines more that peers have caused"
    )


async def _open(raw: Raw) -> bytes:
    """A handshake left half-open at a server that checks no address; gives its name."""
    flight1 = hello(str(raw.address))[1]
    return (await raw.ask(*RESOURCE, payload=flight1)).values(8)[-1]


@virtual
async def test_all_that_clients_do_shares_one_budget_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with exchange(address_check=False) as here:
            raws = [here.raw(port=50_000 + number) for number in range(40)]
            names = [await _open(raw) for raw in raws]
            await asyncio.sleep(1 - asyncio.get_running_loop().time() % 1)
            caplog.clear()
            for number, (raw, name) in enumerate(zip(raws, names, strict=True)):
                alert = (CONTENT_FORMAT, uint(ALERT))
                raw.endpoint.send(
                    request(*session_path(name), alert, payload=b"\2\x28", mid=900), SERVER
                )
                raw.endpoint.send(request(*RESOURCE, payload=bytes([number]) * 9, mid=901), SERVER)
                raw.endpoint.send(bytes([0x50, 0, 3, 85]), SERVER)  # an empty non-confirmable one
            await asyncio.sleep(0.5)
            assert len(caplog.records) == MOST_LINES


@virtual
async def test_a_client_says_little_of_what_comes_in_the_servers_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with exchange() as here:
            client = here.client()
            handshake = asyncio.ensure_future(client.handshake())
            for _ in range(2):  # before and after completion
                for number in range(200):
                    empty = bytes([0x50, 0]) + number.to_bytes(2, "big")
                    here.network.inject(empty, SERVER, client.address, 0.02)
                await asyncio.sleep(1)
            assert agree(await handshake, here.completed[0].established)
            assert [each for each in caplog.records if each.name != "asyncio"] == []
            assert not here.network.between(client.address, SERVER)[6:]
