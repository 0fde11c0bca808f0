"""Mbed TLS as a client behind CoAP, against our server and against OpenSSL's."""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap import adapters
from tests.support.openssl_stacks import ECDSA_CCM_8, PSK_CCM_8, PSK_GCM, QUICK, Kind, echoed
from tests.support.parties import IDENTITY, KEY, NAME, ROOT
from tests.support.peers import PeerPolicy
from tests.support.relay import Direction, Impairments, Relay
from tests.support.sockets import LOOPBACK, echo
from tests.support.stacks.found import find_stack

pytestmark = pytest.mark.peer

_SUITES = {
    PSK_CCM_8: "TLS-PSK-WITH-AES-128-CCM-8",
    PSK_GCM: "TLS-PSK-WITH-AES-128-GCM-SHA256",
    ECDSA_CCM_8: "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
}


@pytest.fixture(autouse=True)
def _mbedtls(request: pytest.FixtureRequest) -> None:
    policy = PeerPolicy(request.config.getoption("--peer"))
    find_stack("mbedtls", required=policy.requires(os.environ))


def client(kind: Kind, key: bytes = KEY) -> adapters.NewStack:
    adapter: Any = importlib.import_module("handshake_over_coap.adapters.mbedtls")
    tls: Any = importlib.import_module("mbedtls.tls")
    x509: Any = importlib.import_module("mbedtls.x509")
    chosen: dict[str, Any] = {"ciphers": (_SUITES[kind],), "validate_certificates": False}
    if kind.auth == "psk":
        chosen["pre_shared_key"] = (IDENTITY.decode(), key)
    else:
        store = tls.TrustStore()
        store.add(x509.CRT.from_PEM(ROOT.pem.decode()))
        chosen |= {"trust_store": store, "validate_certificates": True}
    name = None if kind.auth == "psk" else NAME
    made: adapters.NewStack = adapter.client(tls.DTLSConfiguration(**chosen), name)
    return made


def serving(kind: Kind, server: str) -> Any:
    if server == "openssl":
        return adapters.serve(LOOPBACK, kind.server(), handler=echo)
    return hoc.serve(LOOPBACK, handler=echo, **kind.our_server())


@pytest.mark.parametrize("server", ["ours", "openssl"])
@pytest.mark.parametrize("kind", _SUITES, ids=str)
def test_mbedtls_completes_through_the_lossy_relay_and_is_echoed(kind: Kind, server: str) -> None:
    async def scenario() -> None:
        async with (
            serving(kind, server) as listening,
            Relay(listening.address, impairments=Impairments(0.2, 0.2, 0.2), seed=1) as relay,
            adapters.connect(relay.address, client(kind), block_size=64, **QUICK) as session,
        ):
            assert sum(relay.counts[way].dropped for way in Direction) > 0
            assert session.report.auth == kind.auth
            await echoed(session, 5)

    asyncio.run(scenario())


@pytest.mark.parametrize("closing", ["client", "server"])
def test_close_notify_ends_the_other_side(closing: str) -> None:
    async def scenario() -> None:
        async with (
            serving(PSK_CCM_8, "openssl") as server,
            adapters.connect(server.address, client(PSK_CCM_8), **QUICK) as session,
        ):
            (other,) = server.sessions
            first, second = (session, other) if closing == "client" else (other, session)
            await first.close()
            with pytest.raises(hoc.Closed, match="the peer closed"):
                await asyncio.wait_for(second.receive(), 5)

    asyncio.run(scenario())


def test_the_wrong_key_is_refused_and_a_missing_exporter_is_said() -> None:
    async def scenario() -> None:
        async with serving(PSK_CCM_8, "ours") as server:
            with pytest.raises(hoc.AlertError, match="bad_record_mac"):
                async with adapters.connect(server.address, client(PSK_CCM_8, KEY[::-1]), **QUICK):
                    pass
            async with adapters.connect(server.address, client(PSK_CCM_8), **QUICK) as session:
                with pytest.raises(hoc.ConfigurationError, match="RFC 5705"):
                    session.export("EXPERIMENTAL adapters", 16)
                with pytest.raises(hoc.ConfigurationError, match="at least one byte"):
                    await session.send(b"")

    asyncio.run(scenario())
