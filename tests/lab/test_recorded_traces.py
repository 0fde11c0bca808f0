"""What was recorded once comes out again: every datagram, its time and what became of it."""

from __future__ import annotations

import pytest

from tests.support.recorded import FOLDER, SCENARIOS, record


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_handshake_is_made_again_datagram_by_datagram(name: str) -> None:
    assert record(name) == (FOLDER / f"{name}.txt").read_text(encoding="ascii")


def test_every_recording_has_its_scenario() -> None:
    assert {each.stem for each in FOLDER.glob("*.txt")} == set(SCENARIOS)
