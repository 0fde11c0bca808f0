"""Reads a package's import graph from its source, without importing anything.

Every import counts, wherever it stands: at the top, inside a function, under ``TYPE_CHECKING``,
and ``importlib.import_module`` with a literal name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Import:
    """One import: of ``target`` (dotted), by the module ``source``, in line ``line``.

    ``target`` names a module where the tree holds one of that name, else an attribute of one.
    ``eager`` tells imports that run when ``source`` is imported from those that run later or never.
    """

    source: str
    target: str
    line: int
    eager: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules(package: Path) -> dict[str, Path]:
    """Every module below the folder ``package``, by its dotted name, the package's name first."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> list[Import]:
    """Every import of every module below the folder ``package``."""
    result: list[Import] = []
    for name, path in modules(package).items():
        reader = _Reader(name, is_package=path.name == "__init__.py")
        reader.visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
        result += reader.found
    return result


def eagerly_reached(package: Path, start: str) -> set[str]:
    """The package's modules that are loaded once ``start`` has been imported, parents included."""
    known = modules(package)
    edges: dict[str, set[str]] = {name: set() for name in known}
    for each in imports(package):
        if each.eager:
            edges[each.source].update(_loaded_by(each.target, known))
    reached: set[str] = set()
    waiting = set(_loaded_by(start, known))
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= edges[name] - reached
    return reached


def circles(package: Path) -> list[list[str]]:
    """Modules of the package that import each other, whenever they do so; one list each circle.

    A module does not count as importing the package that it is in.
    """
    known = modules(package)
    edges: dict[str, set[str]] = {name: set() for name in known}
    for each in imports(package):
        target = next(reversed([*_loaded_by(each.target, known)]), each.source)
        if not f"{each.source}.".startswith(f"{target}."):
            edges[each.source].add(target)
    reached = {name: _reached(name, edges) for name in known}
    circles = {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in known
        if name in reached[name]
    }
    return sorted(sorted(circle) for circle in circles)


def _reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    """What is imported by ``start``, however indirectly; ``start`` itself only in a circle."""
    reached: set[str] = set()
    waiting = set(edges[start])
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= edges[name] - reached
    return reached


def _loaded_by(target: str, known: dict[str, Path]) -> Iterator[str]:
    """The modules that importing ``target`` runs: itself, if it is one, and its parents."""
    parts = target.split(".")
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        if name in known:
            yield name


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, module: str, *, is_package: bool) -> None:
        self.found: list[Import] = []
        self._module = module
        self._package = module if is_package else module.rpartition(".")[0]
        self._deferred = 0
        self._aliases: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)
            root = alias.name.partition(".")[0]
            self._aliases[alias.asname or root] = alias.name if alias.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self._package.split(".")
            kept = parents[: len(parents) - node.level + 1]
            base = ".".join([*kept, node.module] if node.module else kept)
        for alias in node.names:
            self._add(base if alias.name == "*" else f"{base}.{alias.name}", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        # `import a` followed by `a.b.c` uses a.b without naming it in an import.
        names = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self._aliases:
            self._add(".".join([self._aliases[inner.id], *reversed(names)]), node)
        else:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in {"import_module", "__import__"} and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                level = len(first.value) - len(first.value.lstrip("."))
                parents = self._package.split(".")
                kept = parents[: len(parents) - level + 1] if level else []
                self._add(".".join([*kept, first.value.lstrip(".")]), node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_later(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_later(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_later(node)

    def visit_If(self, node: ast.If) -> None:
        if not _is_type_checking(node.test):
            self.generic_visit(node)
            return
        self._deferred += 1
        for statement in node.body:
            self.visit(statement)
        self._deferred -= 1
        for statement in node.orelse:
            self.visit(statement)

    def _visit_later(self, node: ast.AST) -> None:
        self._deferred += 1
        self.generic_visit(node)
        self._deferred -= 1

    def _add(self, target: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(self._module, target, node.lineno, eager=not self._deferred))


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
