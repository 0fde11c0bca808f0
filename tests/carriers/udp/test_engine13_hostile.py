"""What the classic 1.3 handshake does with datagrams that no honest peer sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.delivery import RECORDS_AT_ONCE
from handshake_over_coap.carriers.reassembly import MAX_HANDSHAKE, fragment
from handshake_over_coap.carriers.receipts import MOST, Receipts
from handshake_over_coap.carriers.udp.early import EARLY_BYTES, EARLY_RECORDS
from handshake_over_coap.carriers.udp.engine13 import Engine13
from handshake_over_coap.errors import Error
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.timers import Rfc9147
from handshake_over_coap.tls.alerts import (
    Alert,
    AlertError,
    DecodeError,
    DecryptError,
    HandshakeFailure,
    IllegalParameter,
    UnexpectedMessage,
    UnknownPskIdentity,
)
from handshake_over_coap.tls.codepoints import (
    AlertDescription,
    AlertLevel,
    ContentType,
    HandshakeType,
)
from handshake_over_coap.tls.credentials import PSK
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support.parties import IDENTITY
from tests.support.udp_pair13 import ONE_WAY, PSK_DHE, PSK_KE, RPK, Pair13, dropping

LATEST = 100.0


def clear(kind: int, data: bytes, number: int = 0) -> bytes:
    return PlaintextRecord(kind, number, data).to_bytes()


def message(kind: int, body: bytes, seq: int = 0) -> bytes:
    return fragment(HandshakeMessage(kind, body, seq), 0, len(body))


def ack(*numbers: tuple[int, int]) -> bytes:
    return clear(ContentType.ack, Ack.of(RecordNumber(*n) for n in numbers).encode())


def engine_of(pair: Pair13, *, client: bool) -> Engine13:
    engine = (pair.client if client else pair.server).engine
    assert isinstance(engine, Engine13)
    return engine


def waiting_server(case: Any = RPK, **options: Any) -> tuple[Pair13, Engine13]:
    """A server that has sent its flight, which does not arrive."""
    pair = Pair13(case, fate=lambda index, data: [(0.0, data)] if index == 0 else [], **options)
    pair.step()
    return pair, engine_of(pair, client=False)


FORGERIES: dict[str, bytes] = {
    "garbage": b"\xff" * 40,
    "an empty ServerHello": clear(22, message(HandshakeType.server_hello, b"")),
    "half a ServerHello": clear(22, message(HandshakeType.server_hello, b"\xfe\xfd" + bytes(20))),
    "a message out of place": clear(22, message(HandshakeType.finished, bytes(32))),
    "an unknown message": clear(22, message(99, b"x")),
    "a fatal alert": clear(
        21, Alert(AlertLevel.fatal, AlertDescription.handshake_failure).encode()
    ),
    "an ACK": ack((0, 0)),
    "an ACK of a later epoch": ack((3, 1)),
    "an empty record": clear(22, b""),
    "an ill-formed ACK": clear(26, b"\x00\x07abc"),
    "a sealed record": b"\x2f\x00\x00\x00\x20" + bytes(32),
    "a part of a later message": clear(22, message(HandshakeType.finished, bytes(32), 5)),
    "a part of a later message that takes all room": clear(
        22, fragment(HandshakeMessage(HandshakeType.finished, bytes(MAX_HANDSHAKE), 5), 0, 1)
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_in_front_of_the_genuine_flight_ends_nothing(name: str) -> None:
    pair = Pair13(PSK_DHE)
    client = engine_of(pair, client=True)
    pair.put(True, client.receive(FORGERIES[name], 0.01))
    pair.run(LATEST)
    assert pair.complete
    assert pair.server.completed_at == pytest.approx(3 * ONE_WAY)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_in_front_of_the_last_flight_ends_nothing(name: str) -> None:
    pair = Pair13(PSK_DHE)
    pair.step()
    server = engine_of(pair, client=False)
    pair.put(False, server.receive(FORGERIES[name], pair.now + 0.01))
    pair.run(LATEST)
    assert pair.complete
    assert pair.server.completed_at == pytest.approx(3 * ONE_WAY)


def test_a_wrong_serverhello_is_the_reason_only_if_nothing_better_comes() -> None:
    pair = Pair13(PSK_DHE, fate=lambda index, data: [])
    client = engine_of(pair, client=True)
    assert client.receive(FORGERIES["half a ServerHello"], 0.01) == []
    assert pair.counters["dropped: wrong message in the clear"] == 1
    assert client.deadline == 1.0
    assert client.on_timer(1.0)
    assert client.receive(FORGERIES["half a ServerHello"], 1.1) == []
    assert client.deadline == 2.0
    with pytest.raises(DecodeError):
        client.on_timer(2.0)


def test_an_alert_in_the_clear_is_the_reason_only_if_nothing_better_comes() -> None:
    pair = Pair13(PSK_DHE, fate=lambda index, data: [])
    client = engine_of(pair, client=True)
    for again in (0.01, 1.1):
        assert client.receive(FORGERIES["a fatal alert"], again) == []
        assert len(client.on_timer(1.0)) == (again < 1)
    with pytest.raises(HandshakeFailure) as raised:
        client.on_timer(2.0)
    assert raised.value.received


def test_an_alert_in_the_clear_that_comes_once_is_the_reason_after_three_timers() -> None:
    pair = Pair13(PSK_DHE, fate=lambda index, data: [])
    client = engine_of(pair, client=True)
    client.receive(FORGERIES["a fatal alert"], 0.01)
    # Somebody is there: the timer does not double.
    assert [len(client.on_timer(now)) for now in (1.0, 2.0)] == [1, 1]
    with pytest.raises(HandshakeFailure):
        client.on_timer(3.0)
    # It is the reason where the flight is not sent again, too.
    pair = Pair13(PSK_DHE, fate=lambda index, data: [], timer=Rfc9147(max_retransmit=0))
    client = engine_of(pair, client=True)
    client.receive(FORGERIES["a fatal alert"], 0.01)
    with pytest.raises(HandshakeFailure):
        client.on_timer(1.0)


@pytest.mark.parametrize("name", ["a fatal alert", "half a ServerHello"])
@pytest.mark.parametrize("cookie", [False, True])
def test_one_forgery_ends_no_handshake_whose_answer_comes_after_the_first_timer(
    cookie: bool, name: str
) -> None:
    def slow(index: int, data: bytes) -> list[tuple[float, bytes]]:
        return [(1.15, data)]

    def first_answer_lost(index: int, data: bytes) -> list[tuple[float, bytes]]:
        return [] if index == 1 else [(0.0, data)]

    for fate in (slow, first_answer_lost):
        pair = Pair13(PSK_KE, cookie=cookie, fate=fate)
        pair.put(True, engine_of(pair, client=True).receive(FORGERIES[name], 0.01))
        pair.run(LATEST)
        assert pair.complete


def test_an_alert_in_the_clear_is_no_reason_once_the_peer_has_shown_its_keys() -> None:
    pair = Pair13(RPK, mtu=256, fate=lambda index, data: [(0.0, data)] if index < 2 else [])
    while len(pair.sent(True)) < 2:
        pair.step()
    sealed_ack = pair.sent(True)[-1]
    assert sealed_ack[0] >> 5 == 1
    server = engine_of(pair, client=False)
    for data in (FORGERIES["a fatal alert"], sealed_ack, FORGERIES["a fatal alert"]):
        server.receive(data, pair.now)
    deadline = server.deadline
    assert deadline is not None
    assert server.on_timer(deadline)
    assert pair.counters["unsealed alerts"] == 2


@pytest.mark.parametrize("cookie", [False, True])
def test_a_key_that_the_server_does_not_know_ends_in_its_alert(cookie: bool) -> None:
    for key, expected in (
        (PSK(b"a stranger", bytes(16)), (DecryptError, UnknownPskIdentity)),
        (PSK(IDENTITY, bytes(16)), (DecryptError,)),
    ):
        pair = Pair13(PSK_DHE, cookie=cookie, client={"psk": key})
        with pytest.raises(AlertError) as raised:
            pair.run(LATEST)
        assert isinstance(raised.value, expected)
        assert pair.server.established is None


def test_an_ack_in_the_clear_does_not_end_retransmission() -> None:
    pair = Pair13(PSK_DHE, cookie=True, fate=dropping(2))
    # The second hello is lost, and somebody says that it was not.
    while not any(of_client for when, of_client, _ in pair.wire if when > 0):
        pair.step()
    client = engine_of(pair, client=True)
    assert client.receive(ack((0, 0), (0, 1), (0, 2)), pair.now + 0.01) == []
    pair.run(LATEST)
    assert pair.complete
    assert (pair.server.completed_at or LATEST) < 1


def test_a_client_takes_no_ack_before_it_knows_of_1_3() -> None:
    pair = Pair13(PSK_DHE, mtu=128, fate=lambda index, data: [])
    client = engine_of(pair, client=True)
    assert [client.receive(ack((0, 1)), 0.1), client.receive(ack(), 0.2)] == [[], []]


def test_a_flood_of_acks_in_the_clear_draws_the_flight_twice_at_most() -> None:
    for numbers in ((), ((0, 0),), ((0, 7),), tuple((0, n) for n in range(500))):
        pair, server = waiting_server(mtu=256)
        drawn = [server.receive(ack(*numbers), pair.now + n / 1000) for n in range(500)]
        assert sum(map(len, drawn)) <= 2 * len(pair.sent(from_client=False)) == 4, numbers


def test_repeated_hellos_draw_a_flight_for_each_tenth_of_a_second_at_most() -> None:
    pair, server = waiting_server()
    hello = pair.wire[0][2]
    drawn = [server.receive(hello, pair.now + n / 1000) for n in range(1000)]
    assert sum(map(len, drawn)) <= 10


def test_a_flood_of_old_messages_draws_the_second_hello_once_for_each_timer() -> None:
    pair = Pair13(
        PSK_DHE,
        cookie=True,
        fate=lambda index, data: [(0.0, data)] if index < 2 else [],
        timer=Rfc9147(adapt=False),
    )
    for _ in range(2):
        pair.step()
    client = engine_of(pair, client=True)
    old = clear(22, message(HandshakeType.server_hello, b"")[:12], 7)
    timers, drawn, began = 0, 0, pair.now
    for tenth in range(1, 150):
        now = began + tenth * 0.101
        if client.deadline is not None and client.deadline <= now:
            timers += len(client.on_timer(now))
        drawn += len(client.receive(old, now))
    # Each answer starts the timer once more: 1, 2 and 4 s, none of them more than twice.
    assert timers >= 3
    assert drawn <= timers + 1


def test_an_authentic_ack_of_a_later_epoch_is_an_illegal_parameter() -> None:
    pair = Pair13(PSK_DHE)
    pair.run(LATEST)
    keys = pair.read_keys[0][0]
    pair, server = waiting_server(PSK_DHE)
    later = Ack.of([RecordNumber(3, 0)]).encode()
    with pytest.raises(IllegalParameter):
        server.receive(Sealer13(keys).seal_datagram(ContentType.ack, later), pair.now)


def test_an_authentic_ack_of_records_never_sent_changes_nothing() -> None:
    pair = Pair13(PSK_DHE)
    pair.run(LATEST)
    sealer = Sealer13(pair.read_keys[0][0])
    pair, server = waiting_server(PSK_DHE)
    unknown = Ack.of([RecordNumber(2, 40), RecordNumber(1, 0), RecordNumber(0, 99)]).encode()
    assert server.receive(sealer.seal_datagram(ContentType.ack, unknown), pair.now) == []
    assert server.deadline == pytest.approx(ONE_WAY + 1)
    with pytest.raises(DecodeError):
        server.receive(sealer.seal_datagram(ContentType.ack, b"\x00"), pair.now)


def test_a_sealed_alert_ends_the_handshake_and_garbage_under_the_keys_does_too() -> None:
    pair = Pair13(PSK_DHE)
    pair.run(LATEST)
    keys = pair.read_keys[0][0]
    alert = Alert(AlertLevel.fatal, AlertDescription.decrypt_error).encode()
    for kind, data, expected in (
        (ContentType.alert, alert, DecryptError),
        (ContentType.handshake, b"", UnexpectedMessage),
        (ContentType.handshake, b"\0", DecodeError),
        (ContentType.alert, b"", UnexpectedMessage),
        (ContentType.alert, alert + alert, DecodeError),
        (ContentType.handshake, message(HandshakeType.certificate, b"", 1), UnexpectedMessage),
    ):
        pair, server = waiting_server(PSK_DHE)
        with pytest.raises(expected):
            server.receive(Sealer13(keys).seal_datagram(kind, data), pair.now)


def test_messages_of_the_sealed_flight_are_not_taken_in_the_clear() -> None:
    # A forged EncryptedExtensions comes first, in the clear: it must not be in the way later.
    pair = Pair13(PSK_DHE)
    client = engine_of(pair, client=True)
    for seq in range(1, 4):
        client.receive(clear(22, message(HandshakeType.encrypted_extensions, b"\0\0", seq)), 0.01)
    pair.run(LATEST)
    assert pair.complete
    # Once there are keys they are not even kept.
    pair, server = waiting_server(PSK_DHE)
    server.receive(clear(22, message(HandshakeType.finished, bytes(32), 1)), pair.now)
    assert pair.counters["dropped: unprotected"] == 1


def test_sealed_datagrams_before_the_keys_are_kept_within_bounds() -> None:
    pair = Pair13(PSK_DHE)
    client = engine_of(pair, client=True)
    sealed = b"\x2e" + bytes(60)
    for _ in range(10 * EARLY_RECORDS):
        client.receive(sealed, 0.01)
    assert pair.counters["dropped: early record"] == 9 * EARLY_RECORDS
    pair = Pair13(PSK_DHE)
    client = engine_of(pair, client=True)
    for _ in range(4):
        client.receive(b"\x2e" + bytes(EARLY_BYTES // 2 - 1), 0.01)
    assert pair.counters["dropped: early record"] == 2


def test_what_is_kept_of_incomplete_messages_is_bounded() -> None:
    pair = Pair13(PSK_DHE)
    client = engine_of(pair, client=True)
    for seq in range(9):
        part = HandshakeMessage(HandshakeType.certificate, bytes(MAX_HANDSHAKE // 2), seq)
        client.receive(clear(22, fragment(part, 0, 10)), 0.01)
    assert pair.counters["dropped: handshake too large"] == 7


def test_receipts_are_bounded_and_acks_fit_the_room() -> None:
    receipts = Receipts()
    for number in range(10 * MOST):
        receipts.note(RecordNumber(2, number))
    assert len(receipts.numbers) == MOST
    found = receipts.acks(2 + 16 * 5)
    assert len(found) == RECORDS_AT_ONCE
    assert max(len(each.encode()) for each in found) <= 2 + 16 * 5
    assert receipts.unsaid == 0


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40), st.integers(2, 200))
def test_every_record_is_named_and_what_is_new_comes_first(seen: list[int], room: int) -> None:
    receipts = Receipts()
    named = set[RecordNumber]()
    for start in range(0, len(seen), 3):
        new = [RecordNumber(2, number) for number in seen[start : start + 3]]
        for number in new:
            receipts.note(number)
        groups = [each.record_numbers for each in receipts.acks(room)]
        assert {number for group in groups for number in group} >= set(new)
        named |= set(new)
        assert all(list(group) == sorted(set(group)) for group in groups)
    assert set(receipts.numbers) == named


def _mutated(data: bytes, change: Callable[[bytearray], None]) -> bytes:
    copy = bytearray(data)
    change(copy)
    return bytes(copy)


@given(st.data())
def test_no_mutated_datagram_raises_anything_but_our_errors(data: st.DataObject) -> None:
    which = data.draw(st.integers(0, 3))
    position, value = data.draw(st.integers(0, 600)), data.draw(st.integers(1, 255))
    cut = data.draw(st.none() | st.integers(0, 300))
    counters = Counter[int]()

    def change(copy: bytearray) -> None:
        if copy:
            copy[position % len(copy)] ^= value
        del copy[len(copy) if cut is None else cut :]

    def fate(index: int, content: bytes) -> list[tuple[float, bytes]]:
        counters[index] += 1
        mutant = _mutated(content, change) if index == which else content
        return [(0.0, mutant)]

    pair = Pair13(PSK_KE, fate=fate)
    try:
        pair.run(20.0)
    except Error:
        return
    # What was sealed does not pass when it is changed, and is sent again; a hello that was changed
    # in the clear may well lead to other keys, and to no end at all.
    assert pair.complete or which < 2
