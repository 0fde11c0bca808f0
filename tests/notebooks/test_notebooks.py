"""The notebooks run from top to bottom, with few trials, and use only the public face."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from tests.support.peers import PeerPolicy

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
NAMES = [path.stem for path in NOTEBOOKS]
FIGURES = {
    "one_handshake": {"one-handshake-bytes", "one-handshake-loss", "one-handshake-blocks"},
    "table5": {"table5", "table5-limits", "table5-short-path"},
}


def needed(name: str, *, required: bool) -> Any:
    """A module of the extra; without it, fail the running test, or skip it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"needs {name}: pip install -e '.[notebooks]' ({error})"
        if required:
            pytest.fail(reason)
        pytest.skip(reason)


def execute(path: Path, folder: Path, *, required: bool) -> Any:
    """The notebook in the text of ``path``, executed in ``folder``."""
    jupytext = needed("jupytext", required=required)
    nbclient = needed("nbclient", required=required)
    needed("ipykernel", required=required)
    needed("matplotlib", required=required)
    notebook = jupytext.read(path)
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    )
    return client.execute()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_from_top_to_bottom_and_draws_its_figures(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = PeerPolicy(request.config.getoption("--peer"))
    monkeypatch.setenv("HOC_NOTEBOOK_TRIALS", "4")
    monkeypatch.setenv("HOC_NOTEBOOK_FIGURES", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    done = execute(path, tmp_path, required=policy.requires(os.environ))
    cells = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    said = [output for cell in cells for output in cell.outputs]
    assert [each.text for each in said if each.get("name") == "stderr"] == []
    assert {each.stem for each in tmp_path.glob("*.png")} == FIGURES[path.stem]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_takes_nothing_of_this_library_but_its_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
        if name.startswith("handshake_over_coap")
    }
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "hoc"
    }
    assert imported == {"handshake_over_coap"}
    assert used
    assert used <= set(hoc.__all__)


def test_the_notebooks_are_there() -> None:
    assert set(NAMES) == set(FIGURES)
