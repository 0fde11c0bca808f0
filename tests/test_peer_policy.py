"""A missing peer is never taken for a pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.peers import PeerPolicy, find_peer

_NOWHERE = "a-program-that-nobody-has-installed"


def test_a_missing_peer_skips_on_a_laptop() -> None:
    with pytest.raises(pytest.skip.Exception, match=_NOWHERE):
        find_peer(_NOWHERE, required=False)


def test_a_missing_peer_fails_in_ci() -> None:
    with pytest.raises(pytest.fail.Exception, match=_NOWHERE):
        find_peer(_NOWHERE, required=True)


def test_a_present_peer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable)
    monkeypatch.setenv("PATH", str(python.parent))
    assert Path(find_peer(python.name, required=True)) == python


@pytest.mark.parametrize(
    ("policy", "ci", "expected"),
    [
        (PeerPolicy.AUTO, "true", True),
        (PeerPolicy.AUTO, "1", True),
        (PeerPolicy.AUTO, "false", False),
        (PeerPolicy.AUTO, "", False),
        (PeerPolicy.REQUIRE, "", True),
        (PeerPolicy.SKIP, "true", False),
    ],
)
def test_the_policy_follows_the_environment_unless_told(
    policy: PeerPolicy, ci: str, expected: bool
) -> None:
    assert policy.requires({"CI": ci}) is expected


def test_a_test_without_the_marker_may_not_ask_for_a_peer(
    require_peer: Callable[[str], str],
) -> None:
    with pytest.raises(pytest.fail.Exception, match="mark it `peer`"):
        require_peer("sh")


@pytest.mark.peer
def test_a_marked_test_gets_its_peer(require_peer: Callable[[str], str]) -> None:
    assert Path(require_peer("sh")).is_absolute()
