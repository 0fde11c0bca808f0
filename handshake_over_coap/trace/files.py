"""Opening the files that traces are written to: they hold secrets, so nobody else may read them."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from handshake_over_coap.errors import ConfigurationError


def open_private(path: str | Path, what: str, *, append: bool) -> FileIO:
    """An unbuffered file for writing, created with mode 0600; an existing one keeps its mode.

    ``append`` adds to what is there, otherwise it is replaced.  ``what`` names the kind of file
    ("key log") in the ConfigurationError that says why it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    try:
        return FileIO(os.open(path, flags, 0o600), "ab" if append else "wb")
    except (OSError, ValueError) as error:
        raise cannot_write(what, path, error) from error


def cannot_write(what: str, path: str | Path, error: Exception) -> ConfigurationError:
    """The error for a file that cannot be written, with its name and what to do."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ConfigurationError(
        f"cannot write the {what} {str(path)!r}: {reason}; "
        "name a file in an existing folder that this user may write to and that has space left"
    )
