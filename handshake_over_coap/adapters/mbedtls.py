"""Mbed TLS, by way of python-mbedtls, as a client whose handshake CoAP carries.

Needs the extra ``adapters``.  There is no server: that of python-mbedtls always asks for a cookie,
and the answer would be another ClientHello than the one that was carried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handshake_over_coap.errors import Closed, ConfigurationError
from handshake_over_coap.records.dtls12 import MAX_PLAINTEXT

from .stack import StackFailed

try:
    from mbedtls import tls
    from mbedtls.exceptions import TLSError
except ImportError as missing:
    raise ImportError(
        "the adapter for Mbed TLS needs python-mbedtls: "
        "pip install -e '.[adapters]' in the checkout"
    ) from missing

_NEVER = 86_400.0
"""Seconds, longer than any handshake takes: the stack's own timer does not run out."""

_PEER_CLOSE_NOTIFY = 0x7880
"""MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, without its sign."""

# Its stubs call the members of an enumeration integers, and leave out what an error holds.
_OVER: Any = tls.HandshakeStep.HANDSHAKE_OVER

_OVERHEAD = {"CCM-8": 13 + 8 + 8, "CCM": 13 + 8 + 16, "GCM": 13 + 8 + 16, "CHACHA20": 13 + 16}
_LARGEST_OVERHEAD = 13 + 16 + 48 + 16
"""Header, IV, the longest MAC and a block of padding."""


def client(
    configuration: tls.DTLSConfiguration, server_name: str | None = None
) -> Callable[[], MbedTlsStack]:
    """What makes clients with ``configuration``, for ``adapters.connect``.

    ``server_name`` is sent, and checked against the server's certificate.
    """
    patient = replace(configuration, handshake_timeout_min=_NEVER, handshake_timeout_max=_NEVER)
    context = tls.ClientContext(patient)
    return lambda: MbedTlsStack(context.wrap_buffers(server_name))


class MbedTlsStack:
    """A buffer of python-mbedtls: a :class:`~.stack.DtlsStack` that is a client.

    An error makes python-mbedtls forget the connection, so the first one is the last.
    """

    def __init__(self, buffer: tls.TLSWrappedBuffer) -> None:
        self._buffer = buffer
        self._complete = False
        self._over: StackFailed | None = None

    def start(self) -> None:
        """The client says its hello."""
        self._go_on()

    def receive(self, datagram: bytes) -> None:
        """Take one record, and go on with the handshake while there is one."""
        self._check()
        self._buffer.receive_from_network(datagram)
        if not self._complete:
            self._go_on()

    def _go_on(self) -> None:
        """All steps that are possible by now; each call makes one."""
        try:
            while self._buffer._handshake_state is not _OVER:  # noqa: SLF001 -- nothing else tells
                try:
                    self._buffer.do_handshake()
                except tls.WantWriteError:
                    continue
        except tls.WantReadError:
            return
        except TLSError as error:
            raise self._failed(error) from error
        self._complete = True

    def take(self) -> bytes:
        """The records that wait in the outgoing buffer."""
        found = bytearray()
        while waiting := self._buffer.peek_outgoing(1 << 16):
            self._buffer.consume_outgoing(len(waiting))
            found += waiting
        return bytes(found)

    @property
    def handshake_complete(self) -> bool:
        """Whether the last step has been made."""
        return self._complete

    @property
    def overhead(self) -> int:
        """Header, explicit nonce or IV, tag or MAC, and the most of padding."""
        suite = str(self._buffer.cipher())
        return next((size for name, size in _OVERHEAD.items() if name in suite), _LARGEST_OVERHEAD)

    def send(self, data: bytes) -> None:
        """Seal application data; python-mbedtls has no empty records to send."""
        self._check()
        if not data:
            raise ConfigurationError("Mbed TLS sends no empty datagram: send at least one byte")
        try:
            self._buffer.write(data)
        except TLSError as error:
            raise self._failed(error) from error

    def read(self) -> bytes | None:
        """The data of one record."""
        self._check()
        try:
            return self._buffer.read(MAX_PLAINTEXT) or None
        except tls.WantReadError:
            return None
        except TLSError as error:
            failed = self._failed(error)
            if getattr(error, "err", None) == _PEER_CLOSE_NOTIFY:
                raise Closed("the peer said close_notify") from error
            raise failed from error

    def close(self) -> None:
        """Say close_notify, unless all is over already."""
        if self._over is None:
            self._buffer.shutdown()
            self._over = StackFailed("Mbed TLS: closed here")

    def export(self, label: str, length: int, context: bytes | None) -> bytes:
        """Nothing: python-mbedtls has no exporter.  Raises ConfigurationError."""
        raise ConfigurationError("python-mbedtls exports no keying material (RFC 5705)")

    def _check(self) -> None:
        if self._over is not None:
            raise self._over

    def _failed(self, error: TLSError) -> StackFailed:
        self._over = StackFailed(f"Mbed TLS: {error}")
        return self._over
