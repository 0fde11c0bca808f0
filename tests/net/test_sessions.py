"""Sessions over real sockets on loopback: what arrives once, what never, and how they end."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.net.endpoint import open_udp
from handshake_over_coap.tls.alerts import AccessDenied, Alert
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType
from handshake_over_coap.trace.tap import DatagramSeen, Direction
from tests.support.exchange import virtual
from tests.support.session_world import world
from tests.support.sockets import (
    KINDS,
    LOOPBACK,
    PSK,
    QUICK,
    bystander,
    client_arguments,
    client_that_may_vanish,
    echo,
    server_arguments,
    until,
)

OVERHEAD = {"1.2": 13 + 8 + 8, "1.3": 5 + 1 + 16}
"""Bytes of header, explicit nonce or content type, and tag of the preferred suite, by version."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_credential_ends_in_a_session_that_echoes(
    kind: str, over: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, handler=echo, **over, **server_arguments(kind)) as server,
            hoc.connect(server.address, **client_arguments(kind), **over) as session,
        ):
            await session.send(b"over records")
            assert await session.receive() == b"over records"
            (other,) = server.sessions
            assert session.export("EXPERIMENTAL test", 16) == other.export("EXPERIMENTAL test", 16)
            assert session.report.completed == 1
            assert session.report.auth == kind.removesuffix("-mutual")
            known = other.peer.raw_public_key is not None or other.peer.certificates != ()
            assert known == kind.endswith("-mutual")

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["::1", "::", "0.0.0.0"])
def test_ipv6_and_wildcard_addresses_are_served(host: str, over: dict[str, Any]) -> None:
    async def scenario() -> None:
        try:
            async with hoc.serve((host, 0), PSK, handler=echo, **over) as server:
                targets = {"::1": ["::1"], "::": ["::1", "127.0.0.1"], "0.0.0.0": ["127.0.0.2"]}
                for target in targets[host]:
                    address = (target, server.address[1])
                    async with hoc.connect(address, PSK, **QUICK, **over) as session:
                        await session.send(b"x")
                        assert await session.receive() == b"x"
        except hoc.CarrierError as error:
            if not str(error).startswith(("cannot bind", "cannot connect", "cannot resolve")):
                raise
            pytest.skip(f"this machine lacks the address: {error}")

    asyncio.run(scenario())


def test_a_client_may_turn_to_another_address_of_the_server(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(LOOPBACK)
            local = free.getsockname()
        async with hoc.serve(("0.0.0.0", 0), PSK, handler=echo, **over) as server:
            for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
                address = (host, server.address[1])
                async with hoc.connect(address, PSK, local=local, **QUICK, **over) as session:
                    await session.send(host.encode())
                    assert await session.receive() == host.encode()

    asyncio.run(scenario())


def test_close_notify_ends_the_other_side_and_nothing_stays_behind(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        ended: list[str] = []

        async def handler(session: hoc.Session) -> None:
            try:
                await session.receive()
            except hoc.Closed as closed:
                ended.append(str(closed))
                raise

        limits = hoc.Limits(lifetime=2)
        options: dict[str, Any] = {"limits": limits, "timeout": 2}
        async with hoc.serve(LOOPBACK, PSK, handler=handler, **over, **options) as server:
            async with hoc.connect(server.address, PSK, **QUICK, **over):
                await until(lambda: len(server.sessions) == 1)
            await until(lambda: not server.sessions)
            assert ended == ["the peer closed the session"]
            await until(lambda: server.peers == 0, 15)

    asyncio.run(scenario())


def test_after_the_end_send_and_receive_raise_closed(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server,
            hoc.connect(server.address, PSK, **QUICK, **over) as session,
        ):
            await session.close()
            assert session.closed
            with pytest.raises(hoc.Closed):
                await session.send(b"x")
            with pytest.raises(hoc.Closed):
                await session.receive()
            await session.close()

    asyncio.run(scenario())


def test_the_server_closes_its_sessions_when_it_stops(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server:
            connection = hoc.connect(server.address, PSK, **QUICK, **over)
            session = await connection.__aenter__()
        with pytest.raises(hoc.Closed, match="peer closed"):
            await asyncio.wait_for(session.receive(), 5)
        await connection.__aexit__(None, None, None)

    asyncio.run(scenario())


class _Sent:
    """Keeps the records that an endpoint sent."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def observe(self, seen: DatagramSeen) -> None:
        if seen.direction is Direction.SENT and 20 <= seen.data[0] <= 26:
            self.records.append(seen.data)


def test_records_replayed_forged_or_of_other_epochs_are_dropped_and_counted(
    over12: dict[str, Any],
) -> None:
    async def scenario() -> None:
        got: list[bytes] = []

        async def collect(session: hoc.Session) -> None:
            while True:
                got.append(await session.receive())

        async with hoc.serve(LOOPBACK, PSK, handler=collect, **over12) as server:
            client, session, endpoint = await client_that_may_vanish(
                server.address, LOOPBACK, **over12
            )
            sent = _Sent()
            client.tap.add(sent)
            await session.send(b"once")
            (record,) = sent.records
            old_epoch = record[:3] + b"\0\0" + record[5:]
            future_epoch = record[:3] + b"\0\x02" + record[5:]
            forged = record[:10] + b"\x09" + record[11:]
            fatal = Alert(AlertLevel.fatal, AlertDescription.internal_error).encode()
            unsealed_alert = struct.pack("!BHHIHH", 21, 0xFEFD, 0, 0, 7, 2) + fatal
            to = Address(*server.address)
            for datagram in (record, old_epoch, future_epoch, forged, unsealed_alert, record[:20]):
                endpoint.send(datagram, to)
            await session.send(b"after")
            await until(lambda: len(got) == 2)
            assert got == [b"once", b"after"]
            (other,) = server.sessions
            # Over UDP what is in the clear goes to the handshake, which drops it.
            in_the_clear = {"dropped: unprotected": 2} if over12["transport"] == "coap" else {}
            assert other.counters == in_the_clear | {
                "dropped: replayed": 1,
                "dropped: wrong-epoch": 1,
                "dropped: forged": 1,
                "dropped: malformed": 1,
            }
            await client.close()

    asyncio.run(scenario())


def test_garbage_never_troubles_a_server(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server:
            stranger = await bystander()
            for first in range(256):
                stranger.send(bytes([first]) * 40, server.address)
                await asyncio.sleep(0)  # a burst of all would fill the kernel's buffer
            stranger.send(b"", server.address)
            await until(lambda: server.counters.total() >= 257)
            assert server.peers == 0
            assert sum(map(len, stranger.received)) <= 3 * 256 * 40
            async with hoc.connect(server.address, PSK, **QUICK, **over) as session:
                await session.send(b"x")
                assert await session.receive() == b"x"
            stranger.endpoint.close()

    asyncio.run(scenario())


def test_a_sealed_fatal_alert_ends_the_session_with_its_reason(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server,
            hoc.connect(server.address, PSK, **QUICK, **over) as session,
        ):
            (other,) = server.sessions
            alert = Alert(AlertLevel.fatal, AlertDescription.access_denied)
            other._send_alert(alert)
            with pytest.raises(hoc.Closed, match="access_denied") as caught:
                await asyncio.wait_for(session.receive(), 5)
            assert isinstance(caught.value.__cause__, AccessDenied)
            assert caught.value.__cause__.authenticated

    asyncio.run(scenario())


def test_renegotiation_is_refused_once_and_the_session_goes_on(over12: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over12) as server:
            client, session, endpoint = await client_that_may_vanish(
                server.address, LOOPBACK, **over12
            )
            for _ in range(3):
                hello = session._layer.seal(ContentType.handshake, bytes(12))
                endpoint.send(hello, Address(*server.address))
            await session.send(b"still here")
            assert await asyncio.wait_for(session.receive(), 5) == b"still here"
            (other,) = server.sessions
            assert other.counters["dropped: handshake record"] == 3
            assert session.counters == {"warning alerts": 1}
            await client.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", [2, 11, 14, 15, 16, 24, 99])
def test_another_message_after_the_handshake_of_1_2_ends_the_session(
    kind: int, over12: dict[str, Any]
) -> None:
    """RFC 5246 section 7.2.2: unexpected_message is always fatal."""

    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over12) as server:
            client, session, endpoint = await client_that_may_vanish(
                server.address, LOOPBACK, **over12
            )
            message = bytes((kind,)) + bytes(11)
            late = session._layer.seal(ContentType.handshake, message)
            endpoint.send(late, Address(*server.address))
            with pytest.raises(hoc.Closed, match="unexpected_message"):
                await asyncio.wait_for(session.receive(), 5)
            await client.close()

    asyncio.run(scenario())


def test_a_reboot_on_the_same_port_keeps_the_old_association_until_the_new_one_speaks(
    over: dict[str, Any],
) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server:
            spare = await open_udp(LOOPBACK)
            local = (spare.local_address.host, spare.local_address.port)
            spare.close()
            _, first, endpoint = await client_that_may_vanish(server.address, local, **over)
            await first.send(b"old")
            assert await asyncio.wait_for(first.receive(), 5) == b"old"
            endpoint.close()

            client, second, _ = await client_that_may_vanish(
                server.address, local, mtu=1000, **over
            )
            old, new = server.sessions
            assert not old.closed
            await second.send(b"new")
            assert await asyncio.wait_for(second.receive(), 5) == b"new"
            await until(lambda: old.closed)
            await until(lambda: server.sessions == (new,))
            await client.close()

    asyncio.run(scenario())


def test_a_second_reboot_replaces_a_successor_that_never_spoke(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server:
            spare = await open_udp(LOOPBACK)
            local = (spare.local_address.host, spare.local_address.port)
            spare.close()
            for mtu in (1000, 1001, 1002):
                client, session, endpoint = await client_that_may_vanish(
                    server.address, local, mtu=mtu, **over
                )
                if mtu < 1002:
                    endpoint.close()
            assert len(server.sessions) == 2
            await session.send(b"third")
            assert await asyncio.wait_for(session.receive(), 5) == b"third"
            await until(lambda: len(server.sessions) == 1)
            await client.close()

    asyncio.run(scenario())


@virtual
async def test_a_silent_session_ends_after_its_idle_timeout(over: dict[str, Any]) -> None:
    async with world(server={"idle_timeout": 30}, idle_timeout=20, **over) as here:
        party = await here.connect()
        assert await party.echoed(b"x")
        loop = asyncio.get_running_loop()
        heard = loop.time()
        with pytest.raises(hoc.Closed, match="nothing from the peer"):
            await party.session.receive()
        assert loop.time() == pytest.approx(heard + 20)
        await asyncio.sleep(11)
        assert here.server.sessions == ()


def test_data_too_large_for_a_datagram_is_refused_with_the_limit(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over, mtu=300) as server,
            hoc.connect(server.address, PSK, mtu=300, **QUICK, **over) as session,
        ):
            with pytest.raises(hoc.DatagramTooLarge) as caught:
                await session.send(bytes(300))
            assert caught.value.limit == session.limit == 300 - OVERHEAD[over["dtls"]]
            await session.send(bytes(session.limit))
            assert await session.receive() == bytes(session.limit)

    asyncio.run(scenario())


def test_a_handler_that_fails_ends_its_own_session_only(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async def handler(session: hoc.Session) -> None:
            data = await session.receive()
            if data == b"fail":
                raise RuntimeError("the application's own fault")
            await session.send(data)
            await echo(session)

        async with hoc.serve(LOOPBACK, PSK, handler=handler, **over) as server:
            async with (
                hoc.connect(server.address, PSK, **QUICK, **over) as good,
                hoc.connect(server.address, PSK, **QUICK, **over) as bad,
            ):
                await bad.send(b"fail")
                with pytest.raises(hoc.Closed):
                    await asyncio.wait_for(bad.receive(), 5)
                await good.send(b"go on")
                assert await asyncio.wait_for(good.receive(), 5) == b"go on"
            assert server.counters["handler errors"] == 1

    asyncio.run(scenario())


def test_each_datagram_goes_to_one_of_several_receivers(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server,
            hoc.connect(server.address, PSK, **QUICK, **over) as session,
        ):
            receivers = [asyncio.create_task(session.receive()) for _ in range(3)]
            await asyncio.sleep(0)
            receivers[0].cancel()
            for text in (b"1", b"2"):
                await session.send(text)
            found = await asyncio.gather(*receivers[1:])
            assert sorted(found) == [b"1", b"2"]

    asyncio.run(scenario())


def test_no_handshake_completes_while_a_server_closes(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async def slow_to_leave(session: hoc.Session) -> None:
            try:
                await session.receive()
            finally:
                await asyncio.sleep(0.3)

        async with (
            hoc.serve(LOOPBACK, PSK, handler=slow_to_leave, **over) as server,
            hoc.connect(server.address, PSK, **QUICK, **over),
        ):
            await until(lambda: len(server.sessions) == 1)
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0.05)
            with pytest.raises(hoc.Error):
                async with hoc.connect(server.address, PSK, **(QUICK | over | {"timeout": 0.2})):
                    pass
            await closing
            assert server.sessions == ()
            assert server.counters["dropped: closing"] > 0

    asyncio.run(scenario())
