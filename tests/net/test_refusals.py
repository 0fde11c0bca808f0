"""What a caller gets when a handshake cannot be: a typed error, and a server that goes on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.sim.loop import run
from handshake_over_coap.tls.alerts import (
    BadRecordMac,
    CertificateExpired,
    CertificateUnknown,
    DecryptError,
    HandshakeFailure,
    UnknownCa,
    UnsupportedCertificate,
)
from handshake_over_coap.trace.tap import DatagramSeen, Direction
from tests.support import pki
from tests.support.both_carriers import place
from tests.support.parties import (
    CLIENT_KEYS,
    ECDHE_PSK_CCM,
    IDENTITY,
    KEY,
    NAME,
    PSK_CCM,
    ROOT,
    SERVER_KEYS,
    Scenario,
    trust_in,
)
from tests.support.parties13 import ECDHE_PSK, P256, PSK_ONLY, Scenario13
from tests.support.sockets import LOOPBACK, PSK, QUICK, echo, until

WRONG_KEY: dict[str, type[hoc.AlertError]] = {"1.2": BadRecordMac, "1.3": DecryptError}
"""What a wrong key is, by version: a Finished that cannot be opened, or a binder that is wrong."""

SHORT: dict[str, Any] = {"limits": hoc.Limits(lifetime=3.0), "timeout": 3.0}
"""A server that soon forgets what was not finished."""


def certificate(issued: pki.Issued) -> hoc.Certificate:
    return hoc.Certificate(issued.chain, issued.key_pem)


EXPIRED = certificate(ROOT.issue(NAME, not_after=datetime(2021, 1, 1, tzinfo=UTC)))
SELF_SIGNED = certificate(pki.self_signed(NAME))


async def refused(
    server_options: dict[str, Any],
    client_options: dict[str, Any],
    good: dict[str, Any],
    over: dict[str, Any],
) -> tuple[hoc.Error, hoc.Server]:
    """The error that a client gets; checks that the server then serves ``good`` and forgets."""
    async with hoc.serve(LOOPBACK, handler=echo, **(SHORT | server_options | over)) as server:
        with pytest.raises(hoc.Error) as caught:
            async with hoc.connect(server.address, **(QUICK | client_options | over)):
                pass
        async with hoc.connect(server.address, **(QUICK | good | over)) as session:
            await session.send(b"next, please")
            assert await asyncio.wait_for(session.receive(), 5) == b"next, please"
        await until(lambda: server.half_open == 0)
        await until(lambda: server.peers == 0)
    return caught.value, server


WITH_CERTIFICATE: dict[str, Any] = {
    "auth": "x509",
    "trust": hoc.Trust(ROOT.certificate),
    "server_name": NAME,
}
WITH_RAW_KEY: dict[str, Any] = {"auth": "rpk", "trust": trust_in(SERVER_KEYS["rpk-p256"])}


@dataclass(frozen=True)
class Refusal:
    """A server, a client that it does not go with, and one that it serves next.

    ``expected`` is what the refused client gets (any alert, if None), from the other side if it is
    ``received``.
    """

    server: dict[str, Any]
    wrong: dict[str, Any]
    good: dict[str, Any]
    expected: type[hoc.AlertError] | dict[str, type[hoc.AlertError]] | None
    received: bool


def _with_key(key: Any, expected: type[hoc.AlertError] | None) -> Refusal:
    """A client that is asked for its key and shows this one."""
    own, known = SERVER_KEYS["rpk-p256"], CLIENT_KEYS["rpk-p256"]
    trust = hoc.Trust(raw_public_keys=known.public_key)
    return Refusal(
        {"credentials": own, "mutual": True, "trust": trust},
        {"credential": key, "trust": trust_in(own)},
        {"credential": known, "trust": trust_in(own)},
        expected,
        received=True,
    )


REFUSALS = {
    "wrong PSK": Refusal(
        {"credentials": [PSK]},
        {"credential": hoc.PSK(IDENTITY, b"w" * 16)},
        {"credential": PSK},
        WRONG_KEY,
        received=True,
    ),
    "unknown identity": Refusal(
        {"credentials": [PSK]},
        {"credential": hoc.PSK("nobody", KEY)},
        {"credential": PSK},
        WRONG_KEY,
        received=True,
    ),
    "wrong raw key": Refusal(
        {"credentials": [SERVER_KEYS["rpk-p256"]]},
        {"auth": "rpk", "trust": trust_in(CLIENT_KEYS["rpk-p256"])},
        WITH_RAW_KEY,
        CertificateUnknown,
        received=False,
    ),
    "expired certificate": Refusal(
        {"credentials": [PSK, EXPIRED]},
        WITH_CERTIFICATE,
        {"credential": PSK},
        CertificateExpired,
        received=False,
    ),
    "self-signed certificate": Refusal(
        {"credentials": [PSK, SELF_SIGNED]},
        WITH_CERTIFICATE,
        {"credential": PSK},
        UnknownCa,
        received=False,
    ),
    "certificate for another name": Refusal(
        {"credentials": [SERVER_KEYS["x509"]]},
        WITH_CERTIFICATE | {"server_name": "other.example"},
        WITH_CERTIFICATE,
        CertificateUnknown,
        received=False,
    ),
    "no suite in common": Refusal(
        {"credentials": [PSK]},
        WITH_RAW_KEY,
        {"credential": PSK},
        HandshakeFailure,
        received=True,
    ),
    "no key": _with_key(None, UnsupportedCertificate),
    "unknown key": _with_key(hoc.RawPublicKey(pki.p256_key("a stranger")), CertificateUnknown),
    "expired key": _with_key(
        certificate(ROOT.issue(subject="c", not_after=datetime(2021, 1, 1, tzinfo=UTC))), None
    ),
}


def test_a_refused_client_gets_a_typed_error_and_the_next_is_served(over: dict[str, Any]) -> None:
    """All at the same time, since each of them waits for its server to forget the refused one."""

    async def one(case: Refusal) -> None:
        error, server = await refused(case.server, case.wrong, case.good, over)
        expected = case.expected
        if isinstance(expected, dict):
            expected = expected[over["dtls"]]
        assert isinstance(error, hoc.AlertError)
        assert expected in (None, type(error))
        assert error.received is case.received
        assert server.counters["handshakes completed"] == 1

    async def every() -> None:
        done = await asyncio.gather(*map(one, REFUSALS.values()), return_exceptions=True)
        failed = {name: error for name, error in zip(REFUSALS, done, strict=True) if error}
        assert failed == {}

    asyncio.run(every())


class _Shapes:
    """Direction and size of each datagram."""

    def __init__(self) -> None:
        self.seen: list[tuple[Direction, int, int]] = []

    def observe(self, seen: DatagramSeen) -> None:
        self.seen.append((seen.direction, len(seen.data), seen.data[1]))


WITH_PSK: dict[str, list[Scenario | Scenario13]] = {
    "1.2": [Scenario(PSK_CCM), Scenario(ECDHE_PSK_CCM, P256)],
    "1.3": [PSK_ONLY, ECDHE_PSK],
}


def test_wrong_psk_and_unknown_identity_look_the_same_from_outside(
    over: dict[str, Any],
) -> None:
    async def shapes(scenario: Scenario | Scenario13, psk: hoc.PSK) -> list[tuple[Address, int]]:
        async with place(scenario, **over) as here:
            with pytest.raises(WRONG_KEY[over["dtls"]]):
                await here.client().handshake(scenario.client(psk=psk))
            return [(sent.source, len(sent.data)) for sent in here.network.sent]

    for scenario in WITH_PSK[over["dtls"]]:
        wrong = run(shapes(scenario, hoc.PSK(IDENTITY, b"w" * len(KEY))))
        unknown = run(shapes(scenario, hoc.PSK(b"x" * len(IDENTITY), KEY)))
        assert wrong == unknown
        # In 1.3 the binder is in the hello: with the address check, it ends with the second.
        at_once = over.get("address_check") == "adaptive"
        assert len(wrong) >= (6 if over["dtls"] == "1.2" else 4) - 2 * at_once


def test_a_server_that_is_not_there_is_reported_at_once(over: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo) as server:
            address = server.address
        began = time.monotonic()
        with pytest.raises(hoc.CarrierError, match="is a server running there"):
            async with hoc.connect(address, PSK, **over):
                pass
        assert time.monotonic() - began < 5

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"suite": "TLS_NULL"}, "TLS_PSK_WITH_AES_128_CCM_8"),
        ({"group": "secp521r1"}, "x25519"),
        ({"dtls": "1.1"}, "1.2"),
        ({"dtls": "1.3", "suite": "TLS_PSK_WITH_AES_128_CCM_8"}, "dtls 1.2"),
        ({"dtls": "1.2", "suite": "TLS_AES_128_CCM_SHA256"}, "DTLS 1.2"),
        ({"cid": "xyz"}, "hexadecimal"),
        ({"cid": "00" * 33}, "32"),
        ({"auth": "rpk"}, "peer-key"),
        ({"auth": "psk", "mutual": True}, "mutual"),
        ({"auth": "psk", "suite": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"}, "auth psk"),
        ({"block_size": 1024, "mtu": 500}, "mtu"),
        ({"block_size": 48}, "64"),
        ({"token_length": 9}, "token"),
        ({"max_retransmit": -1}, "max_retransmit"),
        ({"timeout": 0}, "timeout"),
        ({"resource": "/"}, "/.well-known/dtls"),
        ({"encoding": "morse"}, "plain"),
        ({"keylog": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"pcap": "/nowhere/at/all"}, "/nowhere/at/all"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_sent(
    options: dict[str, Any], said: str
) -> None:
    async def scenario() -> None:
        observer = _Shapes()
        async with hoc.serve(LOOPBACK, PSK, handler=echo) as server:
            server.tap.add(observer)
            with pytest.raises(hoc.ConfigurationError, match=said):
                async with hoc.connect(server.address, PSK, **options):
                    pass
            await asyncio.sleep(0.02)
        assert observer.seen == []

    asyncio.run(scenario())


def test_an_address_that_is_taken_is_named_with_a_remedy() -> None:
    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, PSK, handler=echo) as server:
            with pytest.raises(hoc.CarrierError, match="another port"):
                async with hoc.serve(server.address, PSK, handler=echo):
                    pass

    asyncio.run(scenario())


LABELS = {
    "1.2": ["CLIENT_RANDOM"],
    "1.3": [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ],
}
"""What a key log says of one session, by version."""


def test_key_log_and_capture_are_written(tmp_path: Path, over: dict[str, Any]) -> None:
    async def scenario() -> bytes:
        async with (
            hoc.serve(LOOPBACK, PSK, handler=echo, **over) as server,
            hoc.connect(
                server.address,
                PSK,
                **(QUICK | over),
                keylog=tmp_path / "keys",
                pcap=tmp_path / "wire",
            ) as session,
        ):
            await session.send(b"x")
            await session.receive()
            return session.connected.client_random

    random = asyncio.run(scenario())
    lines = [line.split() for line in (tmp_path / "keys").read_text().splitlines()]
    assert [(label, named) for label, named, _ in lines] == [
        (label, random.hex()) for label in LABELS[over["dtls"]]
    ]
    capture = (tmp_path / "wire").read_bytes()
    assert capture[:4] == b"\x0a\x0d\x0d\x0a"
    assert len(capture) > 6 * 60
    assert all(" ".join(line).encode() in capture for line in lines)
