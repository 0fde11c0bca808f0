"""Messages of ours in aiocoap's form are what aiocoap's own would be; it is the judge."""

from __future__ import annotations

from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import Type
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.coap.messages import CoapMessage, Options, Remote
from handshake_over_coap.carriers.coap.scan import scan
from handshake_over_coap.carriers.datagram import Address

REMOTE = Remote(Address("2001:db8::1", 5684))
TUNING = Message(code=1).transport_tuning
CODES = [0x02, 0x41, 0x44, 0x5F, 0x81, 0x88, 0xA3]

segment = st.text(st.characters(codec="utf-8"), max_size=12)
block = st.tuples(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6))
SETTINGS = {
    "uri_path": st.lists(segment, max_size=4).map(tuple),
    "location_path": st.lists(segment, max_size=3).map(tuple),
    "request_tag": st.lists(st.binary(max_size=8), max_size=2).map(tuple),
    "etag": st.binary(min_size=1, max_size=8),
    "echo": st.binary(min_size=1, max_size=40),
    "content_format": st.sampled_from([0, 40, 60]),
    "max_age": st.integers(0, 2**32 - 1),
    "size1": st.integers(0, 2**32 - 1),
    "block1": block,
    "block2": block,
}
settings = st.fixed_dictionaries({}, optional=SETTINGS)


def built(message: Any, values: dict[str, Any], payload: bytes) -> Any:
    """``message`` with options, payload and all that sending it takes."""
    for name, value in values.items():
        setattr(message.opt, name, value)
    message.payload = payload
    message.token, message.mid, message.mtype = b"token", 0x1234, Type(0)
    return message


@given(st.sampled_from(CODES), settings, st.binary(max_size=20))
def test_a_message_is_the_datagram_that_aiocoap_would_send(
    code: int, values: dict[str, Any], payload: bytes
) -> None:
    ours = built(CoapMessage(code), values, payload)
    datagram = built(Message(code=code), values, payload).encode()
    assert ours.encode() == datagram
    assert ours.size(5) == len(datagram)


@given(st.sampled_from(CODES), settings, st.binary(max_size=20))
def test_a_datagram_reads_as_aiocoap_would_read_it(
    code: int, values: dict[str, Any], payload: bytes
) -> None:
    datagram = built(Message(code=code), values, payload).encode()
    ours = CoapMessage.incoming(scan(datagram), REMOTE, TUNING)
    theirs = Message.decode(datagram, REMOTE)
    for name in ("code", "mid", "mtype", "token", "payload", "direction", "remote"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert type(getattr(ours, name)) is type(getattr(theirs, name)) or name == "payload"
    for name in SETTINGS:
        assert getattr(ours.opt, name) == getattr(theirs.opt, name)
    if ours.opt.block1 is not None:
        assert ours.opt.block1.start == theirs.opt.block1.start
        assert ours.opt.block1.size == theirs.opt.block1.size
    # The views that ours leave to aiocoap, and its comparison.
    assert ours.opt == theirs.opt
    assert ours.opt.etags == theirs.opt.etags
    assert ours.opt.observe is None
    assert ours.opt.no_response is None
    assert repr(ours) == repr(theirs)
    assert repr(ours.opt).partition(": ")[2] == repr(theirs.opt).partition(": ")[2]


@pytest.mark.parametrize("name", sorted(SETTINGS))
@given(st.data())
def test_an_option_is_changed_and_removed_whatever_was_encoded_before(
    name: str, data: st.DataObject
) -> None:
    options = Options()
    options.uri_path = ("a",)
    before = options.encode()
    setattr(options, name, data.draw(SETTINGS[name]))
    copy = options.copy()
    assert copy.encode() == options.encode()
    setattr(options, name, ("a",) if name == "uri_path" else None if name in SINGLE else ())
    assert options.encode() == before
    assert copy.copy().encode() == copy.encode()


SINGLE = set(SETTINGS) - {"uri_path", "location_path", "request_tag"}


def test_what_aiocoap_sets_and_deletes_by_itself_is_set_and_deleted() -> None:
    options = Options()
    options.max_age = 1
    options.observe = 0
    assert options.observe == 0
    assert options.values == {6: (b"",), 14: (b"\x01",)}
    assert [int(each.number) for each in options.option_list()] == [6, 14]
    options.no_response = None
    options.delete_option(OptionNumber.OBSERVE)
    assert options.values == {14: (b"\x01",)}


def test_a_message_without_type_or_id_is_not_sent() -> None:
    with pytest.raises(TypeError, match="without type"):
        CoapMessage(0x44).encode()
