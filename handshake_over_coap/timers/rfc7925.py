"""The timer that the profile of DTLS for constrained devices asks for (RFC 7925 section 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .base import Draw, check_count, check_seconds
from .rfc6347 import Rfc6347Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc7925:
    """Nine seconds, doubling up to a minute: such devices and networks take their time.

    It profiles DTLS 1.2, whose rule it keeps: a value that has grown stays until a flight gets
    through without loss.  Nothing is measured.
    """

    initial_timeout: float = field(default=9.0, metadata={"doc": "the first wait", "unit": "s"})
    max_interval: float = field(
        default=60.0, metadata={"doc": "the longest wait that doubling leads to", "unit": "s"}
    )
    max_retransmit: int | None = field(
        default=None, metadata={"doc": "how often a flight is repeated; none for no limit"}
    )
    name: ClassVar[str] = "rfc7925"

    def __post_init__(self) -> None:
        check_seconds(initial_timeout=self.initial_timeout, max_interval=self.max_interval)
        check_count(self.max_retransmit)

    def start(self, draw: Draw) -> Rfc6347Timer:
        """The timer for one peer; nothing is drawn."""
        return Rfc6347Timer(self.initial_timeout, self.max_interval, self.max_retransmit, keep=True)
