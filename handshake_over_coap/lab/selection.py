"""Which rows and columns of a simulated table are wanted, and under what conditions.

The conditions are those of table 5: how large a datagram may be, who proves who they are, and how
the path loses.  What is not chosen is as in the draft.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.strategies import LIMIT
from handshake_over_coap.net.fitting import fitting
from handshake_over_coap.sim.gilbert import check_loss

_T = TypeVar("_T")

DELAY: Final = 0.05
"""Seconds that a datagram is under way in the carriers' simulation."""

LIMITS: Final = (LIMIT, 127, 1152)
"""Bytes of the largest UDP payload: the draft's, two frames of IEEE 802.15.4, and nothing cut."""

AUTHENTICATIONS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"server": {}, "mutual": {"mutual": True}}
)
"""Whose raw public key is shown: the server's, as in the draft, or both."""

LOSS_MODELS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "independent": {},
        "bursty": {"burst": 4.0},
        "jitter": {"jitter": 0.05},
        "bursty-jitter": {"burst": 4.0, "jitter": 0.05},
    }
)
"""Each datagram by itself, as in the draft; in bursts of four on average; with up to 50 ms more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A part of a table; ``losses`` and ``columns`` are all there are where they are None.

    ``limit`` is the table's own where it is None: that of the draft in table 5.
    """

    losses: Sequence[float] | None = None
    columns: Sequence[str] | None = None
    limit: int | None = None
    authentication: str = "server"
    loss_model: str = "independent"

    def __post_init__(self) -> None:
        """Raise ConfigurationError for what is of another kind, and conditions there are not."""
        for name, hint in typing.get_type_hints(Selection).items():
            object.__setattr__(self, name, fitting(name, hint, getattr(self, name)))
        for name, value, known in (
            ("limit", self.limit, (None, *LIMITS)),
            ("authentication", self.authentication, AUTHENTICATIONS),
            ("loss_model", self.loss_model, LOSS_MODELS),
        ):
            if value not in known:
                choices = ", ".join(str(each) for each in known if each is not None)
                raise ConfigurationError(f"{name} {value!r} is none of {choices}")

    @property
    def conditions(self) -> dict[str, int | str]:
        """What belongs to table 5 alone."""
        return {
            "limit": self.limit or LIMIT,
            "authentication": self.authentication,
            "loss_model": self.loss_model,
        }

    def options(self, loss: float) -> dict[str, Any]:
        """The options of a scenario at ``loss``; without any, nothing is late either."""
        common = {
            "mtu": self.limit or LIMIT,
            "delay": DELAY,
            **AUTHENTICATIONS[self.authentication],
        }
        if not loss:
            return common
        return {**common, "loss": loss, **LOSS_MODELS[self.loss_model]}

    def losses_of(self, table: str, known: Sequence[float]) -> Sequence[float]:
        """The losses that are wanted of those of ``table``; raises ConfigurationError.

        Of all there are, those are left out that bursts of the chosen length cannot have.
        """
        burst = LOSS_MODELS[self.loss_model].get("burst")
        if self.losses is None:
            return tuple(each for each in known if _can_be(each, burst))
        for loss in self.losses:
            if loss not in known:
                listed = ", ".join(f"{each:g}" for each in known)
                raise ConfigurationError(f"losses: {loss!r} is not in {table}, which has {listed}")
            check_loss(loss, burst)
        return self.losses

    def columns_of(self, contestants: Mapping[str, _T]) -> dict[str, _T]:
        """The contestants that are wanted, in the order of all; raises ConfigurationError."""
        wanted = list(contestants) if self.columns is None else self.columns
        for name in wanted:
            if name not in contestants:
                known = ", ".join(contestants)
                raise ConfigurationError(f"columns: {name!r} is none of {known}")
        return {name: each for name, each in contestants.items() if name in wanted}

    def check_for(self, table: str) -> None:
        """Raise ConfigurationError for what ``table`` does not have."""
        if (table != "5" and self._given("authentication", "loss_model")) or (
            table not in {"5", "claeys"} and self._given("limit")
        ):
            raise ConfigurationError(
                "limit belongs to table 5 and claeys, authentication and loss_model to table 5: "
                "leave them out"
            )
        if table not in {"5", "keoh", "claeys"} and self._given("losses", "columns"):
            raise ConfigurationError(
                "losses and columns belong to table 5, keoh and claeys: leave them out"
            )

    def _given(self, *names: str) -> bool:
        return any(getattr(self, name) != getattr(ALL, name) for name in names)


def _can_be(loss: float, burst: float | None) -> bool:
    try:
        check_loss(loss, burst)
    except ConfigurationError:
        return False
    return True


ALL: Final = Selection()
"""The whole table under the draft's conditions."""
