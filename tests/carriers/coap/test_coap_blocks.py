"""Cutting bodies into blocks and joining them, by themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.coap.options import Block
from handshake_over_coap.transfers.base import BadPart, BodyIncomplete, BodyTooLarge
from handshake_over_coap.transfers.blocks import block_at
from handshake_over_coap.transfers.blockwise import Assembly
from tests.support.exchange import (
    block,
)

# -- joining blocks, by themselves -----------------------------------------------------------


@given(
    st.binary(min_size=1, max_size=500),
    st.lists(st.sampled_from([16, 32, 64, 128, 256]), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_blocks_of_changing_sizes_join_to_the_body(
    body: bytes, sizes: list[int], draw: object
) -> None:
    transfer, offset, step = Assembly(1000), 0, 0
    while True:
        each = block_at(offset, len(body), sizes[step % len(sizes)])
        payload = body[offset : offset + each.size]
        whole = transfer.add(each, payload)
        if step % 3 == 0:
            assert transfer.add(each, payload) == whole  # repeated
        offset, step = offset + each.size, step + 1
        if not each.more:
            break
        assert whole is None
    assert whole == body


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.booleans(), st.sampled_from([16, 32, 64]), st.binary(max_size=70)
        ),
        max_size=30,
    )
)
def test_no_sequence_of_blocks_does_more_than_refuse(
    blocks: list[tuple[int, bool, int, bytes]],
) -> None:
    transfer = Assembly(600)
    for number, more, size, payload in blocks:
        try:
            whole = transfer.add(Block(number, more, size), payload)
        except (BadPart, BodyIncomplete, BodyTooLarge):
            continue
        assert (whole is None) is more
        if whole is not None:
            assert len(whole) == number * size + len(payload) <= 600
            assert whole.endswith(payload)
        assert len(transfer._data) <= 600


def test_a_shorter_body_with_the_same_beginning_is_not_the_longer_one() -> None:
    transfer = Assembly(600)
    transfer.add(Block(0, True, 16), bytes(16))
    assert transfer.add(Block(1, False, 16), b"a" * 16) == bytes(16) + b"a" * 16
    transfer.add(Block(0, True, 16), bytes(16))
    assert transfer.add(Block(1, False, 16), b"a" * 4) == bytes(16) + b"a" * 4


@given(st.integers(0, 2**20 - 1), st.booleans(), st.sampled_from([16, 64, 512, 1024]))
def test_block_options_round_trip(number: int, more: bool, size: int) -> None:
    assert Block.decode(Block(number, more, size).encode()) == Block(number, more, size)
    assert Block(number, more, size).encode() == block(number, more, size)
