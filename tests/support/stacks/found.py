"""Where the stacks are: programs on PATH, and modules that a script of ours runs."""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
import sys
from importlib import metadata

import pytest

from tests.support.peers import find_peer

from . import wolfssl

_MODULES = ("mbedtls", "DTLSSocket")
_ASK = {"OpenSSL": ("openssl", "version"), "GnuTLS": ("gnutls-cli", "--version")}
_PACKAGES = {"mbedTLS": "python-mbedtls", "tinydtls": "DTLSSocket"}


def find_stack(name: str, *, required: bool) -> str:
    """The program to run: the peer's own, one of ours on it, or our interpreter for a module.

    Without the peer, fails the running test, or skips it.
    """
    if name == wolfssl.NAME:
        program, reason = wolfssl.find_program()
        if program:
            return program
    elif name not in _MODULES:
        return find_peer(name, required=required)
    elif importlib.util.find_spec(name) is not None:
        return sys.executable
    else:
        reason = f"needs the module {name!r} (pip install -e '.[peers]')"
    if required:
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def version_of(stack: str) -> str:
    """Name and version of a stack that is there."""
    if stack == wolfssl.NAME:
        return f"{stack} {wolfssl.VERSION}"
    if stack in _PACKAGES:
        return f"{stack} ({_PACKAGES[stack]} {metadata.version(_PACKAGES[stack])})"
    said = subprocess.run(_ASK[stack], capture_output=True, text=True, check=True).stdout
    number = re.search(r"\d+(\.\d+)+", said)
    return f"{stack} {number[0] if number else '(unknown version)'}"
