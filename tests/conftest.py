"""Policy of the whole test suite: real peers, and how hard Hypothesis tries."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests.support.peers import PeerPolicy, find_peer

# dev: new examples at every run. ci: the same ones every time, so that a red build is about the
# change in hand. full: as ci, but many more. No deadlines: the machine's speed is not under test.
_base = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _base, max_examples=50)
settings.register_profile("ci", _base, max_examples=50, derandomize=True)
settings.register_profile("full", _base, max_examples=500, derandomize=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE")
    or ("ci" if PeerPolicy.AUTO.requires(os.environ) else "dev")
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--peer",
        choices=[str(policy) for policy in PeerPolicy],
        default=str(PeerPolicy.AUTO),
        help="what a missing peer program means: a failure (require), a skip (skip), "
        "or a failure only where CI=true (auto, the default)",
    )


@pytest.fixture
def require_peer(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """``require_peer("openssl")`` returns the program's path, or skips or fails by policy.

    Only tests marked ``peer`` may ask: the others must run with nothing but Python.
    """
    required = PeerPolicy(request.config.getoption("--peer")).requires(os.environ)

    def require(program: str) -> str:
        if request.node.get_closest_marker("peer") is None:
            pytest.fail(f"{request.node.name} asks for {program!r}: mark it `peer`")
        return find_peer(program, required=required)

    return require
