"""The command ``handshake-over-coap``, short ``hoc``.

Exit status: 0 on success, 1 when what was asked for failed (a handshake that did not complete),
2 for a usage error, 130 when interrupted.  Results go to standard output, all else to standard
error.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from handshake_over_coap.cli.failures import advice
from handshake_over_coap.cli.parser import build_parser
from handshake_over_coap.errors import ConfigurationError, Error

__all__ = ["main"]

_FAILED: Final = 1
_USAGE: Final = 2
_INTERRUPTED: Final = 130

_OF_OUTPUT: Final = {
    errno.EPIPE: "nobody reads the output any more",
    errno.ENOSPC: "cannot write the output: no space is left",
    errno.EDQUOT: "cannot write the output: no space is left to this user",
    errno.EIO: "cannot write the output: the terminal has gone, or the disk fails",
    errno.EFBIG: "cannot write the output: the file has grown too large",
}

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (default: the process's arguments); gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a peer sends must not end the command because a terminal cannot show it.
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else _USAGE
        return _run(Namespace(command="", run=lambda _: status))  # help and version are output, too
    with _logging(arguments.verbose):
        return _run(arguments)


def _run(arguments: Namespace) -> int:
    """Run the chosen command; failures become one line on standard error and a status."""
    try:
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status  # noqa: TRY300
    except ConfigurationError as error:
        _log.debug("refused", exc_info=True)
        _complain(arguments, f"error: {error}")
        return _USAGE
    except Error as error:
        _log.debug("failed", exc_info=True)
        _complain(arguments, advice(error, arguments))
    except KeyboardInterrupt:
        _complain(arguments, "interrupted")
        return _INTERRUPTED
    except OSError as error:
        if error.errno not in _OF_OUTPUT:
            raise
        _complain(arguments, _OF_OUTPUT[error.errno])
        # Python would complain once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _FAILED


def _complain(arguments: Namespace, text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads that either
        name = f"hoc {arguments.command}".rstrip()
        print(f"{name}: {text}", file=sys.stderr, flush=True)


class _Formatter(logging.Formatter):
    """Gives the time of day or, in a simulation, the virtual seconds."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The time of a line, which is written when it happens."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return super().formatTime(record, datefmt)
        if not hasattr(loop, "time_zero_ns"):  # which only a loop on virtual time has
            return super().formatTime(record, datefmt)
        return f"{loop.time():12.6f} s"


@contextmanager
def _logging(verbosity: int) -> Iterator[None]:
    """Log to standard error: warnings; with -v what happens, with -vv every detail."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    logger = logging.getLogger("handshake_over_coap")
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(name)s: %(message)s" if verbosity else "%(message)s"
    handler.setFormatter(_Formatter(text))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        logger.setLevel(before[0])
