"""A capture file that observes an endpoint: every datagram it sees, as an IP packet in pcapng."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.trace.files import cannot_write, open_private
from handshake_over_coap.trace.packets import udp_packet
from handshake_over_coap.trace.pcapng import PcapngWriter, secrets_block
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Fate

_log = logging.getLogger(__name__)

_WHAT: Final = "capture"

ROOM: Final = 1024
"""Bytes of a key log that :meth:`Capture.reserve` keeps room for: a session of 1.3 has 900."""


class Capture:
    """Writes the datagrams of one endpoint to the file ``path``, replacing what was there.

    ``local_host`` and ``local_port`` are where the endpoint is bound; a datagram that knows its
    own local host is written with that.  ``time_zero_ns`` is the wall-clock time at which
    ``DatagramSeen.time`` is 0, in nanoseconds since 1970 (UTC).

    The file is created with mode 0600.  Raises ConfigurationError where it cannot be.  Later the
    endpoint matters more than its capture: a write that fails is logged, kept in ``failure``, and
    is the last; a file ends with what was written whole.  A datagram that no IP packet can hold is
    counted in ``left_out``.
    """

    def __init__(
        self, path: str | Path, *, local_host: str, local_port: int, time_zero_ns: int
    ) -> None:
        self._path = path
        self._local_host = local_host
        self._local_port = local_port
        self._time_zero_ns = time_zero_ns
        self._file = BufferedWriter(open_private(path, _WHAT, append=False))
        self.failure: Error | None = None
        self.left_out = 0
        self._is_file = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._whole = 0
        try:
            self._writer = PcapngWriter(self._file)
            self._flush()
        except OSError as error:
            self._discard()
            raise cannot_write(_WHAT, path, error) from error

    def observe(self, seen: DatagramSeen) -> None:
        """Append one datagram; a lost one is marked so in a comment."""
        if self.failure is not None or self._file.closed:
            return
        here = (seen.local_host or self._local_host, self._local_port)
        there = (seen.host, seen.port)
        outbound = seen.direction is Direction.SENT
        source, destination = (here, there) if outbound else (there, here)
        try:
            packet = udp_packet(source, destination, seen.data)
        except ConfigurationError:
            self.left_out += 1
            return
        time_ns = self._time_zero_ns + round(seen.time * 1e9)
        comment = "lost" if seen.fate is Fate.LOST else ""
        try:
            self._writer.packet(time_ns, packet, outbound=outbound, comment=comment)
            self._flush()
        except OSError as error:
            self._fail(error)

    @property
    def in_place(self) -> bool:
        """Whether what is written can be changed later: in a file it can, in a pipe it cannot."""
        return self._is_file and not self._file.closed

    def reserve(self) -> int | None:
        """Keep room for secrets that are to serve the datagrams from here on.

        Gives it for :meth:`secrets`, or None where there can be none.  It is a whole block from the
        start, of empty lines, so that the file is one that can be read at any time.
        """
        if not self.in_place:
            return None
        room = self._file.tell()
        self.secrets("\n" * ROOM)
        return room

    def secrets(self, key_log: str, room: int | None = None) -> None:
        """Write lines of a key log into ``room``; they serve the datagrams after that.

        Without, and where they are too long for it, they are appended.
        """
        if not key_log or self.failure is not None or self._file.closed:
            return
        try:
            if room is None or len(key_log) > ROOM:
                self._writer.secrets(key_log)
                self._flush()
            else:
                self._fill(room, secrets_block(key_log.ljust(ROOM, "\n")))
        except OSError as error:
            self._fail(error)

    def _fill(self, room: int, block: bytes) -> None:
        if os.pwrite(self._file.fileno(), block, room) < len(block):
            raise OSError("only a part of the secrets was written")

    def close(self) -> None:
        """Write out what is buffered and close the file.  Closing again does nothing."""
        if self._file.closed:
            return
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _flush(self) -> None:
        """Whatever ends this process, what it has seen is there."""
        self._file.flush()
        if self.in_place:
            self._whole = self._file.raw.tell()

    def _fail(self, error: OSError) -> None:
        self.failure = cannot_write(_WHAT, self._path, error)
        _log.info("%s; the capture ends here", self.failure)
        if self.in_place:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), self._whole)
        self._discard()

    def _discard(self) -> None:
        """Close without writing what is buffered."""
        if not self._file.closed:
            self._file.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
