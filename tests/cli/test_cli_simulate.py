from __future__ import annotations

import asyncio
import json
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.cli import _logging, main
from handshake_over_coap.cli.bar import Bar
from handshake_over_coap.sim import run
from tests.cli.hoc_process import run_hoc


def test_the_same_seed_prints_the_same_bytes() -> None:
    arguments = ("simulate", "--trials", 20, "--seed", 4, "--quiet", "--loss", 0.2, "--json")
    one, other = run_hoc(*arguments), run_hoc(*arguments)
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout == other.stdout
    said = json.loads(one.stdout)
    assert (said["trials"], said["seed"], said["transport"]) == (20, 4, "coap")
    assert set(said["datagrams"]) == {
        *("mean", "median", "p95", "min", "max", "ci95", "median_ci95", "p95_ci95")
    }
    assert run_hoc(*arguments[:-3], 0.3, "--json").stdout != one.stdout


def test_options_reach_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--transport udp --auth rpk --mutual --drop 1,2 --delay 0.2 --mtu 200 --trials 2"
    assert main(["simulate", "--json", *options.split()]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["transport"], said["auth"], said["encoding"]) == ("udp", "rpk", None)
    assert said["duration_s"]["min"] > 6 * 0.2 + 1.0
    assert said["completed"] == 2


def test_q_block_takes_what_the_draft_says_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--dtls 1.3 --auth rpk --encoding compact --transfer qblock --resource /d --mtu 65"
    options += " --suite TLS_AES_128_CCM_8_SHA256 --group secp256r1 --trials 1"
    assert main(["simulate", "--json", *options.split()]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["datagrams"]["mean"], said["datagrams"]["max"]) == (13, 13)


def test_the_text_tells_scenario_outcome_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--dtls 1.2 --trials 30 --loss 0.4 --max-retransmit 1 --seed 2"
    assert main(["simulate", *options.split()]) == 0
    text = capsys.readouterr().out
    assert text.startswith("coap, DTLS 1.2, psk; max_retransmit 1, loss 0.4\n")
    assert " of 30 handshakes completed (" in text
    assert " failed: retransmissions" in text
    assert "seconds to complete" in text
    assert max(map(len, text.splitlines())) <= 80


def test_times_are_told_by_quantiles_with_their_intervals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["simulate", "--trials", "100", "--loss", "0.2"]
    assert main([*options, "--json"]) == 0
    time = json.loads(capsys.readouterr().out)["duration_s"]
    assert main(options) == 0
    text = capsys.readouterr().out
    (line,) = (each for each in text.splitlines() if each.startswith("seconds to complete"))
    ends = ["-".join(f"{end:.4g}" for end in time[f"{name}_ci95"]) for name in ("median", "p95")]
    assert line.split()[3:7] == [f"{time['median']:.4g}", ends[0], f"{time['p95']:.4g}", ends[1]]
    assert "+-" not in text.rpartition("seconds to complete")[0].splitlines()[-1]
    assert max(map(len, text.splitlines())) <= 80


def test_the_log_tells_trials_their_failures_and_virtual_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = "--trials 3 --loss 0.5 --max-retransmit 0 --seed 1 -v"
    main(["simulate", *options.split()])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert [line for line in lines if "begins" in line][-1].endswith("trial 2 begins")
    failed = [line for line in lines if " failed: retransmissions" in line]
    assert f"  {len(failed)} failed: retransmissions" in captured.out
    assert failed

    async def log_later() -> None:
        await asyncio.sleep(2.5)
        logging.getLogger("handshake_over_coap.lab").info("on virtual time")

    with _logging(1):
        run(log_later())
    assert capsys.readouterr().err.split()[:3] == ["2.500000", "s", "INFO"]


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


def test_a_capture_marks_what_was_lost_and_has_what_came_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    common = ["simulate", "--trials", "1", "--dtls", "1.2", "--pcap", str(path)]
    assert main([*common, "--drop", "2"]) == 0
    # The challenge is lost; its request is repeated: two datagrams more than the usual six.
    assert [comment for _, comment in _packets(path.read_bytes())] == ["", "lost", *[""] * 6]
    assert main([*common, "--duplicate", "1"]) == 0
    copies = [packet for packet, _ in _packets(path.read_bytes())]
    from_server = [packet for packet in copies if packet[40:42] == (5683).to_bytes(2, "big")]
    sent = hoc.watch(hoc.Scenario(dtls="1.2", duplicate=1.0)).datagrams
    assert len(from_server) > sum(not each.from_client for each in sent)


@pytest.mark.parametrize("link", ["udp", "802154"])
def test_the_classic_conversation_of_a_simulation_has_the_port_of_dtls(
    link: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.pcapng"
    arguments = ["simulate", "--trials", "1", "--link", link, "--pcap-dtls", str(path)]
    assert main(arguments) == 0
    ports = {
        int.from_bytes(packet[at : at + 2], "big")
        for packet, _ in _packets(path.read_bytes())
        for at in (40, 42)
    }
    assert 5684 in ports
    assert 5683 not in ports


def _packets(capture: bytes) -> list[tuple[bytes, str]]:
    """IP packets and their comments."""
    found = []
    while capture:
        kind, length = (int.from_bytes(capture[at : at + 4], "little") for at in (0, 4))
        if kind == 6:
            size = int.from_bytes(capture[20:24], "little")
            end = 28 + size + -size % 4
            options = capture[end : length - 4]
            comment = b""
            if options[:2] == b"\x01\0":
                comment = options[4 : 4 + int.from_bytes(options[2:4], "little")]
            found.append((capture[28 : 28 + size], comment.decode()))
        capture = capture[length:]
    return found


@pytest.mark.peer
@pytest.mark.parametrize("link", ["udp", "802154"])
def test_tshark_decrypts_what_was_on_the_wire_where_udp_carries_the_handshake(
    link: str, tmp_path: Path, require_peer: Callable[[str], str]
) -> None:
    """On a radio link out of frames of 6LoWPAN, in fragments."""
    program, path = require_peer("tshark"), tmp_path / "c.pcapng"
    options = ["--transport", "udp", "--dtls", "1.2", "--auth", "rpk", "--link", link]
    assert main(["simulate", "--trials", "1", *options, "--pcap", str(path)]) == 0
    command = [program, "-r", str(path), "-n", "-T", "fields", "-e", "dtls.handshake.type"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    types = [kind for line in done.stdout.split() for kind in line.split(",")]
    # Finished (20) is sealed: only who decrypts can tell its type.
    assert types.count("20") == 2


def test_the_ladder_is_that_of_watch_with_duplicates_and_out_of_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = "--transport udp --dtls 1.2 --auth rpk --mtu 128 --duplicate 0.5 --reorder 0.5"
    assert main(["simulate", "--trials", "1", *options.split(), "--ladder"]) == 0
    scenario = hoc.Scenario(
        transport="udp", dtls="1.2", auth="rpk", mtu=128, duplicate=0.5, reorder=0.5
    )
    watched = hoc.watch(scenario)
    assert watched.ladder() in capsys.readouterr().out
    rungs = [line for line in watched.ladder().splitlines()[1:] if line[:8].strip()]
    assert len(rungs) > len(watched.datagrams)


def _link_type(capture: bytes) -> int:
    """Of the interface description, the block after the section header."""
    header_length = int.from_bytes(capture[4:8], "little")
    return int.from_bytes(capture[header_length + 8 : header_length + 10], "little")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--loss 1.5", "loss is a probability"),
        ("--loss much", "'much' is not a number"),
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


@pytest.mark.parametrize(
    "refused",
    [
        "--trials 0",
        "--auth rpk --key nowhere.pem",
        "--pcap-dtls nowhere/d.pcapng",
        "--ladder-svg nowhere/l.svg",
        "--keylog .",
        "--pcap-dtls {folder}/../{name}/kept.svg",
    ],
)
@pytest.mark.parametrize("link", ["udp", "802154"])
def test_a_command_that_is_refused_leaves_the_files_that_are_there(
    refused: str, link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pcap, picture = tmp_path / "kept.pcapng", tmp_path / "kept.svg"
    pcap.write_bytes(b"precious")
    picture.write_bytes(b"beautiful")
    files = ["--pcap", str(pcap)]
    if "--ladder-svg" not in refused:
        files += ["--ladder-svg", str(picture)]
    options = refused.format(folder=tmp_path, name=tmp_path.name).split()
    assert main(["simulate", "--link", link, *files, *options]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert (pcap.read_bytes(), picture.read_bytes()) == (b"precious", b"beautiful")
    assert set(tmp_path.iterdir()) == {pcap, picture}


def test_one_file_for_the_ladder_and_a_capture_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["simulate", "--pcap", "same", "--ladder-svg", "./same"]) == 2
    assert "--pcap and --ladder-svg name the same file: give two" in capsys.readouterr().err


def test_a_picture_takes_the_place_of_the_old_one_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ladder.svg"
    path.write_bytes(b"old")
    path.chmod(0o640)
    options = ["simulate", "--trials", "1", "--ladder-svg", str(path)]
    with monkeypatch.context() as patch:
        patch.setattr("handshake_over_coap.cli.simulate.ladder_svg", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(options)
        assert path.read_bytes() == b"old"
    assert main(options) == 0
    assert path.read_text().startswith("<svg ")
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_the_bar_shows_the_share_and_the_time_that_is_left() -> None:
    bar = Bar("handshakes")
    bar(1000, 5000)
    assert bar.text(3000, 5000, 60.0) == (
        "[##############..........] 3,000 of 5,000 handshakes, 1 min 00 s left"
    )
    assert bar.text(1000, 5000, 60.0).endswith("1,000 of 5,000 handshakes")
    assert bar.text(1001, 1_000_000, 1.0).endswith("277 h 29 min left")


def test_the_next_stage_of_a_bar_counts_from_nothing_and_is_shown_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Bar("scenarios checked") as bar:
        bar._active = bar._terminal = True
        bar(1, 2)
        assert bar.stage("parts joined") is bar
        bar(0, 7)
        assert capsys.readouterr().err == ""  # still in its first second
        bar._patience = 0.0
        bar.stage("parts joined")(0, 7)
        assert capsys.readouterr().err.endswith("] 0 of 7 parts joined")


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
