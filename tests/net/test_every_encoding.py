"""Every version and credential over every encoding, between sockets on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.encodings import BY_NAME
from handshake_over_coap.net.options import VERSIONS
from handshake_over_coap.transfers import BY_NAME as TRANSFERS
from tests.support.sockets import (
    KINDS,
    LOOPBACK,
    QUICK,
    client_arguments,
    echo,
    server_arguments,
)


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("encoding", BY_NAME)
@pytest.mark.parametrize("dtls", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_handshake_and_data_over_real_sockets(
    kind: str, dtls: str, encoding: str, transfer: str
) -> None:
    chosen: dict[str, Any] = {"encoding": encoding, "transfer": transfer}
    of_client = {n: each for n, each in client_arguments(kind).items() if n not in QUICK}
    if transfer == "burst":
        chosen["timer"] = "adaptive"

    async def run() -> hoc.HandshakeReport:
        serving = hoc.serve(LOOPBACK, handler=echo, **server_arguments(kind), **chosen)
        async with (
            serving as server,
            hoc.connect(server.address, dtls=dtls, **of_client, **chosen) as session,
        ):
            await session.send(b"over and back")
            assert await asyncio.wait_for(session.receive(), 5) == b"over and back"
            (theirs,) = server.sessions
            assert theirs.export("EXPERIMENTAL", 32) == session.export("EXPERIMENTAL", 32)
            assert theirs.report.encoding == encoding
            return session.report

    report = asyncio.run(run())
    assert (report.dtls, report.auth, report.encoding) == (
        dtls,
        kind.removesuffix("-mutual"),
        encoding,
    )
