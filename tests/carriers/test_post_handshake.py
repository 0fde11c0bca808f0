"""Tickets, key updates and connection IDs after a 1.3 handshake, whatever becomes of records."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.post_handshake import (
    ATTEMPTS,
    MOST_TICKETS,
    OUTSTANDING,
    REQUEST_PERIOD,
    REQUESTS,
    RETENTION,
)
from handshake_over_coap.carriers.reassembly import fragment
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.opener13 import Opened
from handshake_over_coap.timers import Rfc9147
from handshake_over_coap.tls.alerts import DecodeError, UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, KeyUpdateRequest
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.messages import (
    KeyUpdate,
    NewSessionTicket,
    RequestConnectionId,
)
from handshake_over_coap.tls.tickets import MAX_TICKET_LENGTH, Ticket
from tests.support.udp_pair import unharmed
from tests.support.udp_pair13 import ONE_WAY, PSK_DHE, PSK_KE, Pair13, Side, dropping

LATEST = 100.0
CIDS: dict[str, Any] = {
    "client": {"connection_id": b"client"},
    "server": {"connection_id": b"server"},
}


def connected(**options: Any) -> Pair13:
    """A pair whose handshake is over, and nothing on its way."""
    pair = Pair13(PSK_KE, **options)
    pair.run(LATEST)
    assert pair.complete
    pair.now = LATEST
    return pair


def lose(pair: Pair13, *numbers: int) -> None:
    """Lose the datagrams of these numbers, counted from now."""
    start = len(pair.wire)

    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        return [] if index - start in numbers else [(0.0, data)]

    pair.fate = fate


def exchange(pair: Pair13, text: bytes) -> None:
    """Data both ways arrives, now that nothing is lost."""
    pair.fate = unharmed
    for side, of_client in ((pair.client, True), (pair.server, False)):
        pair.put(of_client, [side.seal(text)])
    pair.run(pair.now + 1)
    assert pair.client.received[-1:] == pair.server.received[-1:] == [text]


def opened(pair: Pair13, to: Side, message: HandshakeMessage) -> Opened:
    """A message as if it had just come sealed in one record of its epoch."""
    number = to.end.opener.highest(message.epoch) + 1000 + message.message_seq
    content = fragment(message, 0, len(message.body))
    return Opened(ContentType.handshake, content, message.epoch, number)


def next_message(pair: Pair13, side: Side, body: Any) -> HandshakeMessage:
    """A message that ``side`` would say next."""
    ongoing = side.post.connected.ongoing
    return HandshakeMessage(
        body.msg_type, body.encode(), ongoing.next_seq, side.post.connected.write_epoch
    )


@pytest.mark.parametrize("lost", [(), (4,), (5,), (4, 5), (5, 6), (4, 6), (4, 5, 6, 7)])
@pytest.mark.parametrize("mtu", [1152, 64])
def test_a_ticket_arrives_once_and_is_acknowledged(lost: tuple[int, ...], mtu: int) -> None:
    pair = Pair13(PSK_DHE, mtu=mtu, fate=dropping(*lost), server={"tickets": 1})
    pair.run(LATEST)
    assert pair.complete
    assert len(pair.client.tickets) == 1
    if not lost and mtu == 1152:
        # The client's ACK is the only datagram that the ticket costs: it goes with the server's.
        assert len(pair.wire) == 5
        kinds = [(s.of_client, s.opened.content_type, s.opened.epoch) for s in pair.records()]
        assert kinds[-3:] == [
            (False, ContentType.ack, 3),
            (False, ContentType.handshake, 3),
            (True, ContentType.ack, 3),
        ]


def test_a_ticket_in_pieces_loses_one_and_only_that_is_sent_again() -> None:
    whole = Pair13(PSK_DHE, mtu=100, server={"tickets": 1})
    whole.run(LATEST)
    pieces = [
        index
        for index, seen in enumerate(whole.records())
        if not seen.of_client
        and seen.opened.epoch == 3
        and seen.opened.content_type == ContentType.handshake
    ]
    assert len(pieces) > 2
    pair = Pair13(PSK_DHE, mtu=100, server={"tickets": 1})
    first = len(whole.wire) - len(pieces) - 1
    pair.fate = dropping(first + 1)
    pair.run(LATEST)
    assert pair.complete
    assert len(pair.client.tickets) == 1
    assert pair.server.retransmissions == 1


def test_several_tickets_are_several_flights_of_which_each_can_be_lost() -> None:
    for lost in range(4, 10):
        pair = Pair13(PSK_DHE, fate=dropping(lost), server={"tickets": 2})
        pair.run(LATEST)
        assert pair.complete
        assert len({ticket.ticket for ticket in pair.client.tickets}) == 2


@pytest.mark.parametrize("request_update", [False, True])
@pytest.mark.parametrize("by_client", [False, True])
def test_new_keys_are_used_after_the_ack_whatever_is_lost(
    by_client: bool, request_update: bool
) -> None:
    singles = [(n,) for n in range(6)]
    for lost in ((), *singles, *itertools.combinations(range(6), 2)):
        pair = connected()
        lose(pair, *lost)
        side, other = (pair.client, pair.server) if by_client else (pair.server, pair.client)
        pair.put(by_client, side.post.update_keys(pair.now, request=request_update))
        assert side.end.sealer.epoch == 3
        pair.run(pair.now + 60)
        assert side.end.sealer.epoch == 4, f"{lost} were lost"
        assert other.end.sealer.epoch == (4 if request_update else 3)
        assert pair.complete
        exchange(pair, b"under the new keys")


def test_many_updates_from_both_sides_at_once() -> None:
    pair = connected()
    for count in range(1, 13):
        pair.put(True, pair.client.post.update_keys(pair.now, request=True))
        pair.put(False, pair.server.post.update_keys(pair.now))
        pair.now += REQUEST_PERIOD * 2
        pair.run(pair.now)
        assert pair.client.end.sealer.epoch == 3 + count
        assert pair.server.end.sealer.epoch >= 3 + count
        exchange(pair, b"%d" % count)
    # One epoch before the present is kept, for records that are late.
    assert len(pair.client.end.opener.epochs) == 2


def test_the_old_keys_open_what_was_on_its_way_and_are_forgotten_in_time() -> None:
    pair = connected()
    late = pair.client.seal(b"late")
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 1)
    exchange(pair, b"new")
    pair.put(True, [late])
    pair.run(pair.now + 1)
    assert pair.server.received == [b"new", b"late"]
    assert list(pair.server.end.opener.epochs) == [2, 3, 4]
    pair.run(pair.now + RETENTION + LATEST)
    left = pair.server.end.opener.epochs
    assert left == (4,)


def test_the_old_keys_stay_until_something_comes_under_the_new_ones() -> None:
    """While every ACK is lost, the peer goes on with its old keys for as long as it likes."""
    pair = connected()
    pair.fate = lambda index, data: [(0.0, data)] if pair.wire[index][1] else []
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 10 * RETENTION)
    assert pair.client.end.sealer.epoch == 3
    assert list(pair.server.end.opener.epochs) == [3, 4]
    exchange(pair, b"under the old keys")
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 1)
    assert pair.client.end.sealer.epoch == 4
    exchange(pair, b"under the new keys")
    pair.run(pair.now + 2 * RETENTION)
    left = pair.server.end.opener.epochs
    assert left == (4,)


def test_an_update_that_waits_is_no_reason_to_make_another() -> None:
    pair = connected()
    lose(pair, 0, 1)
    first = pair.client.post.update_keys(pair.now)
    pair.put(True, first)
    again = pair.client.post.update_keys(pair.now)
    assert len(again[0]) == len(first[0])
    assert pair.client.post.outstanding == 1
    with pytest.raises(ConfigurationError, match="KeyUpdate waits"):
        pair.client.post.send(Step(pair.client.post.connected), pair.now)


def test_an_update_is_given_up_and_can_be_asked_for_again() -> None:
    pair = connected(timer=Rfc9147(max_retransmit=2))
    pair.fate = lambda index, data: []
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 100)
    assert pair.counters["post-handshake messages given up"] == 1
    assert pair.client.retransmissions == 2
    pair.fate = lambda index, data: [(0.0, data)]
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 1)
    assert pair.client.end.sealer.epoch == 4


def test_nothing_is_sent_again_for_ever() -> None:
    pair = connected()
    pair.fate = lambda index, data: []
    sent = len(pair.wire)
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 10_000)
    assert len(pair.wire) - sent == 1 + ATTEMPTS


def test_a_storm_of_key_updates_is_followed_slowly() -> None:
    pair = connected()
    post = pair.server.post
    followed = 0
    for _ in range(REQUESTS + 5):
        ongoing = post.connected.ongoing
        update = KeyUpdate(KeyUpdateRequest.update_not_requested).encode()
        seq = pair.client.post.connected.ongoing.next_seq + followed
        message = HandshakeMessage(HandshakeType.key_update, update, seq, ongoing.read_epoch)
        heard = post.receive(opened(pair, pair.server, message), pair.now)
        followed += bool(heard.datagrams)
    assert followed == REQUESTS == post.connected.read_epoch - 3
    assert pair.counters["dropped: too many requests"] == 5
    # What got no ACK comes again, and is heard when its time has come.
    later = pair.now + REQUEST_PERIOD
    assert post.receive(opened(pair, pair.server, message), later).datagrams


def test_more_tickets_than_a_session_wants_are_acknowledged_and_dropped() -> None:
    pair = connected()
    seq = pair.server.post.connected.ongoing.next_seq
    post = pair.client.post
    kept: list[Ticket] = []
    for number in range(MOST_TICKETS + 3):
        ticket = NewSessionTicket(60, 0, bytes([number]), b"t" * 20)
        message = HandshakeMessage(ticket.msg_type, ticket.encode(), seq + number, 3)
        heard = post.receive(opened(pair, pair.client, message), pair.now)
        kept += heard.tickets
        assert len(heard.datagrams) == 1
    assert len(kept) == MOST_TICKETS
    assert pair.counters["dropped: ticket"] == 3


@pytest.mark.parametrize("excess", [0, 1])
def test_the_longest_ticket_that_a_server_gives_is_kept_and_a_longer_one_dropped(
    excess: int,
) -> None:
    pair = connected()
    ticket = NewSessionTicket(60, 0, bytes(255), b"t" * (MAX_TICKET_LENGTH + excess))
    seq = pair.server.post.connected.ongoing.next_seq
    message = HandshakeMessage(ticket.msg_type, ticket.encode(), seq, 3)
    heard = pair.client.post.receive(opened(pair, pair.client, message), pair.now)
    assert len(heard.tickets) == 1 - excess
    assert len(heard.datagrams) == 1
    assert pair.counters["dropped: ticket"] == excess


def test_a_request_for_connection_ids_is_answered_one_at_a_time() -> None:
    pair = connected(**CIDS)
    seq = pair.client.post.connected.ongoing.next_seq
    post = pair.server.post
    request = RequestConnectionId(3)
    answers = [
        post.receive(
            opened(
                pair,
                pair.server,
                HandshakeMessage(request.msg_type, request.encode(), seq + number, 3),
            ),
            pair.now,
        ).datagrams
        for number in range(2)
    ]
    # The first draws an ACK and an answer in one; until that is acknowledged, the second nothing.
    assert [len(answer) for answer in answers] == [1, 0]
    assert post.outstanding == 1


def test_connection_ids_are_in_the_records_of_the_handshake_and_after_it() -> None:
    pair = connected(**CIDS, mtu=128)
    sealed = [data for _, of_client, data in pair.wire if of_client and data[0] & 0xE0 == 0x20]
    assert all(data[1:7] == b"server" for data in sealed)
    exchange(pair, b"hello")


def test_a_connection_id_where_none_was_agreed_on_ends_the_session() -> None:
    pair = connected()
    request = next_message(pair, pair.client, RequestConnectionId(1))
    with pytest.raises(UnexpectedMessage):
        pair.server.post.receive(opened(pair, pair.server, request), pair.now)


def test_an_ack_of_records_never_sent_means_nothing() -> None:
    pair = connected()
    post = pair.client.post
    post.update_keys(pair.now)
    numbers = ((3, 55), (2, 9), (0, 0), (7, 0), (2**64 - 1, 2**64 - 1))
    body = Ack.of(RecordNumber(*number) for number in numbers).encode()
    assert post.receive(Opened(ContentType.ack, body, 3, 77), pair.now).datagrams == ()
    assert post.outstanding == 1


def test_a_flood_of_empty_acks_draws_nothing_but_one_repetition() -> None:
    pair = connected()
    lose(pair, 0)
    pair.put(True, pair.client.post.update_keys(pair.now))
    empty = Opened(ContentType.ack, Ack().encode(), 3, 77)
    drawn = [pair.client.post.receive(empty, pair.now).datagrams for _ in range(1000)]
    assert sum(map(len, drawn)) == 1


def test_a_new_message_under_old_keys_ends_the_session() -> None:
    pair = connected()
    pair.put(True, pair.client.post.update_keys(pair.now))
    pair.run(pair.now + 1)
    late = KeyUpdate(KeyUpdateRequest.update_not_requested)
    seq = pair.client.post.connected.ongoing.next_seq
    for epoch in (2, 3):
        message = HandshakeMessage(late.msg_type, late.encode(), seq, epoch)
        with pytest.raises(UnexpectedMessage):
            pair.server.post.receive(opened(pair, pair.server, message), pair.now)


def test_a_ticket_may_follow_a_key_update_in_the_old_epoch() -> None:
    pair = connected()
    update = next_message(pair, pair.server, KeyUpdate(KeyUpdateRequest.update_not_requested))
    ticket = next_message(pair, pair.server, NewSessionTicket(60, 0, b"n", b"t"))
    for message in (update, replace(ticket, message_seq=ticket.message_seq + 1)):
        heard = pair.client.post.receive(opened(pair, pair.client, message), pair.now)
        assert len(heard.datagrams) == 1  # an ACK
        assert pair.client.post.connected.read_epoch == 4
    assert [each.ticket for each in heard.tickets] == [b"t"]


def test_what_waits_for_acks_is_bounded() -> None:
    pair = connected()
    post = pair.server.post
    seq = post.connected.ongoing.next_seq
    ticket = NewSessionTicket(60, 0, b"", b"t").encode()
    steps = [
        Step(
            post.connected,
            (HandshakeMessage(HandshakeType.new_session_ticket, ticket, seq + number, 3),),
        )
        for number in range(OUTSTANDING + 1)
    ]
    for step in steps[:-1]:
        post.send(step, pair.now)
    with pytest.raises(ConfigurationError, match="too many"):
        post.send(steps[-1], pair.now)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ContentType.handshake, ContentType.ack]),
            st.binary(max_size=60),
            st.integers(2, 6),
        ),
        max_size=6,
    )
)
def test_no_content_of_an_authentic_record_raises_anything_but_our_errors(
    records: list[tuple[int, bytes, int]],
) -> None:
    pair = connected()
    for number, (kind, data, epoch) in enumerate(records):
        try:
            pair.server.post.receive(Opened(kind, data, epoch, 100 + number), pair.now)
        except Error:
            return


def test_garbage_in_an_authentic_record_is_a_decode_error() -> None:
    pair = connected()
    for kind in (ContentType.handshake, ContentType.ack):
        with pytest.raises(DecodeError):
            pair.client.post.receive(Opened(kind, b"\x01\x02\x03", 3, 99), pair.now)


def test_a_session_that_nothing_waits_for_sets_no_timer_but_to_forget_old_keys() -> None:
    pair = connected()
    assert pair.client.post.deadline is None
    assert pair.server.post.deadline == pytest.approx(3 * ONE_WAY + RETENTION)
