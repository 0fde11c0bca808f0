"""Both versions on one port: who offers what, who picks, and what is lost on the way."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from handshake_over_coap.carriers.address_check import PROOF_LENGTH, AddressProof
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.established import Established, Established13
from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.greeting import Begin, Greeting, StatelessAnswer
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.carriers.udp.prelude import Hello
from handshake_over_coap.records.dtls12 import PlaintextRecord, split_datagram
from handshake_over_coap.tls.alerts import Alert
from handshake_over_coap.tls.alerts import ProtocolVersion as BadVersion
from handshake_over_coap.tls.codepoints import (
    AlertDescription,
    ContentType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
)
from handshake_over_coap.tls.extensions import Cookie
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from handshake_over_coap.tls.negotiation import start_client
from tests.support.parties import SECRET
from tests.support.udp_pair13 import (
    BOTH,
    CASES,
    CLIENT,
    ONE_WAY,
    ONLY_1_3,
    PSK_DHE,
    RPK,
    Case,
    Pair13,
    dropping,
)

LATEST = 100.0
ONLY_1_2 = (ProtocolVersion.DTLS_1_2,)
HYBRID = {"groups": (NamedGroup.X25519MLKEM768, NamedGroup.x25519)}


def pair_of(
    case: Case,
    ours: tuple[ProtocolVersion, ...],
    theirs: tuple[ProtocolVersion, ...],
    **options: Any,
) -> Pair13:
    return Pair13(case, client={"versions": ours}, server={"versions": theirs}, **options)


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("theirs", [ONLY_1_2, ONLY_1_3, BOTH])
@pytest.mark.parametrize("ours", [ONLY_1_2, ONLY_1_3, BOTH])
def test_the_newest_version_in_common_is_spoken(
    ours: tuple[ProtocolVersion, ...], theirs: tuple[ProtocolVersion, ...], cookie: bool
) -> None:
    common = set(ours) & set(theirs)
    for case in (PSK_DHE, RPK):
        pair = pair_of(case, ours, theirs, cookie=cookie)
        if not common:
            with pytest.raises(BadVersion):
                pair.run(LATEST)
            continue
        pair.run(LATEST)
        assert pair.complete
        kind = Established13 if ProtocolVersion.DTLS_1_3 in common else Established
        assert isinstance(pair.client.established, kind)
        assert isinstance(pair.server.established, kind)
        assert pair.client.retransmissions == pair.server.retransmissions == 0


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("mtu", [1152, 256, 100])
@pytest.mark.parametrize("case", CASES[1:], ids=str)
def test_a_client_of_both_versions_meets_a_server_of_1_2_and_any_one_datagram_is_lost(
    case: Case, mtu: int, cookie: bool
) -> None:
    whole = pair_of(case, BOTH, ONLY_1_2, mtu=mtu, cookie=cookie)
    whole.run(LATEST)
    assert whole.complete
    assert isinstance(whole.client.engine, Engine)
    for lost in range(len(whole.wire)):
        pair = pair_of(case, BOTH, ONLY_1_2, mtu=mtu, cookie=cookie, fate=dropping(lost))
        pair.run(LATEST)
        assert pair.complete, f"datagram {lost} was lost"
        assert max(len(data) for _, _, data in pair.wire) <= mtu


def test_records_of_1_2_are_numbered_on_where_the_choice_was_made() -> None:
    pair = pair_of(RPK, BOTH, ONLY_1_2, mtu=100, cookie=True)
    pair.run(LATEST)
    numbers = [
        record.sequence_number
        for data in pair.sent(from_client=True)
        for record in split_datagram(data)
        if isinstance(record, PlaintextRecord)
    ]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("cookie", [False, True])
@pytest.mark.parametrize("mtu", [1152, 512])
def test_a_hybrid_key_share_goes_in_fragments_of_which_any_may_be_lost(
    mtu: int, cookie: bool
) -> None:
    def pair(*lost: int) -> Pair13:
        made = Pair13(
            RPK, mtu=mtu, cookie=cookie, client=HYBRID, server=HYBRID, fate=dropping(*lost)
        )
        made.run(LATEST)
        assert made.complete, f"datagrams {lost} were lost"
        return made

    whole = pair()
    assert len(whole.wire) > 5
    assert whole.client.end.connected.group == NamedGroup.X25519MLKEM768
    assert whole.client.retransmissions == whole.server.retransmissions == 0
    for lost in range(len(whole.wire)):
        pair(lost)


def test_fragments_of_a_hello_in_any_order_make_one() -> None:
    made = Pair13(RPK, mtu=512, cookie=True, client=HYBRID, server=HYBRID)
    hello = made.sent(from_client=True)
    assert len(hello) == 3
    for order in itertools.permutations(range(3)):

        def fate(index: int, data: bytes) -> list[tuple[float, bytes]]:
            place = order.index(index) if index < 3 else 0  # noqa: B023
            return [(place * 0.001, data)]

        pair = Pair13(RPK, mtu=512, cookie=True, client=HYBRID, server=HYBRID, fate=fate)
        pair.run(LATEST)
        assert pair.complete


class Door:
    """A server's greeting, and a client's hellos at it."""

    def __init__(self, case: Case = PSK_DHE, **server: Any) -> None:
        self.counters = Counter[str]()
        self.greeting = Greeting(
            case.server(**server), UdpParameters(), AddressProof(SECRET, 60.0), self.counters
        )
        self.step = start_client(case.client())

    def ask(self, hello: HandshakeMessage, now: float = 100.0, who: Address = CLIENT) -> Any:
        """What the server says to a hello."""
        found = Hello(hello, ClientHello.decode(hello.body), 0)
        return self.greeting.greet(found, who, now)

    def second(self, now: float = 100.0) -> HandshakeMessage:
        """The hello with the cookie that the server gave at ``now``."""
        first = self.step.flight[0]
        assert isinstance(first, HandshakeMessage)
        answer = self.ask(first, now)
        assert isinstance(answer, StatelessAnswer)
        (record,) = split_datagram(answer.datagrams[0])
        assert isinstance(record, PlaintextRecord)
        retry = HandshakeMessage(HandshakeType.server_hello, record.fragment[12:])
        (again,) = self.step.state.handle(retry).flight
        assert isinstance(again, HandshakeMessage)
        return again


def alert_in(answer: Any) -> int:
    """The description in an answer that is an alert."""
    assert isinstance(answer, StatelessAnswer)
    (record,) = split_datagram(answer.datagrams[0])
    assert isinstance(record, PlaintextRecord)
    assert record.content_type == ContentType.alert
    return Alert.decode(record.fragment).description


def test_a_cookie_opens_for_its_address_and_its_time_alone() -> None:
    door = Door()
    second = door.second()
    assert isinstance(door.ask(second), Begin)
    assert isinstance(door.ask(second, 140.0), Begin)
    other_port, other_host = Address(CLIENT.host, 1), Address("192.0.2.9", CLIENT.port)
    refused = (
        door.ask(second, who=other_port),
        door.ask(second, who=other_host),
        door.ask(second, 170.0),
        door.ask(second, 10.0),
        Door(PSK_DHE).ask(door.second(now=30.0), 100.0),
    )
    for answer in refused:
        assert alert_in(answer) == AlertDescription.illegal_parameter


def test_no_bit_of_a_cookie_can_be_changed() -> None:
    door = Door()
    second = door.second()
    hello = ClientHello.decode(second.body)
    cookie = hello.extensions.find(Cookie)
    assert cookie is not None
    at = second.body.index(cookie.cookie)
    for position in range(at, at + len(cookie.cookie)):
        changed = bytearray(second.body)
        changed[position] ^= 1
        forged = HandshakeMessage(second.type, bytes(changed), 1)
        assert alert_in(door.ask(forged)) == AlertDescription.illegal_parameter


def test_nothing_is_kept_of_a_client_until_it_brings_a_cookie_back() -> None:
    door = Door()
    first = door.step.flight[0]
    assert isinstance(first, HandshakeMessage)
    answers = {door.ask(first).datagrams for _ in range(3)}
    # Three times the same, as nothing of the first was remembered.
    assert len(answers) == 1
    assert door.counters == {"challenged": 3}


def test_the_retry_asks_for_a_cookie_and_a_group_together() -> None:
    pair = Pair13(RPK, cookie=True, server={"groups": (NamedGroup.x25519,)})
    pair.run(LATEST)
    assert pair.complete
    assert pair.client.completed_at == pytest.approx(4 * ONE_WAY)
    records = [r for s in pair.sent(from_client=False)[:1] for r in split_datagram(s)]
    assert isinstance(records[0], PlaintextRecord)
    hello = ServerHello.decode(records[0].fragment[12:])
    assert Cookie.extension_type in hello.extensions


def test_what_a_proof_protects_is_bound_to_all_there_is() -> None:
    proof = AddressProof(bytes(32), 60.0)
    value = proof.protect(b"content", CLIENT, 10.0)
    assert value[PROOF_LENGTH:] == b"content"
    assert proof.open(value, CLIENT, 10.0) == proof.open(value, CLIENT, 50.0) == b"content"
    assert proof.open(proof.protect(b"", CLIENT, 0.0), CLIENT, 0.0) == b""
    for wrong in (value[:-1], value + b"x", value[:PROOF_LENGTH], value[:5], b"", value[1:]):
        assert proof.open(wrong, CLIENT, 10.0) is None
    assert proof.open(value, Address("192.0.2.2", CLIENT.port), 10.0) is None
    assert proof.open(value, CLIENT, 75.0) is None
    assert proof.open(value, CLIENT, 10.0, b"context") is None
    bound = proof.protect(b"content", CLIENT, 10.0, b"context")
    assert len(bound) == len(value)
    assert proof.open(bound, CLIENT, 10.0, b"context") == b"content"
    for other in (b"", b"contex", b"contextc"):
        assert proof.open(bound, CLIENT, 10.0, other) is None
    assert AddressProof(bytes(31) + b"x", 60.0).open(value, CLIENT, 10.0) is None
    # A proof without content is no proof of any.
    assert not proof.verify(value, CLIENT, 10.0)
    assert proof.verify(proof.make(CLIENT, 10.0), CLIENT, 10.0)
