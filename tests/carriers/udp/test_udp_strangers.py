"""Hellos in fragments from addresses that are not proven: acknowledged in part, answered again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.reassembly import Fragment
from handshake_over_coap.carriers.udp.strangers import (
    ACKNOWLEDGED,
    AGE,
    AMPLIFICATION,
    BURST,
    PATIENCE,
    POOL,
    Strangers,
)
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.tls.flight import HandshakeMessage

CLIENT = Address("192.0.2.7", 40000)
HEADERS = 25
HELLO = b"\xfe\xfd" + bytes(32) + b"\0\0" + bytes(range(100))
WITH_COOKIE = b"\xfe\xfd" + bytes(32) + b"\0\5cooky" + bytes(95)


def strangers(*, only_13: bool = True, mtu: int = 65) -> Strangers:
    return Strangers(Counter(), mtu, only_13=only_13)


def parts(body: bytes = HELLO, seq: int = 1, size: int = 40) -> list[Fragment]:
    return [
        Fragment(1, len(body), seq, start, body[start : start + size], 0)
        for start in range(0, len(body), size)
    ]


def numbers(*values: int) -> tuple[RecordNumber, ...]:
    return tuple(RecordNumber(0, value) for value in values)


def test_a_gap_in_a_second_hello_is_acknowledged_at_once() -> None:
    pool = strangers()
    first, _, third, _ = parts()
    assert pool.join(first, 5, CLIENT, 0.0) is None
    said = pool.join(third, 7, CLIENT, 0.0)
    assert said is not None
    (ack,) = said.acks
    assert ack.record_numbers == numbers(5, 7)
    assert pool.deadline is None


def test_the_rest_that_does_not_come_is_acknowledged_after_a_quarter_of_the_first_timer() -> None:
    pool = strangers()
    pool.join(parts()[0], 5, CLIENT, 1.0)
    assert pool.deadline == 1.0 + PATIENCE
    ((address, said),) = pool.late(1.0 + PATIENCE)
    assert (address, said.acks[0].record_numbers) == (CLIENT, numbers(5))
    assert pool.deadline is None


def test_a_first_hello_is_not_acknowledged_as_nothing_is_agreed_on() -> None:
    pool = strangers()
    first, _, third, _ = parts(seq=0)
    assert pool.join(first, 0, CLIENT, 0.0) is None
    assert pool.join(third, 2, CLIENT, 0.0) is None
    assert pool.deadline is None


@pytest.mark.parametrize(("body", "acknowledged"), [(HELLO, True), (WITH_COOKIE, False)])
def test_where_1_2_is_spoken_too_the_place_of_its_cookie_tells_the_version(
    body: bytes, acknowledged: bool
) -> None:
    pool = strangers(only_13=False)
    first, second, third, _ = parts(body)
    assert pool.join(second, 6, CLIENT, 0.0) is None
    pool.join(third, 7, CLIENT, 0.0)
    assert pool.deadline is None  # the beginning has not come yet
    pool.join(first, 5, CLIENT, 0.0)
    assert (pool.deadline is not None) == acknowledged


def test_our_records_go_on_behind_those_of_the_acks() -> None:
    pool = strangers()
    *most, last = parts()
    pool.join(most[0], 5, CLIENT, 0.0)
    said = pool.join(most[2], 9, CLIENT, 0.0)
    assert said is not None
    assert said.record_number == 9
    pool.join(most[1], 6, CLIENT, 0.0)
    done = pool.join(last, 8, CLIENT, 0.0)  # overtaken by the number 9
    assert done is not None
    assert done.message == HandshakeMessage(1, HELLO, 1)
    assert done.record_number > said.record_number


def answered(pool: Strangers, size: int = 167) -> list[Fragment]:
    """A first hello that has drawn an answer at 0 s."""
    *most, last = made = parts(seq=0)
    for number, part in enumerate(most):
        assert pool.join(part, number, CLIENT, 0.0) is None
    done = pool.join(last, 3, CLIENT, 0.0)
    assert done is not None
    assert done.message is not None
    pool.answered(CLIENT, done.message, size, 0.0)
    return made


def test_any_part_of_a_repeated_first_hello_draws_the_answer_once_more() -> None:
    pool = strangers()
    made = answered(pool)
    assert pool.join(made[2], 4, CLIENT, BURST / 2) is None  # a copy of the first transmission
    again = pool.join(made[1], 5, CLIENT, 1.0)
    assert again is not None
    assert (again.message, again.record_number) == (HandshakeMessage(1, HELLO, 0), 5)
    pool.answered(CLIENT, HandshakeMessage(1, HELLO, 0), 167, 1.0)
    assert pool.join(made[2], 6, CLIENT, 1.0) is None  # of the same transmission


def test_another_first_hello_takes_the_place_of_the_one_that_was_answered() -> None:
    pool = strangers()
    other = parts(HELLO.replace(bytes(32), bytes(31) + b"x"), seq=0)
    made = answered(pool)
    assert [part.data for part in other[1:]] == [part.data for part in made[1:]]
    found = [pool.join(part, number, CLIENT, 1.0) for number, part in enumerate(other)]
    assert found[:-1] == [None, None, None]
    assert found[-1] is not None


def test_what_was_acknowledged_is_kept_whoever_else_comes() -> None:
    pool = strangers()
    first, second, third, fourth = parts()
    pool.join(first, 5, CLIENT, 0.0)
    pool.join(third, 7, CLIENT, 0.0)
    for port in range(3 * POOL):
        pool.join(first, 0, Address("198.51.100.1", 1000 + port), 1.0)
    assert len(pool) == POOL
    pool.join(second, 8, CLIENT, 2.0)
    done = pool.join(fourth, 9, CLIENT, 2.0)
    assert done is not None
    assert done.message == HandshakeMessage(1, HELLO, 1)


def test_a_late_part_of_the_hello_before_does_not_end_what_was_acknowledged() -> None:
    pool = strangers()
    first, second, third, fourth = parts()
    pool.join(first, 5, CLIENT, 0.0)
    pool.join(third, 7, CLIENT, 0.0)
    assert pool.join(parts(seq=0)[1], 1, CLIENT, 0.1) is None
    pool.join(second, 8, CLIENT, 0.2)
    assert pool.join(fourth, 9, CLIENT, 0.2) is not None
    # A client that begins again is another matter.
    pool.join(first, 15, CLIENT, 10.0)
    pool.join(third, 17, CLIENT, 10.0)
    for number, part in enumerate(parts(seq=0)):
        found = pool.join(part, 20 + number, CLIENT, 15.0)
    assert found is not None
    assert found.message == HandshakeMessage(1, HELLO, 0)


def test_acks_hold_half_of_the_pool_and_for_a_time() -> None:
    pool = strangers()
    first, _, third, _ = parts()

    def flood(now: float) -> Iterator[bool]:
        for port in range(2 * POOL):
            address = Address("198.51.100.1", 1000 + port)
            pool.join(first, 0, address, now)
            yield pool.join(third, 2, address, now) is not None

    assert sum(flood(0.0)) == ACKNOWLEDGED
    pool.late(PATIENCE)
    assert sum(flood(AGE + 1)) == ACKNOWLEDGED


@given(st.data())
def test_a_stranger_is_sent_no_more_than_three_times_what_came(data: st.DataObject) -> None:
    pool = strangers(mtu=data.draw(st.sampled_from([50, 65, 1152])))
    body = HELLO + bytes(data.draw(st.integers(0, 300)))
    came = sent = 0
    now = 0.0
    for number in range(data.draw(st.integers(1, 40))):
        now += data.draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
        for _, late in pool.late(now):
            sent += sum(13 + len(ack.encode()) for ack in late.acks)
        start = data.draw(st.integers(0, len(body) - 1))
        size = data.draw(st.integers(1, 60))
        seq = data.draw(st.integers(0, 1))
        part = Fragment(1, len(body), seq, start, body[start : start + size], 0)
        came += HEADERS + len(part.data)
        said = pool.join(part, number, CLIENT, now)
        if said is not None:
            sent += sum(13 + len(ack.encode()) for ack in said.acks)
            if said.message is not None and seq == 0:
                cost = data.draw(st.integers(1, 2 * len(body)))
                pool.answered(CLIENT, said.message, cost, now)
                sent += cost
        assert sent <= AMPLIFICATION * came
