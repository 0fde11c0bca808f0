"""What the page for users says about stacks of their own is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from handshake_over_coap.adapters import DtlsStack

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "bring-your-own-dtls.md").read_text(encoding="utf-8")


def test_the_example_runs_and_both_clients_are_echoed() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(b'hello' \((\d+\.0(, )?){4}\)\n){2}", done.stdout)


def test_the_page_names_every_method_that_a_stack_needs() -> None:
    needed = {name for name in vars(DtlsStack) if not name.startswith("_")}
    table = PAGE.split("| method | |")[1]
    named = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert needed == set(re.findall(r"`(\w+)", " ".join(named)))


def test_the_adapters_load_no_stack_of_others() -> None:
    """They are an extra: the package imports without it."""
    program = (
        "import sys, handshake_over_coap.adapters; "
        "sys.exit(bool({'OpenSSL', 'mbedtls'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
