"""Which software makes the trials: what rows of one file must have in common."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
_BELOW: Final = ("cryptography",)
"""Distributions whose behaviour shows in a trial: sizes of signatures."""


@cache
def software() -> dict[str, str]:
    """A digest of this package's code, and the versions of Python and of what lies below it.

    The version of the package alone does not do: between two releases its code changes daily.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {
        "code": digest.hexdigest(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _BELOW},
    }


def differences(there: object, here: dict[str, str]) -> list[str]:
    """What of the software ``there`` is not as it is ``here``, in words."""
    found = there if isinstance(there, dict) else {}
    return [
        "other code of this package"
        if name == "code"
        else f"{name} {found.get(name, 'unknown')} there, {value} here"
        for name, value in here.items()
        if found.get(name) != value
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a folder that nobody installed
        return "unknown"
