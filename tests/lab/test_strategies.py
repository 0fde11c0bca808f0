"""The three strategies of table 5: models, exact means, and the published figures."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab import expectations
from handshake_over_coap.lab.expectations import EXPECTATIONS, rounds_to_complete
from handshake_over_coap.lab.published import TABLE_5
from handshake_over_coap.lab.strategies import (
    FLIGHTS,
    PRECISION,
    STRATEGIES,
    bulk,
    cumulative,
    replicate,
    stop_and_wait,
)
from handshake_over_coap.lab.table5 import rows, runs_behind

LOSSES = [loss for loss in TABLE_5 if loss]
FOUR_DEVIATIONS = 4 / 1.96


class Scripted(Random):
    """Draws that lose the transmissions with these numbers, counted from 1."""

    def __init__(self, *lost: int) -> None:
        super().__init__(0)
        self._lost = lost
        self._number = 0

    def random(self) -> float:
        self._number += 1
        return 0.0 if self._number in self._lost else 0.9


def test_the_example_is_eighteen_fragments_in_six_flights() -> None:
    assert sum(FLIGHTS) == 18
    assert len(FLIGHTS) == 6


def test_without_loss_the_models_are_the_published_table() -> None:
    for name, strategy in STRATEGIES.items():
        assert strategy(FLIGHTS, 0.0, Random(1)) == getattr(TABLE_5[0.0], name)
        assert EXPECTATIONS[name](FLIGHTS, 0.0) == getattr(TABLE_5[0.0], name)


def test_bulk_repeats_a_whole_flight_for_one_fragment() -> None:
    assert bulk((3, 3), 0.5, Scripted(2)) == 3 + 3 + 3


def test_bulk_asks_again_while_nothing_of_the_answer_has_come() -> None:
    # Fragments 1-2 are the first flight; 3-4, the second, are lost and sent again with the first.
    assert bulk((2, 2, 1), 0.5, Scripted(3, 4)) == 2 + 2 + (2 + 2) + 1


def test_bulk_repeats_the_last_flight_in_answer_alone() -> None:
    # The answer (2) is lost; so is the first repetition of the question (3), but not the next.
    assert bulk((1, 1), 0.5, Scripted(2, 3)) == 1 + 1 + 1 + 1 + 1


def test_stop_and_wait_acknowledges_what_comes_again() -> None:
    assert stop_and_wait((1,), 0.5, Scripted(2)) == 2 + 2
    assert stop_and_wait((1,), 0.5, Scripted(1)) == 1 + 2


def test_a_cumulative_acknowledgement_spares_what_has_come() -> None:
    # Of three, one is lost; the acknowledgement comes; one is sent again; the last one.
    assert cumulative((3,), 0.5, Scripted(1)) == 3 + 1 + 1 + 1


def test_a_lost_cumulative_acknowledgement_repeats_the_flight() -> None:
    # Draws: three fragments (the first lost), the acknowledgement (lost), three again, the last.
    assert cumulative((3,), 0.5, Scripted(1, 4)) == 3 + 1 + 3 + 1


def test_the_rounds_of_small_flights_are_known() -> None:
    assert rounds_to_complete(1, 0.75) == pytest.approx(4)
    # Of two: P(max > t) = 1 - (1 - p^t)^2 summed over t from 0.
    assert rounds_to_complete(2, 0.5) == pytest.approx(float(Fraction(8, 3)))
    direct = math.fsum(1 - (1 - 0.85**t) ** 7 for t in range(1000))
    assert rounds_to_complete(7, 0.85) == pytest.approx(direct)


def test_one_fragment_with_a_final_acknowledgement_is_stop_and_wait() -> None:
    for loss in LOSSES:
        assert expectations.cumulative((1,), loss) == pytest.approx(
            expectations.stop_and_wait((1,), loss)
        )


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("flights", [FLIGHTS, (1, 1), (5, 2, 8, 1)])
@pytest.mark.parametrize("loss", [0.05, 0.5, 0.8])
def test_a_model_meets_its_exact_mean(name: str, flights: tuple[int, ...], loss: float) -> None:
    draws = Random(f"{name} {flights} {loss}")
    values = [STRATEGIES[name](flights, loss, draws) for _ in range(2000)]
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    exact = EXPECTATIONS[name](flights, loss)
    assert abs(mean - exact) < 4 * spread / math.sqrt(len(values))


@pytest.mark.parametrize("name", STRATEGIES)
def test_replications_are_as_precise_as_promised_and_meet_the_exact_mean(name: str) -> None:
    for loss in (0.05, 0.3, 0.6):
        found = replicate(name, loss)
        assert found.ci95 <= PRECISION * found.mean <= 0.02 * found.mean
        exact = EXPECTATIONS[name](FLIGHTS, loss)
        assert abs(found.mean - exact) < FOUR_DEVIATIONS * found.ci95


def test_a_replication_repeats_and_heeds_its_seed() -> None:
    one, again = replicate("bulk", 0.3, trials=50), replicate("bulk", 0.3, trials=50)
    assert one == again
    assert one.trials == 50
    assert replicate("bulk", 0.3, trials=50, seed=2) != one


@pytest.mark.parametrize(("loss", "trials"), [(1.0, None), (-0.1, None), (0.5, 1)])
def test_what_cannot_be_tried_is_refused(loss: float, trials: int | None) -> None:
    with pytest.raises(ConfigurationError):
        replicate("bulk", loss, trials=trials)


def test_the_published_columns_differ_from_the_models_as_means_over_few_runs_would() -> None:
    found = tuple(rows(trials=1000, carriers=False))
    for name in STRATEGIES:
        assert 5 < runs_behind(found, name) < 30
        for row in found:
            if row.loss not in TABLE_5:
                continue
            off = getattr(row.published, name) / row.models[name].exact - 1
            assert abs(off) < 0.16
