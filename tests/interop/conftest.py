"""What all tests against other stacks share; their verdicts go to the table of the docs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import pytest

from tests.support.peers import PeerPolicy
from tests.support.stacks.cases import Case
from tests.support.stacks.found import find_stack, version_of
from tests.support.stacks.material import Material
from tests.support.stacks.table import record


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Keys and certificates as files."""
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture
def require_stack(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """``require_stack("mbedtls")`` gives the program to run, or skips or fails by policy."""
    required = PeerPolicy(request.config.getoption("--peer")).requires(os.environ)
    return lambda name: find_stack(name, required=required)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Every test of a case leaves its verdict; a skipped one has none."""
    report = yield
    parameters = getattr(item, "callspec", None)
    case = parameters.params.get("case") if parameters is not None else None
    if isinstance(case, Case) and report.when == "call" and report.outcome != "skipped":
        record(case, "pass" if report.passed else "FAIL", version_of(case.stack))
    return report
