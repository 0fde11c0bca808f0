"""Opening the files that traces are written to: they hold secrets, so nobody else may read them."""

from __future__ import annotations

import errno
import os
import shutil
from io import FileIO
from pathlib import Path

from handshake_over_coap.errors import ConfigurationError, Error

_OF_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE, errno.EFBIG})


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


def check_writable(path: str | Path, what: str) -> None:
    """Raise ConfigurationError, as far as can be told without touching it, for an unwritable file.

    With it all files of a command are looked at before the first of them is replaced.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        place = target if target.exists() else target.parent
        if not place.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        raise cannot_write(what, path, error) from error


def write_whole(path: str | Path, what: str, content: bytes) -> None:
    """Write a file in one go: what was there stays until all of the new is written.

    Raises ConfigurationError where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)  # a terminal, a pipe: nothing is to be kept
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(content)
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise cannot_write(what, path, error) from error


def cannot_write(what: str, path: str | Path, error: Exception) -> Error:
    """The error for a file that cannot be written, with its name and what to do.

    A ConfigurationError where another name helps, and not where the disk is full or fails.
    """
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, OSError) and error.errno in _OF_DISKS:
        return Error(f"cannot write the {what} {str(path)!r}: {reason}")
    return ConfigurationError(
        f"cannot write the {what} {str(path)!r}: {reason}; "
        "name a file in an existing folder that this user may write to and that has space left"
    )
