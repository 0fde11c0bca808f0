from __future__ import annotations

from argparse import Namespace

import pytest

from handshake_over_coap.cli.failures import advice
from handshake_over_coap.errors import CarrierError, Closed, Error, HandshakeTimeout
from handshake_over_coap.tls import alerts
from tests.cli.hoc_process import PSK, run_hoc, serving


@pytest.mark.parametrize(
    ("auth", "key", "error", "said"),
    [
        ("psk", None, alerts.BadRecordMac(received=True), "compare --psk"),
        ("ecdhe-psk", None, alerts.DecryptError(), "compare --psk"),
        ("x509", None, alerts.UnknownCa(), "--ca"),
        ("x509", "k", alerts.UnknownCa(received=True), "does not accept this client's key"),
        ("rpk", None, alerts.UnsupportedCertificate(received=True), "asks for a client's key"),
        ("x509", None, alerts.CertificateUnknown(), "--server-name"),
        ("rpk", None, alerts.CertificateUnknown(), "--peer-key"),
        ("x509", None, alerts.CertificateExpired(), "clock"),
        ("psk", None, alerts.HandshakeFailure(received=True), "--suite"),
        ("rpk", None, alerts.HandshakeFailure(received=True), "--peer-key is of another kind"),
        ("rpk", None, alerts.UnsupportedCertificate(received=True), "compare --auth on both sides"),
        ("rpk", None, alerts.CertificateRequired(received=True), "asks for a client's key: add"),
        ("rpk", "k", alerts.CertificateRequired(received=True), "the kind that it has pinned"),
        ("psk", None, alerts.UnknownPskIdentity(received=True), "compare --auth and --group"),
        ("psk", None, alerts.ProtocolVersion(received=True), "compare --dtls"),
        ("psk", None, alerts.InternalError(received=True), "busy with other handshakes"),
        ("psk", None, HandshakeTimeout("no answer"), "the same --transport"),
        ("psk", None, HandshakeTimeout("no answer"), "--timeout"),
        ("psk", None, CarrierError("none here", "4.04"), "--resource"),
        ("psk", None, CarrierError("what is this", "4.15"), "--encoding"),
    ],
)
def test_a_failure_comes_with_what_to_try(
    auth: str, key: str | None, error: Error, said: str
) -> None:
    text = advice(error, Namespace(auth=auth, key=key))
    assert text.startswith(str(error))
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_both_sides_log_a_rejected_handshake_in_one_line(transport: str) -> None:
    over = ("--transport", transport)
    with serving("--auth", "ecdhe-psk", *PSK, "-v", *over) as server:
        for verbose, traced in (("-v", False), ("-vv", True)):
            target = ("connect", server.host, server.port, *PSK, "--send", "x", *over)
            done = run_hoc(*target, verbose)
            assert done.returncode == 1
            assert "handshake_failure" in done.stderr.splitlines()[-1]
            assert ("Traceback" in done.stderr) is traced
        line = server.wait_for("rejected handshake of 127.0.0.1:")
        assert "handshake_failure: no way to use a pre-shared key" in line
        assert server.stop() == 0
        assert not any("Traceback" in line for line in server.said)


def test_a_failure_without_advice_is_said_as_it_is() -> None:
    assert advice(Closed("over"), Namespace()) == "over"
    assert advice(Closed(), Namespace()) == "Closed"
