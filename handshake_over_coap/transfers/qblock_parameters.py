"""The parameters of RFC 9177, and what follows from them (section 7.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers.base import Draw, check_seconds

ACK_RANDOM_FACTOR = 1.5
MAX_LATENCY = 100.0
"""Seconds (RFC 7252 section 4.8.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QBlockParameters:
    """How many blocks go out at once, and how long either side waits; times in seconds.

    Both sides should have the same ``max_payloads``, or one of them waits for nothing.
    """

    max_payloads: int = field(
        default=10, metadata={"doc": "MAX_PAYLOADS: blocks that go out at once (RFC 9177)"}
    )
    non_timeout: float = field(
        default=2.0,
        metadata={"doc": "NON_TIMEOUT: the shortest pause between sets of blocks", "unit": "s"},
    )
    non_receive_timeout: float = field(
        default=4.0,
        metadata={
            "doc": "NON_RECEIVE_TIMEOUT: how long a missing block is waited for before it "
            "is asked for, doubling",
            "unit": "s",
        },
    )
    non_max_retransmit: int = field(
        default=4,
        metadata={"doc": "NON_MAX_RETRANSMIT: how often missing blocks are asked for in silence"},
    )

    def __post_init__(self) -> None:
        check_seconds(non_timeout=self.non_timeout)
        check_seconds(non_receive_timeout=self.non_receive_timeout)
        if not 1 <= self.max_payloads <= 1024:
            raise ConfigurationError("max_payloads is from 1 to 1024 blocks")
        if self.non_max_retransmit < 0:
            raise ConfigurationError("non_max_retransmit is a count")
        least = self.non_timeout * ACK_RANDOM_FACTOR + 1
        if self.non_receive_timeout < least:
            raise ConfigurationError(
                f"non_receive_timeout has to be at least {least:g} s, a second longer than the "
                "pause between two sets (RFC 9177 section 7.2)"
            )

    def between_sets(self, draw: Draw) -> float:
        """NON_TIMEOUT_RANDOM: the pause after a set that nobody has confirmed."""
        return self.non_timeout * (1 + (ACK_RANDOM_FACTOR - 1) * draw())

    def wait_for_missing(self, asked: int) -> float:
        """How long missing blocks are waited for that were asked for ``asked`` times by now."""
        return float(self.non_receive_timeout * (1 << min(asked, 16)))

    @property
    def partial_timeout(self) -> float:
        """NON_PARTIAL_TIMEOUT: how long a part of a body is kept after its latest block."""
        return self._span + self.non_timeout

    @property
    def probing_wait(self) -> float:
        """NON_PROBING_WAIT, at its longest: no pause of a side that hears nothing is longer."""
        return self._span + self.non_timeout * ACK_RANDOM_FACTOR

    @property
    def spacing(self) -> float:
        """How long after a block has gone it goes again at the earliest, whoever asks for it.

        It bounds what reports can draw.  Nobody asks earlier who has waited as the RFC says.
        """
        return self.non_timeout / 2

    @property
    def _span(self) -> float:
        doublings = (1 << min(self.non_max_retransmit, 16)) - 1
        return self.non_timeout * doublings * ACK_RANDOM_FACTOR + 2 * MAX_LATENCY
