"""The timer of DTLS 1.2 (RFC 6347 section 4.2.4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .base import Backoff, Draw, check_count, check_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc6347:
    """One second, doubling up to a minute; nothing is measured.

    The section says that the value SHOULD stay until a flight gets through without loss; ``keep``
    is whether it does.  Each flight begins at ``initial_timeout`` otherwise.
    """

    initial_timeout: float = field(default=1.0, metadata={"doc": "the first wait", "unit": "s"})
    max_interval: float = field(
        default=60.0, metadata={"doc": "the longest wait that doubling leads to", "unit": "s"}
    )
    max_retransmit: int | None = field(
        default=None, metadata={"doc": "how often a flight is repeated; none for no limit"}
    )
    keep: bool = field(
        default=True,
        metadata={
            "doc": "a wait that has grown stays until a flight gets through without loss",
            "option": "keep_timer",
        },
    )
    name: ClassVar[str] = "rfc6347"

    def __post_init__(self) -> None:
        check_seconds(initial_timeout=self.initial_timeout, max_interval=self.max_interval)
        check_count(self.max_retransmit)

    def start(self, draw: Draw) -> Rfc6347Timer:
        """The timer for one peer; nothing is drawn."""
        return Rfc6347Timer(
            self.initial_timeout, self.max_interval, self.max_retransmit, keep=self.keep
        )


class Rfc6347Timer(Backoff):
    """The running part of :class:`Rfc6347`, and of what is built like it."""

    __slots__ = ("_initial", "_keep")

    def __init__(self, initial: float, longest: float, most: int | None, *, keep: bool) -> None:
        super().__init__(initial, longest, most)
        self._initial, self._keep = self._value, keep

    def sent(self, now: float) -> None:
        """Begin at the initial value again, unless what has grown is kept."""
        super().sent(now)
        if not self._keep:
            self._value = self._initial

    def answered(self, now: float, repeats: int) -> None:
        """A flight got through without loss: back to the initial value."""
        if repeats == 0:
            self._value = self._initial
