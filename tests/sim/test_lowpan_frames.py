"""MAC frames of IEEE 802.15.4: the standard's example, bytes by hand, and mutation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim.lowpan import (
    AckFrame,
    DataFrame,
    Hop,
    MalformedFrame,
    decode_frame,
    encode_frame,
    frame_check_sequence,
)
from tests.support.lowpan import LONG_HOP, SHORT_HOP


def test_the_check_sequence_is_that_of_the_standards_example() -> None:
    """IEEE 802.15.4-2006 section 7.2.1.9: an acknowledgement of frame 0x6a, bits as sent."""
    assert frame_check_sequence(bytes.fromhex("02006a")) == bytes.fromhex("e479")
    assert encode_frame(AckFrame(0x6A)) == bytes.fromhex("02006ae479")


def test_the_check_sequence_is_the_crc_known_as_kermit() -> None:
    assert frame_check_sequence(b"123456789") == (0x2189).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("hop", "ack", "written"),
    [
        (LONG_HOP, False, "41dc 2a cdab 0200000000000002 0100000000000002"),
        (SHORT_HOP, True, "6198 2a cdab 0200 0100"),
    ],
    ids=["64 bits", "16 bits"],
)
def test_a_data_frame_byte_by_byte(hop: Hop, ack: bool, written: str) -> None:
    frame = DataFrame(0x2A, 0xABCD, hop.destination, hop.source, b"payload", ack_request=ack)
    body = bytes.fromhex(written) + b"payload"
    assert encode_frame(frame) == body + frame_check_sequence(body)
    assert decode_frame(encode_frame(frame)) == frame


@given(
    st.builds(
        DataFrame,
        st.integers(0, 255),
        st.integers(0, 0xFFFF),
        st.binary(min_size=2, max_size=2) | st.binary(min_size=8, max_size=8),
        st.binary(min_size=2, max_size=2) | st.binary(min_size=8, max_size=8),
        st.binary(max_size=104),
        st.booleans(),
    )
    | st.builds(AckFrame, st.integers(0, 255))
)
def test_frames_survive_the_round_trip(frame: DataFrame | AckFrame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(st.data())
def test_a_frame_with_one_bit_wrong_is_rejected(data: st.DataObject) -> None:
    payload = data.draw(st.binary(max_size=104))
    whole = bytearray(encode_frame(DataFrame(1, 2, LONG_HOP.destination, LONG_HOP.source, payload)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MalformedFrame):
        decode_frame(bytes(whole))


@given(st.binary(max_size=140))
def test_whatever_has_a_good_check_sequence_decodes_or_is_malformed(body: bytes) -> None:
    try:
        frame = decode_frame(body + frame_check_sequence(body))
    except MalformedFrame:
        return
    assert encode_frame(frame)[2:-2] == body[2:]


@pytest.mark.parametrize(
    "control",
    ["40dc", "49dc", "51dc", "01dc", "41d0", "411c", "43dc", "41fc"],
    ids=["beacon", "secured", "pending", "two PANs", "no to", "no from", "command", "version 3"],
)
def test_frames_that_are_never_made_are_malformed(control: str) -> None:
    body = bytes.fromhex(control) + bytes(30)
    with pytest.raises(MalformedFrame, match="frame with"):
        decode_frame(body + frame_check_sequence(body))


def test_a_frame_that_ends_in_its_header_is_malformed() -> None:
    body = bytes.fromhex("41dc 2a cdab 02000000")
    with pytest.raises(MalformedFrame, match="ends in its header"):
        decode_frame(body + frame_check_sequence(body))


def test_a_frame_is_refused_above_127_bytes_and_with_odd_addresses() -> None:
    exact = DataFrame(0, 0, LONG_HOP.destination, LONG_HOP.source, bytes(104))
    assert len(encode_frame(exact)) == 127
    with pytest.raises(ConfigurationError, match="128 bytes in a frame"):
        encode_frame(DataFrame(0, 0, LONG_HOP.destination, LONG_HOP.source, bytes(105)))
    with pytest.raises(ConfigurationError, match="2 or 8"):
        encode_frame(DataFrame(0, 0, b"abc", LONG_HOP.source, b""))
