"""A flight on its way: cut, sent, acknowledged in part, and no more sent again than is lacking."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.delivery import GRACE, RECORDS_AT_ONCE, Delivery
from handshake_over_coap.carriers.reassembly import Placed, Reassembly, read_fragments
from handshake_over_coap.records.dtls13 import CiphertextRecord, RecordNumber, split13
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites13 import SUITES13

AEAD = SUITES13[0].aead
KEYS = TrafficKeys(2, AEAD, bytes(AEAD.key_length), bytes(12), b"\1" * AEAD.key_length)
ONE, TWO = RecordNumber(2, 0), RecordNumber(2, 1)


@dataclass
class Receiver:
    """What the other side makes of the datagrams."""

    messages: list[HandshakeMessage] = field(default_factory=list)
    seen: list[RecordNumber] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._opener = Opener13()
        self._opener.add(KEYS)
        self.reassembly = Reassembly(0, Counter())

    def take(self, data: bytes) -> list[RecordNumber]:
        """The numbers of the records in a datagram, whose content is put together."""
        found = []
        for record in split13(data):
            if isinstance(record, CiphertextRecord):
                opened = self._opener.open(record)
                number, content = opened.number, opened.plaintext
            else:
                number, content = RecordNumber(0, record.sequence_number), record.fragment
            for part in read_fragments(content, number.epoch):
                assert self.reassembly.place(part) is not Placed.REFUSED
            found.append(number)
        while (message := self.reassembly.peek()) is not None:
            self.messages.append(message)
            self.reassembly.advance()
        self.seen += found
        return found


def writer() -> Writer13:
    made = Writer13()
    made.add(KEYS)
    return made


def flight(*sizes: int, clear: int = 0) -> tuple[HandshakeMessage, ...]:
    """Messages of these sizes, so many of them in the clear."""
    return tuple(
        HandshakeMessage(11, bytes([seq]) * size, seq, 0 if seq < clear else 2)
        for seq, size in enumerate(sizes)
    )


@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.integers(50, 600), st.data())
def test_whatever_is_lost_all_arrives_and_what_was_acknowledged_is_not_sent_again(
    sizes: list[int], mtu: int, data: st.DataObject
) -> None:
    messages = flight(*sizes, clear=data.draw(st.integers(0, len(sizes))))
    delivery, receiver = Delivery(messages, writer(), mtu), Receiver()
    out, now = delivery.send(0.0), 0.0
    named = set[RecordNumber]()
    for turn in range(400):
        if delivery.done:
            break
        assert len(out) <= RECORDS_AT_ONCE
        assert all(len(datagram) <= mtu for datagram in out)
        assert sum(len(list(split13(datagram))) for datagram in out) <= RECORDS_AT_ONCE
        # After a while nothing is lost any more, so that it ends.
        kept = out if turn > 20 else [d for d in out if data.draw(st.booleans())]
        for datagram in kept:
            named |= set(receiver.take(datagram))
        now += 1.0
        delivery.acknowledge(sorted(named), now, authentic=True)
        out = delivery.resend_lost(now + GRACE) or delivery.resend(now)
    assert delivery.done
    assert receiver.messages == list(messages)
    assert delivery.resend(now) == delivery.resend_lost(now + 1) == []


def test_messages_of_an_epoch_share_a_record_and_epochs_a_datagram() -> None:
    (datagram,) = Delivery(flight(20, 30, 40, clear=1), writer(), 300).send(0.0)
    clear, sealed = split13(datagram)
    assert not isinstance(clear, CiphertextRecord)
    assert isinstance(sealed, CiphertextRecord)
    receiver = Receiver()
    receiver.take(datagram)
    assert [len(message.body) for message in receiver.messages] == [20, 30, 40]


def test_only_what_a_gap_shows_is_sent_again() -> None:
    delivery = Delivery(flight(400), writer(), 120)
    sent = delivery.send(0.0)
    assert len(sent) == 5
    assert delivery.acknowledge([ONE, RecordNumber(2, 2)], 1.0, authentic=True)
    (again,) = delivery.resend_lost(1.0)
    assert len(again) == len(sent[1])
    # What was sent after the last record that is named may be on its way still; and the same ACK
    # again says nothing new.
    assert not delivery.acknowledge([ONE, RecordNumber(2, 2)], 1.1, authentic=True)
    assert delivery.repeated == 1


def test_without_a_gap_the_rest_of_what_was_sent_together_is_lost() -> None:
    delivery = Delivery(flight(400), writer(), 120)
    sent = delivery.send(0.0)
    delivery.acknowledge([ONE, TWO], 1.0, authentic=True)
    assert [len(data) for data in delivery.resend_lost(1.0)] == [len(data) for data in sent[2:]]


def test_after_an_ack_as_long_as_the_mtu_the_next_is_waited_for() -> None:
    delivery = Delivery(flight(180), writer(), 55)
    sent = delivery.send(0.0)
    delivery.acknowledge([ONE], 1.0, authentic=True)
    assert delivery.ask_at == 1.0 + GRACE
    assert delivery.resend_lost(1.0) == []
    assert len(delivery.resend_lost(1.0 + GRACE)) == min(len(sent), RECORDS_AT_ONCE) - 1


def test_an_ack_in_the_clear_counts_for_one_run_of_the_timer() -> None:
    delivery = Delivery(flight(100, 100, clear=1), writer(), 150)
    first, second = (len(data) for data in delivery.send(0.0))
    assert delivery.acknowledge([RecordNumber(0, 0)], 1.0, authentic=False)
    assert not delivery.done
    assert [len(data) for data in delivery.resend_first(1.0)] == [second]
    # Said again and again it is left out every other time: anybody can say so.
    for turn in range(4):
        delivery.acknowledge([RecordNumber(0, 0)], 2.0 + turn, authentic=False)
        expected = [first, second] if turn % 2 else [second]
        assert [len(data) for data in delivery.resend(2.0 + turn)] == expected


def test_acks_in_the_clear_of_everything_do_not_silence_a_flight() -> None:
    delivery = Delivery(flight(100, clear=1), writer(), 150)
    delivery.send(0.0)
    for turn in range(4):
        delivery.acknowledge([RecordNumber(0, turn)], 1.0 + turn, authentic=False)
        assert len(delivery.resend(1.5 + turn)) == 1


def test_a_round_trip_is_measured_by_what_was_sent_once() -> None:
    delivery = Delivery(flight(180, clear=1), writer(), 100)
    assert len(delivery.send(1.0)) == 3

    def measured(now: float, *numbers: int) -> float | None:
        named = [RecordNumber(0, number) for number in numbers]
        delivery.acknowledge(named, now, authentic=False)
        return delivery.measured_from

    assert measured(1.5, 0) == 1.0
    assert measured(9.0, 0) is None  # an ACK that comes again measures nothing
    delivery.resend(10.0)
    assert measured(10.1, 3, 4) is None


def test_an_empty_message_is_sent_and_acknowledged_too() -> None:
    delivery, receiver = Delivery(flight(0), writer(), 100), Receiver()
    (datagram,) = delivery.send(0.0)
    delivery.acknowledge(receiver.take(datagram), 0.1, authentic=True)
    assert delivery.done
    assert [message.body for message in receiver.messages] == [b""]


def test_the_records_that_are_remembered_are_bounded() -> None:
    delivery = Delivery(flight(400), writer(), 120)
    delivery.send(0.0)
    for turn in range(1000):
        delivery.resend(float(turn))
    assert not delivery.acknowledge([ONE], 1.0, authentic=True)
    assert delivery.acknowledge([RecordNumber(2, 5004)], 1.0, authentic=True)


def test_a_connection_id_as_long_as_the_mtu_does_not_cut_a_flight_into_single_bytes() -> None:
    made = Writer13()
    made.add(KEYS, cid=bytes(255))
    flight = (HandshakeMessage(11, bytes(1600), 0, 2),)
    sent = Delivery(flight, made, 256).send(0.0)
    assert len(sent) == RECORDS_AT_ONCE
    seen = Opener13(cid=bytes(255))
    seen.add(KEYS)
    for data in sent:
        (record,) = split13(data, 255)
        assert isinstance(record, CiphertextRecord)
        (part,) = read_fragments(seen.open(record).plaintext, 2)
        assert len(part.data) == 16
