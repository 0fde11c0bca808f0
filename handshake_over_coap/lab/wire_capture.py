"""``hoc simulate --pcap``: what a trial had on the wire, with its fates and its secrets."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from handshake_over_coap.lab.network import CLIENT_HOST, CLIENT_PORT
from handshake_over_coap.sim import PassageRecorder, Side, VirtualTimeLoop, view
from handshake_over_coap.sim.radio import FrameCapture, FrameSeen
from handshake_over_coap.trace.capture import Capture
from handshake_over_coap.trace.files import cannot_write, open_private

_WHAT: Final = "capture"
_MOST_DATAGRAMS: Final = 1_000_000
_MOST_BYTES: Final = 1 << 28


class WireCapture:
    """Writes the capture ``path`` of one trial, as soon as :meth:`ended` is called.

    On a plain link it has the datagrams as the client saw them, and those that it should have, lost
    ones marked so; with ``frames`` the frames of the radio, in the order in which they were sent.
    Secrets stand before both, for analysers that read once: so nothing is written earlier.

    ``passages`` and this object itself are to observe datagrams and frames.  Raises
    ConfigurationError where the file cannot be written.
    """

    def __init__(self, path: str | Path, *, frames: bool) -> None:
        self._path = path
        self._files = ExitStack()
        self._frames: list[FrameSeen] = []
        self.passages = PassageRecorder(_MOST_DATAGRAMS, _MOST_BYTES)
        zero = VirtualTimeLoop.time_zero_ns
        self._capture: Capture | FrameCapture
        if frames:
            raw = self._files.enter_context(open_private(path, _WHAT, append=False))
            self._capture = FrameCapture(self._files.enter_context(io.BufferedWriter(raw)), zero)
        else:
            self._capture = self._files.enter_context(
                Capture(path, local_host=CLIENT_HOST, local_port=CLIENT_PORT, time_zero_ns=zero)
            )

    def seen(self, frame: FrameSeen) -> None:
        """A frame was in the air."""
        self._frames.append(frame)

    def ended(self, key_log: Iterable[str]) -> None:
        """The trial is over; these are the secrets of its session, if it has come to one.

        Raises an Error where the file takes no more.
        """
        for line in key_log:
            self._capture.secrets(line)
        if isinstance(self._capture, FrameCapture):
            for frame in self._frames:
                self._capture.seen(frame)
        else:
            for datagram in view(self.passages.passages, Side.CLIENT):
                self._capture.observe(datagram)
            if self._capture.failure is not None:
                raise self._capture.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._files.close()
        except OSError as failed:
            raise cannot_write(_WHAT, self._path, failed) from failed
