from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from handshake_over_coap.errors import CarrierError, ConfigurationError, Error
from handshake_over_coap.net.endpoint import open_udp


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


def test_a_port_in_use_is_named_with_its_remedy() -> None:
    async def test() -> None:
        holder = await open_udp(("127.0.0.1", 0))
        port = holder.local_address.port
        with pytest.raises(CarrierError, match=rf"127\.0\.0\.1:{port}: .* another port"):
            await open_udp(("127.0.0.1", port))
        holder.close()

    run(test())


@pytest.mark.parametrize(
    ("bind", "connect_to", "kind", "words"),
    [
        (None, None, ConfigurationError, "needs an address"),
        (("127.0.0.1", 65536), None, ConfigurationError, "65536 of 127.0.0.1"),
        (("127.0.0.1", 0), ("::1", 5684), ConfigurationError, "one is IPv4, the other IPv6"),
        (None, ("127.0.0.1", -1), ConfigurationError, "port -1"),
        (("192.0.2.1", 0), None, CarrierError, r"192\.0\.2\.1:0: .*no interface here"),
        (("no such host", 5684), None, CarrierError, "cannot resolve 'no such host'.*numeric"),
        (("a" * 300, 5684), None, CarrierError, "cannot resolve"),
        (None, ("\0", 5684), CarrierError, "cannot resolve"),
        (None, ("::ffff:224.0.0.1", 5684), ConfigurationError, "a group of hosts"),
        (None, ("255.255.255.255", 5684), ConfigurationError, "a group of hosts"),
        (("224.0.0.1", 0), None, ConfigurationError, "a group of hosts"),
        (("ff02::1%lo", 0), None, ConfigurationError, "a group of hosts"),
        (("255.255.255.255", 0), None, ConfigurationError, "a group of hosts"),
        (("127.0.0.1", "5684"), None, ConfigurationError, "is no address"),
        (("127.0.0.1", True), None, ConfigurationError, "is no address"),
        (None, (b"127.0.0.1", 5684), ConfigurationError, "is no address"),
        (None, ("127.0.0.1",), ConfigurationError, "is no address"),
        ("127.0.0.1:5684", None, ConfigurationError, "is no address"),
    ],
)
def test_impossible_addresses_are_told_from_those_that_are_not_there(
    bind: Any,
    connect_to: Any,
    kind: type[Error],
    words: str,
) -> None:
    async def test() -> None:
        with pytest.raises(kind, match=words) as caught:
            await open_udp(bind, connect_to=connect_to)
        assert "Errno" not in str(caught.value)

    run(test())


def test_an_impossible_receive_buffer_is_a_configuration_error() -> None:
    async def test() -> None:
        for size in (0, -1, 1 << 31):
            with pytest.raises(ConfigurationError, match="receive buffer"):
                await open_udp(("127.0.0.1", 0), receive_buffer=size)
        endpoint = await open_udp(("127.0.0.1", 0), receive_buffer=8192)
        assert endpoint.receive_buffer >= 8192
        endpoint.close()

    run(test())
