"""What the classic handshake does with datagrams that no honest peer sends."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.reassembly import (
    AHEAD,
    MAX_HANDSHAKE,
    Fragment,
    Placed,
    Reassembly,
)
from handshake_over_coap.carriers.udp.early import EARLY_BYTES, EARLY_RECORDS
from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.errors import Error
from handshake_over_coap.tls.alerts import (
    AlertError,
    BadRecordMac,
    DecryptError,
    ProtocolVersion,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.credentials import PSK
from handshake_over_coap.tls.dtls12 import start_client, start_server
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import u8, u16, u24, u48
from tests.support.parties import CLIENT_KEYS, IDENTITY, TYPICAL, Scenario, trust_in
from tests.support.udp_pair import UdpPair

PLAIN_PSK = TYPICAL[0]


def record(kind: int, body: bytes, epoch: int = 0, number: int = 0) -> bytes:
    return u8(kind) + u16(0xFEFD) + u16(epoch) + u48(number) + u16(len(body)) + body


def part(kind: int, length: int, seq: int, offset: int, data: bytes) -> bytes:
    return u8(kind) + u24(length) + u16(seq) + u24(offset) + u24(len(data)) + data


def fragment_of(data: bytes, offset: int, length: int, seq: int = 0) -> Fragment:
    return Fragment(1, length, seq, offset, data, 0)


def test_fragments_in_any_order_and_overlap_make_the_message() -> None:
    body = bytes(range(40))
    cuts = [(0, 15), (10, 30), (25, 40), (12, 13)]
    for order in itertools.permutations(cuts):
        assembly = Reassembly(0, Counter())
        for start, end in order:
            assembly.add(fragment_of(body[start:end], start, len(body)))
        message = assembly.peek()
        assert message is not None
        assert message.body == body


@given(st.data())
def test_reassembly_agrees_with_a_naive_model(data: st.DataObject) -> None:
    body = data.draw(st.binary(min_size=1, max_size=60))
    assembly, known = Reassembly(0, Counter()), set[int]()
    for _ in range(data.draw(st.integers(1, 12))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, len(body)))
        assembly.add(fragment_of(body[start:end], start, len(body)))
        known |= set(range(start, end))
        message = assembly.peek()
        assert (message is not None) == (len(known) == len(body))
        if message is not None:
            assert message.body == body


def test_an_overlap_with_other_bytes_is_left_out_and_forgotten_at_the_next_timer() -> None:
    counters = Counter[str]()
    assembly = Reassembly(0, counters)
    assembly.add(fragment_of(b"forged", 0, 12))
    assembly.add(fragment_of(b"genuinebytes", 0, 12))
    assert counters["dropped: contradicting fragment"] == 1
    assert assembly.peek() is None
    assembly.forget_contradicted()
    assembly.add(fragment_of(b"genuinebytes", 0, 12))
    message = assembly.peek()
    assert message is not None
    assert message.body == b"genuinebytes"


def test_a_message_that_claims_16_megabytes_or_lies_far_ahead_takes_no_memory() -> None:
    counters = Counter[str]()
    assembly = Reassembly(0, counters)
    assembly.add(Fragment(1, 0xFFFFFF, 0, 0, b"x", 0))
    assembly.add(Fragment(1, 10, AHEAD, 0, b"x", 0))
    assembly.add(Fragment(1, 10, 0xFFFF, 0, b"x", 0))
    assert counters == {"dropped: handshake too large": 1, "dropped: message far ahead": 2}
    assert assembly._partial == {}


def test_many_large_messages_together_stay_within_the_bound() -> None:
    counters = Counter[str]()
    assembly = Reassembly(0, counters)
    for seq in range(AHEAD):
        assembly.add(Fragment(11, MAX_HANDSHAKE // 4, seq, 0, b"x", 0))
    held = sum(partial.length for partial in assembly._partial.values())
    assert held == MAX_HANDSHAKE
    assert counters["dropped: handshake too large"] == AHEAD - 4


def test_a_message_far_ahead_makes_room_for_the_next_one_and_not_the_other_way_round() -> None:
    counters = Counter[str]()
    assembly = Reassembly(0, counters)
    assembly.add(Fragment(11, MAX_HANDSHAKE, 5, 0, b"x", 0))
    assembly.add(fragment_of(b"genuinebytes", 0, 12))
    assert assembly.peek() is not None
    assembly.add(Fragment(11, MAX_HANDSHAKE, 5, 0, b"x", 0))
    assert assembly.peek() is not None
    assert counters["dropped: handshake too large"] == 1


def test_what_came_sealed_makes_no_room_as_an_ack_may_have_named_it() -> None:
    assembly = Reassembly(0, Counter())
    half = bytes(MAX_HANDSHAKE // 2)
    assert assembly.place(Fragment(1, len(half), 4, 0, half, 0)) is Placed.NEW
    for seq in (2, 3):  # the one in the clear makes room
        assert assembly.place(Fragment(11, len(half), seq, 0, half, 2)) is Placed.NEW
    for seq in (1, 4):  # refused, so that no ACK will name them
        assert assembly.place(Fragment(11, len(half), seq, 0, half, 2)) is Placed.REFUSED
    largest = bytes(MAX_HANDSHAKE)
    assert assembly.place(Fragment(11, MAX_HANDSHAKE, 0, 0, largest, 2)) is Placed.NEW
    assert sum(each.length for each in assembly._partial.values()) == 2 * MAX_HANDSHAKE
    for seq in range(4):
        if assembly.peek() is None:
            assert assembly.place(Fragment(11, len(half), seq, 0, half, 2)) is Placed.NEW
        message = assembly.peek()
        assert message is not None
        assert message.message_seq == seq
        assembly.advance()
    assert assembly.empty


def hostile(*datagrams: bytes) -> list[bytes]:
    """The same datagrams go to both sides of a handshake before anything else does."""
    return list(datagrams)


HOSTILE = {
    "exceeds its message": record(22, u8(1) + u24(5) + u16(0) + u24(3) + u24(6) + bytes(6)),
    "claims 16 MB": record(22, part(1, 0xFFFFFF, 0, 0, b"x" * 20)),
    "far ahead": record(22, part(14, 0, 9999, 0, b"")),
    "early ChangeCipherSpec": record(20, b"\x01"),
    "two of them": record(20, b"\x01") * 2,
    "sealed noise": record(22, bytes(60), epoch=1) * 3,
    "future epoch": record(23, bytes(60), epoch=7),
    "application data in the clear": record(23, b"hello"),
    "longer than it is": record(22, bytes(40))[:-10],
    "an unsealed warning": record(21, b"\x01\x00"),
    "an alert of odd length": record(21, b"\x02\x28\x00"),
    "noise": bytes(range(256)),
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("scenario", TYPICAL[:4], ids=str)
def test_hostile_datagrams_before_each_genuine_one_do_not_stop_a_handshake(
    scenario: Scenario, name: str
) -> None:
    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        return [(-0.001, HOSTILE[name]), (0.0, data), (0.001, HOSTILE[name])]

    pair = UdpPair(scenario, 256, fate)
    pair.run()
    assert pair.complete


@given(st.data())
def test_no_mutated_datagram_raises_anything_but_our_errors(data: st.DataObject) -> None:
    target = data.draw(st.integers(0, 12))
    flips = data.draw(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 255)), max_size=4))
    cut = data.draw(st.integers(0, 300))

    def fate(index: int, content: bytes) -> Sequence[tuple[float, bytes]]:
        if index != target:
            return [(0.0, content)]
        changed = bytearray(content)
        for position, mask in flips:
            changed[position % len(changed)] ^= mask
        return [(0.0, bytes(changed[:cut] if cut < 40 else changed))]

    pair = UdpPair(TYPICAL[data.draw(st.integers(0, 3))], 128, fate)
    try:
        pair.run(limit=20)
    except Error:
        return
    ours, theirs = pair.client.established, pair.server.established
    if ours is not None and theirs is not None:
        assert ours.connected.transcript == theirs.connected.transcript


def test_sealed_records_before_there_are_keys_are_kept_within_a_bound() -> None:
    engine = Engine(start_server(PLAIN_PSK.server()), UdpParameters(), counters := Counter[str]())
    for number in range(3 * EARLY_RECORDS):
        engine.receive(record(22, bytes(60), epoch=1, number=number), 0.0)
    assert len(engine._incoming._sealed) == EARLY_RECORDS
    assert counters["dropped: early record"] == 2 * EARLY_RECORDS


def test_datagrams_before_there_are_keys_are_kept_within_a_bound_of_bytes() -> None:
    engine = Engine(start_server(PLAIN_PSK.server()), UdpParameters(), counters := Counter[str]())
    for number in range(EARLY_RECORDS):
        engine.receive(record(25, bytes(9000), epoch=1, number=number), 0.0)
        engine.receive(record(23, bytes(9000), epoch=1, number=number), 0.0)
    kept = sum(map(len, engine._incoming._tails))
    kept += sum(len(each.fragment) for each in engine._incoming._sealed)
    assert EARLY_BYTES - 9013 < kept <= EARLY_BYTES
    assert counters["dropped: early record"] == 2 * EARLY_RECORDS - 3


def test_a_client_of_version_1_0_gets_protocol_version() -> None:
    step = start_client(PLAIN_PSK.client())
    hello = step.flight[0]
    body = b"\xfe\xff" + hello.body[2:]  # type: ignore[union-attr]
    engine = Engine(start_server(PLAIN_PSK.server()), UdpParameters(), Counter())
    with pytest.raises(ProtocolVersion):
        engine.take_message(HandshakeMessage(HandshakeType.client_hello, body), 0.0)


def test_a_wrong_key_draws_two_hints_and_becomes_an_error_at_the_clients_timer() -> None:
    pair = UdpPair(PLAIN_PSK)
    config = PLAIN_PSK.client(psk=PSK(IDENTITY, b"w" * 16))
    step = start_client(config)
    pair.client = Engine(step.state, UdpParameters(), pair.counters)
    pair._events.clear()
    pair._put(True, pair.client.start(step, 0.0))
    with pytest.raises(BadRecordMac) as caught:
        pair.run()
    assert caught.value.received
    assert not caught.value.authenticated
    assert pair.now < 3
    assert pair.server.established is None


def test_a_forged_alert_is_no_verdict_while_genuine_messages_come() -> None:
    fatal = record(ContentType.alert, b"\x02\x28")

    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        return [(-0.001, fatal), (0.0, data)]

    pair = UdpPair(PLAIN_PSK, 100, fate)
    pair.run()
    assert pair.complete


def test_a_finished_that_does_not_verify_is_decrypt_error() -> None:
    pair = UdpPair(PLAIN_PSK)
    while pair.server._sealer is None:
        pair.step()
        if pair.client._sealer is not None:
            break
    sealer = pair.client._sealer
    assert sealer is not None
    finished = part(HandshakeType.finished, 12, 2, 0, bytes(12))
    forged = sealer.seal_datagram(ContentType.handshake, finished)
    first = pair.wire[2][2]
    key_exchange = first[: 13 + int.from_bytes(first[11:13], "big")]
    with pytest.raises(DecryptError):
        pair.server.receive(key_exchange + record(20, b"\x01") + forged, pair.now)


WRONG = {
    "malformed": part(HandshakeType.server_hello, 3, 0, 0, b"\1\2\3"),
    "out of place": part(HandshakeType.server_hello_done, 0, 0, 0, b""),
    "unknown": part(99, 1, 0, 0, b"x"),
    "of another version": part(HandshakeType.server_hello, 38, 0, 0, b"\xfe\xff" + bytes(36)),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("case", [PLAIN_PSK, *TYPICAL[2:4]], ids=str)
def test_a_wrong_message_in_the_clear_ends_no_handshake(case: Scenario, name: str) -> None:
    # At either side, in the place of each message of the flight that comes.
    dropped = 0
    for at_client, seq in ((True, 0), (True, 1), (True, 2), (False, 1), (False, 2)):
        pair = UdpPair(case)
        while not at_client and pair.server._flight == ():
            pair.step()
        wrong = WRONG[name][:4] + u16(seq) + WRONG[name][6:]
        victim = pair.client if at_client else pair.server
        assert victim.receive(record(ContentType.handshake, wrong), pair.now + 0.01) == []
        pair.run()
        assert pair.complete
        dropped += pair.counters["dropped: wrong message in the clear"]
    assert dropped >= 2


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_message_is_the_reason_only_if_nothing_better_comes(name: str) -> None:
    pair = UdpPair(PLAIN_PSK, fate=lambda index, data: [])
    forged = record(ContentType.handshake, WRONG[name])
    assert pair.client.receive(forged, 0.01) == []
    assert pair.client.on_timer(1.0)
    assert pair.client.receive(forged, 1.1) == []
    with pytest.raises(AlertError) as caught:
        pair.client.on_timer(2.0)
    assert not caught.value.received
    assert pair.client.alert(caught.value)


def test_two_sides_that_refuse_each_other_do_not_answer_repetitions_for_ever() -> None:
    # A certificate that the client refuses comes again with each of its hellos.
    scenario = TYPICAL[3]
    pair = UdpPair(scenario, fate=lambda index, data: [(0.2, data)])
    step = start_client(scenario.client(trust=trust_in(CLIENT_KEYS["rpk-p256"])))
    pair.client = Engine(step.state, UdpParameters(), pair.counters)
    pair._events.clear()
    pair.wire.clear()
    pair._put(True, pair.client.start(step, 0.0))
    with pytest.raises(AlertError):
        pair.run()
    assert pair.now < 3
    assert len(pair.wire) < 12


@pytest.mark.parametrize("mtu", [50, 64, 128, 255])
def test_a_peers_connection_id_that_leaves_no_room_makes_datagrams_larger_and_ends(
    mtu: int,
) -> None:
    # Of each length around the one that leaves no room for a single byte of Finished.
    for length in sorted({*range(1, 256, 25), *range(max(mtu - 60, 1), min(mtu, 256)), 255}):
        for of_client, of_server in ((length, 1), (1, length)):
            step = start_client(PLAIN_PSK.client(connection_id=bytes(of_client)))
            client = Engine(step.state, UdpParameters(mtu=mtu), Counter())
            state = start_server(PLAIN_PSK.server(connection_id=bytes(of_server)))
            server = Engine(state, UdpParameters(mtu=mtu), Counter())
            out = client.start(step, 0.0)
            sent = list(out)
            while out:
                back = [reply for data in out for reply in server.receive(data, 0.0)]
                out = [reply for data in back for reply in client.receive(data, 0.0)]
                sent += back + out
            assert client.established is not None
            assert server.established is not None
            assert all(sent)
            # What is beyond the mtu has at least 16 bytes of Finished in it, beside 50 of headers.
            assert max(map(len, sent)) <= max(mtu, length + 66)


def test_a_fragment_is_new_or_known_or_refused_for_one_byte_that_differs() -> None:
    assembly = Reassembly(0, Counter())
    body = bytes(range(256)) * 40
    assert assembly.place(fragment_of(body, 0, len(body))) is Placed.NEW
    assert assembly.place(fragment_of(body, 0, len(body))) is Placed.KNOWN
    for position in (0, 5000, len(body) - 1):
        changed = bytearray(body)
        changed[position] ^= 1
        assert assembly.place(fragment_of(bytes(changed), 0, len(body))) is Placed.REFUSED
    message = assembly.peek()
    assert message is not None
    assert message.body == body


def test_holes_are_counted_up_to_the_furthest_byte() -> None:
    assembly = Reassembly(3, Counter())
    assert assembly.holes == 0
    for offset, length, seq, expected in (
        (0, 5, 3, 0),
        (10, 5, 3, 1),
        (0, 5, 5, 3),
        (5, 5, 3, 2),
        (15, 5, 3, 1),
        (0, 20, 4, 0),
    ):
        assembly.place(fragment_of(bytes(length), offset, 20, seq))
        assert assembly.holes == expected
