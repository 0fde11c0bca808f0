"""The handshake as a resource of an aiocoap site: rules, bounds, and what it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import aiocoap
import pytest

import handshake_over_coap as hoc
from handshake_over_coap.coap.codes import Code
from handshake_over_coap.integrations.aiocoap import HandshakeResource, handshake
from tests.support.aiocoap_world import PATH, Handshakes, client_context, site_of, uri
from tests.support.relay import Direction, Relay
from tests.support.sockets import PSK, QUICK, client_arguments, server_arguments, until

LABEL = "EXPORTER-handshake-over-coap-test"


def real(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run on a loop of its own, with real time."""

    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        asyncio.run(test(*arguments, **keywords))

    return run


def theirs(**arguments: Any) -> Handshakes:
    """A resource for one pre-shared key."""
    return Handshakes(credentials=PSK, **arguments)


async def ask(context: Any, target: str, payload: bytes = b"", **arguments: Any) -> Any:
    """One message to a resource."""
    code = arguments.pop("code", aiocoap.POST)
    message = aiocoap.Message(code=code, uri=target, payload=payload, **arguments)
    return await context.request(message, handle_blockwise=False).response


@real
async def test_it_may_be_mounted_anywhere_and_twice() -> None:
    first, second = theirs(), theirs()
    mounted = {("d",): first.resource, ("deep", "below", "here"): second.resource}
    async with site_of(mounted) as address, client_context() as context:
        for path, each in (("d",), first), (("deep", "below", "here"), second):
            done = await handshake(context, uri(address, path), PSK, **QUICK)
            assert done.export(LABEL, 32) == (await each.first()).export(LABEL, 32)
            # Our own client finds no sibling to go to, and stays where it is.
            async with hoc.connect(address, PSK, resource="/" + "/".join(path), **QUICK) as session:
                await until(lambda each=each: len(each.completed) == 2)  # type: ignore[misc]
                assert session.export(LABEL, 32) == each.completed[1].export(LABEL, 32)


@real
async def test_the_site_shows_it_in_its_discovery() -> None:
    async with site_of({PATH: theirs().resource}) as address, client_context() as context:
        target = uri(address, (".well-known", "core")) + "?rt=core.dtls"
        links = (await ask(context, target, code=aiocoap.GET)).payload.decode()
    assert links.startswith("</.well-known/dtls>")
    assert 'rt="core.dtls"' in links
    assert "65" in links  # content formats


@real
async def test_nothing_is_kept_for_an_address_that_is_not_proven() -> None:
    each = theirs()
    async with site_of({PATH: each.resource}) as address, client_context() as context:
        for block in ((0, True, 2), None):
            answer = await ask(context, uri(address), bytes(64), block1=block)
            assert answer.code == aiocoap.UNAUTHORIZED
            assert answer.opt.echo
        answer = await ask(context, uri(address), bytes(64), block1=(1, True, 2))
        assert answer.code == aiocoap.REQUEST_ENTITY_INCOMPLETE
    assert each.resource.kept == 0
    assert not each.completed


@real
async def test_a_stranger_gets_at_most_three_times_the_bytes_that_it_sent() -> None:
    async with site_of({("x",): theirs().resource}) as address, Relay(address) as relay:
        async with client_context() as context:
            for size in (0, 1, 8, 64):
                answer = await ask(context, uri(relay.address, ("x",)), bytes(size))
                assert answer.code == aiocoap.UNAUTHORIZED
            burst = await ask(context, uri(relay.address, ("x",)), content_format=65256)
            assert burst.code == aiocoap.UNSUPPORTED_CONTENT_FORMAT
        asked, answered = (relay.payloads(direction) for direction in Direction)
        assert all(len(back) <= 3 * len(out) for out, back in zip(asked, answered, strict=True))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"code": aiocoap.GET}, Code.METHOD_NOT_ALLOWED),
        ({"content_format": 0}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"accept": 0}, Code.NOT_ACCEPTABLE),
        ({"size1": 1 << 20}, Code.REQUEST_ENTITY_TOO_LARGE),
        ({"uri_query": ["a=b"]}, Code.NOT_FOUND),
        ({"request_tag": [b"a", b"b"]}, Code.BAD_REQUEST),
        ({"if_none_match": True}, Code.BAD_OPTION),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else None,
)
@real
async def test_it_refuses_what_the_carrier_refuses(arguments: dict[str, Any], code: Code) -> None:
    async with site_of({PATH: theirs().resource}) as address, client_context() as context:
        answer = await ask(context, uri(address), b"?", **arguments)
        assert int(answer.code) == code


@real
async def test_a_wrong_key_is_an_alert_at_the_client_and_nothing_at_the_server() -> None:
    each = theirs()
    other = hoc.PSK(PSK.identity, bytes(16))
    async with site_of({PATH: each.resource}) as address, client_context() as context:
        for dtls in ("1.2", "1.3"):
            with pytest.raises(hoc.AlertError):
                await handshake(context, uri(address), other, dtls=dtls, **QUICK)
        assert not each.completed
        done = await handshake(context, uri(address), PSK, **QUICK)
        assert done.peer.psk_identity == PSK.identity


@real
async def test_many_handshakes_from_one_address_leave_nothing_behind() -> None:
    """The session is the user's: what is kept to repeat its flights ages, and is bounded."""
    each = theirs(limits=hoc.Limits(lifetime=0.5), timeout=0.5)
    async with site_of({PATH: each.resource}) as address, client_context() as context:
        for number in range(10):
            await handshake(context, uri(address), PSK, dtls="1.2" if number % 2 else "1.3")
        assert len(each.completed) == 10
        assert len({done.export(LABEL, 16) for done in each.completed}) == 10
        await until(lambda: each.resource.kept == 0)


@real
async def test_who_does_not_take_a_handshake_does_not_stop_the_server() -> None:
    def refuse(_: object) -> None:
        raise LookupError("not today")

    made = HandshakeResource(PSK, on_completed=refuse)
    async with site_of({PATH: made}) as address, client_context() as context:
        for _ in range(2):
            await handshake(context, uri(address), PSK, **QUICK)
    assert made.counters["handler errors"] == 2


@pytest.mark.parametrize("address_check", ["always", "adaptive"])
@real
async def test_a_burst_is_told_that_it_is_not_taken_and_becomes_blocks(address_check: str) -> None:
    each = theirs()
    async with (
        site_of({PATH: each.resource}) as address,
        hoc.connect(address, PSK, transfer="burst", address_check=address_check) as session,
    ):
        assert each.completed[0].export(LABEL, 16) == session.export(LABEL, 16)


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "/d"},
        {"location": True},
        {"transfer": "burst"},
        {"pcap": "x"},
        {"transport": "udp"},
        {"early": True},
    ],
    ids=str,
)
def test_options_that_have_no_meaning_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(hoc.ConfigurationError):
        HandshakeResource(PSK, on_completed=print, **options)


@pytest.mark.parametrize("kind", ["psk", "x509-mutual"])
@pytest.mark.parametrize("encoding", ["plain", "compact"])
@real
async def test_every_encoding_and_credential_of_the_carrier_is_there(
    kind: str, encoding: str
) -> None:
    arguments = server_arguments(kind)
    each = Handshakes(**arguments, block_size=256)
    async with site_of({PATH: each.resource}) as address, client_context() as context:
        for blockwise in (False, True):
            done = await handshake(
                context,
                uri(address),
                encoding=encoding,
                handle_blockwise=blockwise,
                block_size=256,
                **client_arguments(kind),
            )
            assert done.export(LABEL, 16) == each.completed[-1].export(LABEL, 16)
            assert done.report.auth == kind.removesuffix("-mutual")
