"""Handshakes and sessions of a server: replaced, repeated, forged at, bounded, gone in time."""

from __future__ import annotations

import asyncio

import pytest

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.message import Message
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.tls.codepoints import AlertDescription
from tests.support.by_hand import answer_to, hello, open_half, session_path
from tests.support.exchange import (
    CONTENT_FORMAT,
    DELETE,
    ECHO,
    GET,
    PSK,
    RESOURCE,
    SERVER,
    URI_PATH,
    Exchange,
    Raw,
    agree,
    dotted,
    exchange,
    request,
    uint,
    virtual,
)
from tests.support.network import Sent
from tests.support.parties import Scenario
from tests.support.parties13 import CCM, P256, Scenario13

RETRY = Scenario13(CCM, P256, retry=True)
URI_QUERY = 15
FATAL = bytes([2, AlertDescription.handshake_failure])


@virtual
async def test_a_second_handshake_replaces_the_half_open_first() -> None:
    async with exchange() as here:
        raw = here.raw()
        first, flight3_first = await open_half(raw, "first")
        second, flight3_second = await open_half(raw, "second")
        assert first != second
        assert here.server.counters["half-open handshakes replaced"] == 1
        assert (await raw.ask(*session_path(first), payload=flight3_first)).code == 0x84
        assert (await raw.ask(*session_path(second), payload=flight3_second)).code == 0x44
        assert [c.name for c in here.completed] == [second.decode()]
        assert here.server.peers.unfinished == 0


@virtual
async def test_a_late_copy_of_a_replaced_first_flight_does_not_replace_its_successor() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        _, flight1 = hello("first")
        first = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1)
        second, flight3 = await open_half(raw, "second")
        late = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1)
        assert (late.code, late.payload, late.options) == (first.code, first.payload, first.options)
        assert (await raw.ask(*session_path(second), payload=flight3)).code == 0x44
        assert here.begun == 2


@pytest.mark.parametrize("location", [True, False])
@virtual
async def test_a_new_handshake_leaves_the_old_association_until_it_is_released(
    location: bool,
) -> None:
    async with exchange(location=location) as here:
        await here.client(seed="before the reboot").handshake()
        again = await here.client(seed="after the reboot").handshake()
        old, new = here.completed
        assert old.address == new.address
        assert old.name != new.name
        assert agree(again, new.established)
        (peer,) = here.server.peers
        assert set(peer.handshakes) == {old.name, new.name}
        await asyncio.sleep(200)
        assert set(peer.handshakes) == {old.name, new.name}
        here.server.release(old.address, old.name)
        assert set(peer.handshakes) == {new.name}
        here.server.release(new.address, new.name)
        assert here.residue() == {}


@pytest.mark.parametrize("pause", [0.0, 30.0, 300.0])
@virtual
async def test_a_repeated_first_flight_finds_its_session(pause: float) -> None:
    async with exchange() as here:
        raw = here.raw()
        conversation, flight1 = hello()
        first = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        name = first.values(8)[-1]
        flight3 = answer_to(conversation, first.payload)[1]
        last = await raw.ask(*session_path(name), payload=flight3)
        assert last.code == 0x44
        await asyncio.sleep(pause)
        for _ in range(3):
            again = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
            assert (again.code, again.options, again.payload) == (
                0x41,
                first.options,
                first.payload,
            )
            again = await raw.ask(*session_path(name), payload=flight3)
            assert (again.code, again.payload) == (0x44, last.payload)
        assert here.begun == 1
        assert len(here.completed) == 1
        assert here.server.peers.unfinished == 0
        await asyncio.sleep(100)
        assert here.residue() == {"peers": 1}


@virtual
async def test_a_repetition_with_the_same_message_id_gets_the_same_datagram() -> None:
    async with exchange() as here:
        raw = here.raw()
        _, flight1 = hello()
        data = request(*RESOURCE, (ECHO, await raw.echo()), payload=flight1, mid=99)
        replies = [await raw.send(data) for _ in range(4)]
        assert len(replies[0]) == 1
        assert replies == [replies[0]] * 4


@virtual
async def test_unknown_sessions_are_not_found() -> None:
    async with exchange() as here:
        raw = here.raw()
        for name in (b"0", b"", b"abc", b"\xc3\xa9"):
            assert (await raw.ask(*session_path(name), payload=b"x")).code == 0x84
        name, flight3 = await open_half(raw)
        other = here.raw("192.0.2.9")
        assert (await other.ask(*session_path(name), payload=flight3)).code == 0x84
        for path in ((URI_PATH, name),), (*RESOURCE, (URI_PATH, name)), ():
            assert (await raw.ask(*path, payload=flight3)).code == 0x84
        assert here.completed == []
        assert here.server.counters["unknown sessions"] == 8


@pytest.mark.parametrize("code", [DELETE, GET, 3, 5, 7])
@virtual
async def test_only_a_post_does_anything_to_a_session(code: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        assert (await raw.ask(*session_path(name), code=code)).code == 0x85
        assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x44
        assert (await raw.ask(*session_path(name), code=code)).code == 0x85
        assert here.server.counters["ignored: not a POST"] == 2
        (peer,) = here.server.peers
        assert peer.handshakes[name.decode()].complete


@virtual
async def test_a_forged_alert_for_a_live_session_is_ignored_and_counted() -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        last = await raw.ask(*session_path(name), payload=flight3)
        form = (CONTENT_FORMAT, uint(ALERT))
        for _ in range(50):
            response = await raw.ask(*session_path(name), form, payload=FATAL)
            assert response.code == 0x80
        for number in range(50):
            forged = await raw.ask(*session_path(name), payload=number.to_bytes(2, "big"))
            assert forged.code == 0x80
        assert here.server.counters["ignored: unsealed alert for a session"] == 50
        assert here.server.counters["ignored: another flight for a session"] == 50
        again = await raw.ask(*session_path(name), payload=flight3)
        assert (again.code, again.payload) == (0x44, last.payload)
        (peer,) = here.server.peers
        assert list(peer.handshakes) == [name.decode()]
        assert len(peer.handshakes[name.decode()].answers) == 2


@pytest.mark.parametrize("what", ["garbage", "tampered", "alert", "malformed alert", "empty"])
@virtual
async def test_forgeries_before_completion_leave_the_handshake_so_many_times(what: str) -> None:
    async with exchange(limits=Limits(failures=5)) as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        for number in range(4):
            response = await _forge(raw, what, name, flight3, number)
            assert response in {0x80, 0x44}
        assert here.completed == []
        assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x44
        assert len(here.completed) == 1


async def _forge(raw: Raw, what: str, name: bytes, flight3: bytes, number: int) -> int:
    options = ((CONTENT_FORMAT, uint(ALERT)),) if "alert" in what else ()
    payload = {
        "garbage": bytes([number]) * 20,
        "tampered": flight3[: -1 - number] + bytes(1 + number),
        "alert": FATAL,
        "malformed alert": b"\2",
        "empty": b"",
    }[what]
    return (await raw.ask(*session_path(name), *options, payload=payload)).code


@pytest.mark.parametrize("what", ["garbage", "tampered", "alert"])
@virtual
async def test_after_too_many_forgeries_the_genuine_client_begins_again_and_completes(
    what: str,
) -> None:
    async with exchange(limits=Limits(failures=5)) as here:
        client = here.client()
        spoofed = _Spoofer(here, client.address, what)
        here.network.verdict = spoofed.verdict
        established = await client.handshake()
        assert agree(established, here.completed[0].established)
        assert here.begun == 2
        assert here.server.counters["given up: too many failures"] == 1
        assert len(here.completed) == 1


class _Spoofer:
    """Sends forgeries for the session in the client's name, before the client's own flight 3."""

    def __init__(self, here: Exchange, victim: object, what: str) -> None:
        self._here, self._victim, self._what, self._done = here, victim, what, False

    def verdict(self, sent: Sent) -> tuple[bytes, ...]:
        if sent.source == SERVER and sent.data[1] == 0x41 and not self._done:
            self._done = True
            name = Message.decode(sent.data).values(8)[-1]
            alert = self._what == "alert"
            options = ((CONTENT_FORMAT, uint(ALERT)),) if alert else ()
            for number in range(8):
                payload = FATAL if alert else bytes([0x96, 0, 40 + number]) + bytes(40 + number)
                token = b"f" + bytes([number])
                forged = request(
                    *session_path(name), *options, payload=payload, mid=number, token=token
                )
                self._here.network.inject(forged, sent.destination, SERVER, 0.01)
        return (sent.data,)


@virtual
async def test_an_alert_at_the_resource_is_no_first_flight() -> None:
    for location, code in ((True, 0x8F), (False, 0x84)):
        async with exchange(location=location) as here:
            raw = here.raw()
            alert = (CONTENT_FORMAT, uint(ALERT))
            response = await raw.ask(*RESOURCE, alert, (ECHO, await raw.echo()), payload=FATAL)
            assert response.code == code


@virtual
async def test_without_location_an_alert_goes_to_the_half_open_handshake() -> None:
    async with exchange(location=False) as here:
        raw = here.raw()
        conversation, flight1 = hello()
        response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        assert (response.code, response.values(8)) == (0x44, ())
        alert = (CONTENT_FORMAT, uint(ALERT))
        assert (await raw.ask(*RESOURCE, alert, payload=FATAL)).code == 0x44
        flight3 = answer_to(conversation, response.payload)[1]
        assert (await raw.ask(*RESOURCE, payload=flight3)).code == 0x44
        assert len(here.completed) == 1
        assert (await raw.ask(*RESOURCE, alert, payload=FATAL)).code == 0x80
        assert here.server.counters["ignored: unsealed alert for a session"] == 1


@virtual
async def test_without_location_a_spoofed_hello_does_not_replace_the_half_open_handshake() -> None:
    async with exchange(location=False) as here:
        raw = here.raw()
        conversation, flight1 = hello()
        response = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        spoofed = await raw.ask(*RESOURCE, payload=hello("somebody else")[1])
        assert spoofed.code == 0x81
        assert here.begun == 1
        flight3 = answer_to(conversation, response.payload)[1]
        assert (await raw.ask(*RESOURCE, payload=flight3)).code == 0x44


@pytest.mark.parametrize("scenario", [PSK, RETRY], ids=str)
@virtual
async def test_without_location_a_repeated_hello_needs_its_echo_again(
    scenario: Scenario | Scenario13,
) -> None:
    async with exchange(scenario, location=False) as here:
        raw, (_, flight1) = here.raw(), hello("by hand", scenario)
        echo = await raw.echo()
        first = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1)
        assert first.code == 0x44
        spoofed = await raw.ask(*RESOURCE, payload=flight1)
        assert dotted(spoofed.code) == "4.01"
        assert spoofed.get(ECHO) is not None
        assert spoofed.payload == b""
        again = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1)
        assert again.payload == first.payload


@virtual
async def test_a_query_names_another_resource() -> None:
    async with exchange() as here:
        raw, (_, flight1) = here.raw(), hello()
        echo, query = (ECHO, await raw.echo()), (URI_QUERY, b"other=resource")
        response = await raw.ask(*RESOURCE, query, echo, payload=flight1)
        assert dotted(response.code) == "4.04"
        assert here.server.known_peers == 0
        name, flight3 = await open_half(raw)
        response = await raw.ask(*session_path(name), query, payload=flight3)
        assert dotted(response.code) == "4.04"
        response = await raw.ask(*session_path(name), payload=flight3)
        assert dotted(response.code) == "2.04"


@virtual
async def test_a_closed_server_is_silent_and_harmless() -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        here.server.close()
        here.server.close()
        assert await raw.send(request(*session_path(name), payload=flight3)) == []
        assert await raw.send(request(*RESOURCE, payload=flight3)) == []
        assert await raw.send(b"\x70\0\0\1") == []


@virtual
async def test_requests_that_reuse_a_token_at_once_do_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with exchange() as here:
        raw = here.raw()
        name, flight3 = await open_half(raw)
        for number in range(20):
            data = request(*session_path(name), payload=b"forged", mid=number, token=b"same")
            raw.endpoint.send(data, SERVER)
        raw.endpoint.send(request(*session_path(name), payload=flight3, mid=99), SERVER)
        await asyncio.sleep(1)
        assert Message.decode(raw.received[-1]).code == 0x44
        assert len(here.completed) == 1
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
