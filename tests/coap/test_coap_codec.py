"""The codec of CoAP messages; aiocoap, which reads and writes them too, is the judge."""

from __future__ import annotations

from typing import Any

import pytest
from aiocoap import Message as TheirMessage
from aiocoap.numbers.types import Type
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.coap import (
    Block,
    Content,
    Message,
    MessageFormatError,
    Option,
    acknowledgement,
    reset,
    uint,
)

segment = st.text(st.characters(codec="utf-8"), max_size=12)
block = st.tuples(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6))
SETTINGS: dict[str, tuple[int, Any]] = {
    "etag": (Option.ETAG, st.binary(min_size=1, max_size=8)),
    "location_path": (Option.LOCATION_PATH, st.lists(segment, max_size=3).map(tuple)),
    "uri_path": (Option.URI_PATH, st.lists(segment, max_size=4).map(tuple)),
    "content_format": (Option.CONTENT_FORMAT, st.sampled_from([0, 40, 60])),
    "max_age": (Option.MAX_AGE, st.integers(0, 2**32 - 1)),
    "block2": (Option.BLOCK2, block),
    "block1": (Option.BLOCK1, block),
    "size1": (Option.SIZE1, st.integers(0, 2**32 - 1)),
    "echo": (Option.ECHO, st.binary(min_size=1, max_size=40)),
    "request_tag": (
        Option.REQUEST_TAG,
        st.lists(st.binary(max_size=8), max_size=2).map(tuple),
    ),
}
"""What aiocoap calls them, our numbers in their order, and values of each."""
settings = st.fixed_dictionaries({}, optional={name: s for name, (_, s) in SETTINGS.items()})
codes = st.sampled_from([0x02, 0x41, 0x44, 0x5F, 0x81, 0x88, 0xA3])


def options(values: dict[str, Any]) -> tuple[tuple[int, bytes], ...]:
    """The options as ours hold them."""
    found: list[tuple[int, bytes]] = []
    for name, (number, _) in SETTINGS.items():
        if name not in values:
            continue
        value = values[name]
        if name.startswith("block"):
            found.append((int(number), Block(value[0], value[1], 16 << value[2]).encode()))
        elif isinstance(value, tuple):
            texts = (each.encode() if isinstance(each, str) else each for each in value)
            found += [(int(number), each) for each in texts]
        else:
            found.append((int(number), uint(value) if isinstance(value, int) else value))
    return tuple(found)


def theirs(code: int, values: dict[str, Any], payload: bytes) -> bytes:
    """The datagram that aiocoap makes of it."""
    message = TheirMessage(code=code, payload=payload)
    for name, value in values.items():
        setattr(message.opt, name, value)
    message.token, message.mid, message.mtype = b"token", 0x1234, Type(0)
    data: bytes = message.encode()
    return data


@given(codes, settings, st.binary(max_size=20))
def test_a_message_is_the_datagram_that_aiocoap_would_send(
    code: int, values: dict[str, Any], payload: bytes
) -> None:
    content = Content(code, options(values), payload)
    datagram = content.encode(0, 0x1234, b"token")
    assert datagram == theirs(code, values, payload)
    assert content.size(5) == len(datagram)


@given(codes, settings, st.binary(max_size=20))
def test_a_datagram_reads_as_it_was_written(
    code: int, values: dict[str, Any], payload: bytes
) -> None:
    datagram = theirs(code, values, payload)
    read = Message.decode(datagram)
    assert (read.type, read.code, read.message_id, read.token) == (0, code, 0x1234, b"token")
    assert read.content == Content(code, options(values), payload)
    assert read.unrecognised == ()
    assert read.encode() == datagram
    assert Message.decode(datagram, tolerant=True) == read


@given(st.binary(max_size=60), st.integers(0, 255))
def test_whatever_comes_is_read_or_refused_in_our_own_words(data: bytes, code: int) -> None:
    for each in (data, bytes((0x42, code, 0, 1)) + data):
        try:
            read = Message.decode(each)
        except MessageFormatError:
            if len(each) >= 4 and each[0] >> 6 == 1:
                Message.decode(each, tolerant=True)  # raises nothing
            continue
        if not read.unrecognised:
            assert Message.decode(read.encode()) == read
        assert read.intact


def test_an_option_that_is_not_known_is_told_by_its_number() -> None:
    data = bytes.fromhex("40010001") + b"\xd1\xf4x" + b"\x01y"  # 257, and 257 once more
    read = Message.decode(data)
    assert read.options == ()
    assert read.unrecognised == (257, 257)
    assert read.bad_option
    assert Message.decode(data, tolerant=True).options == ((257, b"x"), (257, b"y"))


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "80010001",  # another version
        "49010001" + "00" * 9,  # a token of nine bytes (RFC 7252 section 3)
        "4401000100",  # a token that is cut off
        "4000000100",  # an empty message that is not empty
        "40010001ff",  # a payload marker without payload
        "40010001f0",  # a reserved delta
        "400100010f",  # a reserved length
        "4001000112",  # a value that is cut off
        "40010001e0ffff",  # a number past 65535
    ],
)
def test_a_broken_message_is_refused(broken: str) -> None:
    with pytest.raises(MessageFormatError):
        Message.decode(bytes.fromhex(broken))


def test_empty_messages_are_four_bytes() -> None:
    assert acknowledgement(0xABCD) == b"\x60\0\xab\xcd"
    assert reset(0xABCD) == b"\x70\0\xab\xcd"
    assert TheirMessage.decode(acknowledgement(7)).mid == 7
