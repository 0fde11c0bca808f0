"""Messages from aiocoap's objects to ours and back: nothing is lost, our errors alone."""

from __future__ import annotations

import contextlib

import aiocoap
from aiocoap.error import UnparsableMessage
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message, MessageFormatError
from handshake_over_coap.coap.options import Block, Option, OptionValue, uint
from handshake_over_coap.integrations.aiocoap.messages import aiocoap_message, datagram_of

_BLOCKS = st.builds(
    Block, st.integers(0, 1000), st.booleans(), st.sampled_from((16, 64, 1024))
).map(Block.encode)
_VALUES: dict[Option, st.SearchStrategy[bytes]] = {
    Option.ETAG: st.binary(min_size=1, max_size=8),
    Option.LOCATION_PATH: st.text("abc-", min_size=1).map(str.encode),
    Option.URI_PATH: st.text("abc-", min_size=1).map(str.encode),
    Option.CONTENT_FORMAT: st.sampled_from((65000, 65002)).map(uint),
    Option.MAX_AGE: st.integers(0, 1 << 20).map(uint),
    Option.BLOCK2: _BLOCKS,
    Option.BLOCK1: _BLOCKS,
    Option.ECHO: st.binary(min_size=1, max_size=40),
    Option.REQUEST_TAG: st.binary(max_size=8),
}


def _options(numbers: set[Option]) -> st.SearchStrategy[tuple[OptionValue, ...]]:
    pairs = [st.tuples(st.just(int(each)), _VALUES[each]) for each in sorted(numbers)]
    return st.tuples(*pairs)


CONTENTS = st.builds(
    Content,
    st.sampled_from([Code.POST, Code.CREATED, Code.CHANGED, Code.UNAUTHORIZED]).map(int),
    st.sets(st.sampled_from(sorted(_VALUES))).flatmap(_options),
    st.binary(max_size=100),
)


@given(CONTENTS)
def test_what_goes_through_aiocoap_comes_out_the_same(content: Content) -> None:
    datagram = datagram_of(aiocoap_message(content), MessageType.CON, 7)
    assert Message.decode(datagram).content == content


@given(CONTENTS, st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
def test_another_path_takes_the_place_of_the_one_that_was_asked(
    content: Content, path: list[str]
) -> None:
    message = aiocoap_message(content)
    message.opt.uri_host = "somewhere.example"
    read = Message.decode(datagram_of(message, MessageType.CON, 7, path=path))
    assert read.path == tuple(each.encode() for each in path)
    assert read.get(Option.URI_HOST) is None
    assert read.payload == content.payload


@given(CONTENTS, st.integers(min_value=0), st.integers(1, 255))
def test_whatever_aiocoap_takes_raises_our_error_or_nothing(
    content: Content, place: int, change: int
) -> None:
    datagram = bytearray(content.encode(MessageType.CON, 7, b"tokn"))
    datagram[place % len(datagram)] ^= change
    try:
        message = aiocoap.Message.decode(bytes(datagram))
    except (UnparsableMessage, ValueError):
        return
    with contextlib.suppress(MessageFormatError):
        Message.decode(datagram_of(message, MessageType.CON, 7, path=["d"]))
