"""Programs of others that tests talk to, and what happens where one is missing.

On a laptop a missing program skips the test that needs it and says what to install; in CI it
fails that test, because a judge that silently stayed away has judged nothing.
"""

from __future__ import annotations

import enum
import shutil
from collections.abc import Mapping

import pytest


class PeerPolicy(enum.StrEnum):
    """What a missing peer means, as given by ``--peer``."""

    AUTO = "auto"
    """A failure where the environment says ``CI=true``, a skip elsewhere."""
    REQUIRE = "require"
    SKIP = "skip"

    def requires(self, environ: Mapping[str, str]) -> bool:
        """Whether a missing peer is a failure, given the process's environment."""
        if self is PeerPolicy.AUTO:
            return environ.get("CI", "").lower() in {"1", "true", "yes"}
        return self is PeerPolicy.REQUIRE


def find_peer(program: str, *, required: bool) -> str:
    """The absolute path of ``program``; without it, fail the running test, or skip it."""
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"needs the program {program!r}, which is not on PATH (see .ci/packages)"
    if required:
        pytest.fail(reason)
    pytest.skip(reason)
