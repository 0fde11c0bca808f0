"""Tables of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def as_markdown(head: Sequence[object], lines: Iterable[Sequence[object]]) -> str:
    """A table with ``head`` above its ``lines``."""
    every = [tuple(head), ("---",) * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in every) + "\n"
