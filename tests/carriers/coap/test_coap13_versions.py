"""Over CoAP client and server end up with the newest version that both speak, and no older one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from handshake_over_coap.carriers.conversation import Established, Established13
from handshake_over_coap.encodings.plain import read_body, write_body
from handshake_over_coap.tls.alerts import AlertError, IllegalParameter, ProtocolVersion
from handshake_over_coap.tls.codepoints import ExtensionType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from tests.support.exchange import SERVER, Exchange, agree, agree13, exchange, virtual
from tests.support.hellos import without
from tests.support.network import Sent
from tests.support.parties13 import DTLS_1_2, DTLS_1_3, P256, Scenario13

OLD, NEW, BOTH = (DTLS_1_2,), (DTLS_1_3,), (DTLS_1_3, DTLS_1_2)
NAMES = {OLD: "1.2", NEW: "1.3", BOTH: "both"}


RPK = Scenario13(group=P256, server_key="rpk-p256", client_key="rpk-p256")
X509 = Scenario13(group=P256, server_key="x509", client_key="x509")
RETRY = replace(RPK, retry=True)
PSK = Scenario13(group=P256)

kinds = pytest.mark.parametrize("scenario", [PSK, RPK, X509, RETRY], ids=str)
located = pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])


async def ends_in(here: Exchange, version: Any, **client: Any) -> None:
    """A handshake that ends in this version, with both sides of one mind."""
    established = await here.client(**client).handshake_of_any_version()
    (completed,) = here.completed
    if version == DTLS_1_3:
        assert isinstance(established, Established13)
        assert agree13(established, completed.established13)
    else:
        assert isinstance(established, Established)
        assert agree(established, completed.established)
    assert here.begun == 1


@kinds
@located
@pytest.mark.parametrize("server", NAMES, ids=NAMES.get)
@pytest.mark.parametrize("client", NAMES, ids=NAMES.get)
@virtual
async def test_the_newest_version_that_both_speak(
    client: tuple[Any, ...], server: tuple[Any, ...], scenario: Scenario13, location: bool
) -> None:
    common = [version for version in BOTH if version in client and version in server]
    async with exchange(
        scenario, server_config={"versions": server}, location=location, block_size=64
    ) as here:
        if common:
            await ends_in(here, common[0], versions=client)
            return
        with pytest.raises(ProtocolVersion) as caught:
            await here.client(versions=client).handshake_of_any_version()
        assert caught.value.received
        assert here.completed == []
        await asyncio.sleep(100)
        assert here.residue() == {}


@pytest.mark.parametrize("server", [OLD, NEW, BOTH], ids=NAMES.get)
@virtual
async def test_one_exchange_after_another_may_be_lost_in_either_version(
    server: tuple[Any, ...],
) -> None:
    for lost in range(9):

        def verdict(sent: Sent, lost: int = lost) -> Iterable[bytes]:
            return () if sent.index == lost else (sent.data,)

        async with exchange(
            RPK, server_config={"versions": server}, verdict=verdict, timeout=300.0
        ) as here:
            await ends_in(here, server[0], versions=BOTH)


def rewriting(source: bool, change: Callable[[HandshakeMessage], HandshakeMessage]) -> Any:
    """Somebody on the path changes the first hello of the server, or of the client."""

    def verdict(sent: Sent) -> Iterable[bytes]:
        if (sent.source == SERVER) is not source or b"\xff" not in sent.data:
            return (sent.data,)
        start = sent.data.index(b"\xff") + 1
        body = sent.data[start:]
        if body[0] not in (1, 2) or len(body) < 40:
            return (sent.data,)
        first, *rest = read_body(body, next_message_seq=0)
        assert isinstance(first, HandshakeMessage)
        return (sent.data[:start] + write_body([change(first), *rest]),)

    return verdict


def strip_versions(message: HandshakeMessage) -> HandshakeMessage:
    hello = ClientHello.decode(message.body)
    less = without(hello.extensions, ExtensionType.supported_versions)
    return replace(message, body=replace(hello, extensions=less).encode())


@pytest.mark.parametrize("scenario", [RPK, X509], ids=str)
@virtual
async def test_a_client_that_was_talked_down_sees_the_sentinel_of_the_server(
    scenario: Scenario13,
) -> None:
    verdict = rewriting(False, strip_versions)
    async with exchange(scenario, server_config={"versions": BOTH}, verdict=verdict) as here:
        with pytest.raises(IllegalParameter, match=r"although both sides speak 1\.3") as caught:
            await here.client(versions=BOTH).handshake_of_any_version()
        assert not caught.value.received
        assert here.completed == []
    # A server that speaks 1.2 alone leaves no sentinel; the transcript tells in the end.
    async with exchange(scenario, server_config={"versions": OLD}, verdict=verdict) as here:
        with pytest.raises(AlertError):
            await here.client(versions=BOTH).handshake_of_any_version()
        assert here.completed == []


@virtual
async def test_the_sentinel_stands_in_the_random_and_a_client_of_the_old_version_ignores_it() -> (
    None
):
    randoms: list[bytes] = []

    def keep(message: HandshakeMessage) -> HandshakeMessage:
        randoms.append(ServerHello.decode(message.body).random)
        return message

    verdict = rewriting(True, keep)
    for server, present in ((BOTH, True), (OLD, False)):
        async with exchange(RPK, server_config={"versions": server}, verdict=verdict) as here:
            await ends_in(here, DTLS_1_2, versions=OLD)
        assert (randoms[-1][-8:] == b"DOWNGRD\x01") is present
