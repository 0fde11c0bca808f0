"""The timer of CoAP's confirmable messages (RFC 7252 section 4.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from handshake_over_coap.errors import ConfigurationError

from .base import Backoff, Draw, check_count, check_seconds
from .rfc9147 import ROUND_TRIPS, SHORTEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc7252:
    """Each message begins with a wait of its own, drawn at random, which doubles.

    What one message has waited says nothing to the next.  ``adapt`` lets it, where RFC 7252
    (section 4.7) leaves room for that: one and a half round trips take the place of
    ``ack_timeout`` once one has been measured, as DTLS 1.3 has it over UDP.
    """

    ack_timeout: float = field(
        default=2.0, metadata={"doc": "the shortest first wait for an acknowledgement", "unit": "s"}
    )
    ack_random_factor: float = field(
        default=1.5, metadata={"doc": "the longest first wait is this many times the shortest"}
    )
    max_interval: float = field(
        default=60.0, metadata={"doc": "the longest wait that doubling leads to", "unit": "s"}
    )
    max_retransmit: int | None = field(
        default=None, metadata={"doc": "how often a message is repeated; none for no limit"}
    )
    adapt: bool = field(
        default=False,
        metadata={
            "doc": "wait for 1.5 round trips once one has been measured",
            "option": "adapt_timer",
        },
    )
    name: ClassVar[str] = "rfc7252"

    def __post_init__(self) -> None:
        check_seconds(ack_timeout=self.ack_timeout, max_interval=self.max_interval)
        check_count(self.max_retransmit)
        if not 1 <= self.ack_random_factor < math.inf:
            raise ConfigurationError("ack_random_factor is at least 1 (RFC 7252 section 4.8.1)")

    def start(self, draw: Draw) -> Rfc7252Timer:
        """The timer for one peer."""
        return Rfc7252Timer(self, draw)


class Rfc7252Timer(Backoff):
    """The running part of :class:`Rfc7252`."""

    __slots__ = ("_draw", "_policy", "_shortest")

    def __init__(self, policy: Rfc7252, draw: Draw) -> None:
        super().__init__(policy.ack_timeout, policy.max_interval, policy.max_retransmit)
        self._policy, self._draw = policy, draw
        self._shortest = policy.ack_timeout

    def sent(self, now: float) -> None:
        """Draw the first wait of a message."""
        super().sent(now)
        # As random.uniform() does it, so that the draws of other implementations give its waits.
        longest = self._shortest * self._policy.ack_random_factor
        wait = self._shortest + (longest - self._shortest) * self._draw()
        self._value = min(wait, self._longest)

    def answered(self, now: float, repeats: int) -> None:
        """Adopt the round trip, if it is one and that is asked for."""
        if self._policy.adapt and repeats == 0:
            floor = min(SHORTEST, self._policy.ack_timeout)
            wanted = max(ROUND_TRIPS * (now - self._sent_at), floor)
            self._shortest = min(wanted, self._longest)
