"""The command end to end: real processes on loopback."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cli.hoc_process import COMMAND, ENVIRONMENT, PATIENCE, PSK, hoc_here, run_hoc, serving
from tests.support import pki

HANDSHAKE_KEYS = {
    *("transport", "dtls", "auth", "encoding", "trials", "completed", "seed"),
    *("datagrams", "bytes", "duration_s", "retransmissions", "body_bytes", "floor_bytes"),
}
SUMMARY_KEYS = {"mean", "median", "p95", "min", "max", "ci95", "median_ci95", "p95_ci95"}


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
"""What a key log says of one handshake, by version."""


def check_handshake(report: dict[str, Any], auth: str, dtls: str = "1.3") -> None:
    assert set(report) == HANDSHAKE_KEYS
    for name in ("datagrams", "bytes", "duration_s", "retransmissions"):
        assert set(report[name]) == SUMMARY_KEYS
    fixed = {"transport": "coap", "dtls": dtls, "auth": auth, "encoding": "plain", "seed": None}
    assert {name: report[name] for name in fixed} == fixed
    assert report["trials"] == report["completed"] == 1
    assert report["datagrams"]["mean"] >= 4
    assert report["bytes"]["mean"] > sum(report["body_bytes"])
    assert len(report["body_bytes"]) == 4
    assert 0 < report["duration_s"]["mean"] < 30
    check_microseconds(report["duration_s"])


def check_microseconds(times: dict[str, float | list[float] | None]) -> None:
    """No digits that no clock has."""
    for each in times.values():
        ends = each if isinstance(each, list) else [each]
        assert all(end is None or end == round(end, 6) for end in ends)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of the command's own making, certificates of an authority of the tests."""
    folder = tmp_path_factory.mktemp("credentials")
    for side, kind in (("server", "p256"), ("client", "ed25519")):
        made = run_hoc("keygen", "--kind", kind, "--out", folder / f"{side}.raw")
        assert made.returncode == 0
        authority = pki.CertificateAuthority(f"CA of the {side}")
        (folder / f"{side}-ca.pem").write_bytes(authority.pem)
        name, address = ("server.example", "127.0.0.1") if side == "server" else (None, None)
        authority.intermediate(f"intermediate of the {side}").issue(name, address).write(
            folder, side
        )
    return folder


def credentials(
    files: Path, auth: str, *, mutual: bool
) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Options of the server and of the client."""
    if auth in ("psk", "ecdhe-psk"):
        return ("--auth", auth, *PSK), ("--auth", auth, *PSK)
    if auth == "rpk":
        server: tuple[object, ...] = ("--key", files / "server.raw")
        client: tuple[object, ...] = ("--peer-key", files / "server.raw.pub")
        if mutual:
            server += ("--mutual", "--peer-key", files / "client.raw.pub")
            client += ("--key", files / "client.raw")
    else:
        server = ("--cert", files / "server.pem", "--key", files / "server.key")
        client = ("--ca", files / "server-ca.pem")
        if mutual:
            server += ("--mutual", "--ca", files / "client-ca.pem")
            client += ("--cert", files / "client.pem", "--key", files / "client.key")
    return ("--auth", auth, *server), ("--auth", auth, *client)


@pytest.mark.parametrize(
    ("auth", "mutual"),
    [
        ("psk", False),
        ("ecdhe-psk", False),
        ("rpk", False),
        ("rpk", True),
        ("x509", False),
        ("x509", True),
    ],
)
def test_two_processes_talk_with_each_kind_of_credential(
    files: Path, auth: str, mutual: bool
) -> None:
    """A server that speaks both versions, and clients that choose, in text and in JSON."""
    of_server, of_client = credentials(files, auth, mutual=mutual)
    with serving("--echo-data", "-v", *of_server) as server:
        sent = ("--send", "one", "--send", "zwölf, not UTF-8: \udcff", "--send", "three\t")
        echoed = sorted(["one", f"hex:{os.fsencode(sent[3]).hex()}", "three\t"])
        target = ("connect", server.host, server.port, *of_client, *sent)
        for dtls in ("1.2", "1.3"):
            figures = run_hoc(*target, "--dtls", dtls, "--json")
            assert (figures.returncode, figures.stderr) == (0, "")
            said = json.loads(figures.stdout)
            check_handshake(said["handshake"], auth, dtls)
            application = said["application"]
            assert (application["sent"], application["received"]) == (3, 3)
            assert application["bytes"] == 2 * sum(len(os.fsencode(text)) for text in sent[1::2])
            assert sorted(application["replies"]) == echoed
        if auth == "psk":
            plain = run_hoc(*target)
            assert (plain.returncode, plain.stderr) == (0, "")
            assert sorted(plain.stdout.splitlines()) == echoed
        assert server.stop() == 0
        log = "\n".join(server.said)
    clients = 3 if auth == "psk" else 2
    assert f"handshakes completed: {clients}" in log
    assert f"application datagrams sent: {3 * clients}" in log
    assert ("raw public key" in log, "certificate of" in log) == (
        mutual and auth == "rpk",
        mutual and auth == "x509",
    )


@pytest.mark.parametrize(
    ("dtls", "only_there"), [("1.2", "hello_verify_request"), ("1.3", "protected record")]
)
@pytest.mark.parametrize("auth", ["psk", "ecdhe-psk", "rpk", "x509"])
def test_the_demo_tells_its_story(auth: str, dtls: str, only_there: str) -> None:
    mutual = ("--mutual",) if auth in ("rpk", "x509") else ()
    shown = hoc_here("demo", "--auth", auth, *mutual, "--block-size", 32, "--dtls", dtls)
    assert (shown.returncode, shown.stderr) == (0, "")
    for expected in (
        f"A DTLS {dtls} handshake",
        "Over CoAP",
        "Over UDP",
        "Over CoAP, lean",
        "What each cost",
        only_there,
        "2.04",
        "Block1",
        "datagrams",
        "bytes",
        "suite",
        "TLS_",
        "echo",
    ):
        assert expected in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 88


def test_the_demo_gives_its_figures(tmp_path: Path) -> None:
    traces = ("--keylog", tmp_path / "keys", "--pcap", tmp_path / "pcapng")
    shown = run_hoc("demo", "--json", "--auth", "x509", "--server-name", "s.example", *traces)
    assert (shown.returncode, shown.stderr) == (0, "")
    said = json.loads(shown.stdout)
    assert set(said) == {"handshakes", "profiles", "application"}
    assert said["profiles"]["standard"] == said["handshakes"][0]
    lean = said["profiles"]["lean"]
    assert (lean["transport"], lean["encoding"], lean["completed"]) == ("coap", "compact", 1)
    assert lean["bytes"]["mean"] < said["handshakes"][0]["bytes"]["mean"]
    over_coap, over_udp = said["handshakes"]
    check_handshake(over_coap, "x509")
    assert (over_udp["transport"], over_udp["encoding"], over_udp["completed"]) == ("udp", None, 1)
    assert over_udp["body_bytes"] == []
    application = said["application"]
    assert application["sent"] == application["received"] > 0
    assert application["bytes"] > 0
    assert set(application["round_trip_s"]) == SUMMARY_KEYS
    check_microseconds(application["round_trip_s"])
    check_traces(tmp_path / "keys", tmp_path / "pcapng", handshakes=2)


@pytest.mark.parametrize(
    "options",
    [
        ("--group", "x25519", "--auth", "rpk", "--mutual"),
        ("--group", "x25519", "--auth", "x509", "--mutual"),
        ("--group", "X25519MLKEM768", "--auth", "ecdhe-psk", "--cid", "c1d0"),
        ("--dtls", "1.2", "--suite", "TLS_PSK_WITH_AES_128_GCM_SHA256", "--no-address-check"),
        ("--suite", "TLS_CHACHA20_POLY1305_SHA256", "--no-address-check", "--no-location"),
        ("--dtls", "1.2", "--cid", ""),
        ("--resource", "/d", "--token-length", "0", "--mtu", "64", "--max-retransmit", "none"),
        ("--auth", "x509", "--insecure"),
    ],
)
def test_the_demo_makes_credentials_that_fit(options: Sequence[str]) -> None:
    shown = hoc_here("demo", "--json", *options)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["handshakes"][0]["completed"] == 1


def test_a_demo_that_fails_says_so_in_json_too(files: Path) -> None:
    given = ("--cert", files / "server.pem", "--key", files / "server.key")
    shown = hoc_here("demo", "--json", "--auth", "x509", *given, "--ca", files / "client-ca.pem")
    assert shown.returncode == 1
    assert "--ca" in shown.stderr
    said = json.loads(shown.stdout)
    assert said["error"]["type"] == "UnknownCa"
    assert said["handshakes"][0]["completed"] == 0


def check_traces(keys: Path, pcapng: Path, *, handshakes: int, dtls: str = "1.3") -> None:
    lines = keys.read_text(encoding="ascii").splitlines()
    assert [line.split()[0] for line in lines] == LABELS[dtls] * handshakes
    assert keys.stat().st_mode & 0o077 == 0
    capture = pcapng.read_bytes()
    assert capture.startswith(b"\x0a\x0d\x0d\x0a")
    assert b"dtls" in capture  # the path of the resource, in the clear
    first = lines[: len(LABELS[dtls])]
    assert all(line.encode() in capture for line in first)


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_both_sides_write_traces(tmp_path: Path, dtls: str) -> None:
    of_server = ("--keylog", tmp_path / "keys", "--pcap", tmp_path / "server")
    of_client: tuple[object, ...] = ("--keylog", tmp_path / "more-keys")
    of_client += ("--pcap", tmp_path / "client")
    with serving("--echo-data", *PSK, *of_server) as server:
        of_client += ("--dtls", dtls)
        done = run_hoc("connect", server.host, server.port, *PSK, *of_client, "--send", "x")
        assert (done.returncode, done.stdout) == (0, "x\n")
        assert server.stop() == 0
    check_traces(tmp_path / "keys", tmp_path / "server", handshakes=1, dtls=dtls)
    check_traces(tmp_path / "more-keys", tmp_path / "client", handshakes=1, dtls=dtls)
    assert (tmp_path / "keys").read_bytes() == (tmp_path / "more-keys").read_bytes()


def test_a_wrong_key_and_an_unknown_identity_fail_alike() -> None:
    with serving("--echo-data", *PSK) as server:
        for dtls in ("1.2", "1.3"):
            texts = []
            for wrong in (PSK[1][:-2] + "00", PSK[1].replace("device", "nobody")):
                target = ("connect", server.host, server.port, "--ack-timeout", 0.05, "--send", "x")
                done = run_hoc(*target, "--psk", wrong, "--dtls", dtls)
                assert (done.returncode, done.stdout) == (1, "")
                assert "Traceback" not in done.stderr
                assert "compare --psk" in done.stderr
                texts.append(done.stderr)
            assert texts[0] == texts[1]
        good = run_hoc("connect", server.host, server.port, *PSK, "--send", "x", "--json")
        assert good.returncode == 0, good.stderr
        assert server.stop() == 0


def test_a_failed_handshake_is_one_json_object_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = ("127.0.0.1", silent.getsockname()[1])
        done = run_hoc("connect", *target, *PSK, "--timeout", 0.3, "--json", "--send", "x")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    said = json.loads(done.stdout)
    assert said["error"]["type"] == "HandshakeTimeout"
    assert said["handshake"]["completed"] == said["application"]["sent"] == 0


def test_a_port_without_a_server_fails_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = run_hoc("connect", "127.0.0.1", port, *PSK, "--send", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is a server running there" in done.stderr


@pytest.mark.skipif(not socket.has_ipv6, reason="a Python without IPv6")
def test_ipv6_goes_all_the_way() -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("a machine without IPv6")
    with serving("--host", "::1", *PSK) as server:
        assert server.host == "[::1]"
        done = run_hoc("connect", server.host, server.port, *PSK, "--send", "over 6", "--wait", 0)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        line = server.line()
        assert line.startswith("[::1]:")
        assert line.endswith(": over 6")


def test_lines_of_standard_input_become_datagrams_that_the_server_prints() -> None:
    with serving(*PSK) as server:
        target = ("connect", server.host, server.port, *PSK, "--wait", 0)
        done = run_hoc(*target, stdin=b"one\n\n\xff\nno newline")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        printed = [server.line().partition(": ")[2] for _ in range(4)]
        assert sorted(printed) == ["", "hex:ff", "no newline", "one"]
        closed = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, *map(str, target)],
            timeout=PATIENCE,
            capture_output=True,
            env=ENVIRONMENT,
            check=False,
        )
        assert (closed.returncode, closed.stderr) == (0, b"")
        assert server.stop(signal.SIGINT) == 0


def test_many_lines_of_a_file_all_come_back(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(2000)]
    (tmp_path / "lines").write_text("\n".join(lines), encoding="ascii")
    with serving("--echo-data", *PSK) as server, (tmp_path / "lines").open("rb") as file:
        done = subprocess.run(
            [*COMMAND, "connect", server.host, server.port, *PSK],
            stdin=file,
            capture_output=True,
            timeout=PATIENCE,
            env=ENVIRONMENT,
            check=True,
        )
    assert sorted(done.stdout.decode().splitlines()) == sorted(lines)


def test_a_datagram_that_does_not_fit_is_said_and_the_others_go() -> None:
    with serving("--echo-data", *PSK) as server:
        send = ("--send", "x" * 2000, "--send", "fits")
        done = run_hoc("connect", server.host, server.port, *PSK, *send)
    assert (done.returncode, done.stdout) == (1, "fits\n")
    assert "--mtu" in done.stderr.splitlines()[-1]


def test_a_server_that_stops_closes_its_sessions() -> None:
    with serving("--echo-data", *PSK) as server:
        client = subprocess.Popen(
            [*COMMAND, "connect", server.host, server.port, *PSK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"
        assert server.stop(signal.SIGTERM) == 0
        assert server.said == [f"listening on {server.host}:{server.port}"]
        _, complaint = client.communicate(timeout=PATIENCE)
        assert client.returncode == 1
        assert b"the peer closed the session" in complaint


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_client_at_a_terminal_can_be_interrupted_and_says_goodbye() -> None:
    terminal, of_client = pty.openpty()
    with serving("--echo-data", "-v", *PSK) as server:
        client = subprocess.Popen(
            [*COMMAND, "connect", server.host, server.port, *PSK],
            stdin=of_client,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            # A shell that runs the tests in the background has them ignore interrupts.
            preexec_fn=_heed_interrupts,  # noqa: PLW1509
        )
        assert client.stdout is not None
        os.write(terminal, b"typed\n")
        assert client.stdout.readline() == b"typed\n"
        client.send_signal(signal.SIGINT)
        _, complaint = client.communicate(timeout=PATIENCE)
        assert client.returncode == 130
        assert complaint.decode().splitlines()[-1] == "hoc connect: interrupted"
        server.wait_for(" ended")
        assert server.stop() == 0
    os.close(terminal)
    os.close(of_client)


def test_waiting_longer_than_a_second_shows_progress_on_a_terminal() -> None:
    terminal, of_client = pty.openpty()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        target = ("127.0.0.1", str(silent.getsockname()[1]))
        done = subprocess.run(
            [*COMMAND, "connect", *target, *PSK, "--timeout", "4", "--send", "x"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=of_client,
            timeout=PATIENCE,
            env=ENVIRONMENT,
            check=False,
        )
    shown = b""
    while select.select([terminal], [], [], 0.1)[0]:
        shown += os.read(terminal, 65536)
    os.close(terminal)
    os.close(of_client)
    assert (done.returncode, done.stdout) == (1, b"")
    said = rf"handshake with 127\.0\.0\.1:{target[1]} \([1-4] s\)"
    assert re.search(said.encode(), shown)


def test_output_that_nobody_reads_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "demo"],
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        env=ENVIRONMENT,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
