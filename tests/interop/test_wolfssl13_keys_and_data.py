"""DTLS 1.3 with wolfSSL: other groups and keys, keys that we update, and datagrams of all sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.parties import CLIENT_KEYS, SERVER_KEYS, trust_in
from tests.support.relay import Direction
from tests.support.stacks.cases import WOLFSSL_13
from tests.support.stacks.material import Material
from tests.support.stacks.wolfssl_talk import OPENS, Pairing, Talk, case_of

pytestmark = pytest.mark.peer

_EPOCH = 0x03
"""Bits of the first byte of a protected record (RFC 9147 section 4)."""

SHARES = [kind for kind in WOLFSSL_13.credentials if kind != "psk"]

with_us = pytest.mark.parametrize("pairing", ["their client", "their server"])
both_ways = pytest.mark.parametrize("pairing", ["their client", "their server", "wolfSSL alone"])
ciphers = pytest.mark.parametrize("cipher", WOLFSSL_13.ciphers)


@pytest.fixture
def wolf(require_stack: Callable[[str], str]) -> str:
    return require_stack("wolfSSL")


@both_ways
@pytest.mark.parametrize("credential", SHARES)
def test_x25519_from_the_first_hello_on(
    pairing: Pairing, credential: str, wolf: str, files: Material
) -> None:
    x25519 = ("--groups", "x25519")

    async def run() -> None:
        case = case_of(pairing, credential, cookie=False)
        opened = OPENS[pairing](
            case, wolf, files, theirs=x25519, server=x25519, ours={"group": "x25519"}
        )
        async with opened as talk:
            await talk.call("a line")
            await talk.check_secrets()
            assert (await talk.told("connected"))["group"] == "X25519"
            assert talk.client_hellos() == 1

    asyncio.run(run())


@both_ways
@ciphers
@pytest.mark.parametrize("mutual", [True, False], ids=["mutual", "server only"])
def test_raw_public_keys_of_ed25519(
    pairing: Pairing, cipher: str, mutual: bool, wolf: str, files: Material
) -> None:
    def presents(side: str) -> tuple[str, ...]:
        return ("--cert", files[f"{side}-ed25519.spki"], "--key", files[f"{side}-ed25519.key"])

    def trusts(side: str) -> tuple[str, ...]:
        return ("--peer-key", files[f"{side}-ed25519.spki"])

    client = trusts("server") + (presents("client") if mutual else ())
    server = presents("server") + (trusts("client") if mutual else ())
    ours: dict[str, Any] = {}
    if pairing == "their client":
        ours = {"credentials": SERVER_KEYS["rpk-ed25519"]}
        ours |= {"trust": trust_in(CLIENT_KEYS["rpk-ed25519"])} if mutual else {}
    elif pairing == "their server":
        ours = {"trust": trust_in(SERVER_KEYS["rpk-ed25519"])}
        ours |= {"credential": CLIENT_KEYS["rpk-ed25519"]} if mutual else {}

    async def run() -> None:
        case = case_of(pairing, "rpk-mutual" if mutual else "rpk", cipher)
        theirs = server if pairing == "their server" else client
        opened = OPENS[pairing](case, wolf, files, theirs=theirs, server=server, ours=ours)
        async with opened as talk:
            await talk.call("a line")
            await talk.check_secrets()

    asyncio.run(run())


@with_us
@ciphers
@pytest.mark.parametrize("credential", WOLFSSL_13.credentials)
@pytest.mark.parametrize("request_theirs", [False, True], ids=["ours", "both"])
def test_keys_that_we_update_are_used_from_then_on(
    pairing: Pairing,
    credential: str,
    cipher: str,
    request_theirs: bool,
    wolf: str,
    files: Material,
) -> None:
    ours, theirs = Direction.TO_CLIENT, Direction.TO_SERVER
    if pairing == "their server":
        ours, theirs = theirs, ours

    async def run() -> None:
        async with OPENS[pairing](case_of(pairing, credential, cipher), wolf, files) as talk:
            await talk.call("a line")
            (session,) = talk.sessions()
            for epoch in range(4, 8):
                await session.update_keys(request=request_theirs)
                # The new keys are used once wolfSSL has acknowledged the update.
                await talk.call(f"a line on the way to epoch {epoch}")
                await talk.call(f"a line in epoch {epoch}")
                assert _last_epoch(talk, ours) == epoch % 4
                assert _last_epoch(talk, theirs) == (epoch % 4 if request_theirs else 3)

    asyncio.run(run())


def _last_epoch(talk: Talk, direction: Direction) -> int:
    return talk.relay.payloads(direction)[-1][0] & _EPOCH


@with_us
@ciphers
@pytest.mark.parametrize("mtu", [1280, 512, 256])
def test_datagrams_up_to_the_limit_come_back_whole(
    pairing: Pairing, cipher: str, mtu: int, wolf: str, files: Material
) -> None:
    async def run() -> None:
        case = replace(case_of(pairing, cipher=cipher), mtu=mtu, their_mtu=mtu)
        async with OPENS[pairing](case, wolf, files) as talk:
            await talk.call("a line")
            (session,) = talk.sessions()
            for size in (session.limit - 40, session.limit - 10):
                await talk.call("x" * (size - len("ping 0\n")))
            assert max(len(each.data) for each in talk.relay.deliveries) <= mtu

    asyncio.run(run())
