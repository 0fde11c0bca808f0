"""Trials repeat, count what they say they count, and agree with what can be computed by hand."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.lab.metrics import Trial, columns
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.statistics import wilson
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.net.client import Client
from handshake_over_coap.net.session import Session
from handshake_over_coap.sim import Outcome, Passage, PassageRecorder, Side
from handshake_over_coap.tls.config import ClientConfig
from handshake_over_coap.trace.report import HandshakeReport

PLAIN: dict[str, Any] = {"address_check": False, "timeout": 10_000.0, "max_retransmit": None}
TRANSPORTS = ("coap", "udp")
VERSIONS = ("1.2", "1.3")


def trials(scenario: Scenario, count: int, seed: int = 1) -> list[Trial]:
    return [run_trial(scenario, seed, number) for number in range(count)]


def passages(scenario: Scenario, seed: int = 1, number: int = 0) -> tuple[Passage, ...]:
    recorder = PassageRecorder()
    run_trial(scenario, seed, number, observers=[recorder])
    return recorder.passages


_PROGRAM = """
import json, sys
import handshake_over_coap as hoc
for options in json.loads(sys.argv[1]):
    report = hoc.simulate(hoc.Scenario(**options), trials=6, seed=3)
    print(json.dumps(report.to_dict()))
"""


def test_every_process_and_hash_seed_gives_the_same_bytes() -> None:
    scenarios = [
        {"transport": transport, "dtls": dtls, "loss": 0.2, "reorder": 0.1, "mtu": 200, **more}
        for transport in TRANSPORTS
        for dtls in VERSIONS
        for more in ({"jitter": 0.01}, {"auth": "x509", "mutual": True}, {"link": "802154"})
    ]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, json.dumps(scenarios)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "random")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == len(scenarios)


def test_one_trial_alone_is_the_same_as_among_others() -> None:
    scenario = Scenario(loss=0.3, block_size=32)
    among = trials(scenario, 5)[4]
    assert run_trial(scenario, 1, 4).row(cpu=False) == among.row(cpu=False)
    assert among.row(cpu=False) != run_trial(scenario, 2, 4).row(cpu=False)


def test_a_trace_repeats_byte_for_byte() -> None:
    scenario = Scenario(auth="ecdhe-psk", loss=0.2, jitter=0.02)
    one, other = passages(scenario), passages(scenario)
    assert one == other
    assert [p.datagram.data for p in one] == [p.datagram.data for p in other]
    assert [p.datagram.data for p in one] != [p.datagram.data for p in passages(scenario, 2)]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("dtls", VERSIONS)
def test_without_faults_a_handshake_takes_three_round_trips(transport: str, dtls: str) -> None:
    trial = run_trial(Scenario(transport=transport, dtls=dtls, delay=0.2), 1, 0)
    assert (trial.completed, trial.failure, trial.retransmissions) == (True, None, 0)
    assert (trial.datagrams, trial.client_datagrams) == (6, 3)
    assert trial.duration_s == trial.client_s == pytest.approx(6 * 0.2)
    assert trial.server_s == pytest.approx(5 * 0.2)
    assert (trial.frames, trial.client_energy_j) == (None, None)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("dtls", VERSIONS)
def test_exactly_the_datagram_that_is_listed_is_lost(
    transport: str, number: int, dtls: str
) -> None:
    seen = passages(Scenario(transport=transport, dtls=dtls, drop=[number]))
    lost = [p.datagram.number for p in seen if p.outcome is Outcome.DROPPED]
    assert lost == [number]
    assert {p.outcome for p in seen} <= {
        Outcome.DROPPED,
        Outcome.DELIVERED,
        Outcome.UNDER_WAY,
        Outcome.UNREACHABLE,
    }


@pytest.mark.parametrize("drop", [(1,), (2,), (3,), (4,), (5,), (6,), (1, 2), (3, 4), (2, 5)])
@pytest.mark.parametrize("dtls", VERSIONS)
def test_over_coap_each_loss_costs_a_request_and_perhaps_its_answer(
    drop: tuple[int, ...], dtls: str
) -> None:
    trial = run_trial(Scenario(dtls=dtls, drop=drop), 1, 0)
    arrived, number, cost = 0, 0, 0
    while arrived < 6:
        number += 1
        is_request = arrived % 2 == 0
        if number not in drop:
            arrived += 1
        elif is_request:
            cost += 1
        else:
            cost, arrived = cost + 2, arrived - 1
    assert trial.datagrams == 6 + cost
    assert trial.retransmissions == len(drop)


@pytest.mark.parametrize(
    ("number", "of_1_2", "of_1_3"),
    [
        (1, (7, 1), (7, 1)),  # ClientHello
        (2, (8, 1), (8, 1)),  # HelloVerifyRequest or HelloRetryRequest: the server has no timer
        (3, (7, 1), (7, 1)),  # ClientHello with the cookie
        (4, (8, 2), (8, 2)),  # the server's flight: it is sent again by either side's doing
        (5, (8, 2), (7, 1)),  # the client's Finished: 1.2 has both timers running
        (6, (8, 2), (8, 1)),  # the server's Finished (1.2) is sent again, its ACK (1.3) made anew
    ],
)
def test_over_udp_each_loss_costs_what_the_timers_make_of_it(
    number: int, of_1_2: tuple[int, int], of_1_3: tuple[int, int]
) -> None:
    for dtls, expected in (("1.2", of_1_2), ("1.3", of_1_3)):
        trial = run_trial(Scenario(transport="udp", dtls=dtls, drop=[number]), 1, 0)
        assert (trial.datagrams, trial.retransmissions) == expected


def test_what_the_client_repeats_is_what_its_session_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[HandshakeReport] = []
    handshake = Client.handshake

    async def watched(client: Client, config: ClientConfig) -> Session:
        session = await handshake(client, config)
        reported.append(session.report)
        return session

    monkeypatch.setattr(Client, "handshake", watched)
    # The server's flight is lost, and sent again by either side's doing.
    trial = run_trial(Scenario(transport="udp", dtls="1.2", drop=[4]), 1, 0)
    assert (trial.retransmissions, trial.client_retransmissions) == (2, 1)
    (report,) = reported
    assert report.retransmissions.mean == trial.client_retransmissions
    assert report.duration_s.mean == pytest.approx(trial.client_s)
    assert report.datagrams.mean == trial.datagrams - 1


def test_loss_of_single_exchanges_meets_the_closed_form() -> None:
    """Stop-and-wait: a round trip is tried until both datagrams arrive.

    With loss p, an exchange takes 1/(1-p)^2 requests and 1/(1-p) answers on average, so a
    handshake of two exchanges in which nobody gives up takes 2(2-p)/(1-p)^2 datagrams.
    """
    p = 0.3
    scenario = Scenario(loss=p, **PLAIN)
    report = hoc.simulate(scenario, trials=800, seed=11)
    assert report.completed == 800
    assert report.datagrams.mean is not None
    assert report.datagrams.ci95 is not None
    expected = 2 * (2 - p) / (1 - p) ** 2
    # Four standard errors: it fails once in 16,000 seeds.
    assert abs(report.datagrams.mean - expected) < 2 * report.datagrams.ci95
    assert report.datagrams.ci95 < 0.06 * expected
    assert report.retransmissions.mean == pytest.approx(2 / (1 - p) ** 2 - 2, rel=0.1)


def test_success_with_a_limit_on_repetitions_meets_the_closed_form() -> None:
    """Each of three exchanges fails if all of 1 + 2 attempts lose one of two datagrams."""
    p, attempts = 0.4, 3
    scenario = Scenario(loss=p, max_retransmit=attempts - 1, timeout=10_000.0)
    report = hoc.simulate(scenario, trials=800, seed=4)
    expected = (1 - (1 - (1 - p) ** 2) ** attempts) ** 3
    low, high = report.success
    assert report.failures == {"retransmissions": 800 - report.completed}
    assert low - (high - low) / 2 < expected < high + (high - low) / 2
    assert report.success == wilson(report.completed, 800)


def test_the_waiting_time_is_that_of_the_timers() -> None:
    """One lost request: 2 s (times a random factor) over CoAP, 1 s over UDP, then on as usual."""
    over_udp = run_trial(Scenario(transport="udp", dtls="1.2", drop=[1]), 1, 0)
    assert over_udp.duration_s == pytest.approx(1.0 + 0.3)
    waits = [each.duration_s - 0.3 for each in trials(Scenario(drop=[1]), 200)]
    assert 2.0 <= min(waits) < 2.05
    assert 2.95 < max(waits) <= 3.0
    assert statistics.fmean(waits) == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_counted_is_what_was_on_the_wire_up_to_the_end(transport: str) -> None:
    scenario = Scenario(transport=transport, duplicate=1.0, loss=0.2, delay=0.2)
    for number in range(20):
        trial, seen = run_trial(scenario, 1, number), passages(scenario, 1, number)
        assert trial.datagrams == len(seen)
        assert trial.bytes == sum(len(p.datagram.data) for p in seen)
        assert trial.client_datagrams == sum(p.datagram.sender is Side.CLIENT for p in seen)
        assert max(p.datagram.time for p in seen) <= trial.duration_s


@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"loss": 1.0, "timeout": 5.0}, "timeout"),
        ({"transport": "udp", "loss": 1.0, "timeout": 5.0}, "timeout"),
        ({"loss": 1.0, "max_retransmit": 0}, "retransmissions"),
        ({"transport": "udp", "loss": 1.0, "max_retransmit": 1}, "retransmissions"),
    ],
)
def test_failures_are_counted_by_reason_and_never_averaged(
    options: dict[str, Any], failure: str
) -> None:
    report = hoc.simulate(Scenario(**options), trials=3)
    assert (report.completed, report.failures) == (0, {failure: 3})
    assert report.datagrams.mean is None
    said = report.to_dict()
    assert (said["trials"], said["completed"], said["failures"]) == (3, 0, {failure: 3})


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("timeout", [0.1, 0.2, 0.3])
def test_an_answer_at_the_instant_of_the_timeout_is_either_in_time_or_too_late(
    transport: str, timeout: float
) -> None:
    trial = run_trial(Scenario(transport=transport, timeout=timeout), 1, 0)
    assert trial.failure in (None, "timeout")
    assert trial.duration_s == pytest.approx(timeout)


def test_the_end_of_a_trial_that_fails_is_when_the_client_gives_up() -> None:
    trial = run_trial(Scenario(loss=1.0, timeout=5.0), 1, 0)
    assert trial.duration_s == pytest.approx(5.0)
    assert (trial.client_s, trial.server_s, trial.completed) == (None, None, False)
    assert trial.datagrams == trial.client_datagrams == 1 + trial.retransmissions > 1


def test_a_report_has_the_keys_of_the_contract() -> None:
    said = hoc.simulate(Scenario(), trials=2, seed=9).to_dict()
    assert list(said)[:13] == [
        "transport", "dtls", "auth", "encoding", "trials", "completed", "seed", "datagrams",
        "bytes", "duration_s", "retransmissions", "body_bytes", "floor_bytes",
    ]  # fmt: skip
    assert (said["seed"], said["encoding"], said["trials"]) == (9, "plain", 2)
    assert hoc.simulate(Scenario(transport="udp"), trials=1).to_dict()["encoding"] is None


def test_processor_time_is_measured_and_kept_out_of_what_repeats() -> None:
    report = hoc.simulate(Scenario(), trials=3)
    assert report.cpu_s.min is not None
    assert report.cpu_s.min > 0
    assert "cpu_s" not in report.to_dict()
    assert report == hoc.simulate(Scenario(), trials=3)
    assert set(columns(cpu=True)) - set(columns(cpu=False)) == {"cpu_s"}


def test_progress_is_told_after_each_trial() -> None:
    told: list[tuple[int, int]] = []
    hoc.simulate(Scenario(), trials=3, progress=lambda *each: told.append(each))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("trials", [0, -1, 1.5, True])
def test_trials_are_a_count(trials: Any) -> None:
    with pytest.raises(hoc.ConfigurationError, match="trials"):
        hoc.simulate(Scenario(), trials=trials)


def test_what_is_no_scenario_is_refused() -> None:
    scenario: Any = {"loss": 0.1}
    for face in (hoc.simulate, hoc.watch):
        with pytest.raises(hoc.Error, match=r"a scenario is a Scenario.* and no dict"):
            face(scenario)


def test_frames_and_energy_are_measured_on_a_radio_link() -> None:
    near = run_trial(Scenario(link="802154", auth="rpk"), 1, 0)
    far = run_trial(Scenario(link="802154", auth="rpk", hops=3), 1, 0)
    assert near.frames is not None
    assert near.frame_bytes is not None
    assert near.client_energy_j is not None
    assert near.frames >= near.datagrams
    assert near.frame_bytes > near.bytes
    assert far.frames is not None
    assert far.frames >= 3 * near.frames
    assert far.duration_s > near.duration_s
    assert 0 < near.client_energy_j < 0.1


def test_link_retries_help_a_handshake_over_lossy_frames() -> None:
    options: dict[str, Any] = {
        "link": "802154",
        "loss_unit": "frame",
        "loss": 0.3,
        "timeout": 3600.0,
    }
    without = hoc.simulate(Scenario(**options), trials=40)
    helped = hoc.simulate(Scenario(**options, link_retries=5), trials=40)
    assert helped.completed == 40
    assert (helped.retransmissions.mean or 0) < 0.2 * (without.retransmissions.mean or 0)
