"""The server of the classic handshake in a network where anybody sends anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handshake_over_coap as hoc
from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.udp.prelude import MAX_FIRST_SEQ
from handshake_over_coap.carriers.udp.strangers import POOL
from handshake_over_coap.sim import run
from handshake_over_coap.tls.alerts import (
    BadRecordMac,
    CertificateUnknown,
    InternalError,
    ProtocolVersion,
)
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.credentials import PSK, RawPublicKey
from handshake_over_coap.tls.dtls12 import start_client
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello, HelloVerifyRequest
from handshake_over_coap.tls.wire import u8, u16, u24, u48
from tests.support.both_carriers import SERVER, Place, place
from tests.support.exchange import virtual
from tests.support.network import Delivery, Network, Sent
from tests.support.parties import IDENTITY, TYPICAL, trust_in
from tests.support.pki import p256_key

PLAIN_PSK, CERTIFICATE = TYPICAL[0], TYPICAL[5]
VISITOR = Address("192.0.2.66", 6666)


def record(kind: int, body: bytes, number: int = 0, version: int = 0xFEFD) -> bytes:
    return u8(kind) + u16(version) + u16(0) + u48(number) + u16(len(body)) + body


def part(message: HandshakeMessage, offset: int = 0, length: int | None = None) -> bytes:
    data = message.body[offset : None if length is None else offset + length]
    head = u8(message.type) + u24(len(message.body)) + u16(message.message_seq)
    return head + u24(offset) + u24(len(data)) + data


def hello(
    cookie: bytes = b"", seq: int = 0, version: int = 0xFEFD, seed: str = "client"
) -> HandshakeMessage:
    """A PSK client's hello."""
    message = start_client(PLAIN_PSK.client(seed)).flight[0]
    assert isinstance(message, HandshakeMessage)
    changed = replace(ClientHello.decode(message.body), cookie=cookie, version=version)
    return HandshakeMessage(message.type, changed.encode(), seq)


def datagram(message: HandshakeMessage, number: int = 0) -> bytes:
    return record(ContentType.handshake, part(message), number)


class Raw:
    """An endpoint that sends what a test likes and keeps what comes back."""

    def __init__(self, network: Network, address: Address = VISITOR) -> None:
        self.endpoint = network.endpoint(address.host, address.port)
        self.endpoint.start(self)
        self.received: list[bytes] = []

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.received.append(data)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)

    async def ask(self, *data: bytes, wait: float = 0.2) -> list[bytes]:
        """Send datagrams; what comes back within ``wait`` seconds."""
        before = len(self.received)
        for each in data:
            self.endpoint.send(each, SERVER)
        await asyncio.sleep(wait)
        return self.received[before:]

    async def cookie(self, seed: str = "client") -> bytes:
        """A cookie for this address."""
        (answer,) = await self.ask(datagram(hello(seed=seed)))
        return cookie_in(answer)


def cookie_in(answer: bytes) -> bytes:
    assert answer[13] == HandshakeType.hello_verify_request
    return HelloVerifyRequest.decode(answer[25:]).cookie


def holds_nothing(here: Place) -> bool:
    return here.server.peers == here.server.half_open == 0 and not here.server.sessions


def carrier_of(here: Place) -> Any:
    """The carrier, to look inside."""
    return here.server._carrier


def is_server_hello(answer: bytes) -> bool:
    return answer[0] == ContentType.handshake and answer[13] == HandshakeType.server_hello


# -- the cookie ------------------------------------------------------------------------------------


@virtual
async def test_story_10_each_hello_without_a_cookie_is_answered_and_leaves_nothing() -> None:
    """openssl/openssl#18635: the answer was lost, and the repeated ClientHello met silence."""
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        for number in range(5):
            (answer,) = await raw.ask(datagram(hello(), number))
            assert answer[5:11] == u48(number)  # the record's number is that of the hello
            assert answer[1:3] == b"\xfe\xfd"
            assert cookie_in(answer)
            assert holds_nothing(here)


@virtual
async def test_a_cookie_opens_a_handshake_at_its_own_address_only() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        cookie = await raw.cookie()
        for other in (Address(VISITOR.host, 6667), Address("192.0.2.67", VISITOR.port)):
            (answer,) = await Raw(here.network, other).ask(datagram(hello(cookie, 1), 1))
            assert cookie_in(answer) != cookie
            assert holds_nothing(here)
        answers = await raw.ask(datagram(hello(cookie, 1), 1))
        assert is_server_hello(answers[0])
        assert here.server.half_open == 1


@virtual
async def test_a_cookie_ends_with_its_lifetime() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        cookie = await raw.cookie()
        await asyncio.sleep(61)
        (answer,) = await raw.ask(datagram(hello(cookie, 1), 1))
        assert cookie_in(answer) != cookie
        assert holds_nothing(here)


@virtual
async def test_a_client_whose_cookie_is_out_of_date_asks_for_another() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        greeting = carrier_of(here)._greeting
        loop = asyncio.get_running_loop()
        # The server begins anew, with another secret, while its first cookie is on its way.
        again = AddressProof(bytes(32), 60.0)
        loop.call_later(0.08, lambda: setattr(greeting, "_proof", again))
        began = loop.time()
        await here.connect()
        assert loop.time() - began < 1  # no timer had to run out
        asked = [s.data for s in here.network.sent if s.data[13] == HandshakeType.client_hello][:3]
        answers = [s.data for s in here.network.sent if s.source == SERVER][:2]
        assert [each[17:19] for each in asked] == [u16(0), u16(1), u16(2)]
        assert all(cookie_in(each) for each in answers)
        assert [each[17:19] for each in answers] == [u16(0), u16(1)]


def any_hello() -> st.SearchStrategy[bytes]:
    """Hellos of a stranger: whole, in parts, several, damaged, or nothing of the kind."""
    whole = datagram(hello())
    cut = st.builds(
        lambda offset, length: record(ContentType.handshake, part(hello(), offset, length)),
        st.integers(0, 60),
        st.integers(0, 60),
    )
    flipped = st.builds(
        lambda index, mask: whole[:index] + bytes([whole[index] ^ mask]) + whole[index + 1 :],
        st.integers(0, len(whole) - 1),
        st.integers(1, 255),
    )
    one = cut | flipped | st.just(whole) | st.binary(max_size=80)
    return st.lists(one, min_size=1, max_size=3).map(b"".join)


@given(st.lists(any_hello(), min_size=1, max_size=5))
def test_a_stranger_gets_no_more_than_three_times_what_he_sent(sent: list[bytes]) -> None:
    async def strangers() -> None:
        async with place(PLAIN_PSK, transport="udp") as here:
            raw = Raw(here.network)
            for each in sent:
                answers = await raw.ask(each)
                assert sum(map(len, answers)) <= 3 * len(each)
            assert holds_nothing(here)

    run(strangers())


@virtual
async def test_a_flood_of_begun_hellos_keeps_no_more_than_the_pool() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        message = hello(b"no cookie", 1)
        begun = record(ContentType.handshake, part(message, 0, 20))
        for port in range(1000, 1000 + 4 * POOL):
            here.network.inject(begun, Address(VISITOR.host, port), SERVER)
        await asyncio.sleep(1)
        pool = carrier_of(here)._greeting._strangers
        assert len(pool) == POOL
        assert holds_nothing(here)


@pytest.mark.parametrize("mtu", [50, 64, 100])
@virtual
async def test_story_5_a_hello_in_fragments_proves_its_address_too(mtu: int) -> None:
    """Mbed-TLS/mbedtls#7549, wolfSSL/wolfssl#9266: with certificates, cookie included."""
    async with place(CERTIFICATE, transport="udp", mtu=mtu) as here:
        session = await here.connect()
        first = [s for s in here.network.sent if s.time == 0]
        assert len(first) > 1
        await session.send(b"hi")
        assert await session.receive() == b"hi"


# -- what does not belong there --------------------------------------------------------------------


@virtual
async def test_a_hello_of_version_1_0_gets_protocol_version_and_leaves_nothing() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        cookie = await raw.cookie()
        (answer,) = await raw.ask(datagram(hello(cookie, 1, version=0xFEFF), 1))
        assert answer[0] == ContentType.alert
        assert answer[13:] == bytes([2, ProtocolVersion.description])
        assert holds_nothing(here)


NOT_A_HELLO = {
    "longer than 2^14": record(22, bytes(2**14 + 1)),
    "claims 16 MB": record(22, u8(1) + u24(0xFFFFFF) + u16(1) + u24(0) + u24(8) + bytes(8)),
    "past its end": record(22, u8(1) + u24(5) + u16(1) + u24(3) + u24(6) + bytes(6)),
    "version 3.3": record(22, part(hello()), version=0x0303),
    "message_seq far ahead": datagram(hello(b"c", MAX_FIRST_SEQ + 1)),
    "record number far ahead": datagram(hello(b"c", 1), 2**48 - 1),
    "Finished": datagram(HandshakeMessage(20, bytes(12), 0)),
    "ChangeCipherSpec": record(20, b"\x01"),
    "an alert": record(21, b"\x02\x28"),
    "application data": record(23, b"data"),
    "sealed": u8(23) + u16(0xFEFD) + u16(1) + u48(0) + u16(40) + bytes(40),
    "cut short": datagram(hello())[:-1],
    "a header": datagram(hello())[:13],
    "nothing": b"",
}


@pytest.mark.parametrize("name", NOT_A_HELLO)
@virtual
async def test_what_is_no_hello_meets_silence_and_leaves_nothing(name: str) -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        assert await Raw(here.network).ask(NOT_A_HELLO[name]) == []
        assert holds_nothing(here)
        session = await here.connect()
        assert not session.closed


@pytest.mark.parametrize("name", NOT_A_HELLO)
@virtual
async def test_the_same_sent_in_a_clients_name_harms_no_live_session(name: str) -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        session = await here.connect()
        client = here.clients[0]._endpoint.local_address
        before = len(here.network.between(SERVER, client))
        here.network.send(NOT_A_HELLO[name], client, SERVER)
        await asyncio.sleep(0.2)
        assert len(here.network.between(SERVER, client)) == before
        await session.send(b"still here")
        assert await session.receive() == b"still here"


def clear(kind: int, seq: int, body: bytes = b"") -> bytes:
    """A whole handshake message in the clear."""
    return datagram(HandshakeMessage(kind, body, seq))


@pytest.mark.parametrize("seq", range(8))
@pytest.mark.parametrize("kind", [0, 1, 2, 11, 14, 16, 20, 99])
@virtual
async def test_no_message_in_the_clear_harms_a_live_session(kind: int, seq: int) -> None:
    """Whatever number it has: what comes after completion in the clear is nobody's word."""
    async with place(PLAIN_PSK, transport="udp") as here:
        session = await here.connect()
        client = here.clients[0]._endpoint.local_address
        for source, destination in ((client, SERVER), (SERVER, client)):
            here.network.send(clear(kind, seq), source, destination)
        await asyncio.sleep(2)
        await session.send(b"still here")
        assert await session.receive() == b"still here"
        assert len(here.server.sessions) == 1


@given(st.lists(st.binary(max_size=200) | any_hello(), max_size=8), st.booleans())
def test_no_datagram_raises_anything_at_either_side(noise: list[bytes], early: bool) -> None:
    async def talk() -> None:
        async with place(PLAIN_PSK, transport="udp") as here:
            client = here.client()
            address = client._endpoint.local_address

            def disturb() -> None:
                for each in noise:
                    here.network.inject(each, address, SERVER, 0.12)
                    here.network.inject(each, SERVER, address, 0.12)

            if early:
                disturb()
            session = await client.handshake(PLAIN_PSK.client())
            disturb()
            await asyncio.sleep(1)
            await session.send(b"data")
            assert await session.receive() == b"data"

    run(talk())


# -- repetition ------------------------------------------------------------------------------------


@virtual
async def test_a_repeated_hello_draws_the_same_flight_but_not_for_each_copy() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        again = datagram(hello(await raw.cookie(), 1), 1)
        first = await raw.ask(again)
        assert await raw.ask(again, again, again, wait=0.04) == []
        await asyncio.sleep(0.3)
        second = await raw.ask(again, again, wait=0.2)
        assert len(second) == len(first)
        assert here.server.half_open == 1


@virtual
async def test_the_servers_last_flight_again_is_no_renegotiation_and_draws_no_answer() -> None:
    """The server repeats Finished under new numbers, so the session opens it: GnuTLS and OpenSSL
    take a no_renegotiation alert at that point for the end."""
    lost: list[bytes] = []

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        # Held back until the repetition has overtaken it.
        if sent.source == SERVER and sent.data[0] == ContentType.change_cipher_spec and not lost:
            lost.append(sent.data)
            return (Delivery(sent.data, 1.5),)
        return (sent.data,)

    async with place(PLAIN_PSK, transport="udp", verdict=verdict) as here:
        session = await here.connect()
        assert lost
        before = len(here.network.sent)
        await asyncio.sleep(3)
        assert len(here.network.sent) == before
        assert session.counters["dropped: handshake record"] == 0
        await session.send(b"data")
        assert await session.receive() == b"data"


# -- bounds and time -------------------------------------------------------------------------------


@virtual
async def test_half_open_handshakes_end_with_their_lifetime() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        await raw.ask(datagram(hello(await raw.cookie(), 1), 1))
        assert here.server.half_open == 1
        await asyncio.sleep(61)
        assert holds_nothing(here)
        assert here.server.counters["half-open handshakes expired"] == 1


@virtual
async def test_handshakes_are_bounded_in_all_and_for_each_address() -> None:
    limits = Limits(half_open=5, per_address=2)
    async with place(PLAIN_PSK, transport="udp", limits=limits) as here:
        for host, port in [(h, p) for h in range(1, 5) for p in range(1, 5)]:
            raw = Raw(here.network, Address(f"198.51.100.{host}", port))
            await raw.ask(datagram(hello(await raw.cookie(), 1), 1))
            assert here.server.half_open <= min(5, 2 * host)
        assert here.server.half_open == 5
        # The fourth address has none yet, and takes the place of the oldest of the first.
        assert here.server.counters["refused: too many handshakes"] == 10
        assert here.server.counters["half-open handshakes that made room"] == 1


@virtual
async def test_an_error_that_is_no_alert_ends_its_own_handshake_and_nothing_else() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        raw = Raw(here.network)
        await raw.ask(datagram(hello(await raw.cookie(), 1), 1))
        half = carrier_of(here)._peers[VISITOR].half_open

        def cannot(data: bytes, now: float) -> list[bytes]:
            raise hoc.ConfigurationError("this cannot be done")

        half.engine.receive = cannot
        assert await raw.ask(record(ContentType.handshake, bytes(12))) == []
        assert holds_nothing(here)
        assert here.server.counters["failed: ConfigurationError"] == 1


@virtual
async def test_a_refusal_in_the_clear_is_the_reason_when_the_time_is_over() -> None:
    async with place(PLAIN_PSK, transport="udp", timeout=0.5) as here:
        with pytest.raises(BadRecordMac) as caught:
            await here.client().handshake(PLAIN_PSK.client(psk=PSK(IDENTITY, b"w" * 16)))
        assert caught.value.received


@virtual
async def test_a_key_that_is_refused_in_the_clear_draws_an_alert_a_timer_later() -> None:
    # Either side's own key is one that the other does not know.
    scenario, stranger = TYPICAL[3], RawPublicKey(p256_key("a stranger"))
    for own in (True, False):
        async with place(scenario, transport="udp") as here:
            config = scenario.client(credential=stranger)
            if not own:
                config = scenario.client(trust=trust_in(stranger))
            began = asyncio.get_running_loop().time()
            with pytest.raises(CertificateUnknown) as caught:
                await here.client().handshake(config)
            assert caught.value.received is own
            alerts = [s for s in here.network.sent if s.data[0] == ContentType.alert]
            assert [alert.source == SERVER for alert in alerts] == [own]
            assert alerts[0].time - began < 2.5


@virtual
async def test_the_number_of_sessions_is_bounded() -> None:
    limits = Limits(sessions=2, half_open=1)
    async with place(PLAIN_PSK, transport="udp", limits=limits, timeout=5.0) as here:
        sessions = [await here.connect(port=port) for port in (1, 2, 3)]
        with pytest.raises(InternalError) as caught:
            await here.connect(port=4)
        assert caught.value.received
        assert here.server.peers == 3
        await sessions[0].close()
        await asyncio.sleep(1)
        await here.connect(port=5)
        assert len(here.server.sessions) == 3


@virtual
async def test_a_client_with_another_key_learns_it_and_the_server_keeps_nothing() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        client = here.client()
        with pytest.raises(BadRecordMac) as caught:
            await client.handshake(PLAIN_PSK.client(psk=PSK(IDENTITY, b"w" * 16)))
        assert caught.value.received
        assert not here.server.sessions
        await asyncio.sleep(61)
        assert holds_nothing(here)


# -- RFC 6347 section 4.2.8 ------------------------------------------------------------------------


@virtual
async def test_a_hello_on_a_live_association_leaves_it_alone_until_the_new_one_speaks() -> None:
    async with place(PLAIN_PSK, transport="udp") as here:
        old = await here.connect()
        (first,) = here.server.sessions
        # The client starts again on the same port; its old self is still known to the network.
        endpoint = here.clients[0]._endpoint
        raw = Raw(here.network, endpoint.local_address)
        cookie = await raw.cookie(seed="started again")
        answers = await raw.ask(datagram(hello(cookie, 1, seed="started again"), 1))
        assert is_server_hello(answers[0])
        assert here.server.sessions == (first,)
        # The old association goes on at the same address.
        await old.send(b"still me")
        (echoed,) = await raw.ask(wait=0.2)
        assert echoed[0] == ContentType.application_data
        # A whole new handshake replaces it, with its first valid record.
        new = await here.client().handshake(PLAIN_PSK.client("started again, and again"))
        beside = set(here.server.sessions)
        assert first in beside
        assert len(beside) == 2
        await new.send(b"new")
        assert await new.receive() == b"new"
        assert set(here.server.sessions) == beside - {first}


@virtual
async def test_a_late_copy_of_the_hello_of_a_live_association_begins_nothing() -> None:
    """A handshake with it would take what is meant for the one that has completed."""
    async with place(PLAIN_PSK, transport="udp") as here:
        session = await here.connect()
        address = here.clients[0]._endpoint.local_address
        copies = [sent.data for sent in here.network.between(address, SERVER)[:2]]
        before = len(here.network.between(SERVER, address))
        for _ in range(3):
            here.network.inject(copies[1], address, SERVER)
        await asyncio.sleep(1)
        assert here.server.half_open == 0
        assert here.server.counters["dropped: hello of a completed handshake"] == 3
        assert len(here.network.between(SERVER, address)) == before
        await session.send(b"as if nothing had been")
        assert await session.receive() == b"as if nothing had been"


# -- a crowd ---------------------------------------------------------------------------------------


@virtual
@pytest.mark.parametrize(("hosts", "period"), [(4, 26.0), (4, 2.6), (16, 2.6)])
async def test_a_crowd_of_half_open_handshakes_locks_nobody_out(hosts: int, period: float) -> None:
    """Each endpoint proves its address and begins a handshake anew, again and again."""
    each = -(-40 // hosts)
    async with place(PLAIN_PSK, transport="udp", limits=Limits(half_open=40)) as here:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await here.connect(port=1)
        quiet = loop.time() - before

        async def crowd(address: Address, number: int) -> None:
            raw = Raw(here.network, address)
            await asyncio.sleep(number * period / 40)
            for turn in range(100):
                seed = f"{address} {turn}"
                (answer, *_) = await raw.ask(datagram(hello(seed=seed)))
                await raw.ask(datagram(hello(cookie_in(answer), 1, seed=seed), 1))
                await asyncio.sleep(period)

        addresses = [
            Address(f"198.51.{host}.1", port) for host in range(hosts) for port in range(each)
        ]
        tasks = [asyncio.create_task(crowd(a, number)) for number, a in enumerate(addresses)]
        try:
            await asyncio.sleep(3 * period)
            assert here.server.half_open == 40
            for port in range(2, 8):
                before = loop.time()
                await here.connect(port=port)
                assert loop.time() - before <= 3 * quiet
                await asyncio.sleep(1)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@virtual
async def test_a_full_server_says_so() -> None:
    limits = Limits(half_open=1, per_address=1)
    async with place(PLAIN_PSK, transport="udp", limits=limits) as here:
        raw = Raw(here.network, Address("192.0.2.7", 5))
        await raw.ask(datagram(hello(await raw.cookie(), 1), 1))
        began = asyncio.get_running_loop().time()
        with pytest.raises(InternalError) as caught:
            await here.connect("192.0.2.7", 6)
        assert caught.value.received
        assert asyncio.get_running_loop().time() - began < 5
