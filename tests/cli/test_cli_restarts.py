"""A server that starts anew while a client is connected: nothing is lost without a word."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.cli.hoc_process import COMMAND, ENVIRONMENT, PATIENCE, PSK, run_hoc, serving


@pytest.mark.parametrize(
    ("dtls", "status", "words"),
    [("1.3", 1, "the server does not answer any more"), ("1.2", 0, "DTLS 1.2 cannot tell")],
)
def test_lines_after_a_restart_are_not_lost_silently(dtls: str, status: int, words: str) -> None:
    with serving("--echo-data", *PSK) as first:
        client = subprocess.Popen(
            [*COMMAND, "connect", first.host, first.port, *PSK, "--dtls", dtls],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"before\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"before\n"
        port = first.port
        first.stop(signal.SIGKILL)
        with serving("--echo-data", *PSK, "--port", port):
            _, said = client.communicate(b"after\n", timeout=PATIENCE)
    assert client.returncode == status
    assert words in said.decode()


def test_an_idle_session_ends_by_the_option() -> None:
    with serving("--echo-data", *PSK) as server:
        client = subprocess.Popen(
            [*COMMAND, "connect", server.host, server.port, *PSK, "--idle-timeout", "0.5"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert client.stderr is not None
        assert b"nothing from the peer for 0.5 s" in client.stderr.read()
        assert client.wait(PATIENCE) == 1
        assert client.stdin is not None
        client.stdin.close()
        client.stderr.close()


def test_waiting_is_over_in_the_time_that_was_given() -> None:
    with serving(*PSK) as server:
        connect = ("connect", server.host, server.port, *PSK, "--send", "x", "--wait")
        quick, slow = (_seconds(*connect, wait) for wait in (0, 3))
    assert slow - quick < 5


def _seconds(*arguments: object) -> float:
    began = time.monotonic()
    assert run_hoc(*arguments).returncode == 0
    return time.monotonic() - began
