"""Key logs in the NSS format, by which a network analyser decrypts what it captured.

A line is a label, the client's random in hexadecimal and a secret in hexadecimal
(draft-ietf-tls-keylogfile).  Whoever has the file can read the traffic.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.trace.files import cannot_write, open_private

_RANDOM_LENGTH: Final = 32
_WHAT: Final = "key log"


class KeyLogLabel(StrEnum):
    """What the secret of a line is; DTLS 1.3 adds one label for each of its traffic secrets."""

    CLIENT_RANDOM = "CLIENT_RANDOM"
    """The master secret of TLS or DTLS up to 1.2, 48 bytes."""


_SECRET_LENGTHS: Final = {KeyLogLabel.CLIENT_RANDOM: frozenset({48})}


def key_log_line(label: KeyLogLabel, client_random: bytes, secret: bytes) -> str:
    """One line, without its end; for DTLS 1.2 the label is CLIENT_RANDOM.

    ``client_random`` has 32 bytes.  Raises ConfigurationError where it has not, or where no secret
    of this label has the length of ``secret``.
    """
    if len(client_random) != _RANDOM_LENGTH:
        raise ConfigurationError(f"a client random has 32 bytes, not {len(client_random)}")
    if len(secret) not in _SECRET_LENGTHS[label]:
        raise ConfigurationError(f"no secret {label} has {len(secret)} bytes")
    return f"{label} {client_random.hex()} {secret.hex()}"


class KeyLog:
    """A key log file, appended to line by line; created with mode 0600.

    Every line is one write, so that several processes may share a file.  Raises ConfigurationError,
    naming the file and what to do, where it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._file = open_private(path, _WHAT, append=True)

    def write(self, line: str) -> None:
        """Append a line of :func:`key_log_line`; on disk when this returns, as far as we know.

        Raises ConfigurationError where the file takes no more or is closed.
        """
        data = f"{line}\n".encode()
        try:
            written = self._file.write(data)
        except (OSError, ValueError) as error:
            raise cannot_write(_WHAT, self._path, error) from error
        if written != len(data):
            raise cannot_write(_WHAT, self._path, OSError("only a part of a line was written"))

    def close(self) -> None:
        """Close the file.  Closing again does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
