"""The table in docs/interop.md is the one that the tests define."""

from __future__ import annotations

from tests.support.stacks.cases import CLEAN, STACKS, THROUGH_THE_RELAY
from tests.support.stacks.table import CASES, COLUMNS, DOCUMENT, committed, rows


def test_the_committed_table_has_a_passed_cell_for_every_case_and_no_other() -> None:
    found = committed(DOCUMENT.read_text(encoding="utf-8"))
    assert found == rows({case: f"pass{case.remark}" for case in CASES})


def test_no_two_cases_share_a_cell() -> None:
    cells = [(case.row, case.column) for case in CASES]
    assert len(set(cells)) == len(cells) == len(CLEAN) + len(THROUGH_THE_RELAY)
    assert {case.column for case in CASES} == set(COLUMNS)


def test_every_stack_is_tried_both_ways_with_each_credential_it_has() -> None:
    for stack in STACKS:
        for direction in ("their client", "their server"):
            tried = {
                case.credential
                for case in CLEAN
                if (case.stack, case.dtls, case.direction) == (stack.name, stack.dtls, direction)
            }
            assert tried == set(stack.credentials)
