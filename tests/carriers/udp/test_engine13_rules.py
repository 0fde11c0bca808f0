"""What RFC 9147 and RFC 8446 ask of the classic 1.3 handshake, as tests of others look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.engine13 import Engine13
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.records.dtls13 import RecordNumber, split13
from handshake_over_coap.records.sealer13 import Sealer13
from handshake_over_coap.tls.alerts import UnexpectedMessage
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, ProtocolVersion
from tests.carriers.udp.test_engine13_hostile import engine_of, message
from tests.support.udp_pair import unharmed
from tests.support.udp_pair13 import BOTH, PSK_DHE, PSK_KE, RPK, Pair13

LATEST = 100.0


@pytest.mark.parametrize("named", [(), (RecordNumber(2, 0),), (RecordNumber(2, 1),)])
def test_a_server_whose_client_has_keys_says_no_more_in_the_clear(
    named: tuple[RecordNumber, ...],
) -> None:
    reference = Pair13(RPK, mtu=100)
    reference.run(LATEST)
    pair = Pair13(RPK, mtu=100, fate=_hellos_alone)
    while pair.server.engine is None:
        pair.step()
    server = engine_of(pair, client=False)
    assert len([record for data in pair.sent(False) for record in clear_in(data)]) > 1
    ack = Sealer13(reference.read_keys[0][0]).seal_datagram(ContentType.ack, Ack.of(named).encode())
    again = server.receive(ack, pair.now)
    assert server.deadline is not None
    again += server.on_timer(server.deadline)
    assert again
    assert not [record for data in again for record in clear_in(data)]


def _hellos_alone(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
    return unharmed(index, data) if data[13] == HandshakeType.client_hello else []


def clear_in(data: bytes) -> list[PlaintextRecord]:
    return [record for record in split13(data) if isinstance(record, PlaintextRecord)]


@pytest.mark.parametrize("case", [PSK_KE, PSK_DHE, RPK], ids=str)
@pytest.mark.parametrize("together", [True, False])
def test_a_message_behind_the_clients_finished_is_unexpected(case: Any, together: bool) -> None:
    finished, extra, pair, server, seal = _finished_and_more(case, client=True)
    if together:
        with pytest.raises(UnexpectedMessage):
            server.receive(seal.seal_datagram(ContentType.handshake, finished + extra), pair.now)
        return
    # The one behind overtakes it.
    first = seal.seal_datagram(ContentType.handshake, finished)
    server.receive(seal.seal_datagram(ContentType.handshake, extra), pair.now)
    with pytest.raises(UnexpectedMessage):
        server.receive(first, pair.now)


@pytest.mark.parametrize("case", [PSK_KE, PSK_DHE, RPK], ids=str)
def test_a_message_behind_the_servers_finished_is_unexpected(case: Any) -> None:
    finished, extra, pair, client, seal = _finished_and_more(case, client=False)
    with pytest.raises(UnexpectedMessage):
        client.receive(seal.seal_datagram(ContentType.handshake, finished + extra), pair.now)


def _finished_and_more(case: Any, *, client: bool) -> tuple[bytes, bytes, Pair13, Engine13, Any]:
    """Finished of one side, a message after it, and the other side, which waits for Finished."""
    reference = Pair13(case)
    reference.run(LATEST)
    (finished,) = (
        seen.opened.plaintext
        for seen in reference.records()
        if seen.opened.content_type == ContentType.handshake
        and seen.of_client is client
        and seen.opened.epoch == 2
    )
    # The draws are seeded, so that another run has the same keys.
    pair = Pair13(case, fate=_without_sealed_part)
    pair.step()
    if not client:
        pair.step()
    keys = reference.read_keys[not client][0]
    sealer = Sealer13(keys)
    for _ in range(40):
        sealer.seal_datagram(ContentType.ack, b"\0\0")
    at = 0
    seq = 0
    while at < len(finished):
        seq = int.from_bytes(finished[at + 4 : at + 6], "big")
        at += 12 + int.from_bytes(finished[at + 9 : at + 12], "big")
    extra = message(HandshakeType.certificate_verify, bytes(8), seq + 1)
    return finished, extra, pair, engine_of(pair, client=not client), sealer


def _without_sealed_part(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
    clear = b"".join(r.to_bytes() for r in split13(data) if isinstance(r, PlaintextRecord))
    return [(0.0, clear)] if clear else []


def test_a_client_of_both_versions_does_not_repeat_its_hello_for_duplicates() -> None:
    def fate(index: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        if data[13] == HandshakeType.client_hello:
            return unharmed(index, data)
        if data[13] == HandshakeType.server_hello:
            return [(0.0, data), (0.3, data), (0.6, data)]
        return [(2.0, data)]

    only_1_2 = (ProtocolVersion.DTLS_1_2,)
    pair = Pair13(RPK, mtu=256, client={"versions": BOTH}, server={"versions": only_1_2}, fate=fate)
    hello = len(pair.wire)
    pair.run(0.9)
    assert isinstance(pair.client.engine, Engine)
    assert len(pair.sent(True)) == hello


@pytest.mark.parametrize("forged", [1, 3])
@pytest.mark.parametrize("mtu", [120, 1152])
@pytest.mark.parametrize("cookie", [False, True])
def test_a_forged_hello_gives_way_to_the_genuine_one(forged: int, mtu: int, cookie: bool) -> None:
    """One with another random, in time: what comes in the clear later is believed rather."""
    taken = 0

    def fate(_: int, data: bytes) -> Sequence[tuple[float, bytes]]:
        nonlocal taken
        is_hello = data[:1] == b"\x16" and data[13:14] == bytes([HandshakeType.server_hello])
        retry = data[27:29] == b"\xcf\x21"
        if not is_hello or retry or taken >= forged:
            return [(0.0, data)]
        taken += 1
        (hello,) = clear_in(data)[:1]
        wrong = hello.to_bytes()[:27] + bytes([taken]) * 32 + hello.to_bytes()[59:]
        return [(0.0, wrong), (0.0, data)]

    pair = Pair13(PSK_DHE, mtu=mtu, cookie=cookie, fate=fate)
    pair.run(LATEST)
    assert pair.client.established is not None
    assert pair.server.established is not None
    assert pair.counters["messages taken back"] == 1
    assert pair.now < 30
