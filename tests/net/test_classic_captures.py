"""--pcap-dtls: a handshake over CoAP as the classic DTLS conversation that it stands for."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import Closed, HandshakeTimeout
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.server import Server
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim.loop import run
from handshake_over_coap.tls.codepoints import NamedGroup
from tests.support.capture_checker import check, read_pcapng
from tests.support.network import Network, Sent
from tests.support.parties import (
    ECDHE_PSK_CCM,
    ECDSA_CCM,
    ECDSA_GCM,
    KEY,
    PSK_CCM,
    PSK_GCM,
    Scenario,
)

P256, X25519 = NamedGroup.secp256r1, NamedGroup.x25519
CREDENTIALS = [
    Scenario(PSK_CCM),
    Scenario(PSK_GCM),
    Scenario(ECDHE_PSK_CCM, P256),
    Scenario(ECDSA_CCM, X25519, "rpk-p256"),
    Scenario(ECDSA_CCM, P256, "rpk-p256", "rpk-ed25519"),
    Scenario(ECDSA_GCM, P256, "x509-intermediate", "x509"),
]


class Tape:
    """A seeded random source that remembers what it gave."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self.drawn: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        self.drawn.append(self._random.randbytes(count))
        return self.drawn[-1]


async def echo(session: Session) -> None:
    while True:
        await session.send(await session.receive())


async def converse(
    scenario: Scenario,
    transport: str,
    path: Path,
    *,
    at_server: bool,
    loss: float,
    kind: str = "pcap_dtls",
    encoding: str = "default",
) -> list[bytes]:
    """A handshake and one echoed datagram, captured at one side; gives what the client drew."""
    draws = random.Random(str(scenario))

    def verdict(sent: Sent) -> tuple[bytes, ...]:
        return () if draws.random() < loss else (sent.data,)

    network, tape = Network(verdict=verdict), Tape("client")
    common = {"transport": transport, "block_size": 64, "mtu": 400, "timeout": 600.0}
    common |= {"encoding": encoding} if encoding != "default" else {}
    here = Options(**common, max_retransmit=None, **{kind: path})  # type: ignore[arg-type]
    there = Options(**common, max_retransmit=None)  # type: ignore[arg-type]
    server = Server(
        network.endpoint("server", 7777),
        here if at_server else there,
        scenario.server(),
        echo,
        Tape("server"),
    )
    client = Client(
        network.endpoint("client", 40000),
        Address("server", 7777),
        there if at_server else here,
        Tape("coap"),
    )
    try:
        session = await client.handshake(scenario.client(rng=tape))
        network.verdict = lambda sent: (sent.data,)
        await session.send(b"to be read in a capture")
        await session.receive()
        await session.close()
    except Closed:
        pass
    finally:
        await client.close()
        await server.close()
    return tape.drawn


@pytest.mark.parametrize("at_server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("loss", [0.0, 0.2])
@pytest.mark.parametrize("scenario", CREDENTIALS, ids=str)
def test_a_judge_recomputes_master_secret_and_both_finished_from_the_capture(
    scenario: Scenario, loss: float, at_server: bool, tmp_path: Path
) -> None:
    path = tmp_path / "classic.pcapng"
    drawn = run(converse(scenario, "coap", path, at_server=at_server, loss=loss))
    verified = check(path, [KEY, *drawn])
    assert len(verified.verify_data) == 2
    assert verified.extended_master_secret
    assert verified.application == [b"to be read in a capture"] * 2


def test_the_judge_tells_a_capture_with_a_changed_message(tmp_path: Path) -> None:
    path = tmp_path / "classic.pcapng"
    drawn = run(converse(CREDENTIALS[0], "coap", path, at_server=False, loss=0.0))
    capture = bytearray(path.read_bytes())
    hint = capture.index(bytes.fromhex("16fefd")) + 40
    capture[hint] ^= 1
    path.write_bytes(capture)
    with pytest.raises((AssertionError, KeyError)):
        check(path, [KEY, *drawn])


def test_with_the_wrong_pre_shared_key_no_premaster_fits(tmp_path: Path) -> None:
    path = tmp_path / "classic.pcapng"
    run(converse(CREDENTIALS[0], "coap", path, at_server=False, loss=0.0))
    with pytest.raises(AssertionError, match="no secret gives"):
        check(path, [b"another key of 16"])


# tshark 4.0 does not know 0xD003, ECDHE_PSK with CCM_8: it reads what is in the clear and no more.
@pytest.mark.peer
@pytest.mark.parametrize("transport", ["coap", "udp"])
@pytest.mark.parametrize("scenario", [c for c in CREDENTIALS if c.suite != ECDHE_PSK_CCM], ids=str)
def test_tshark_dissects_and_decrypts_the_equivalent_conversation(
    scenario: Scenario, transport: str, tmp_path: Path, require_peer: Callable[[str], str]
) -> None:
    program, path = require_peer("tshark"), tmp_path / "classic.pcapng"
    run(converse(scenario, transport, path, at_server=False, loss=0.0))
    _tshark_decrypts(program, path)


@pytest.mark.peer
@pytest.mark.parametrize("scenario", [c for c in CREDENTIALS if c.suite != ECDHE_PSK_CCM], ids=str)
def test_tshark_decrypts_the_conversation_that_compact_bodies_stand_for(
    scenario: Scenario, tmp_path: Path, require_peer: Callable[[str], str]
) -> None:
    program, path = require_peer("tshark"), tmp_path / "classic.pcapng"
    run(converse(scenario, "coap", path, at_server=False, loss=0.0, encoding="compact"))
    _tshark_decrypts(program, path)


@pytest.mark.parametrize("at_server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("scenario", CREDENTIALS, ids=str)
def test_the_conversation_is_the_same_whatever_bodies_have_carried_it(
    scenario: Scenario, at_server: bool, tmp_path: Path
) -> None:
    seen = []
    for encoding in ("plain", "compact"):
        path = tmp_path / f"{encoding}.pcapng"
        run(converse(scenario, "coap", path, at_server=at_server, loss=0.0, encoding=encoding))
        seen.append(read_pcapng(path))
    assert seen[0] == seen[1]


@pytest.mark.peer
@pytest.mark.parametrize("at_server", [False, True], ids=["client", "server"])
def test_tshark_decrypts_the_wire_itself_where_udp_carries_the_handshake(
    at_server: bool, tmp_path: Path, require_peer: Callable[[str], str]
) -> None:
    """The secrets stand before the handshake, which an analyser in one pass needs."""
    program, path = require_peer("tshark"), tmp_path / "wire.pcapng"
    here = converse(CREDENTIALS[0], "udp", path, at_server=at_server, loss=0.0, kind="pcap")
    run(here)
    _tshark_decrypts(program, path)


def test_a_handshake_that_fails_is_in_the_capture_all_the_same(tmp_path: Path) -> None:
    async def fail(path: Path) -> None:
        network = Network()
        options = Options(transport="udp", timeout=5.0, pcap=path)
        here = network.endpoint("client", 40000)
        client = Client(here, Address("server", 7777), options, Tape("client"))
        with pytest.raises(HandshakeTimeout):
            await client.handshake(CREDENTIALS[0].client(rng=Tape("client")))
        await client.close()

    path = tmp_path / "wire.pcapng"
    run(fail(path))
    # ClientHellos at 0, 1 and 3 s, and no secrets.
    assert path.read_bytes().count(bytes.fromhex("16fefd") + bytes(7)) == 3


def _tshark_decrypts(program: str, path: Path) -> None:
    command = [program, "-r", str(path), "-n", "-d", "udp.port==7777,dtls", "-T", "fields"]
    names = ("dtls.handshake.type", "dtls.app_data", "data.data", "_ws.expert.message")
    command += [word for name in names for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    handshake = [kind for row in rows for kind in row[0].split(",") if kind]
    # Finished (20) is sealed: only who decrypts can tell its type.
    assert handshake.count("20") == 2
    text = b"to be read in a capture".hex()
    assert [row[2] for row in rows if row[2]] == [text, text]
    assert not [row[3] for row in rows if "Malformed" in row[3]]
