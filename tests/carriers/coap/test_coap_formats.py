"""Formats, options and methods that are not spoken here, each refused with its code."""

from __future__ import annotations

import asyncio

import pytest

from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.encodings.plain import write_body
from tests.support.exchange import (
    ACCEPT,
    BLOCK1,
    CONTENT_FORMAT,
    ECHO,
    GET,
    PSK,
    REQUEST_TAG,
    RESOURCE,
    URI_PATH,
    exchange,
    uint,
    virtual,
)
from tests.support.parties import ECDSA_CCM, Scenario

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
HELLO = write_body(begin_client(PSK.client())[1])
OTHER = write_body(begin_client(PSK.client("another client"))[1])
ETAG = 4


# -- formats and options ---------------------------------------------------------------------


@pytest.mark.parametrize("at_session", [False, True])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (((CONTENT_FORMAT, uint(65123)),), 0x8F),
        (((CONTENT_FORMAT, uint(0)),), 0x8F),
        (((ACCEPT, uint(50)),), 0x86),
        (((ACCEPT, uint(ALERT)),), 0x86),
        (((9, b""),), 0x82),
        (((65001, b"xx"),), 0x82),
        (((BLOCK1, b"1234"),), 0x82),
        (((ACCEPT, uint(65000)), (ACCEPT, uint(65000))), 0x82),
        (((URI_PATH, b"\xff"),), 0x82),
        (((35, b"coap://[2001:db8::2]/x"),), 0xA5),
        (((39, b"coap"),), 0xA5),
        (((REQUEST_TAG, b"a"), (REQUEST_TAG, b"b")), 0x80),
    ],
)
@virtual
async def test_what_is_not_understood_is_refused_with_its_code(
    options: tuple[tuple[int, bytes], ...], code: int, at_session: bool
) -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        path = RESOURCE
        if at_session:
            reply = await raw.ask(*RESOURCE, (ECHO, echo), payload=HELLO)
            path = ((URI_PATH, b".well-known"), (URI_PATH, reply.values(8)[-1]))
        assert (await raw.ask(*path, *options, (ECHO, echo), payload=HELLO)).code == code
        assert here.begun == int(at_session)


@pytest.mark.parametrize("code", [GET, 3, 4, 5, 6, 7])
@virtual
async def test_the_resource_takes_nothing_but_post(code: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        assert (await raw.ask(*RESOURCE, (ECHO, await raw.echo()), code=code)).code == 0x85


@virtual
async def test_elective_options_that_are_not_known_are_ignored() -> None:
    async with exchange() as here:
        raw = here.raw()
        options = (
            (6, b""),
            (258, b"\x02"),
            (65000, b"hello"),
            (14, bytes(9)),
            (CONTENT_FORMAT, b""),
        )
        reply = await raw.ask(*RESOURCE, *options[:-1], (ECHO, await raw.echo()), payload=HELLO)
        assert reply.code == 0x41


@virtual
async def test_an_explicit_format_is_mirrored_and_the_default_costs_no_option() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        implied = await raw.ask(*RESOURCE, (ECHO, echo), payload=HELLO)
        assert implied.get(CONTENT_FORMAT) is None
        options = ((CONTENT_FORMAT, uint(65000)), (ACCEPT, uint(65000)), (ECHO, echo))
        explicit = await raw.ask(*RESOURCE, *options, payload=OTHER)
        assert (explicit.code, explicit.uint(CONTENT_FORMAT)) == (0x41, 65000)
        # The same bytes under another format are another body.
        again = await raw.ask(*RESOURCE, *options, payload=HELLO)
        assert again.uint(CONTENT_FORMAT) == 65000


@virtual
async def test_a_request_that_is_not_confirmable_is_answered_in_kind() -> None:
    async with exchange() as here:
        raw = here.raw()
        reply = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=HELLO, kind=1)
        assert (reply.type, reply.code) == (1, 0x41)
        await asyncio.sleep(100)
        assert len(raw.received) == 2
