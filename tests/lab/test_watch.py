"""One handshake to look at."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import handshake_over_coap as hoc


def test_a_watched_handshake_is_the_one_that_simulate_counts() -> None:
    scenario = hoc.Scenario(loss=0.2, block_size=64)
    watched, report = hoc.watch(scenario, seed=3), hoc.simulate(scenario, trials=1, seed=3)
    assert watched.trial.datagrams == report.datagrams.mean == len(watched.datagrams)
    assert watched.trial.bytes == sum(len(each.data) for each in watched.datagrams)
    assert watched.trial.duration_s == report.duration_s.mean


def test_exactly_the_listed_datagrams_are_lost_and_drawn_so() -> None:
    watched = hoc.watch(hoc.Scenario(drop=(2, 5)))
    assert [n for n, each in enumerate(watched.datagrams, 1) if each.lost] == [2, 5]
    crosses = [line for line in watched.ladder().splitlines() if "X   |" in line or "|   X" in line]
    assert len(crosses) == 2
    lines = ET.fromstring(watched.svg()).iter("{http://www.w3.org/2000/svg}line")  # noqa: S314
    assert sum("lost" in line.get("class", "").split() for line in lines) == 2


def test_datagrams_tell_time_sender_and_label() -> None:
    first, second, *_ = hoc.watch(hoc.Scenario(delay=0.1)).datagrams
    assert (first.time, first.from_client) == (0.0, True)
    assert first.label.startswith("CON POST /.well-known/dtls")
    assert (round(second.time, 6), second.from_client) == (0.1, False)
