"""What the command says of options that have no effect where they are given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from handshake_over_coap.cli import main
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.parser import build_parser
from handshake_over_coap.net.effects import warn_of_no_effect


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        (("--transport", "udp", "--block-size", 64), {"--block-size"}),
        (
            ("--transport", "udp", "--resource", "/d", "--no-location"),
            {"--resource", "--no-location"},
        ),
        (("--transport", "udp", "--token-length", 1), {"--token-length"}),
        (
            ("--transport", "udp", "--ack-timeout", 1, "--ack-random-factor", 2),
            {"--ack-timeout", "--ack-random-factor"},
        ),
        (("--transport", "udp", "--initial-timeout", 9, "--early", "--tickets"), set()),
        (("--initial-timeout", 9), {"--initial-timeout"}),
        (("--block-size", 64, "--token-length", 1, "--adapt-timer", "--early", "--tickets"), set()),
        (("--dtls", "1.2", "--tickets", "--early"), {"--tickets", "--early"}),
        (("--quick", "--transfer", "burst", "--answer-bytes", 300), set()),
        (("--dtls", "1.2", "--adapt-timer"), set()),
        (("--timer", "rfc9147", "--ack-timeout", 1, "--initial-timeout", 3), {"--ack-timeout"}),
        (("--quick",), {"--quick"}),
        (("--quick", "--transfer", "burst"), set()),
        (("--quick", "--transfer", "burst", "--transport", "udp"), {"--quick", "--transfer"}),
        (("--dtls", "1.2", "--adapt-timer", "--transport", "udp"), {"--adapt-timer"}),
        (("--dtls", "1.2", "--no-adapt-timer", "--transport", "udp"), set()),
    ],
)
def test_options_that_change_nothing_are_named(
    given: Sequence[object], idle: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    arguments = build_parser().parse_args(["connect", "h", "1", *map(str, given)])
    warn_of_no_effect(option_values(arguments))
    assert {record.getMessage().split()[0] for record in caplog.records} == idle
    assert all("has no part in --" in record.getMessage() for record in caplog.records)


def test_a_simulation_does_not_call_options_its_scenario_that_change_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--trials", "1", "--transport", "udp", "--block-size", "64"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("udp, DTLS 1.3, psk; defaults\n")
    assert err == "--block-size has no part in --transport udp and is not used\n"
