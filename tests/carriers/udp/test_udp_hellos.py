"""Hellos that a server over UDP has to find, or to refuse with a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from handshake_over_coap.carriers.udp.prelude import hello_in
from handshake_over_coap.tls.alerts import Alert
from handshake_over_coap.tls.codepoints import AlertDescription, ContentType, HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.carriers.udp.test_udp_server import (
    Raw,
    cookie_in,
    datagram,
    hello,
    holds_nothing,
    is_server_hello,
    record,
)
from tests.support.both_carriers import SERVER, place
from tests.support.exchange import virtual
from tests.support.parties import TYPICAL
from tests.support.parties13 import CCM, P256, Scenario13

PSK = TYPICAL[0]
BEHIND = {
    "an alert": record(ContentType.alert, b"\x01\x00"),
    "a ChangeCipherSpec": record(ContentType.change_cipher_spec, b"\x01"),
    "application data in the clear": record(ContentType.application_data, b"hello"),
    "another message": record(ContentType.handshake, b"\x0e" + bytes(11)),
    "a message that is none": record(ContentType.handshake, b"\x01\x02"),
    "a sealed record": b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x20" + bytes(32),
    "a sealed record of 1.3": b"\x2f\x00\x00\x00\x20" + bytes(32),
}


@virtual
@pytest.mark.parametrize("name", BEHIND)
async def test_a_hello_behind_something_else_is_found(name: str) -> None:
    async with place(PSK, transport="udp") as here:
        raw = Raw(here.network)
        (answer,) = await raw.ask(BEHIND[name] + datagram(hello()))
        cookie = cookie_in(answer)
        assert holds_nothing(here)
        answers = await raw.ask(BEHIND[name] + datagram(hello(cookie, 1), 1))
        assert is_server_hello(answers[0])


@virtual
@pytest.mark.parametrize("name", ["an alert", "a sealed record"])
async def test_it_is_found_behind_records_at_an_endpoint_with_a_session_too(name: str) -> None:
    async with place(PSK, transport="udp") as here:
        session = await here.connect()
        before = len(here.network.sent)
        here.network.inject(BEHIND[name] + datagram(hello()), here.network.sent[0].source, SERVER)
        await asyncio.sleep(0.2)
        answers = [sent.data[13] for sent in here.network.sent[before:]]
        assert answers == [HandshakeType.hello_verify_request]
        assert not session.closed


def damaged(body: bytes) -> HandshakeMessage:
    return HandshakeMessage(HandshakeType.client_hello, body, 0)


def twice(body: bytes) -> bytes:
    """A hello whose extended_master_secret stands twice."""
    at = len(body) - int.from_bytes(hello_block_length(body), "big") - 2
    block = body[at + 2 :] + b"\x00\x17\x00\x00"
    if b"\x00\x17\x00\x00" not in body[at + 2 :]:
        block += b"\x00\x17\x00\x00"
    return body[:at] + len(block).to_bytes(2, "big") + block


def hello_block_length(body: bytes) -> bytes:
    """The two bytes in front of the extensions."""
    at = 34
    at += 1 + body[at]  # session ID
    at += 1 + body[at]  # cookie
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # suites
    at += 1 + body[at]  # compression methods
    return body[at : at + 2]


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "bytes after its end": lambda body: body + b"\0",
    "cut short": lambda body: body[:-1],
    "an extension that stands twice": twice,
    "nothing": lambda body: b"",
}


@virtual
@pytest.mark.parametrize("case", [PSK, Scenario13(CCM, P256)], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_hello_draws_decode_error_and_leaves_nothing(
    case: Scenario13, name: str
) -> None:
    async with place(case, transport="udp") as here:
        sent = datagram(damaged(MALFORMED[name](hello().body)))
        (answer,) = await Raw(here.network).ask(sent)
        assert answer[0] == ContentType.alert
        assert answer[3:5] == b"\0\0"
        assert Alert.decode(answer[13:]).description == AlertDescription.decode_error
        assert len(answer) <= 3 * len(sent)
        assert holds_nothing(here)


def followed(data: bytes) -> bytes:
    """A record with the hello and ``data`` behind it."""
    message = hello().dtls_bytes()
    return record(ContentType.handshake, message + data)


@virtual
@pytest.mark.parametrize("behind", [b"\0", b"\xff" * 11, b"\x0e\0\0\1" + bytes(7) + b"\2"])
async def test_a_hello_with_bytes_behind_it_that_are_no_message_draws_decode_error(
    behind: bytes,
) -> None:
    async with place(PSK, transport="udp") as here:
        raw = Raw(here.network)
        (answer,) = await raw.ask(followed(behind))
        assert answer[0] == ContentType.alert
        assert Alert.decode(answer[13:]).description == AlertDescription.decode_error
        assert holds_nothing(here)
        # A hello that can be read counts more, wherever it stands.
        (answer,) = await raw.ask(followed(behind) + datagram(hello(), 1))
        assert cookie_in(answer)


def test_only_a_hello_is_taken_for_one() -> None:
    assert hello_in(b"") is hello_in(b"\x16\xfe") is None
    assert hello_in(record(ContentType.handshake, b"\x02" + bytes(30))) is None
    assert hello_in(datagram(hello(b"x", 3))) == 3
