from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.coap.message import Message
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace import DatagramSeen, Direction, Fate, datagram_label, ladder
from handshake_over_coap.trace.coap import read_coap

SENT, RECEIVED = Direction.SENT, Direction.RECEIVED

PATH = b"\xbb.well-known\x04dtls"
ECHO_VALUE = b"\xd8\xd4" + b"e" * 8
"""An Echo option after Block1 (27)."""
FIRST = bytes.fromhex("44020001c0ffee00") + PATH + b"\xd1\x03\x0a\xff" + bytes(64)
PROVEN = (
    bytes.fromhex("44020002c0ffee01") + PATH + b"\xd1\x03\x0a" + ECHO_VALUE + b"\xff" + bytes(64)
)
CHALLENGE = bytes.fromhex("64810001c0ffee00 d8ef") + b"e" * 8
CONTINUE = bytes.fromhex("645f0002c0ffee01 d1 0e 0a")
CREATED = bytes.fromhex("64410003c0ffee02 81 73 d1 02 0a") + b"\xff" + bytes(64)
DATA = bytes.fromhex("17fefd 0001 000000000001 0020") + bytes(32)


def seen(time: float, direction: Direction, data: bytes, fate: Fate = Fate.UNKNOWN) -> DatagramSeen:
    return DatagramSeen(time, direction, "2001:db8::1", 5683, data, fate=fate)


EXCHANGE = [
    seen(10.0, SENT, FIRST, Fate.LOST),
    seen(12.5, SENT, FIRST),
    seen(12.6, RECEIVED, CHALLENGE),
    seen(12.6, SENT, PROVEN),
    seen(12.7, RECEIVED, CONTINUE, Fate.LOST),
    seen(13.8, RECEIVED, CREATED),
    seen(13.81, SENT, DATA),
]

GOLDEN = """\
time (s) client                                                   server
   0.000 |- CON POST /.well-known/dtls, Block1 0/1/64, 93 B -------X   |
   2.500 |- CON POST /.well-known/dtls, Block1 0/1/64, 93 B (again) -->|
   2.600 |<------------------------------------- ACK 4.01, Echo, 18 B -|
   2.600 |- CON POST /.well-known/dtls, Block1 0/1/64, Echo, 103 B --->|
   2.700 |   X------------------------- ACK 2.31, Block1 0/1/64, 11 B -|
   3.800 |<--------------- ACK 2.01, Location /s, Block2 0/1/64, 78 B -|
   3.810 |- record application_data epoch 1 #1, 45 B ----------------->|
"""


def test_an_exchange_is_drawn_as_in_a_draft() -> None:
    assert ladder(EXCHANGE) == GOLDEN


def test_the_client_stands_on_the_left_wherever_it_was_observed() -> None:
    mirrored = [
        seen(each.time, RECEIVED if each.direction is SENT else SENT, each.data, each.fate)
        for each in EXCHANGE
    ]
    assert ladder(mirrored, at_server=True) == GOLDEN


LONG = """\
   0.000 |- word word word word word word word word word word word --->|
         |  word word word word word word word word word word word     |
         |  word word word word word word word word word word ...      |
   0.000 |<--- word word word word word word word word word word word -|
         |     word word word word word word word word word word word  |
         |      word word word word word word word word word word ...  |
"""


def test_long_labels_are_wrapped_and_then_cut() -> None:
    drawn = ladder([seen(0, SENT, b"a"), seen(0, RECEIVED, b"b")], label=lambda _: "word " * 40)
    assert drawn.partition("\n")[2] == LONG


def test_a_narrower_drawing_fits_the_default_indentation_of_a_draft() -> None:
    drawn = ladder(EXCHANGE, width=69)
    assert {len(line) for line in drawn.splitlines()} == {69}


def test_a_ladder_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="40 columns"):
        ladder(EXCHANGE, width=39)


def test_nothing_seen_is_a_heading_alone() -> None:
    assert ladder([]) == GOLDEN.splitlines(keepends=True)[0]


def test_what_a_labeller_says_stays_within_its_line() -> None:
    drawn = ladder([seen(0, SENT, b"x")], label=lambda _: "line\nbreak\x1b[31m \N{SNOWMAN}")
    assert "- line?break?[31m ? ---" in drawn
    assert len(drawn.splitlines()) == 2


times = st.floats(allow_nan=True, allow_infinity=True)
datagrams = st.lists(
    st.builds(
        seen,
        times,
        st.sampled_from(Direction),
        st.one_of(
            st.binary(max_size=80),
            st.sampled_from([FIRST, PROVEN, CHALLENGE, CREATED, DATA, DATA * 6]),
        ),
        st.sampled_from(Fate),
    ),
    max_size=8,
)


@given(datagrams, st.booleans(), st.integers(40, 100), st.tuples(st.text(), st.text()))
def test_no_line_is_wider_than_asked(
    every: list[DatagramSeen], at_server: bool, width: int, names: tuple[str, str]
) -> None:
    heading, *lines = ladder(every, at_server=at_server, width=width, names=names).splitlines()
    assert len(heading) <= width
    assert {len(line) for line in lines} <= {width}
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert len(lines) <= 3 * len(every)


@given(datagrams, st.text())
def test_no_label_breaks_a_line(every: list[DatagramSeen], label: str) -> None:
    for line in ladder(every, label=lambda _: label).splitlines():
        assert len(line) == 72


def option(delta: int, value: bytes) -> bytes:
    return bytes([delta << 4 | len(value)]) + value


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (bytes.fromhex("40000007"), "CON, 4 B"),
        (bytes.fromhex("60000007"), "ACK, 4 B"),
        (bytes.fromhex("70000007"), "RST, 4 B"),
        (bytes.fromhex("50010007"), "NON GET /, 4 B"),
        (bytes.fromhex("601f0007"), "ACK 0.31 /, 4 B"),
        (bytes.fromhex("40440007"), "CON 2.04, 4 B"),
        (bytes.fromhex("40a00007"), "CON 5.00, 4 B"),
        (bytes.fromhex("40020007") + option(11, b"a b") + b"\x01\xff", "CON POST /a%20b/%FF, 10 B"),
        (bytes.fromhex("40020007") + option(11, b""), "CON POST /, 5 B"),
        (bytes.fromhex("40020007") + option(12, b"\xfd\xe8"), "CON POST /, ct 65000, 7 B"),
        (bytes.fromhex("40020007") + option(12, b"abc"), "CON POST /, ct ?, 8 B"),
        (bytes.fromhex("40450007 d1 0a 07"), "CON 2.05, Block2 ?, 7 B"),
        (bytes.fromhex("40450007 d0 0a"), "CON 2.05, Block2 0/0/16, 6 B"),
        (bytes.fromhex("40450007 d1 0a 26"), "CON 2.05, Block2 2/0/1024, 7 B"),
        (bytes.fromhex("40020007 ff"), "CON POST /, malformed, 5 B"),
        (bytes.fromhex("40000007 00"), "CON, malformed, 5 B"),
        (bytes.fromhex("49020007") + bytes(9), "CON POST /, malformed, 13 B"),
        (bytes.fromhex("42020007 00"), "CON POST /, malformed, 5 B"),
        (bytes.fromhex("40020007 b1 61 f0"), "CON POST /a, malformed, 7 B"),
        (bytes.fromhex("40020007 b1 61 0f"), "CON POST /a, malformed, 7 B"),
        (bytes.fromhex("40020007 b1 61 e0 00"), "CON POST /a, malformed, 8 B"),
        (b"", "empty datagram, 0 B"),
        (b"\x40\x02", "unknown, first octet 0x40, 2 B"),
        (b"\xff", "unknown, first octet 0xff, 1 B"),
        (b"\x14", "no record, first octet 0x14, 1 B"),
        (b"\x1f" + bytes(20), "no record, first octet 0x1f, 21 B"),
        (b"\x2b" + bytes(20), "protected record, epoch bits 3, 21 B"),
        (
            bytes.fromhex("16fefd 0000 000000000001 0001 02") + b"\x22" + bytes(20),
            "record handshake epoch 0 #1 server_hello, protected record, epoch bits 2, 35 B",
        ),
        (DATA, "record application_data epoch 1 #1, 45 B"),
        (
            bytes.fromhex("16fefd 0000 000000000000 0001 01") + DATA,
            "record handshake epoch 0 #0 client_hello, record application_data epoch 1 #1, 59 B",
        ),
        (
            bytes.fromhex("16fefd 0000 000000000005 0001 c8"),
            "record handshake epoch 0 #5 200, 14 B",
        ),
        (
            bytes.fromhex("16fefd 0000 000000000005 0000"),
            "record handshake epoch 0 #5, 13 B",
        ),
        (
            bytes.fromhex("19fefd 0001 000000000007 c1d0 0003") + bytes(3),
            "protected record with a connection ID, epoch 1 #7, 18 B",
        ),
        (
            DATA + bytes.fromhex("19fefd 0001 000000000002"),
            (
                "record application_data epoch 1 #1, "
                "protected record with a connection ID, epoch 1 #2, 56 B"
            ),
        ),
        (
            bytes.fromhex("19feff 0001 000000000007 0003") + bytes(3),
            "no record, first octet 0x19, 16 B",
        ),
        (b"\x19" + bytes(5), "no record, first octet 0x19, 6 B"),
        (b"\x32" + bytes(30), "protected record with a connection ID, epoch bits 2, 31 B"),
        (DATA + b"\x17", "record application_data epoch 1 #1, then no record, 46 B"),
        (DATA * 5, "record application_data epoch 1 #1, " * 4 + "..., 225 B"),
        (DATA * 4, "record application_data epoch 1 #1, " * 4 + "180 B"),
    ],
)
def test_labels(data: bytes, label: str) -> None:
    assert datagram_label(data) == label


@given(st.binary(max_size=200))
def test_every_datagram_has_a_label(data: bytes) -> None:
    label = datagram_label(data)
    assert label.endswith(f", {len(data)} B")
    assert label.isascii()
    assert label.isprintable()


def encode_options(options: list[tuple[int, bytes]]) -> bytes:
    out, before = b"", 0
    for number, value in options:
        extended = b""
        nibbles = []
        for size in (number - before, len(value)):
            if size < 13:
                nibbles.append(size)
            elif size < 269:
                nibbles.append(13)
                extended += bytes([size - 13])
            else:
                nibbles.append(14)
                extended += (size - 269).to_bytes(2, "big")
        out += bytes([nibbles[0] << 4 | nibbles[1]]) + extended + value
        before = number
    return out


messages = st.builds(
    Message,
    type=st.integers(0, 3),
    code=st.integers(1, 255),
    message_id=st.integers(0, 65535),
    token=st.binary(max_size=8),
    options=st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=300)), max_size=6).map(
        lambda each: tuple(sorted(each))
    ),
    payload=st.binary(max_size=20),
    unrecognised=st.just(()),
    intact=st.just(True),
)


def encode(message: Message) -> bytes:
    start = bytes([0x40 | message.type << 4 | len(message.token), message.code])
    payload = b"\xff" + message.payload if message.payload else b""
    options = encode_options(list(message.options))
    return start + message.message_id.to_bytes(2, "big") + message.token + options + payload


@given(messages)
def test_a_coap_message_is_read_as_it_was_written(message: Message) -> None:
    assert read_coap(encode(message)) == message


@given(messages, st.data())
def test_a_coap_message_cut_short_shows_what_is_left(message: Message, data: st.DataObject) -> None:
    whole = encode(message)
    cut = whole[: data.draw(st.integers(4, len(whole)))]
    read = read_coap(cut)
    assert read is not None
    assert (read.type, read.code, read.message_id) == (
        message.type,
        message.code,
        message.message_id,
    )
    assert message.options[: len(read.options)] == read.options
    assert message.payload.startswith(read.payload)
