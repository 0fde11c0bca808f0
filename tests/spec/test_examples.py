"""The examples of the draft are what the code does today."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.annotate import WIDTH
from spec.examples import FILES, FOLDER

_REMEDY = "the examples of the draft are stale: run `python -m spec.examples` and read the draft"


@pytest.mark.parametrize("name", FILES)
def test_an_example_of_the_draft_is_what_the_code_does(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == FILES[name](), _REMEDY


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.name)
def test_a_figure_fits_the_page_of_a_draft(path: Path) -> None:
    assert max(map(len, path.read_text(encoding="ascii").splitlines())) <= WIDTH


def test_the_draft_includes_every_example() -> None:
    (draft,) = FOLDER.glob("draft-*.md")
    text = draft.read_text(encoding="utf-8")
    assert [name for name in FILES if f"{{::include {name}}}" not in text] == []
