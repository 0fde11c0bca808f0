"""Full disks, closed pipes, and signals: one line, a status, and files that are whole."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.hoc_process import COMMAND, ENVIRONMENT, PATIENCE, PSK, run_hoc, serving

FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def _hangups_as_a_terminal_sends_them() -> Iterator[None]:
    """Tests that were themselves started by nohup ignore SIGHUP, and so would all they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def _into_full(*arguments: object) -> tuple[int, str]:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": ""},
            check=False,
        )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "arguments",
    [("simulate", "--trials", 1, "--json"), ("tables", 4), ("demo", "--json"), ("--version",)],
)
def test_a_full_disk_under_the_output_is_one_line_and_status_1(
    arguments: tuple[object, ...],
) -> None:
    status, said = _into_full(*arguments)
    name = "hoc" if arguments[0] == "--version" else f"hoc {arguments[0]}"
    assert (status, said) == (1, f"{name}: cannot write the output: no space is left\n")


def test_a_closed_pipe_is_one_line_and_status_1() -> None:
    process = subprocess.Popen(
        [*COMMAND, "simulate", "--trials", "3", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    assert process.wait(PATIENCE) == 1
    process.stderr.close()
    assert said == "hoc simulate: nobody reads the output any more\n"


@pytest.mark.parametrize("option", ["--keylog", "--pcap", "--pcap-dtls"])
def test_a_full_disk_under_a_trace_is_one_line_and_status_1(option: str) -> None:
    with serving("--echo-data", *PSK) as server:
        connect = ("connect", server.host, server.port, *PSK, "--send", "x")
        done = run_hoc(*connect, option, FULL)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "'/dev/full': No space left on device" in done.stderr


@pytest.mark.parametrize("option", ["--keylog", "--pcap", "--pcap-dtls", "--ladder-svg"])
def test_a_full_disk_under_a_trace_of_a_simulation_is_one_line_and_status_1(option: str) -> None:
    done = run_hoc("simulate", "--trials", 1, option, FULL)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "'/dev/full': No space left on device" in done.stderr


@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_a_disk_that_fills_up_leaves_a_capture_that_ends_with_a_whole_packet(
    transport: str, tmp_path: Path
) -> None:
    capture = tmp_path / "capture"
    limited = f"ulimit -f 2; exec {shlex.join(COMMAND)} simulate --trials 1 --auth rpk"
    done = subprocess.run(
        ["bash", "-c", f"{limited} --transport {transport} --pcap {capture} | cat"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=ENVIRONMENT,
        timeout=PATIENCE,
        check=False,
    )
    assert b"File too large" in done.stderr
    assert 0 < _whole(capture) < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_a_client_says_goodbye_and_leaves_its_capture_whole(
    number: signal.Signals, tmp_path: Path
) -> None:
    capture = tmp_path / "capture"
    with serving("-v", *PSK) as server:
        client = subprocess.Popen(
            [*COMMAND, "connect", server.host, server.port, *PSK, "--pcap", str(capture)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert client.stdin is not None
        client.stdin.write(b"one line\n")
        client.stdin.flush()
        assert "one line" in server.line()
        client.send_signal(number)
        _, said = client.communicate(timeout=PATIENCE)
        assert (client.returncode, said) == (128 + number, b"")
        server.wait_for("ended")
    _whole(capture)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_a_server_leaves_its_capture_whole(
    number: signal.Signals, tmp_path: Path
) -> None:
    capture = tmp_path / "capture"
    with serving("--echo-data", "--pcap", capture, *PSK) as server:
        assert run_hoc("connect", server.host, server.port, *PSK, "--send", "x").returncode == 0
        assert server.stop(number) == (-number if number is signal.SIGKILL else 0)
    assert _whole(capture) >= 8


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_capture_over_udp_survives_a_kill_in_mid_handshake(version: str, tmp_path: Path) -> None:
    """A relay that passes nothing back keeps both in the middle of it."""
    of_client, of_server = tmp_path / "client", tmp_path / "server"
    options = ("--transport", "udp", *PSK)
    client_options = ("--dtls", version, "--pcap", str(of_client))
    with serving(*options, "--no-address-check", "--pcap", of_server) as server, udp_socket() as to:
        client = subprocess.Popen(
            [*COMMAND, "connect", *map(str, to.getsockname()), *options, *client_options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        try:
            hello, _ = to.recvfrom(2048)
            with udp_socket() as relay:
                relay.sendto(hello, (server.host, int(server.port)))
                relay.recv(2048)
        finally:
            client.kill()
            client.communicate()
        server.stop(signal.SIGKILL)
    assert _whole(of_client) >= 1
    assert _whole(of_server) >= 2


def udp_socket() -> socket.socket:
    """A socket on loopback that does not wait for ever."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    made.bind(("127.0.0.1", 0))
    return made


def _whole(capture: Path) -> int:
    """How many packets (block type 6) a pcapng file has, which ends with a whole block."""
    data, offset, packets = capture.read_bytes(), 0, 0
    while offset < len(data):
        kind, size = (
            int.from_bytes(data[offset + at : offset + at + 4], "little") for at in (0, 4)
        )
        assert data[offset + size - 4 : offset + size] == data[offset + 4 : offset + 8]
        packets += kind == 6
        offset += size
    assert packets
    return packets


def test_a_grid_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_bytes(b"\xef\xbb\xbf" + b"trials = 1\n")
    done = run_hoc("sweep", grid, "--out", tmp_path / "out.parquet", "--workers", 1)
    assert done.returncode == 0, done.stderr
