"""The second ClientHello over CoAP: anybody can make one, and only the client's own completes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.tls.alerts import (
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.extensions import KeyShareEntry, KeyShares
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello
from tests.support.by_hand import answer_to, asked, hello, open_half, session_path
from tests.support.exchange import (
    ECHO,
    RESOURCE,
    SERVER,
    Exchange,
    agree13,
    exchange,
    response,
    virtual,
)
from tests.support.forgeries import FATAL, is_flight_3
from tests.support.hellos13 import put
from tests.support.moments13 import protection_of, record, writer_of
from tests.support.network import Delivery, Sent
from tests.support.parties import seeded
from tests.support.parties13 import CCM, X25519, Scenario13

RETRY = Scenario13(CCM, X25519, "rpk-p256", retry=True)

located = pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])


def forged_hello(genuine: bytes, number: int) -> bytes:
    """A second hello that anybody can make who has seen the first: with a key share of his own."""
    (message,) = read_body(genuine, next_message_seq=1)
    assert isinstance(message, HandshakeMessage)
    decoded = ClientHello.decode(message.body)
    share = KeyShares((KeyShareEntry(X25519, seeded(f"forger {number}")(32)),))
    changed = replace(decoded, extensions=put(decoded.extensions, share))
    return write_body([replace(message, body=changed.encode())])


@located
@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("after", [0, 1, 3])
@virtual
async def test_forged_second_hellos_do_not_keep_the_genuine_client_out(
    before: int, after: int, location: bool
) -> None:
    async with exchange(RETRY, location=location) as here:
        raw = here.raw()
        conversation, flight1 = hello("by hand", RETRY)
        answer = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        path = session_path(answer.values(8)[-1]) if location else RESOURCE
        conversation, second = answer_to(conversation, answer.payload)
        for number in range(before):
            forged = await raw.ask(*path, payload=forged_hello(second, number))
            assert forged.code == 0x44
        genuine = await raw.ask(*path, payload=second)
        assert genuine.code == 0x44
        for number in range(after):
            forged = await raw.ask(*path, payload=forged_hello(second, 100 + number))
            assert forged.code == 0x44
            assert forged.payload != genuine.payload
        # Asked again, it gets the very answer that it got.
        assert (await raw.ask(*path, payload=second)).payload == genuine.payload
        conversation, flight3 = answer_to(conversation, genuine.payload)
        last = await raw.ask(*path, payload=flight3)
        assert last.code == 0x44
        items = read_body(last.payload, next_message_seq=conversation.next_message_seq)
        established = conversation.receive(items)[0].established
        assert established is not None
        (completed,) = here.completed
        assert here.begun == 1
        assert established.connected.auth == completed.established13.connected.auth == "rpk"
        (handshake,) = next(iter(here.server.peers)).handshakes.values()
        assert (handshake.retried, handshake.rivals) == (None, [])


@located
@virtual
async def test_forged_second_hellos_wear_out_a_handshake_and_are_bounded(location: bool) -> None:
    async with exchange(RETRY, limits=Limits(failures=5), location=location) as here:
        raw = here.raw()
        name, second = await open_half(raw, "by hand", RETRY) if location else (b"", b"")
        path = session_path(name)
        if not location:
            conversation, flight1 = hello("by hand", RETRY)
            answer = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
            second, path = answer_to(conversation, answer.payload)[1], RESOURCE
        codes = []
        for number in range(20):
            codes.append((await raw.ask(*path, payload=forged_hello(second, number))).code)
            for handshake in next(iter(here.server.peers)).handshakes.values():
                assert len(handshake.rivals) <= 5
                assert len(handshake.answers) <= 8
        assert codes[:6] == [0x44] * 6
        assert not any(h.rivals for p in here.server.peers for h in p.handshakes.values())
        assert set(codes[6:]) <= {0x84, 0x81}
        await asyncio.sleep(100)
        assert here.residue() == {}


@pytest.mark.parametrize("forged_last", [True, False])
@virtual
async def test_the_clients_sealed_alert_ends_the_handshake_among_forgeries(
    forged_last: bool,
) -> None:
    async with exchange(RETRY) as here:
        raw = here.raw()
        name, second = await open_half(raw, "by hand", RETRY)
        _, conversation = await asked(raw, RETRY)  # the same one: the seeds are the same
        if forged_last:
            forged = forged_hello(second, 1)
            assert (await raw.ask(*session_path(name), payload=forged)).code == 0x44
        after, flight3 = conversation
        alert = record(writer_of(protection_of(after)), 2, ContentType.alert, FATAL)
        told = await raw.ask(*session_path(name), payload=write_body([alert]))
        assert (told.code, told.payload) == (0x44, b"")
        assert (await raw.ask(*session_path(name), payload=flight3)).code == 0x84
        assert here.completed == []


@virtual
async def test_a_client_whose_second_hello_was_raced_completes() -> None:
    async with exchange(RETRY) as here:

        def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
            if not here.completed and is_flight_3(sent) and len(sent.data) > 150 and not raced:
                raced.append(sent)
                start = sent.data.index(b"\xff") + 1
                forged = sent.data[:2] + b"\x99\x99" + b"race" + sent.data[8:start]
                forged += forged_hello(sent.data[start:], 1)
                here.network.inject(forged, sent.source, SERVER, 0.001)
            return (sent.data,)

        raced: list[Sent] = []
        here.network.verdict = verdict
        established = await here.client().handshake13()
        assert len(raced) == 1
        assert agree13(established, here.completed[0].established13)
        assert here.begun == 1


@virtual
async def test_a_second_hello_retry_request_is_a_hint_and_refused_if_it_stays() -> None:
    for times in (1, 10**6):
        async with exchange(RETRY) as here:
            client = here.client()
            left = times
            request: list[bytes] = []

            def verdict(
                sent: Sent, here: Exchange = here, request: list[bytes] = request
            ) -> Iterable[bytes]:
                nonlocal left
                if sent.source == SERVER and sent.data[1] == 0x41:
                    request.append(sent.data[sent.data.index(b"\xff") + 1 :])
                if is_flight_3(sent) and left and len(sent.data) > 150:
                    left -= 1
                    again = response(sent.data, 0x44, payload=request[0])
                    here.network.inject(again, SERVER, sent.source, 0.01)
                    return ()
                return (sent.data,)

            here.network.verdict = verdict
            if times == 1:
                established = await client.handshake13()
                assert agree13(established, here.completed[0].established13)
                continue
            with pytest.raises(UnexpectedMessage):
                await client.handshake13()
            assert here.completed == []
            assert here.server.counters["unsealed alerts"] == 1


@located
@virtual
async def test_a_hello_with_another_random_is_no_second_one(location: bool) -> None:
    async with exchange(RETRY, location=location) as here:
        raw = here.raw()
        conversation, flight1 = hello("by hand", RETRY)
        answer = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=flight1)
        _, stranger = hello("somebody else", RETRY)
        path = session_path(answer.values(8)[-1]) if location else RESOURCE
        refused = await raw.ask(*path, payload=stranger)
        assert refused.code == (0x80 if location else 0x81)
        conversation, second = answer_to(conversation, answer.payload)
        assert (await raw.ask(*path, payload=second)).code == 0x44
