"""A hello that is wrong in one place: the same alert over either carrier, and the right one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.conversation import begin_server
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.udp.fragments import plain_record
from handshake_over_coap.carriers.udp.greeting import Greeting, StatelessAnswer
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.encodings import DEFAULT
from handshake_over_coap.encodings.plain import write_body
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import AlertDescription, ContentType, HandshakeType
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello
from handshake_over_coap.tls.negotiation import start_client
from handshake_over_coap.tls.wire import u8, u16
from tests.support.parties import TYPICAL, Scenario
from tests.support.parties13 import RPK as RPK13
from tests.support.parties13 import Scenario13

CASES: dict[str, Scenario | Scenario13] = {
    "1.2 psk": TYPICAL[0],
    "1.2 rpk": TYPICAL[3],
    "1.3 psk": Scenario13(),
    "1.3 rpk": RPK13,
}
ADDRESS = Address("192.0.2.2", 40000)
DECODE, ILLEGAL = AlertDescription.decode_error, AlertDescription.illegal_parameter
WRONG = (
    (0, b"\0\0", DECODE),  # no name
    (0, b"\0\6\0\0\3a\0c", ILLEGAL),  # one with a NUL
    (10, b"\0\0", DECODE),  # no group
    (13, b"\0\0", DECODE),  # no scheme
    (19, b"\0", DECODE),  # no form of certificate
    (20, b"\0", DECODE),
    (28, b"\0\x3f", ILLEGAL),  # a record limit of 63 bytes
    (54, b"\2a", DECODE),  # half a connection ID
)


def over_udp(config: ServerConfig, body: bytes) -> str:
    """The alert that a datagram with the hello draws, or "taken"."""
    counters = Counter[str]()
    parameters = UdpParameters(address_check=False)
    greeting = Greeting(config, parameters, AddressProof(bytes(32), 60.0), counters)
    message = HandshakeMessage(HandshakeType.client_hello, body, 0)
    found = greeting.find(plain_record(ContentType.handshake, 0, message.dtls_bytes()), ADDRESS, 0)
    assert found is not None
    answer = greeting.greet(found, ADDRESS, 0)
    if isinstance(answer, StatelessAnswer):
        assert answer.datagrams[0][0] == ContentType.alert
        return AlertDescription(answer.datagrams[0][14]).name
    try:
        answer.engine(parameters, counters).take_message(message, 0)
    except AlertError as error:
        return error.name
    return "taken"


def over_coap(config: ServerConfig, body: bytes) -> str:
    """The same for the hello as flight 1."""
    flight = write_body((HandshakeMessage(HandshakeType.client_hello, body, 0),))
    try:
        begin_server(config).hear(flight, DEFAULT)
    except AlertError as error:
        return error.name
    return "taken"


def genuine(case: Scenario | Scenario13) -> bytes:
    (message,) = start_client(case.client()).flight
    assert isinstance(message, HandshakeMessage)
    return message.body


def block(items: Sequence[tuple[int, bytes]]) -> bytes:
    """Extensions as they are on the wire, however often one stands there."""
    data = b"".join(u16(kind) + u16(len(content)) + content for kind, content in items)
    return u16(len(data)) + data


def without_block(body: bytes) -> bytes:
    hello = ClientHello.decode(body)
    return body[: len(body) - len(hello.extensions.encode_optional())]


def with_items(body: bytes, items: Sequence[tuple[int, bytes]]) -> bytes:
    return without_block(body) + block(items)


def malformed(body: bytes) -> Iterator[tuple[str, bytes, AlertDescription]]:
    """What may be wrong in any hello, and the alert for it (RFC 5246 7.2.2, RFC 8446 6.2)."""
    hello = ClientHello.decode(body)
    items = [(each.type, each.data) for each in hello.extensions]
    fixed, suites = body[:34] + b"\0" + u8(0), b"".join(map(u16, hello.cipher_suites))
    end = hello.extensions.encode_optional()
    yield "nothing", b"", DECODE
    yield "cut short", body[:-1], DECODE
    yield "bytes behind", body + b"\0", DECODE
    yield "session ID of 33", body[:34] + u8(33) + bytes(33) + body[35:], DECODE
    yield "no suites", fixed + u16(0) + b"\1\0" + end, DECODE
    yield "half a suite", fixed + u16(len(suites) + 1) + suites + b"\0\1\0" + end, DECODE
    yield "no compression", fixed + u16(len(suites)) + suites + b"\0" + end, DECODE
    yield "deflate alone", replace(hello, compression_methods=b"\1").encode(), ILLEGAL
    yield "a byte of a block", without_block(body) + b"\0", DECODE
    yield "a block cut short", without_block(body) + u16(len(end) - 3) + end[2:], DECODE
    yield "unknown, twice", with_items(body, [(0xFAFA, b""), (0xFAFA, b"x"), *items]), DECODE
    for place, (kind, content) in enumerate(items):
        before, after = items[:place], items[place + 1 :]
        yield f"{kind} twice", with_items(body, [*before, (kind, content), *items[place:]]), DECODE
        if kind == 23:  # extended_master_secret, of no concern to 1.3
            continue
        for name, wrong in (("longer", content + b"\0"), ("shorter", content[:-1])):
            if content:
                yield f"{kind} {name}", with_items(body, [*before, (kind, wrong), *after]), DECODE
    for kind, wrong, expected in WRONG:
        others = [each for each in items if each[0] != kind]
        yield f"{kind} is {wrong!r}", with_items(body, [(kind, wrong), *others]), expected


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_hello_draws_the_right_alert_over_either_carrier(name: str) -> None:
    case = CASES[name]
    config, body = case.server(), genuine(case)
    assert over_udp(config, body) == over_coap(config, body) == "taken"
    for what, wrong, expected in malformed(body):
        drawn = over_udp(config, wrong), over_coap(config, wrong)
        assert drawn == (expected.name, expected.name), what
