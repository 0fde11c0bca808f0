"""The programs of docs/questions.md print what the page says that they print."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from tests.support.shown import ROOT, blocks

PAGE = (ROOT / "docs/questions.md").read_text(encoding="utf-8")
TITLES = re.findall(r"^## (.*)", PAGE, re.MULTILINE)
RECIPES = list(zip(TITLES, blocks(PAGE, "python"), blocks(PAGE, "text"), strict=True))


@pytest.mark.parametrize(("title", "program", "said"), RECIPES, ids=TITLES)
def test_a_recipe_prints_what_the_page_says(title: str, program: str, said: str) -> None:
    del title
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "docs/questions.md", "exec"), {"__name__": "recipe"})  # noqa: S102
    assert printed.getvalue() == said


def test_there_are_ten() -> None:
    assert len(RECIPES) == 10
