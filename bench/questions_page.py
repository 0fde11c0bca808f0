"""Run the programs of docs/questions.md and put what they print below each.

    PYTHONPATH=. python bench/questions_page.py

To be run when a figure has changed on purpose; a test compares the page with what is printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs/questions.md"
_RECIPE = re.compile(r"^(```python\n(.*?)^```\n\n```text\n).*?(^```)$", re.DOTALL | re.MULTILINE)


def _answered(recipe: re.Match[str]) -> str:
    head, program, end = recipe.groups()
    done = subprocess.run(  # noqa: S603 -- programs of our own page
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return f"{head}{done.stdout}{end}"


if __name__ == "__main__":
    PAGE.write_text(_RECIPE.sub(_answered, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
