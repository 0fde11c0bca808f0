"""How many handshakes complete within 15 s, by loss (draft-keoh-lwig-dtls-iot-02).

The draft's handshake has a pre-shared key and no cookie: 12 messages in 4 round trips, 1231 bytes.
Its success falls from all to about none at 50 % loss; only these two ends of its curve are at hand.
Ours are the real carriers with a pre-shared key and no address check, in as few datagrams as their
defaults make it, which is the main difference: what is not sent cannot be lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.published import KEOH
from handshake_over_coap.lab.selection import ALL, Selection
from handshake_over_coap.lab.simulate import Progress, silent, simulate

BUDGET: Final = 15.0
"""Seconds that a handshake may take."""

LOSSES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)

TRIALS: Final = 400
"""Handshakes of each carrier at each loss, unless a number is given."""


@dataclass(frozen=True, slots=True)
class InTime:
    """The handshakes of one carrier that completed in time."""

    success: float
    """The fraction of them, 0 to 1."""
    interval: tuple[float, float]
    """Its 95 % interval (Wilson's)."""
    trials: int

    def to_json(self) -> dict[str, object]:
        """The entry of the JSON form."""
        return {"success": self.success, "interval": list(self.interval), "trials": self.trials}


@dataclass(frozen=True, slots=True)
class Row:
    """One loss, as a fraction of datagrams; ``published`` is ``None`` between the two ends.

    ``approximate`` tells that it is published in words, as "about".
    ``carriers`` goes from their names to what completed.
    """

    loss: float
    published: float | None
    carriers: Mapping[str, InTime]
    approximate: bool = False

    def to_json(self) -> dict[str, object]:
        """The row of the JSON form."""
        return {
            "loss": self.loss,
            "published": {"success": self.published, "approximate": self.approximate},
            "ours": {name: entry.to_json() for name, entry in self.carriers.items()},
        }


def rows(
    trials: int | None = None,
    seed: int = 1,
    *,
    selection: Selection = ALL,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """The table, line by line.

    ``progress`` is called with the number of handshakes that are done, and of how many.  Raises
    ConfigurationError, for less than one trial, say.
    """
    each, done, tell = TRIALS if trials is None else trials, 0, progress or silent
    losses = selection.losses_of("keoh", LOSSES)
    for loss in losses:
        found = {}
        scenarios = selection.columns_of(
            contestants(auth="psk", address_check=False, timeout=BUDGET, loss=loss)
        )
        for name, scenario in scenarios.items():
            result = simulate(scenario, each, seed)
            found[name] = InTime(result.completed / each, result.success, each)
            done += each
            tell(done, len(losses) * len(scenarios) * each)
        published = KEOH.get(loss)
        if published is None:
            yield Row(loss, None, found)
        else:
            yield Row(loss, published.success, found, published.approximate)
