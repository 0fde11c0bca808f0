from __future__ import annotations

import json
from pathlib import Path

import pytest

from handshake_over_coap.cli import main
from handshake_over_coap.cli.bar import Bar
from tests.cli.hoc_process import run_hoc


def test_the_same_seed_prints_the_same_bytes() -> None:
    arguments = ("simulate", "--trials", 20, "--seed", 4, "--loss", 0.2, "--json")
    one, other = run_hoc(*arguments), run_hoc(*arguments)
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout == other.stdout
    said = json.loads(one.stdout)
    assert (said["trials"], said["seed"], said["transport"]) == (20, 4, "coap")
    assert set(said["datagrams"]) == {"mean", "median", "p95", "min", "max", "ci95"}
    assert run_hoc(*arguments[:-3], 0.3, "--json").stdout != one.stdout


def test_options_reach_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--transport udp --auth rpk --mutual --drop 1,2 --delay 0.2 --mtu 200 --trials 2"
    assert main(["simulate", "--json", *options.split()]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["transport"], said["auth"], said["encoding"]) == ("udp", "rpk", None)
    assert said["duration_s"]["min"] > 6 * 0.2 + 1.0
    assert said["completed"] == 2


def test_the_text_tells_scenario_outcome_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--dtls 1.2 --trials 30 --loss 0.4 --max-retransmit 1 --seed 2"
    assert main(["simulate", *options.split()]) == 0
    text = capsys.readouterr().out
    assert text.startswith("coap, DTLS 1.2, psk; max_retransmit 1, loss 0.4\n")
    assert " of 30 handshakes completed (" in text
    assert " failed: retransmissions" in text
    assert "seconds to complete" in text
    assert max(map(len, text.splitlines())) <= 80


def test_when_nothing_completes_the_status_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--trials", "2", "--loss", "1", "--timeout", "3"]) == 1
    assert "0 of 2 handshakes completed" in capsys.readouterr().out
    assert main(["simulate", "--trials", "2", "--loss", "1", "--timeout", "3", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["datagrams"]["mean"] is None


def test_the_ladder_shows_the_first_trial_with_what_was_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--trials", "2", "--drop", "2", "--ladder"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The first trial: ")
    assert text.count("X---") == 1
    assert text.count("|- CON POST") == 4


def test_captures_and_key_log_are_of_the_first_trial(tmp_path: Path) -> None:
    pcap, keylog = tmp_path / "c.pcapng", tmp_path / "k.log"
    options = ["simulate", "--dtls", "1.2", "--pcap", str(pcap)]
    assert main([*options, "--trials", "3", "--keylog", str(keylog)]) == 0
    assert len(keylog.read_text().splitlines()) == 1
    assert pcap.stat().st_size > 6 * 80
    before = pcap.read_bytes()
    assert main([*options, "--trials", "1"]) == 0
    assert pcap.read_bytes() == before


def test_on_a_radio_link_the_capture_holds_frames(tmp_path: Path) -> None:
    frames, datagrams = tmp_path / "f.pcapng", tmp_path / "d.pcapng"
    options = ["simulate", "--trials", "1", "--auth", "rpk"]
    assert main([*options, "--link", "802154", "--pcap", str(frames)]) == 0
    assert main([*options, "--pcap", str(datagrams)]) == 0
    assert _link_type(frames.read_bytes()) == 195
    assert _link_type(datagrams.read_bytes()) != 195


def _link_type(capture: bytes) -> int:
    """Of the interface description, the block after the section header."""
    header_length = int.from_bytes(capture[4:8], "little")
    return int.from_bytes(capture[header_length + 8 : header_length + 10], "little")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--loss 1.5", "loss is a probability"),
        ("--loss much", "'much' is no number"),
        ("--mtu 65 --block-size 1024", "does not fit an mtu of 65"),
        ("--link-retries 3", "link-retries 3 with link udp"),
        ("--loss-unit frame --loss 0.1", "loss-unit frame with link udp"),
        ("--burst 3", "burst 3 without loss"),
        ("--drop 1,x", "'1,x' is no list of numbers such as 3,7"),
        ("--drop 0", "drop counts datagrams from 1"),
        ("--device abacus", "there is no device 'abacus'"),
        ("--rate 0", "rate is in bits per second"),
        ("--trials 0", "trials is a count"),
        ("--trials x", "'x' is not a whole number"),
        ("--link ethernet", "invalid choice: 'ethernet'"),
        ("--ladder --json", "choose one"),
        ("--mutual", "--mutual goes with"),
        ("--auth rpk --key nowhere.pem", "key nowhere.pem"),
        ("--auth x509 --ca nowhere.pem", "key or ca without cert"),
        ("--pcap nowhere/c.pcapng", "cannot write the capture"),
        ("--link 802154 --pcap nowhere/c.pcapng", "cannot write the capture"),
    ],
)
def test_mistakes_end_with_2_and_name_the_option(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *options.split()]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_the_bar_shows_the_share_and_the_time_that_is_left() -> None:
    bar = Bar("handshakes")
    bar(1000, 5000)
    assert bar.text(3000, 5000, 60.0) == (
        "[##############..........] 3,000 of 5,000 handshakes, 1 min 00 s left"
    )
    assert bar.text(1000, 5000, 60.0).endswith("1,000 of 5,000 handshakes")
    assert bar.text(1001, 1_000_000, 1.0).endswith("277 h 29 min left")


def test_there_is_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("handshakes") as bar:
        bar._next = 0.0
        bar(1, 2)
    assert capsys.readouterr().err == ""


def test_the_ladder_is_drawn_into_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ladder.svg"
    assert main(["simulate", "--trials", "2", "--drop", "2", "--ladder-svg", str(path)]) == 0
    picture = path.read_text()
    assert picture.startswith("<svg ")
    assert picture.count('class="to-client lost"') == 1
    assert "datagrams" in capsys.readouterr().out


def test_a_ladder_that_cannot_be_written_is_known_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "ladder.svg"
    assert main(["simulate", "--trials", "100000000", "--ladder-svg", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
