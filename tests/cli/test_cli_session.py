"""``hoc connect --session``: a ticket in a file, and what becomes of files that are none."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.cli.tickets import read_ticket, write_ticket
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CertificateType
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.suites13 import SUITES13
from handshake_over_coap.tls.tickets import Ticket
from tests.cli.hoc_process import PSK, run_hoc, serving
from tests.support import pki

CA = pki.CertificateAuthority("CA of the sessions")
TICKET = Ticket(
    ticket=b"opaque",
    psk=bytes(range(32)),
    suite=SUITES13[0],
    lifetime=3600,
    age_add=12345,
    received_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    server_name="server.example",
    peer=PeerIdentity(certificates=(CA.certificate.public_bytes(serialization.Encoding.DER),)),
    server_certificate_type=CertificateType.X509,
)


@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_the_second_of_two_processes_resumes_the_session_of_the_first(
    transport: str, tmp_path: Path
) -> None:
    kept = tmp_path / "session"
    with serving("--echo-data", "--tickets", "--transport", transport, *PSK) as server:
        common = ("connect", server.host, server.port, "--transport", transport, *PSK, "-v")
        tickets = []
        for number in range(3):
            done = run_hoc(*common, "--session", kept, "--send", f"number {number}")
            assert (done.returncode, done.stdout) == (0, f"number {number}\n"), done.stderr
            assert ("resumed" in done.stderr) is (number > 0)
            assert kept.stat().st_mode & 0o777 == 0o600
            tickets.append(json.loads(kept.read_text())["ticket"])
        assert len(set(tickets)) == 3
        assert server.stop() == 0


@pytest.mark.parametrize("name", ["127.0.0.1", "host.example."])
def test_a_server_name_that_is_not_sent_as_it_stands_is_no_obstacle_to_resuming(
    name: str, tmp_path: Path
) -> None:
    """An address is not sent at all, and a name without the dot at its end."""
    kept = ("--session", tmp_path / "session", "--server-name", name, "--send", "x", "-v")
    with serving("--echo-data", "--tickets", *PSK) as server:
        for resumed in (False, True):
            done = run_hoc("connect", server.host, server.port, *PSK, *kept)
            assert done.returncode == 0, done.stderr
            assert ("resumed" in done.stderr) is resumed


def test_a_server_that_gives_no_ticket_or_connection_id_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "session"
    with serving("--echo-data", *PSK) as server:
        target = ("connect", server.host, server.port, *PSK, "--send", "x")
        done = run_hoc(*target, "--session", kept, "--cid", "42")
        assert (done.returncode, done.stdout) == (0, "x\n")
        assert done.stderr.splitlines() == [
            "no connection ID is in use: the server needs --cid, too",
            "no ticket came: start the server with --tickets (DTLS 1.3)",
        ]
        old = run_hoc(*target, "--session", kept, "--dtls", "1.2")
        assert (old.returncode, old.stdout) == (0, "x\n")
        assert old.stderr == "--session has no part in --dtls 1.2 and is not used\n"
        nowhere = run_hoc(*target, "--session", tmp_path / "nowhere" / "session")
        assert (nowhere.returncode, nowhere.stdout) == (2, "")
        assert "cannot write the ticket" in nowhere.stderr
        assert server.stop() == 0


@pytest.mark.parametrize("of_server", ["c1d0", ""])
def test_a_connection_id_of_either_side_is_one(of_server: str) -> None:
    with serving("--echo-data", *PSK, "--cid", of_server) as server:
        target = ("connect", server.host, server.port, *PSK, "--send", "x", "--cid")
        done = run_hoc(*target, "" if of_server else "42")
        assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")


def test_a_ticket_that_another_server_gave_leads_to_a_whole_handshake(tmp_path: Path) -> None:
    kept = tmp_path / "session"
    for _ in range(2):
        with serving("--echo-data", "--tickets", *PSK) as server:
            common = ("connect", server.host, server.port, *PSK, "-v")
            done = run_hoc(*common, "--session", kept, "--send", "x")
            assert (done.returncode, done.stdout) == (0, "x\n")
            assert "resumed" not in done.stderr


def test_a_ticket_of_a_server_that_nobody_checked_does_not_pass_for_a_certificate(
    tmp_path: Path,
) -> None:
    """Only --insecure accepts the server; what it gave then must not get it in later."""
    CA.issue("server.example", "127.0.0.1").write(tmp_path, "server")
    other = pki.CertificateAuthority("another CA")
    (tmp_path / "other.pem").write_bytes(other.pem)
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    own = ("--cert", tmp_path / "server.pem", "--key", tmp_path / "server.key")
    kept = ("--session", tmp_path / "session", "--send", "x", "-v")
    with serving("--echo-data", "--tickets", "--auth", "x509", *own) as server:
        common = ("connect", server.host, server.port, "--auth", "x509", *kept)
        assert run_hoc(*common, "--insecure").returncode == 0
        refused = run_hoc(*common, "--ca", tmp_path / "other.pem")
        assert refused.returncode == 1
        assert "the ticket is not used" in refused.stderr
        accepted = run_hoc(*common, "--ca", tmp_path / "ca.pem")
        assert accepted.returncode == 0
        assert "resumed" in accepted.stderr


def test_a_ticket_in_a_file_is_the_ticket_that_was_put_there(tmp_path: Path) -> None:
    path = tmp_path / "session"
    assert read_ticket(path) is None
    path.write_bytes(b"")
    path.chmod(0o644)
    assert read_ticket(path) is None
    write_ticket(path, TICKET)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_ticket(path) == TICKET


def changed(**changes: Any) -> dict[str, Any]:
    said = json.loads(_WRITTEN)
    return {**said, **changes}


def _written() -> str:
    with tempfile.TemporaryDirectory() as folder:
        write_ticket(Path(folder) / "t", TICKET)
        return (Path(folder) / "t").read_text()


_WRITTEN = _written()

DAMAGED: dict[str, Any] = {
    "no object": [],
    "nothing in it": {},
    "a number": 5,
    "another suite": changed(suite="TLS_NULL"),
    "a suite that is a list": changed(suite=[]),
    "no hexadecimal": changed(ticket="xyz"),
    "a short key": changed(psk="00"),
    "no ticket": changed(ticket=""),
    "a name that is a number": changed(server_name=5),
    "no time zone": changed(received_at="2026-01-02T03:04:05"),
    "no time": changed(received_at="yesterday"),
    "a year too much": changed(lifetime=86400 * 365),
    "a lifetime that is a text": changed(lifetime="long"),
    "infinity": changed(age_add=float("inf")),
    "an age out of bounds": changed(age_add=1 << 32),
    "a type of certificate": changed(certificate_type="PGP"),
    "a certificate that is none": changed(
        peer={"psk_identity": None, "raw_public_key": None, "certificates": ["00"]}
    ),
    "a peer that is none": changed(peer=None),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_names_itself_and_the_remedy(case: str, tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_text(json.dumps(DAMAGED[case]))
    with pytest.raises(ConfigurationError, match=r"session holds no ticket: delete it"):
        read_ticket(path)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000, b"{", b"\0"])
def test_bytes_that_are_no_json_are_damage_too(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match="delete it"):
        read_ticket(path)


@given(st.data())
def test_whatever_happens_to_a_file_it_is_a_ticket_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("mutated") / "session"
    mutated = bytearray(_WRITTEN.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(mutated)
    try:
        found = read_ticket(path)
    except ConfigurationError:
        return
    assert found is not None
    assert found.usable(found.received_at + timedelta(seconds=1), found.server_name)


def test_damage_is_a_usage_error_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "session").write_text("nonsense")
    done = run_hoc("connect", "127.0.0.1", 9, *PSK, "--session", tmp_path / "session")
    assert done.returncode == 2
    assert "delete it" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    done = run_hoc("connect", "127.0.0.1", 9, *PSK, "--session", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
