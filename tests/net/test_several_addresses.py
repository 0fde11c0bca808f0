"""A name with several addresses, link-local zones, and addresses that nobody can have."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net import reaching
from handshake_over_coap.net.endpoint import open_udp

_KEY = hoc.PSK("me", bytes(16))


async def _echo(session: hoc.Session) -> None:
    await session.send(await session.receive())


@contextmanager
def _silent(port: int) -> Iterator[None]:
    """Somebody at 127.0.0.2 who never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.2", port))
        yield


def _resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    async def resolve(_: Any, _host: str, port: int, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, port)) for host in hosts]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)


@pytest.mark.parametrize("transport", ["coap", "udp"])
@pytest.mark.parametrize("local", [None, ("127.0.0.1", 0)])
def test_the_next_address_of_a_name_is_tried_where_nobody_is_at_the_first(
    transport: str, local: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with hoc.serve(("127.0.0.1", 0), _KEY, handler=_echo, transport=transport) as server:
            if local is None:
                _resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
            else:
                _resolving(monkeypatch, "127.0.0.1")
            async with hoc.connect(
                ("several", server.address[1]), _KEY, transport=transport, local=local
            ) as session:
                await session.send(b"x")
                assert await session.receive() == b"x"
                assert session.address.host == "127.0.0.1"

    asyncio.run(test())


def test_an_address_that_stays_silent_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reaching, "SILENCE", 0.2)

    async def test() -> None:
        async with hoc.serve(("127.0.0.1", 0), _KEY, handler=_echo) as server:
            port = server.address[1]
            _resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
            with _silent(port):
                async with hoc.connect(("several", port), _KEY) as session:
                    assert session.address.host == "127.0.0.1"

    asyncio.run(test())


def test_the_last_address_has_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "SILENCE", 0.1)
    _resolving(monkeypatch, "127.0.0.2")

    async def test() -> None:
        with _silent(45683), pytest.raises(hoc.HandshakeTimeout, match=r"in 0\.5 s"):
            async with hoc.connect(("one", 45683), _KEY, timeout=0.5):
                pass

    asyncio.run(test())


def test_a_refusal_by_a_server_is_not_taken_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with hoc.serve(("127.0.0.1", 0), _KEY, handler=_echo) as server:
            _resolving(monkeypatch, "127.0.0.1", "127.0.0.2")
            with pytest.raises(hoc.AlertError):
                async with hoc.connect(("several", server.address[1]), hoc.PSK("me", b"wrong")):
                    pass

    asyncio.run(test())


def test_a_zone_is_told_with_its_address() -> None:
    name, index = socket.if_indextoname(1), 1
    assert str(Address("fe80::1", 5683, index)) == f"[fe80::1%{name}]:5683"
    assert Address("fe80::1", 5683, 99_999).zoned == "fe80::1%99999"
    assert str(Address("::1", 5683)) == "[::1]:5683"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (("255.255.255.255", 5683), "a group of hosts"),
        (("127.255.255.255", 5683), "give that of one server"),
        (("ff02::1%1", 5683), "a group of hosts"),
        (("224.0.1.187", 5683), "a group of hosts"),
        (("127.0.0.1", 0), "port 0 is no server's"),
    ],
)
def test_what_is_no_one_servers_address_is_refused(target: tuple[str, int], words: str) -> None:
    with pytest.raises(hoc.Error, match=words) as refused:
        asyncio.run(_open(target))
    assert "higher" not in str(refused.value)


async def _open(target: tuple[str, int]) -> None:
    (await open_udp(connect_to=target)).close()


def test_whatever_the_system_refuses_is_an_error_of_ours_and_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[socket.socket] = []
    make = socket.socket

    def counted(*arguments: Any) -> socket.socket:
        opened.append(make(*arguments))
        return opened[-1]

    def refuse(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    async def test() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.SelectorEventLoop, "add_reader", refuse)
            with pytest.raises(hoc.CarrierError, match="Cannot allocate memory"):
                async with hoc.connect(("127.0.0.1", 9), _KEY):
                    pass
            with pytest.raises(hoc.CarrierError, match="Cannot allocate memory"):
                async with hoc.serve(("127.0.0.1", 0), _KEY, handler=_echo):
                    pass

    with monkeypatch.context() as patch:
        patch.setattr("handshake_over_coap.net.endpoint.socket.socket", counted)
        asyncio.run(test())
    ours = [each for each in opened if each.type == socket.SOCK_DGRAM]
    assert len(ours) == 2
    assert all(each.fileno() == -1 for each in ours)
