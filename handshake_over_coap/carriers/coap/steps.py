"""What the script of a client waits for, and what can be thrown into it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from handshake_over_coap.carriers.base import Event
from handshake_over_coap.errors import Error
from handshake_over_coap.transfers.base import Posting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Post:
    """Carry a body and give its reply; after ``limit`` seconds, if any, :class:`TimeIsUp`."""

    posting: Posting
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Steps: TypeAlias = Generator[Post | Pause | Event, Any, T]
"""A part of the script that ends in a value."""


class TimeIsUp(Error):
    """What was waited for has not come in time."""


class Proof(Exception):
    """A record has shown that the server has completed; ``established`` is the result."""

    def __init__(self, established: Any) -> None:
        super().__init__()
        self.established = established
