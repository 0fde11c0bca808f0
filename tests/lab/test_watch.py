"""One handshake to look at."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

import handshake_over_coap as hoc


def test_a_watched_handshake_is_the_one_that_simulate_counts() -> None:
    scenario = hoc.Scenario(loss=0.2, block_size=64)
    watched, report = hoc.watch(scenario, seed=3), hoc.simulate(scenario, trials=1, seed=3)
    assert watched.trial.datagrams == report.datagrams.mean == len(watched.datagrams)
    assert watched.trial.bytes == sum(len(each.data) for each in watched.datagrams)
    assert watched.trial.duration_s == report.duration_s.mean


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trial": "x"}, "trial: 'x' is not a whole number"),
        ({"trial": -1}, "trials are counted from 0"),
        ({"seed": "x"}, "seed: 'x' is not a whole number"),
    ],
)
def test_what_cannot_be_watched_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(hoc.Error, match=said):
        hoc.watch(**options)


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
