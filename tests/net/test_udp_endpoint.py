from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import pytest

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import Error
from handshake_over_coap.net import udp
from handshake_over_coap.net.endpoint import UdpEndpoint, open_udp

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="no ::1 here")


@dataclass
class Inbox:
    """A receiver that keeps what it gets and wakes whoever waits for it."""

    datagrams: list[tuple[bytes, Address]] = field(default_factory=list)
    errors: list[tuple[OSError, Address | None]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.datagrams.append((data, address))
        self.changed.set()

    def on_error(self, error: OSError, address: Address | None) -> None:
        self.errors.append((error, address))
        self.changed.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def get(self) -> tuple[bytes, Address]:
        await self.until(lambda: bool(self.datagrams))
        return self.datagrams.pop(0)


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def target(endpoint: UdpEndpoint, host: str) -> Address:
    return Address(host, endpoint.local_address.port)


async def echo(server_host: str, bind_client: str, via: str, seen_as: str) -> None:
    """A datagram to ``via`` reaches a server on ``server_host``, and its answer comes back."""
    server, client = await open_udp((server_host, 0)), await open_udp((bind_client, 0))
    server_inbox, client_inbox = Inbox(), Inbox()
    server.start(server_inbox)
    client.start(client_inbox)
    try:
        client.send(b"ping", target(server, via))
        data, address = await server_inbox.get()
        assert data == b"ping"
        assert (address.host, address.port) == (seen_as, client.local_address.port)
        server.send(b"pong", address)
        data, address = await client_inbox.get()
        assert (data, address) == (b"pong", target(server, via))
        assert (server.sent, server.received, server.send_errors) == (1, 1, 0)
    finally:
        server.close()
        client.close()


def test_ipv4() -> None:
    run(echo("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"))


@IPV6
def test_ipv6() -> None:
    run(echo("::1", "::1", "::1", "::1"))


@IPV6
def test_a_dual_stack_server_answers_ipv6() -> None:
    run(echo("::", "::1", "::1", "::1"))


@IPV6
def test_a_dual_stack_server_answers_ipv4() -> None:
    run(echo("::", "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"))


@LINUX
@pytest.mark.parametrize(
    ("wildcard", "local_host"),
    [("0.0.0.0", "127.0.0.2"), pytest.param("::", "::ffff:127.0.0.2", marks=IPV6)],
)
def test_answers_leave_from_the_address_that_was_asked(wildcard: str, local_host: str) -> None:
    async def test() -> None:
        server, client = await open_udp((wildcard, 0)), await open_udp(("127.0.0.1", 0))
        server_inbox, client_inbox = Inbox(), Inbox()
        server.start(server_inbox)
        client.start(client_inbox)
        client.send(b"?", target(server, "127.0.0.2"))
        _, address = await server_inbox.get()
        assert address.local_host == local_host
        server.send(b"!", address)
        _, source = await client_inbox.get()
        assert source.host == "127.0.0.2"
        server.close()
        client.close()

    run(test())


def test_the_same_peer_by_two_local_addresses_is_one_address() -> None:
    one = Address("192.0.2.1", 5684, local_host="192.0.2.2")
    other = Address("192.0.2.1", 5684)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Address("192.0.2.1", 5683)
    assert str(one) == "192.0.2.1:5684"
    assert str(Address("2001:db8::1", 5684)) == "[2001:db8::1]:5684"


def test_a_client_is_connected_to_its_server_alone() -> None:
    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0))
        stranger = await open_udp(("127.0.0.1", 0))
        client = await open_udp(connect_to=("127.0.0.1", server.local_address.port))
        server_inbox, client_inbox = Inbox(), Inbox()
        server.start(server_inbox)
        client.start(client_inbox)
        stranger.send(b"not for you", client.local_address)
        client.send(b"lost", stranger.local_address)
        client.send(b"ping", server.local_address)
        data, address = await server_inbox.get()
        assert (data, address) == (b"ping", client.local_address)
        server.send(b"pong", address)
        assert await client_inbox.get() == (b"pong", server.local_address)
        assert client.send_errors == 1
        for endpoint in (server, stranger, client):
            endpoint.close()

    run(test())


def test_a_client_learns_that_nobody_listens() -> None:
    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0))
        client = await open_udp(
            ("127.0.0.1", 0), connect_to=("127.0.0.1", server.local_address.port)
        )
        server.close()
        inbox = Inbox()
        client.start(inbox)
        for _ in range(3):
            client.send(b"anybody?", server.local_address)
        await inbox.until(lambda: bool(inbox.errors))
        error, address = inbox.errors[0]
        assert isinstance(error, ConnectionRefusedError)
        assert address == server.local_address
        client.close()

    run(test())


def test_many_datagrams_arrive_in_order_and_in_batches() -> None:
    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0), receive_buffer=1 << 20)
        client = await open_udp(("127.0.0.1", 0))
        inbox, count = Inbox(), 2 * udp.BATCH + 10
        server.start(inbox)
        sent = [number.to_bytes(2, "big") for number in range(count)]
        for data in sent:
            client.send(data, server.local_address)
        # One turn of the loop takes one batch: the rest waits for the next.
        while not inbox.datagrams:
            await asyncio.sleep(0)
        assert len(inbox.datagrams) == udp.BATCH
        await inbox.until(lambda: len(inbox.datagrams) == count)
        assert [data for data, _ in inbox.datagrams] == sent
        assert len({id(address) for _, address in inbox.datagrams}) == 1
        server.close()
        client.close()

    run(test())


@LINUX
def test_what_the_kernel_drops_is_counted() -> None:
    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0), receive_buffer=1)
        client = await open_udp(("127.0.0.1", 0))
        assert server.kernel_drops == 0
        inbox = Inbox()
        for _ in range(100):
            client.send(bytes(1000), server.local_address)
        server.start(inbox)
        await asyncio.sleep(0.05)
        dropped = server.kernel_drops
        assert dropped is not None
        assert dropped > 0
        assert server.received + dropped == 100 == client.sent
        server.close()
        assert server.kernel_drops == dropped
        client.close()

    run(test())


def test_datagrams_that_came_before_the_start_are_delivered() -> None:
    async def test() -> None:
        server, client = await open_udp(("127.0.0.1", 0)), await open_udp(("127.0.0.1", 0))
        client.send(b"early", server.local_address)
        inbox = Inbox()
        server.start(inbox)
        assert not inbox.datagrams
        assert (await inbox.get())[0] == b"early"
        with pytest.raises(Error):
            server.start(Inbox())
        server.close()
        client.close()

    run(test())


class Faulty(Inbox):
    """A receiver that fails on every second thing."""

    def on_datagram(self, data: bytes, address: Address) -> None:
        super().on_datagram(data, address)
        if len(self.datagrams) % 2:
            raise ValueError("a fault")

    def on_error(self, error: OSError, address: Address | None) -> None:
        super().on_error(error, address)
        raise ValueError("a fault")


def test_a_faulty_receiver_does_not_end_the_service(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        server, client = await open_udp(("127.0.0.1", 0)), await open_udp(("127.0.0.1", 0))
        inbox = Faulty()
        server.start(inbox)
        for _ in range(4):
            client.send(b"x", server.local_address)
        server.send(bytes(70_000), client.local_address)
        await inbox.until(lambda: len(inbox.datagrams) == 4 and len(inbox.errors) == 1)
        assert server.handler_errors == 3
        server.close()
        client.close()

    with caplog.at_level(logging.CRITICAL):
        run(test())


def test_sending_never_raises_for_the_networks_reasons() -> None:
    async def test() -> None:
        endpoint = await open_udp(("127.0.0.1", 0))
        inbox = Inbox()
        endpoint.start(inbox)
        endpoint.send(bytes(70_000), endpoint.local_address)
        endpoint.send(b"x", Address("::1", 9))
        endpoint.send(b"x", Address("127.0.0.1", 0))
        assert not inbox.errors  # never from within the call
        assert endpoint.send_errors == 3
        await inbox.until(lambda: len(inbox.errors) == 3)
        assert inbox.errors[0][0].errno == errno.EMSGSIZE
        endpoint.close()
        endpoint.send(b"x", endpoint.local_address)
        assert endpoint.send_errors == 4

    run(test())


class ReluctantSocket(socket.socket):
    """A socket whose buffer is full until told otherwise."""

    full = True

    def sendto(self, *args: object) -> int:
        if self.full:
            raise BlockingIOError
        return super().sendto(*args)  # type: ignore[call-overload, no-any-return]


def test_datagrams_wait_in_order_for_a_full_socket_and_no_more_than_256_do() -> None:
    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0), receive_buffer=1 << 20)
        sock = ReluctantSocket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        client = UdpEndpoint(sock, asyncio.get_running_loop())
        for number in range(udp.SEND_QUEUE + 5):
            client.send(number.to_bytes(2, "big"), server.local_address)
        assert (client.sent, client.send_errors) == (0, 5)
        await asyncio.sleep(0)
        sock.full = False
        inbox = Inbox()
        server.start(inbox)
        await inbox.until(lambda: len(inbox.datagrams) == udp.SEND_QUEUE)
        assert [int.from_bytes(d, "big") for d, _ in inbox.datagrams] == list(range(udp.SEND_QUEUE))
        client.send(b"after", server.local_address)
        assert client.sent == udp.SEND_QUEUE + 1
        client.close()
        server.close()

    run(test())


def test_closing_drops_and_counts_what_waits() -> None:
    async def test() -> None:
        sock = ReluctantSocket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        endpoint = UdpEndpoint(sock, asyncio.get_running_loop())
        for _ in range(3):
            endpoint.send(b"x", endpoint.local_address)
        endpoint.close()
        endpoint.close()
        assert endpoint.send_errors == 3
        assert sock.fileno() == -1

    run(test())


def test_closing_within_a_batch_ends_the_delivery() -> None:
    async def test() -> None:
        server, client = await open_udp(("127.0.0.1", 0)), await open_udp(("127.0.0.1", 0))

        class Closing(Inbox):
            def on_datagram(self, data: bytes, address: Address) -> None:
                super().on_datagram(data, address)
                server.close()

        inbox = Closing()
        for _ in range(3):
            client.send(b"x", server.local_address)
        server.start(inbox)
        await inbox.get()
        await asyncio.sleep(0.01)
        assert not inbox.datagrams
        client.close()

    run(test())


def test_the_address_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "_ADDRESS_CACHE", 4)

    async def test() -> None:
        server = await open_udp(("127.0.0.1", 0))
        inbox = Inbox()
        server.start(inbox)
        for _ in range(10):
            client = await open_udp(("127.0.0.1", 0))
            client.send(b"x", server.local_address)
            assert (await inbox.get())[1] == client.local_address
            client.close()
        assert len(server._addresses) <= 4
        server.close()

    run(test())


def test_a_udp_endpoint_is_a_datagram_endpoint() -> None:
    async def test() -> None:
        endpoint: DatagramEndpoint = await open_udp(("127.0.0.1", 0))
        assert endpoint.local_address.host == "127.0.0.1"
        endpoint.close()
        assert endpoint.local_address.port > 0

    run(test())
