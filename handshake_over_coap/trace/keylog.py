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
from handshake_over_coap.tls.dtls13.connected import Completed, Connected13
from handshake_over_coap.trace.files import cannot_write, open_private

_RANDOM_LENGTH: Final = 32
_WHAT: Final = "key log"


class KeyLogLabel(StrEnum):
    """What the secret of a line is; those of 1.3 have 32 bytes with SHA-256."""

    CLIENT_RANDOM = "CLIENT_RANDOM"
    """The master secret of TLS or DTLS up to 1.2, 48 bytes."""
    CLIENT_HANDSHAKE_TRAFFIC_SECRET = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
    """What the client seals epoch 2 with."""
    SERVER_HANDSHAKE_TRAFFIC_SECRET = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    """What the server seals epoch 2 with."""
    CLIENT_TRAFFIC_SECRET_0 = "CLIENT_TRAFFIC_SECRET_0"
    """What the client seals epoch 3 with; later epochs follow from it."""
    SERVER_TRAFFIC_SECRET_0 = "SERVER_TRAFFIC_SECRET_0"
    """What the server seals epoch 3 with; later epochs follow from it."""
    EXPORTER_SECRET = "EXPORTER_SECRET"
    """What keying material for the application is made of."""


_MASTER_SECRET: Final = frozenset({48})
_TRAFFIC_SECRET: Final = frozenset({32})


def key_log_line(label: KeyLogLabel, client_random: bytes, secret: bytes) -> str:
    """One line, without its end; for DTLS 1.2 the label is CLIENT_RANDOM, for 1.3 one of the rest.

    ``client_random`` has 32 bytes.  Raises ConfigurationError where it has not, or where no secret
    of this label has the length of ``secret``.
    """
    if len(client_random) != _RANDOM_LENGTH:
        raise ConfigurationError(f"a client random has 32 bytes, not {len(client_random)}")
    lengths = _MASTER_SECRET if label is KeyLogLabel.CLIENT_RANDOM else _TRAFFIC_SECRET
    if len(secret) not in lengths:
        raise ConfigurationError(f"no secret {label} has {len(secret)} bytes")
    return f"{label} {client_random.hex()} {secret.hex()}"


def key_log_lines(connected: Completed) -> tuple[str, ...]:
    """The lines of a session that a key log needs: one in 1.2, five in 1.3."""
    if not isinstance(connected, Connected13):
        secret = connected.master_secret
        return (key_log_line(KeyLogLabel.CLIENT_RANDOM, connected.client_random, secret),)
    secrets = connected.secrets
    labelled = (
        (KeyLogLabel.CLIENT_HANDSHAKE_TRAFFIC_SECRET, secrets.client_handshake),
        (KeyLogLabel.SERVER_HANDSHAKE_TRAFFIC_SECRET, secrets.server_handshake),
        (KeyLogLabel.CLIENT_TRAFFIC_SECRET_0, secrets.client_application),
        (KeyLogLabel.SERVER_TRAFFIC_SECRET_0, secrets.server_application),
        (KeyLogLabel.EXPORTER_SECRET, secrets.exporter),
    )
    return tuple(key_log_line(label, connected.client_random, each) for label, each in labelled)


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
