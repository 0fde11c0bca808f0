"""The options of an answer, which all transfers send alike."""

from __future__ import annotations

import pytest

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.options import Option
from handshake_over_coap.transfers.base import Answer
from handshake_over_coap.transfers.blockwise import options_of_answer
from handshake_over_coap.transfers.qblock_answer import response

SEGMENTS = ("z", "handshakes", "a")


def test_the_segments_of_a_location_stay_in_their_order() -> None:
    """A path is its options in order (RFC 7252 section 5.10.7), not in that of the alphabet."""
    answer = Answer(Code.CREATED, b"body", 65001, SEGMENTS, echo=b"echo", max_age=7)
    sent = response(answer, len(answer.payload))
    located = [value for number, value in sent.options if number == Option.LOCATION_PATH]
    assert located == [each.encode() for each in SEGMENTS]
    numbers = [number for number, _ in sent.options]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("answer", [Answer(Code.CHANGED), Answer(Code.CHANGED, b"body")])
def test_what_an_answer_does_not_say_is_no_option(answer: Answer) -> None:
    assert options_of_answer(answer) == []
