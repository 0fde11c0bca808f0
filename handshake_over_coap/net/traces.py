"""The files that a handshake may leave: key log and capture."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack
from pathlib import Path

from handshake_over_coap.carriers.carried import Agreement
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.handshake import Connected
from handshake_over_coap.trace.capture import Capture
from handshake_over_coap.trace.keylog import KeyLog, KeyLogLabel, key_log_line
from handshake_over_coap.trace.tap import Tap

from .options import Options

log = logging.getLogger(__name__)


class TraceFiles:
    """Key log and capture of one endpoint, as far as ``options`` ask for them.

    Both are opened here, so that a file that cannot be written is known before anything is sent.
    """

    def __init__(self, options: Options, local: Address, tap: Tap) -> None:
        self._files = ExitStack()
        self._keylog: KeyLog | None = None
        self._capture: Capture | None = None
        with ExitStack() as opening:
            opening.push(self._files)
            if options.keylog is not None:
                self._keylog = self._files.enter_context(KeyLog(Path(options.keylog)))
            if options.pcap is not None:
                zero = time.time_ns() - int(asyncio.get_running_loop().time() * 1e9)
                self._capture = self._files.enter_context(
                    Capture(
                        Path(options.pcap),
                        local_host=local.host,
                        local_port=local.port,
                        time_zero_ns=zero,
                    )
                )
                tap.add(self._capture)
                self._files.callback(tap.remove, self._capture)
            opening.pop_all()

    def established(self, connected: Agreement) -> None:
        """Write a session's secret to the key log, and into the capture, if it is ours to tell."""
        if not isinstance(connected, Connected):
            return
        line = key_log_line(
            KeyLogLabel.CLIENT_RANDOM, connected.client_random, connected.master_secret
        )
        if self._keylog is not None:
            try:
                self._keylog.write(line)
            except ConfigurationError:  # a full disk is no reason to lose the session
                log.exception("the key log misses a session")
        if self._capture is not None:
            self._capture.secrets(line)

    def close(self) -> None:
        """Close the files."""
        self._files.close()
