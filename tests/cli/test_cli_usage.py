from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from handshake_over_coap import __version__
from handshake_over_coap.cli import main
from handshake_over_coap.cli.credentials import (
    client_credential,
    client_trust,
    server_credentials,
    server_trust,
)
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.parser import build_parser
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.options import Options, OptionValues
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey
from handshake_over_coap.transfers.burst import Burst
from tests.support import pki

PSK_TEXT = "me:00112233445566778899aabbccddeeff"
CA = pki.CertificateAuthority("CA of the command's tests")


def parse(*arguments: object) -> argparse.Namespace:
    return build_parser().parse_args([str(each) for each in arguments])


def values(*arguments: object) -> OptionValues:
    return option_values(parse(*arguments))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    key = pki.p256_key("server")
    (tmp_path / "key").write_bytes(pki.private_pem(key))
    (tmp_path / "key.pub").write_bytes(pki.public_pem(key))
    (tmp_path / "other").write_bytes(pki.private_pem(pki.ed25519_key("other")))
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    CA.issue("server.example", "127.0.0.1").write(tmp_path, "leaf")
    return tmp_path


def test_the_defaults_are_those_of_the_library_and_psk() -> None:
    assert Options(**values("connect", "h", 1)) == Options(auth="psk")


def test_every_option_reaches_the_library() -> None:
    given = values(
        *("connect", "h", 1, "--auth", "rpk", "--mutual", "--dtls", "1.2", "--transport", "coap"),
        *("--suite", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "--group", "x25519"),
        *("--suite", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "--group", "secp256r1"),
        *("--server-name", "s.example", "--no-address-check", "--resource", "/d", "--no-location"),
        *("--encoding", "plain", "--block-size", 64, "--token-length", 2, "--mtu", 500),
        *("--ack-timeout", 0.5, "--ack-random-factor", 1, "--max-interval", 8, "--timeout", 9),
        *("--early", "--adapt-timer", "--max-retransmit", "none", "--initial-timeout", 9),
        *("--keylog", "k", "--pcap", "p"),
        *("--pcap-dtls", "q", "--cid", "c1d0", "--tickets"),
    )
    assert given == OptionValues(
        transport="coap",
        dtls="1.2",
        auth="rpk",
        mutual=True,
        suite=("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
        group=("x25519", "secp256r1"),
        server_name="s.example",
        address_check=False,
        resource="/d",
        location=False,
        encoding="plain",
        block_size=64,
        token_length=2,
        cid="c1d0",
        tickets=True,
        mtu=500,
        ack_timeout=0.5,
        ack_random_factor=1.0,
        max_interval=8.0,
        adapt_timer=True,
        early=True,
        max_retransmit=None,
        initial_timeout=9.0,
        timeout=9.0,
        keylog="k",
        pcap="p",
        pcap_dtls="q",
    )


@pytest.mark.parametrize(
    ("given", "check"),
    [
        ((), True),
        (("--address-check",), "always"),
        (("--address-check", "adaptive"), "adaptive"),
        (("--address-check=never",), "never"),
        (("--no-address-check",), False),
    ],
)
def test_the_address_check_is_a_flag_or_has_one_of_three_words(
    given: tuple[str, ...], check: bool | str
) -> None:
    assert parse("connect", *given, "h", 1).address_check == check
    assert parse("connect", "h", 1, *given).address_check == check
    assert parse("connect", *given, "h", 1).port == 1


def test_a_transfer_and_its_options_reach_the_library() -> None:
    given = values("connect", "h", 1, "--transfer", "burst", "--quick", "--answer-bytes", 500)
    assert Options(**given).coap.transfer == Burst(quick=True, answer_bytes=500)
    adaptive = Options(**values("connect", "h", 1, "--address-check", "adaptive")).coap
    assert (adaptive.address_check, adaptive.answer_unproven) == (True, True)
    never = Options(**values("connect", "h", 1, "--address-check", "never"))
    assert not never.coap.address_check
    assert not never.udp.address_check


def test_an_identity_may_have_colons_and_any_bytes() -> None:
    assert parse("serve", "--psk", "urn:dev:1:c0ff", "--psk", "\udcff:00").psk == [
        PSK(b"urn:dev:1", b"\xc0\xff"),
        PSK(b"\xff", b"\x00"),
    ]


def test_an_ipv6_host_may_stand_in_brackets() -> None:
    assert parse("connect", "[::1]", 1).host == "::1"
    assert parse("serve", "--host", "[fe80::1%lo]").host == "fe80::1%lo"


def test_a_verbosity_counts_on_either_side_of_the_command() -> None:
    given = ["demo"], ["-v", "demo"], ["demo", "-v"], ["demo", "-vv"]
    assert [parse(*each).verbose for each in given] == [0, 1, 1, 2]


def test_the_version_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hoc {__version__}\n"


@pytest.mark.parametrize("command", ["demo", "serve", "connect", "keygen", "simulate"])
def test_help_fits_a_narrow_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: hoc {command}")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["nonsense"], "invalid choice"),
        (["serve", "--bogus"], "--bogus"),
        (["connect", "::1", "1", "--snd", "x"], "did you mean --send? 'hoc connect --help' lists"),
        (["connect", "--tranport", "udp", "::1", "1"], "did you mean --transport?"),
        (["connect", "::1", "1", "2"], "hoc connect: error: unexpected argument '2'"),
        (["serve", "--mtu", "big"], "'big' is not a whole number"),
        (["simulate", "--loss", "x"], "hoc simulate: error: argument --loss: 'x' is not a number"),
        (["serve", "--psk", "a:00", "--server-name", ""], "empty server name"),
        (["serve", "--psk", "me"], "IDENTITY:HEXKEY"),
        (["serve", "--psk", "me:abc"], "not hexadecimal"),
        (["serve", "--psk", "me:"], "1 to 64 bytes"),
        (["serve", "--psk", ":00"], "identity has 1 to"),
        (["serve", "--port", "65536"], "0 to 65535"),
        (["serve", "--suite", "NOPE"], "known are TLS_"),
        (["serve", "--group", "NOPE"], "known are secp256r1, x25519"),
        (["serve", "--encoding", "NOPE"], "there is: plain"),
        (["serve", "--block-size", "100"], "16, 32, 64"),
        (["serve", "--token-length", "9"], "--token-length"),
        (["serve", "--ack-timeout", "0"], "--ack-timeout has to be a positive number"),
        (["serve", "--timeout", "nan"], "--timeout"),
        (["serve", "--ack-random-factor", "0.9"], "--ack-random-factor is at least 1"),
        (["serve", "--max-retransmit", "-1"], "none"),
        (["serve", "--auth", "psk_ke"], "ecdhe-psk"),
        (["connect", "::1"], "required: N"),
        (["connect", "::1", "0", "--psk", PSK_TEXT], "port 0"),
        (["connect", "", "1"], "a host is"),
        (["connect", "::1", "1", "--wait", "-1"], "--wait"),
        (["connect", "::1", "1"], "add --psk IDENTITY:HEXKEY"),
        (["connect", "::1", "1", "--key", "k"], "or say --auth rpk or x509"),
        (
            ["connect", "::1", "1", "--transport", "udp", "--mtu", "49", "--psk", "a:00"],
            "mtu",
        ),
        (["connect", "::1", "1", "--dtls", "1.1"], "1.2', '1.3"),
        (["connect", "::1", "1", "--psk", "a:00", "--cid", "abc"], "cid 'abc' is not hexadecimal"),
        (["connect", "::1", "1", "--psk", "a:00", "--cid", "00" * 33], "at most 32"),
        (["serve", "--psk", "a:00", "--cid", "no"], "not hexadecimal"),
        (
            ["connect", "::1", "1", "--psk", "a:00", "--suite", "TLS_PSK_WITH_AES_128_CCM_8"],
            "choose dtls 1.2",
        ),
        (
            ["connect", "::1", "1", "--dtls", "1.2", "--suite", "TLS_AES_128_CCM_SHA256"],
            "is a suite for DTLS 1.2",
        ),
        (["serve", "--suite", "NOPE"], "TLS_AES_128_CCM_SHA256"),
        (
            ["connect", "::1", "1", "--psk", PSK_TEXT, "--pcap", "f", "--pcap-dtls", "f"],
            "name the same file",
        ),
        (
            ["connect", "::1", "1", "--transport", "udp", "--initial-timeout", "0"],
            "--initial-timeout",
        ),
        (["connect", "::1", "1", "--mutual", "--psk", PSK_TEXT], "--mutual goes with"),
        (["connect", "::1", "1", "--auth", "x509", "--cert", "c"], "add --key FILE"),
        (["connect", "::1", "1", "--block-size", "512", "--mtu", "500"], "mtu of 500"),
        (["connect", "::1", "1", "--mtu", "10"], "mtu 10"),
        (["connect", "::1", "1", "--resource", "/"], "no path"),
        (["connect", "::1", "1", "--keylog", "f", "--pcap", "f"], "same file"),
        (["connect", "::1", "1", "--auth", "rpk"], "add --peer-key FILE"),
        (["connect", "::1", "1", "--auth", "x509"], "add --ca FILE"),
        (["connect", "::1", "1", "--auth", "rpk", "--mutual", "--insecure"], "add --key FILE"),
        (["connect", "::1", "1", "--suite", "TLS_PSK_WITH_AES_128_CCM_8", "--auth", "rpk"], "auth"),
        (["connect", "::1", "1", "--auth", "rpk", "--peer-key", "nowhere"], "--peer-key nowhere"),
        (["serve", "--auth", "rpk"], "hoc keygen"),
        (["serve", "--auth", "x509"], "--cert FILE and --key FILE"),
        (["demo", "--auth", "x509", "--ca", "nowhere"], "--key or --ca without --cert"),
        (["demo", "--auth", "x509", "--server-name", "ü"], "--server-name"),
        (["demo", "--keylog", "nowhere/f"], "key log"),
        (["demo", "--pcap", "nowhere/f"], "capture"),
        (["keygen"], "--out"),
        (["keygen", "--out", "nowhere/f"], "existing folder"),
        (["keygen", "--out", "."], "."),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_to_do(
    arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err
    assert "usage:" not in err


def test_what_looks_like_an_option_may_be_sent() -> None:
    assert parse("connect", "h", 1, "--send=--snd", "--send", "--a dash").send == [
        "--snd",
        "--a dash",
    ]


def test_an_error_never_repeats_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--psk", "me:c0ffeec0ffeez"]) == 2
    assert main(["serve", "--psk", "c0ffee" * 30]) == 2
    assert main(["serve", "--psk", "me:" + "c0ffee" * 30]) == 2
    assert "c0ffee" not in capsys.readouterr().err


def test_a_port_in_use_is_a_failure_and_no_mistake_of_the_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        assert main(["serve", "--psk", PSK_TEXT, "--port", port]) == 1
    assert "choose another port" in capsys.readouterr().err


def test_a_host_that_cannot_be_resolved_is_a_failure_with_its_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["connect", "no such host", "5683", "--psk", PSK_TEXT, "--send", "x"]
    assert main([*given, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["type"] == "CarrierError"
    assert err.startswith("hoc connect: cannot resolve 'no such host'")
    assert "Errno" not in err


def test_an_identity_given_twice_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--psk", "me:00", "--psk", "me:01"]) == 2
    assert "two keys for the PSK identity 'me'" in capsys.readouterr().err


def test_a_mutual_server_needs_somebody_to_trust(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = ["serve", "--auth", "rpk", "--mutual", "--key", str(files / "key")]
    assert main(raw) == 2
    assert "the client's public key" in capsys.readouterr().err
    chain = [*("--cert", str(files / "leaf.pem")), *("--key", str(files / "leaf.key"))]
    assert main(["serve", "--auth", "x509", "--mutual", *chain]) == 2
    assert "the client's certificate" in capsys.readouterr().err
    insecure = server_trust(parse(*raw, "--insecure"))
    assert insecure is not None
    assert insecure.insecure


def test_files_become_credentials(files: Path) -> None:
    raw = parse("serve", "--auth", "rpk", "--key", files / "key")
    (key,) = server_credentials(raw)
    assert isinstance(key, RawPublicKey)
    assert server_trust(raw) is None
    pinned = client_trust(
        parse("connect", "h", 1, "--auth", "rpk", "--peer-key", files / "key.pub")
    )
    assert pinned is not None
    assert pinned.raw_public_keys == {key.spki}

    chain = ("--cert", files / "leaf.pem", "--key", files / "leaf.key", "--ca", files / "ca.pem")
    for arguments in (("serve", "--mutual"), ("connect", "h", 1)):
        given = parse(*arguments, "--auth", "x509", *chain)
        certificate = client_credential(given)
        assert isinstance(certificate, Certificate)
        trust = client_trust(given)
        assert trust is not None
        assert trust.anchors == (CA.certificate,)
        assert not trust.insecure


def test_a_client_uses_the_first_key_and_a_server_all() -> None:
    keys = ("--psk", "a:00", "--psk", "b:01")
    assert client_credential(parse("connect", "h", 1, *keys)) == PSK("a", b"\0")
    assert server_credentials(parse("serve", *keys)) == (PSK("a", b"\0"), PSK("b", b"\1"))
    assert client_trust(parse("connect", "h", 1, *keys)) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--auth", "rpk", "--key", "key.pub"), "--key .*key.pub: not a private key"),
        (("--auth", "rpk", "--key", "absent"), "--key .*absent: cannot read"),
        (("--auth", "x509", "--key", "key"), "add --cert FILE"),
        (("--auth", "x509", "--key", "other", "--cert", "leaf.pem"), "--cert .* and --key .*other"),
        (("--auth", "x509", "--key", "key", "--cert", "key"), "--cert .*key: not a certificate"),
    ],
)
def test_files_that_do_not_fit_are_named(files: Path, arguments: Sequence[str], said: str) -> None:
    named = [str(files / each) if each in _NAMES else each for each in arguments]
    with pytest.raises(ConfigurationError, match=said):
        server_credentials(parse("serve", *named))


_NAMES = {"key", "key.pub", "other", "leaf.pem", "absent"}


def test_what_is_not_used_is_said(caplog: pytest.LogCaptureFixture) -> None:
    client_credential(parse("connect", "h", 1, "--psk", "a:00", "--key", "k", "--ca", "c"))
    assert [record.getMessage() for record in caplog.records] == [
        "--ca has no part in --auth psk and is not used",
        "--key has no part in --auth psk and is not used",
    ]
