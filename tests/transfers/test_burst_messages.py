"""Bursts as CoAP messages: what stands in them, how large they are, and what answers what."""

from __future__ import annotations

import random

import pytest

from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.transfers.base import (
    Answer,
    BadPart,
    BodyIncomplete,
    Contact,
    Outgoing,
    Upload,
)
from handshake_over_coap.transfers.burst import Burst
from handshake_over_coap.transfers.pieces import Note, Piece, Saying, decode
from handshake_over_coap.transfers.wrapping import unwrapped, wrapped
from tests.support.burst_messages import ECHO, PATH, Joined, terms

_RNG = random.Random(9)
HELLO, SERVER, LAST, DONE = (_RNG.randbytes(size) for size in (70, 190, 43, 11))
ANSWERS = {
    HELLO: Answer(Code.CREATED, SERVER, location=("s",)),
    LAST: Answer(Code.CHANGED, DONE, final=True),
}


def _joined(**options: object) -> Joined:
    return Joined(ANSWERS.__getitem__, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probe", "check", "datagrams"), [(True, True, 10), (False, False, 8), (False, True, 12)]
)
def test_a_handshake_takes_so_many_datagrams_of_65_bytes(
    probe: bool, check: bool, datagrams: int
) -> None:
    joined = _joined(probe=probe, check=check)
    reply = joined.post(HELLO, first=True)
    assert reply is not None
    assert (reply.code, reply.payload) == (Code.CHANGED, SERVER)
    reply = joined.post(LAST)
    assert reply is not None
    assert reply.payload == DONE
    assert joined.bodies == [HELLO, LAST]
    assert len(joined.datagrams) == datagrams
    assert max(map(len, joined.datagrams)) <= 65


def test_each_message_is_non_confirmable_and_says_what_is_needed() -> None:
    joined = _joined()
    joined.post(HELLO, first=True)
    joined.post(LAST)
    messages = [Message.decode(data) for data in joined.datagrams]
    assert {message.type for message in messages} == {MessageType.NON}
    probe, challenge, *rest = messages
    assert (probe.code, probe.payload, probe.path) == (Code.POST, b"", (b"d",))
    assert challenge.get(Option.ECHO) == ECHO
    requests = [message for message in rest if message.is_request]
    assert [message.get(Option.ECHO) for message in requests] == [ECHO, ECHO, None]
    assert {unwrapped(message.uint(Option.CONTENT_FORMAT) or 0) for message in requests} == {65000}
    assert len({decode(message.payload, tagged=True).tag for message in requests}) == 1
    assert len({message.token for message in requests}) == 3


@pytest.mark.parametrize("lost", range(12))
@pytest.mark.parametrize("check", [True, False])
def test_any_lost_datagram_is_made_good(lost: int, check: bool) -> None:
    joined = _joined(probe=check, check=check, lost=frozenset({lost}))
    assert joined.post(HELLO, first=True) is not None
    assert joined.post(LAST) is not None


def test_lost_probes_ask_for_more_challenges_within_three_times_their_bytes() -> None:
    joined = _joined(lost=frozenset(range(3)))
    assert joined.post(HELLO, first=True) is not None
    probes = [Message.decode(data) for data in joined.datagrams[:4]]
    assert probes[0].payload == b""
    counts = [decode(probe.payload, tagged=True) for probe in probes[1:]]
    assert all(isinstance(note, Note) and note.saying is Saying.ASK for note in counts)
    assert [note.count for note in counts if isinstance(note, Note)] == [2, 3, 4]
    challenges = joined.datagrams[4:8]
    assert {Message.decode(data).code for data in challenges} == {Code.UNAUTHORIZED}
    assert sum(map(len, challenges)) <= 3 * len(joined.datagrams[3])


def test_the_first_flight_is_padded_for_its_answer_where_no_challenge_went_before() -> None:
    joined = _joined(mtu=1152, probe=False, check=False)
    joined.post(HELLO, first=True)
    first, answer = joined.datagrams
    assert 3 * len(first) >= 400
    assert len(answer) <= 3 * len(first)


def test_a_body_that_comes_again_asks_for_another_answer() -> None:
    joined = _joined(check=False, probe=False)
    joined.post(HELLO, first=True)
    assert joined.post(LAST) is not None
    assert joined.post(LAST, until=0.0) is None
    reply = joined.post(LAST, until=5.0)
    assert reply is None or reply.payload == DONE


def test_a_refused_flight_tells_its_alert_and_leaves_the_conversation_as_it_was() -> None:
    refused = Answer(Code.BAD_REQUEST, b"\x02\x28", ALERT)
    joined = Joined(
        lambda body: refused if body == LAST else ANSWERS[body], probe=False, check=False
    )
    joined.post(HELLO, first=True)
    reply = joined.post(LAST)
    assert reply is not None
    assert (reply.code, reply.payload, reply.content_format) == (0x80, b"\x02\x28", ALERT)
    joined.answers = ANSWERS.__getitem__
    assert joined.bodies == [HELLO, LAST]


def test_a_refused_first_flight_is_told_at_once() -> None:
    busy = Answer(Code.SERVICE_UNAVAILABLE, max_age=7)
    joined = Joined(lambda _: busy)
    reply = joined.post(HELLO, first=True)
    assert reply is not None
    assert (reply.code, reply.max_age) == (Code.SERVICE_UNAVAILABLE, 7)
    joined.answers = ANSWERS.__getitem__
    again = joined.post(HELLO, first=True)
    assert again is not None
    assert again.payload == SERVER


def test_an_alert_is_one_confirmable_request() -> None:
    client = Burst().client(terms(random.Random(1)))
    posting = client.post(Upload(PATH, b"\x02\x28", ALERT))
    (alert,) = posting.start(0.0)
    assert alert.confirmable
    assert alert.content.payload == b"\x02\x28"
    posting.answered(Message.decode(Content(Code.CHANGED).encode(2, 1, b"")), alert, 0.1)
    assert posting.reply is not None
    assert posting.reply.code == Code.CHANGED


def _request(payload: bytes, number: int = 65256) -> Message:
    content = Content(Code.POST, ((11, b"d"), (12, number.to_bytes(2, "big"))), payload)
    return Message.decode(content.encode(MessageType.NON, 1, b"tokn"))


def test_what_is_no_piece_and_what_belongs_to_nothing_are_errors_of_ours() -> None:
    server = Burst().server(terms(random.Random(1)))
    with pytest.raises(BadPart):
        server.receive(_request(b"x"), Contact(proven=True), 0.0)
    later = Piece(3, 1, 0, b"data", tag=b"ab").encode()
    assert not server.continues(_request(later))
    with pytest.raises(BodyIncomplete):
        server.receive(_request(later), Contact(proven=True), 0.0)
    assert server.deadline is None


def test_one_endpoint_has_a_few_conversations_and_no_more() -> None:
    server = Burst().server(terms(random.Random(1)))
    for tag in range(50):
        piece = Piece(1, 2, 0, bytes(36), tag=tag.to_bytes(2, "big")).encode()
        server.receive(_request(piece), Contact(proven=True), 0.0)
    assert len(server._conversations) == 4
    server.clear()
    assert not server._conversations


def test_only_wrapped_formats_are_claimed_and_only_later_flights_need_no_proof() -> None:
    burst = Burst()
    assert burst.claims(_request(b""))
    assert not burst.claims(_request(b"", 65000))
    first, later = Piece(1, 1, 0, b"d", tag=b"ab"), Piece(3, 1, 0, b"d", tag=b"ab")
    assert burst.begins(_request(first.encode()))
    assert burst.begins(_request(b"?"))
    assert not burst.begins(_request(later.encode()))
    assert not burst.begins(_request(Note(Saying.NEED, 2, tag=b"ab").encode()))
    assert burst.asks(_request(first.encode())) == 0
    assert burst.asks(_request(Note(Saying.ASK, 0, 200, tag=b"ab").encode())) == 9


def test_formats_wrap_and_unwrap() -> None:
    assert wrapped(None) == wrapped(65000) == 65256
    assert unwrapped(65256) == 65000
    assert unwrapped(65000) is None
    assert unwrapped(40) is None
    with pytest.raises(ConfigurationError, match="content format 40"):
        wrapped(40)


def test_an_mtu_without_room_for_a_piece_is_told_with_what_to_do() -> None:
    client = Burst().client(terms(random.Random(1), mtu=20, probe=False))
    with pytest.raises(ConfigurationError, match="raise the mtu"):
        client.post(Upload(PATH, HELLO, first=True)).start(0.0)


def test_errors_to_a_later_flight_are_hints_until_they_come_again() -> None:
    client = Burst().client(terms(random.Random(1), probe=False))
    client.post(Upload(PATH, HELLO, first=True)).start(0.0)
    posting = client.post(Upload(PATH, LAST))
    (asked,) = posting.start(0.0)
    assert isinstance(asked, Outgoing)
    error = Message.decode(Content(Code.REQUEST_ENTITY_INCOMPLETE).encode(1, 1, b"tokn"))
    codes, again = [], asked
    for _ in range(2):
        for _ in range(3):  # those that answer what was sent together count once
            posting.answered(error, again, 0.1)
        codes.append(posting.reply.dotted if posting.reply else None)
        if posting.reply is None:
            assert posting.deadline is not None
            (again,) = posting.on_timer(posting.deadline)
    assert codes == [None, "4.04"]
