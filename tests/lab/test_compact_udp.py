"""Compact bodies over UDP in the laboratory: the rules of RFC 9147 with another encoding."""

from __future__ import annotations

import contextlib
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.reassembly import Fragment, fragment
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.lab.compact_udp import CompactOverUdp
from handshake_over_coap.lab.compact_udp.parts import (
    EPOCH,
    Acknowledgement,
    Cookie,
    Malformed,
    Part,
    PartWriter,
    TooMany,
    body_message,
    cookie,
    decode,
)
from handshake_over_coap.lab.compact_udp.server import CompactServer
from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.simulate import simulate
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.lab.watch import watch
from handshake_over_coap.net.options import TRANSPORTS, Options
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.timers import undrawn
from handshake_over_coap.tls.codepoints import HandshakeType
from tests.support.parties import seeded
from tests.support.udp_pair13 import RPK

CLIENT = Address("192.0.2.7", 40000)
COOKIE = 8


def scenario(**options: object) -> CompactOverUdp:
    """The contestant, with 65 bytes a datagram and 50 ms one way unless told otherwise."""
    made = contestants(**{"mtu": 65, "delay": 0.05, **options})["udp-1.3-compact"]
    assert isinstance(made, CompactOverUdp)
    return made


# -- the form on the wire --------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=300), st.integers(0, 255), st.data())
def test_a_part_and_an_ack_come_out_as_they_went_in(
    body: bytes, seq: int, data: st.DataObject
) -> None:
    writer = PartWriter()
    offset = data.draw(st.integers(0, len(body) - 1))
    size = data.draw(st.integers(1, len(body) - offset))
    sent, number = writer.seal(EPOCH, 0, fragment(body_message(body, seq), offset, size))
    assert len(sent) == 8 + size
    cut = body[offset : offset + size]
    whole = Fragment(HandshakeType.client_hello, len(body), seq, offset, cut, EPOCH)
    assert decode(sent) == Part(whole, number)
    numbers = tuple(RecordNumber(EPOCH, each) for each in data.draw(st.lists(st.integers(0, 99))))
    assert decode(writer.acknowledge(numbers)) == Acknowledgement(numbers)
    assert decode(cookie(cut, 7)) == Cookie(cut)


@given(st.binary(max_size=80))
def test_what_is_no_datagram_of_ours_is_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        decode(data)


def test_numbers_beyond_two_bytes_are_an_error() -> None:
    with pytest.raises(TooMany):
        cookie(b"", 1 << 16)


# -- handshakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "datagrams"),
    [({}, 11), ({"address_check": "never"}, 8), ({"mtu": 1152}, 6)],
    ids=str,
)
def test_undisturbed_a_handshake_takes_as_many_datagrams_as_its_bodies_have_parts(
    options: dict[str, object], datagrams: int
) -> None:
    trial = run_trial(scenario(**options), 1, 0)
    assert trial.completed
    assert trial.datagrams == datagrams
    assert trial.body_bytes == (67, 202, 40, 8)
    bodies = sum(trial.body_bytes)
    checked = "address_check" not in options
    assert trial.bytes == 8 * datagrams + bodies + checked * (trial.body_bytes[0] + 2 * COOKIE)


@pytest.mark.parametrize("lost", [*combinations(range(1, 12), 1), *combinations(range(1, 12), 2)])
def test_whichever_one_or_two_datagrams_are_lost_it_completes(lost: tuple[int, ...]) -> None:
    trial = run_trial(scenario(drop=lost), 1, 0)
    assert trial.completed
    assert trial.duration_s < 4.0


def test_of_a_body_only_what_the_peer_lacks_is_sent_again() -> None:
    # The second of the server's four parts, after two of flight 1, a cookie and two again.
    seen = watch(scenario(drop=(7,))).datagrams
    parts = [each for each in seen if not each.from_client and each.data[0] == 0x40]
    assert len(parts) == 4 + 1 + 1
    lost, again = parts[1], parts[4]
    assert lost.lost
    assert (again.data[1], again.data[4:]) == (lost.data[1], lost.data[4:])
    assert again.time - lost.time == pytest.approx(0.1)


def test_a_handshake_is_made_again_under_the_same_seed() -> None:
    lossy = scenario(loss=0.4)
    assert [each.data for each in watch(lossy, 3).datagrams] == [
        each.data for each in watch(lossy, 3).datagrams
    ]


def test_at_heavy_loss_all_complete() -> None:
    assert simulate(scenario(loss=0.5, jitter=0.05), 20).completed == 20


@given(st.lists(st.tuples(st.binary(max_size=64), st.booleans()), max_size=8))
def test_no_datagram_raises_anything_at_a_server(sent: list[tuple[bytes, bool]]) -> None:
    counters = Counter[str]()
    server = CompactServer(UdpParameters(mtu=65), RPK.server(), seeded("s"), undrawn, counters)
    came = answered = 0
    for number, (content, framed) in enumerate(sent):
        data = bytes((0x40, number & 1, 0, number, 0, len(content), 0, 0)) + content
        output = server.receive(data if framed else content, CLIENT, float(number))
        late = server.on_timer(number + 0.5)
        came += len(data if framed else content)
        answered += sum(len(each) for each, _ in (*output.datagrams, *late.datagrams))
    assert answered <= 3 * came
    assert server.known_peers == 0


# -- where it belongs ------------------------------------------------------------------------------


def test_no_option_of_a_network_leads_to_it() -> None:
    assert set(TRANSPORTS) == {"coap", "udp"}
    with pytest.raises(ConfigurationError):
        Options(transport="udp-1.3-compact")
    assert issubclass(TooMany, Error)
