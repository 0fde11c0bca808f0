"""Objects of a user's own on the command line, as ``module:Name``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from handshake_over_coap.errors import ConfigurationError


def users_own(text: str, protocol: type, what: str) -> object:
    """What ``module:Name`` stands for; a class is called without arguments.

    The module is looked for in the working directory too.  Raises ConfigurationError where there
    is none, or nothing of that name in it that fits ``protocol``, which has to be checkable at run
    time; ``what`` says what it should have been.
    """
    module, _, name = text.partition(":")
    try:
        with _working_directory():
            found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{text}: {error}") from None
    if isinstance(found, type):
        try:
            found = found()
        except TypeError as error:
            raise ConfigurationError(f"{text}: {error}") from None
    if not isinstance(found, protocol):
        raise ConfigurationError(f"{text} is no {what}: see the protocol that it has to fit")
    return found


@contextmanager
def _working_directory() -> Iterator[None]:
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
