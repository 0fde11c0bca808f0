"""A client's handshake through an aiocoap context that meets trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import aiocoap
import pytest
from aiocoap import resource

import handshake_over_coap as hoc
from handshake_over_coap.coap.codes import MessageType
from handshake_over_coap.coap.message import Message, acknowledgement, reset
from handshake_over_coap.integrations.aiocoap import handshake
from tests.support.aiocoap_world import HOST, client_context, free_port, site_of, uri
from tests.support.relay import Direction, Relay
from tests.support.sockets import LOOPBACK, PSK, QUICK, echo


async def _shake(target: str, **arguments: Any) -> None:
    async with client_context() as context:
        await handshake(context, target, PSK, **(QUICK | arguments))


class Lies(resource.Resource):  # type: ignore[misc]
    """Answers whatever it is told to."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self._response = response

    async def render_post(self, request: Any) -> Any:
        """The same to everybody."""
        return self._response


async def _told(response: Any, **arguments: Any) -> None:
    async with site_of({("d",): Lies(response)}) as address:
        await _shake(uri(address, ("d",)), **arguments)


def test_nobody_at_the_port_is_said_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(hoc.CarrierError, match="is a server running there"):
        asyncio.run(_shake(uri((HOST, free_port()))))
    assert time.monotonic() - began < 30


def test_a_server_without_the_resource_is_said_with_its_code() -> None:
    async def shake() -> None:
        async with site_of({}) as address:
            await _shake(uri(address))

    with pytest.raises(hoc.CarrierError) as caught:
        asyncio.run(shake())
    assert caught.value.code == "4.04"


def test_silence_ends_with_the_time_for_the_handshake() -> None:
    async def shake() -> None:
        def silent(direction: Direction, index: int, data: bytes) -> Sequence[bytes]:
            return []

        async with Relay((HOST, free_port()), hook=silent) as relay:
            await _shake(uri(relay.address), timeout=1.0)

    with pytest.raises(hoc.HandshakeTimeout):
        asyncio.run(shake())


@pytest.mark.parametrize(
    "response",
    [
        aiocoap.Message(code=aiocoap.CHANGED, payload=b"no flight"),
        aiocoap.Message(code=aiocoap.CREATED, payload=b"", location_path=["elsewhere", "x"]),
        aiocoap.Message(code=aiocoap.CHANGED, payload=b"x", content_format=0),
        aiocoap.Message(code=aiocoap.UNAUTHORIZED),
        aiocoap.Message(code=aiocoap.UNAUTHORIZED, echo=b"x" * 8),
        aiocoap.Message(code=aiocoap.REQUEST_ENTITY_INCOMPLETE),
        aiocoap.Message(code=aiocoap.INTERNAL_SERVER_ERROR, payload=b"oops"),
        aiocoap.Message(code=aiocoap.CHANGED, payload=b"x", if_match=[b"critical"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("handle_blockwise", [False, True])
def test_whatever_a_server_answers_is_an_error_of_ours(
    response: Any, handle_blockwise: bool
) -> None:
    with pytest.raises((hoc.AlertError, hoc.CarrierError)):
        asyncio.run(_told(response, handle_blockwise=handle_blockwise))


def test_an_empty_acknowledgement_that_anybody_sent_does_not_hold_it_up() -> None:
    """aiocoap would wait for ever; the request is made anew."""

    def forge(direction: Direction, index: int, data: bytes) -> Sequence[bytes] | None:
        if direction is Direction.TO_CLIENT and index in (1, 2):
            return [acknowledgement(Message.decode(data).message_id)]
        return None

    async def shake() -> int:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo) as server,
            Relay(server.address, hook=forge) as relay,
        ):
            await _shake(uri(relay.address))
            return sum(
                Message.decode(each).type == MessageType.CON
                for each in relay.payloads(Direction.TO_SERVER)
            )

    assert asyncio.run(shake()) == 3 + 2


def test_a_reset_of_flight_1_has_it_sent_again() -> None:
    def forge(direction: Direction, index: int, data: bytes) -> Sequence[bytes] | None:
        if direction is Direction.TO_CLIENT and index == 0:
            return [reset(Message.decode(data).message_id)]
        return None

    async def shake() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo) as server,
            Relay(server.address, hook=forge) as relay,
        ):
            await _shake(uri(relay.address))

    asyncio.run(shake())


@pytest.mark.parametrize(
    "target",
    ["coap://127.0.0.1/d?x=1", "coap+tcp://127.0.0.1/d", "http://127.0.0.1/d", "nonsense", "/d"],
)
def test_a_uri_that_names_no_resource_over_udp_is_refused(target: str) -> None:
    with pytest.raises(hoc.ConfigurationError):
        asyncio.run(_shake(target))


def test_a_name_goes_with_every_request() -> None:
    async def shake() -> list[bytes | None]:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo) as server,
            Relay(server.address) as relay,
        ):
            await _shake(f"coap://localhost:{relay.address[1]}/.well-known/dtls")
            return [Message.decode(each).get(3) for each in relay.payloads(Direction.TO_SERVER)]

    assert set(asyncio.run(shake())) == {b"localhost"}
