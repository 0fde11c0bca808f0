"""Whoever sends much does not fill the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from handshake_over_coap.net import budget
from handshake_over_coap.net.budget import A_SECOND, AT_ONCE, Budget


def _record(level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("name", level, "path", 1, "from %s", ("::1",), None)


def test_lines_beyond_the_budget_are_left_out_and_counted() -> None:
    now = [0.0]
    shared = Budget(lambda: now[0])
    assert [shared.filter(_record()) for _ in range(AT_ONCE + 7)].count(True) == AT_ONCE
    assert shared.filter(_record(logging.DEBUG))
    now[0] = 10.0
    record = _record()
    assert shared.filter(record)
    assert record.getMessage() == "from ::1 (7 lines left out before)"
    later = [shared.filter(_record()) for _ in range(1000)].count(True)
    assert later == int(10 * A_SECOND) - 1


def test_every_module_whose_lines_a_peer_causes_shares_one_budget(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget._BUDGET, "_left", 10.0)
    monkeypatch.setattr(budget._BUDGET, "_clock", lambda: budget._BUDGET._at)
    for number in range(20):
        for name in ("net.udp", "cli.serve", "integrations.aiocoap.resource"):
            logging.getLogger(f"handshake_over_coap.{name}").warning("line %d", number)
    assert len(caplog.records) == 10


_CAUSED_BY_USERS = {
    "cli",  # the command's own beginning and end
    "cli.connect",  # one session
    "cli.credentials",
    "lab.simulate",
    "lab.store",
    "lab.sweep",
    "net.effects",
    "net.reaching",  # one line for each address of a name
    "net.resumption",
    "trace.capture",  # one line, its last
}


def test_every_module_that_logs_has_a_budget_or_nothing_that_a_peer_causes() -> None:
    root = Path(budget.__file__).parents[1]
    logging_ones = {
        ".".join(each.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for each in root.rglob("*.py")
        if "logging.getLogger(__name__)" in each.read_text(encoding="utf-8")
    }
    assert logging_ones == _CAUSED_BY_USERS | set(budget._CAUSED_BY_PEERS)
