"""wolfSSL as a stack whose handshake CoAP carries: the program of :mod:`.wolfssl` by pipes.

What an adapter for another stack of DTLS 1.3 looks like, too: wolfSSL is as its source package has
it, and tells its secrets by ``wolfSSL_set_tls13_secret_cb``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from handshake_over_coap.adapters.stack import StackFailed
from handshake_over_coap.errors import Closed, ConfigurationError
from handshake_over_coap.trace import KeyLogLabel

_SECRETS: Final = {
    1: KeyLogLabel.CLIENT_HANDSHAKE_TRAFFIC_SECRET,
    2: KeyLogLabel.SERVER_HANDSHAKE_TRAFFIC_SECRET,
    3: KeyLogLabel.CLIENT_TRAFFIC_SECRET_0,
    4: KeyLogLabel.SERVER_TRAFFIC_SECRET_0,
}
_HEAD: Final = 5
_MOST_OVERHEAD: Final = 5 + 1 + 16


class WolfSslStack:
    """One connection of DTLS 1.3; ``command`` is that of the program, without ``--memory``."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [*command, "--memory"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._out: list[bytes] = []
        self._data: list[bytes] = []
        self._secrets: dict[str, bytes] = {}
        self._complete = False
        self._end: Exception | None = None

    def end(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.communicate()

    def traffic_secrets(self) -> Mapping[str, bytes]:
        """Those that wolfSSL has told."""
        return self._secrets

    def start(self) -> None:
        """A client says its hello; a server waits."""
        self._order("g")

    def receive(self, datagram: bytes) -> None:
        """Take a datagram and go on."""
        self._order("r", datagram)
        if isinstance(self._end, StackFailed):
            raise self._end

    def take(self) -> bytes:
        """What is to be sent."""
        found, self._out = b"".join(self._out), []
        return found

    @property
    def handshake_complete(self) -> bool:
        """Whether wolfSSL says so."""
        return self._complete

    @property
    def overhead(self) -> int:
        """Header, content type and the longest tag."""
        return _MOST_OVERHEAD

    def send(self, data: bytes) -> None:
        """Seal application data."""
        self._order("s", data)
        if isinstance(self._end, StackFailed):
            raise self._end

    def read(self) -> bytes | None:
        """The next data; raises Closed or StackFailed after the last."""
        if self._data:
            return self._data.pop(0)
        if self._end is not None:
            raise self._end
        return None

    def close(self) -> None:
        """Say close_notify."""
        if self._process.poll() is None:
            self._order("c")

    def export(self, label: str, length: int, context: bytes | None) -> bytes:
        """The first bytes of 32, without a context."""
        if context is not None or length > 32:
            raise ConfigurationError("this program exports 32 bytes, without a context")
        (found,) = (data for letter, data in self._answers("x", label.encode()) if letter == "x")
        return found[:length]

    def _order(self, letter: str, data: bytes = b"") -> None:
        for answer, content in self._answers(letter, data):
            match answer:
                case "d":
                    self._out.append(content)
                case "a":
                    self._data.append(content)
                case "k" if content[0] in _SECRETS:
                    self._secrets[_SECRETS[content[0]]] = content[1:]
                case "o":
                    self._complete = True
                case "z":
                    self._end = Closed("the peer said close_notify")
                case "f":
                    reason = content[1:].decode(errors="replace")
                    self._end = StackFailed(f"wolfSSL: {reason}", content[0] or None)

    def _answers(self, letter: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(letter.encode() + len(data).to_bytes(4, "big") + data)
        stdin.flush()
        while True:
            head = stdout.read(_HEAD)
            if len(head) < _HEAD:
                raise StackFailed("wolfSSL: the program has ended")
            content = stdout.read(int.from_bytes(head[1:], "big"))
            if head[:1] == b"e":
                return
            yield head[:1].decode(), content


class Stacks:
    """Makes stacks by one command, and ends them all."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.made: list[WolfSslStack] = []

    def __call__(self) -> WolfSslStack:
        self.made.append(WolfSslStack(self._command))
        return self.made[-1]

    def end(self) -> None:
        """End the programs."""
        for each in self.made:
            each.end()
