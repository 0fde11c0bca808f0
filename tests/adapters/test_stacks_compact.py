"""OpenSSL, unmodified, behind compact bodies: it tells its master secret, and that is enough."""

from __future__ import annotations

import asyncio

import pytest

import handshake_over_coap as hoc
from handshake_over_coap import adapters
from handshake_over_coap.adapters.conversation import begin_server, open_client
from handshake_over_coap.adapters.openssl import OpenSslStack
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import BadRecordMac
from tests.support.openssl_stacks import OURS, PSK_CCM_8, QUICK, Kind, echoed
from tests.support.sockets import LOOPBACK, echo


@pytest.mark.parametrize("sides", ["openssl to ours", "ours to openssl", "openssl to openssl"])
@pytest.mark.parametrize("kind", OURS, ids=str)
def test_a_handshake_over_compact_bodies_and_data_as_records(kind: Kind, sides: str) -> None:
    async def scenario() -> None:
        options = QUICK | {"encoding": "compact"}
        server = (
            adapters.serve(LOOPBACK, kind.server(), handler=echo, encoding="compact")
            if sides.endswith("openssl")
            else hoc.serve(LOOPBACK, handler=echo, **kind.our_server(), encoding="compact")
        )
        async with server as serving:
            client = (
                adapters.connect(serving.address, kind.client(), **options)
                if sides.startswith("openssl")
                else hoc.connect(serving.address, **kind.our_client(), **options)
            )
            async with client as session:
                await echoed(session, 3)
                assert session.report.encoding == "compact"

    asyncio.run(scenario())


def bodies(kind: Kind) -> list[bytes]:
    """The bodies of a handshake between two stacks."""
    turn = open_client(kind.client(), COMPACT)
    ends = [turn.after, begin_server(kind.server())]
    found = []
    while turn.body:
        found.append(turn.body)
        turn = ends[len(found) % 2].hear(turn.body, COMPACT)
    assert all(end.established is not None for end in ends)
    return found


def test_a_stack_is_told_a_finished_that_it_believes() -> None:
    sizes = [len(body) for body in bodies(PSK_CCM_8)]
    assert sizes[-1] == 12 + 8


def test_a_forged_finished_never_reaches_the_stack() -> None:
    turn = open_client(PSK_CCM_8.client(), COMPACT)
    client, server = turn.after, begin_server(PSK_CCM_8.server())
    turn = client.hear(server.hear(turn.body, COMPACT).body, COMPACT)
    with pytest.raises(BadRecordMac):
        server.hear(turn.body[:-1] + bytes((turn.body[-1] ^ 1,)), COMPACT)
    assert server.hear(turn.body, COMPACT).after.established is not None


def test_a_stack_that_keeps_its_secrets_needs_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenSslStack, "master_secret", lambda _: None)
    turn = open_client(PSK_CCM_8.client(), COMPACT)
    answer = begin_server(PSK_CCM_8.server()).hear(turn.body, COMPACT)
    with pytest.raises(ConfigurationError, match="needs the keys"):
        turn.after.hear(answer.body, COMPACT)
