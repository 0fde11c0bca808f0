"""ACKs of the classic 1.3 handshake: when they are sent, and that nothing else is sent again."""

from __future__ import annotations

from collections import Counter

import pytest

from handshake_over_coap.errors import HandshakeTimeout
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.timers import Rfc9147
from handshake_over_coap.tls.codepoints import ContentType
from tests.support.udp_pair13 import (
    CASES,
    ONE_WAY,
    PSK_KE,
    RPK,
    X509,
    Case,
    Pair13,
    dropping,
)

LATEST = 100.0


def run(case: Case, mtu: int = 1152, *lost: int, **options: object) -> Pair13:
    """A handshake of which datagrams are lost."""
    pair = Pair13(case, mtu=mtu, fate=dropping(*lost), **options)  # type: ignore[arg-type]
    pair.run(LATEST)
    assert pair.complete
    return pair


def acks(pair: Pair13, *, of_client: bool) -> list[tuple[float, int, tuple[RecordNumber, ...]]]:
    """When one side sent an ACK, in which epoch, and what it names."""
    return [
        (seen.when, seen.opened.epoch, Ack.decode(seen.opened.plaintext).record_numbers)
        for seen in pair.records()
        if seen.of_client == of_client and seen.opened.content_type == ContentType.ack
    ]


@pytest.mark.parametrize("mtu", [1280, 256, 128])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_undisturbed_only_the_last_flight_is_acknowledged(case: Case, mtu: int) -> None:
    pair = run(case, mtu)
    assert acks(pair, of_client=True) == []
    ((_, epoch, numbers),) = acks(pair, of_client=False)
    assert epoch == 3
    finals = [s for s in pair.records() if s.of_client and s.opened.epoch == 2]
    assert numbers == tuple(seen.opened.number for seen in finals)


def test_a_gap_is_acknowledged_at_once_and_only_the_lost_record_is_sent_again() -> None:
    # Of the server's five datagrams the third is lost.
    pair = run(RPK, 128, 4)
    when, epoch, numbers = acks(pair, of_client=True)[0]
    assert when == pytest.approx(2 * ONE_WAY)
    assert epoch == 2
    assert numbers == ((0, 1), (0, 2), (2, 0), (2, 2))
    assert (pair.server.retransmissions, pair.client.retransmissions) == (1, 0)
    handshake = [
        seen.opened
        for seen in pair.records()
        if not seen.of_client and seen.opened.content_type == ContentType.handshake
    ]
    lost, again = (next(o for o in handshake if o.number == (2, n)) for n in (1, 4))
    assert lost.plaintext == again.plaintext
    assert handshake[-1] == again
    assert pair.client.completed_at == pytest.approx(4 * ONE_WAY)


def test_a_lost_end_is_acknowledged_after_a_quarter_of_the_timer() -> None:
    pair = run(RPK, 128, 6)
    assert pair.server.retransmissions == 1
    ((when, epoch, numbers),) = acks(pair, of_client=True)
    # The client has measured a round trip of 0.1 s: its timer is at its least, which is 0.25 s.
    assert when == pytest.approx(2 * ONE_WAY + 0.25 / 4)
    assert (epoch, numbers) == (2, ((0, 1), (0, 2), (2, 0), (2, 1), (2, 2)))
    assert pair.client.completed_at == pytest.approx(when + 2 * ONE_WAY)


def test_sealed_records_before_serverhello_are_kept_and_draw_an_empty_ack() -> None:
    # Of two datagrams the first is lost, with ServerHello and the first half of the rest.
    pair = run(RPK, 256, 1)
    ((when, epoch, numbers),) = acks(pair, of_client=True)
    assert when == pytest.approx(2 * ONE_WAY)
    assert (epoch, numbers) == (0, ())
    assert pair.server.retransmissions == 1
    assert pair.client.completed_at == pytest.approx(4 * ONE_WAY)


def test_half_a_serverhello_is_acknowledged_in_the_clear() -> None:
    # The end of ServerHello is lost, with the record behind it; the rest cannot be opened yet.
    pair = run(RPK, 128, 3)
    (when, epoch, numbers), *_ = acks(pair, of_client=True)
    assert when == pytest.approx(2 * ONE_WAY)
    assert (epoch, numbers) == (0, ((0, 1),))
    assert pair.server.retransmissions == 1
    assert pair.client.completed_at == pytest.approx(4 * ONE_WAY)


def test_a_gap_in_the_last_flight_is_acknowledged_under_the_newest_keys() -> None:
    whole = run(RPK, 128)
    last_flight = [i for i, (when, of_client, _) in enumerate(whole.wire) if of_client and when > 0]
    assert len(last_flight) == 3
    pair = run(RPK, 128, last_flight[0])
    when, *named = acks(pair, of_client=False)[0]
    assert when == pytest.approx(3 * ONE_WAY)
    assert named == [3, ((2, 1),)]
    assert pair.client.retransmissions == 1
    assert pair.server.completed_at == pytest.approx(5 * ONE_WAY)


def test_data_that_overtakes_the_last_flight_has_it_sent_again_at_once() -> None:
    pair = Pair13(PSK_KE, fate=dropping(2))
    while pair.client.established is None:
        pair.step()
    pair.put(True, [pair.client.seal(b"early")])
    pair.run(LATEST)
    assert pair.complete
    when, *named = acks(pair, of_client=False)[0]
    assert when == pytest.approx(3 * ONE_WAY)
    assert named == [3, ()]
    assert pair.server.completed_at == pytest.approx(5 * ONE_WAY)
    # It was opened before the client's Finished, and handed on after that.
    assert pair.server.received == [b"early"]


def test_a_lost_last_flight_is_sent_again_when_its_timer_runs_out() -> None:
    pair = run(RPK, 1152, 2)
    assert pair.client.completed_at == pytest.approx(2 * ONE_WAY)
    assert pair.server.completed_at == pytest.approx(3 * ONE_WAY + 0.25)
    assert pair.client.retransmissions == 1


def test_a_lost_ack_of_the_last_flight_is_sent_again_once_for_all_copies_of_it() -> None:
    pair = run(RPK, 128, len(run(RPK, 128).wire) - 1)
    assert pair.client.retransmissions == 3
    (_, _, first), (_, _, second) = acks(pair, of_client=False)
    assert set(first) < set(second)
    assert pair.server.completions == 1


def test_the_last_flight_may_be_lost_after_completion_again_and_again() -> None:
    # The ACK is lost five times over: the client goes on asking, and the server answering.
    pair = Pair13(PSK_KE, fate=lambda index, data: [(0.0, data)] if index < 3 else [])
    while pair.now < 5:
        pair.step()
    pair.fate = lambda index, data: [(0.0, data)]
    pair.run(LATEST)
    assert pair.complete
    assert pair.client.retransmissions >= 4


def test_a_client_whose_last_flight_is_never_acknowledged_gives_up() -> None:
    pair = Pair13(
        PSK_KE,
        fate=lambda index, data: [(0.0, data)] if index < 2 else [],
        timer=Rfc9147(max_retransmit=2),
    )
    with pytest.raises(HandshakeTimeout, match="last flight"):
        pair.run(LATEST)
    assert pair.client.retransmissions == 2


@pytest.mark.parametrize("mtu", [64, 80])
@pytest.mark.parametrize("cookie", [False, True])
def test_never_more_than_ten_records_leave_at_once(mtu: int, cookie: bool) -> None:
    for lost in (-1, 5, 12, 20, 30):
        pair = run(X509, mtu, lost, cookie=cookie)
        at_once = Counter(
            (seen.when, seen.of_client)
            for seen in pair.records()
            if seen.opened.content_type == ContentType.handshake
        )
        assert max(at_once.values()) <= 10


def test_gaps_are_no_reason_for_an_ack_until_1_3_is_known_to_be_spoken() -> None:
    # The server's retry comes without its middle; a peer of 1.2 would not know what an ACK is.
    first = len(Pair13(RPK, mtu=64).wire)
    pair = run(RPK, 64, first + 1, cookie=True)
    sent = [seen for seen in pair.records() if seen.of_client and seen.when < 1]
    assert len(sent) == first
    assert {seen.opened.content_type for seen in sent} == {ContentType.handshake}
