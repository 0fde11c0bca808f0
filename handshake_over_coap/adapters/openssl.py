"""OpenSSL, by way of pyOpenSSL, as a stack whose handshake CoAP carries.

Needs the extra ``adapters``.  OpenSSL says its last flight again when it is called more than a
second after it, timer or no timer; nothing here ever asks it to, and :mod:`.framing` leaves out
what it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from handshake_over_coap.errors import Closed, ConfigurationError
from handshake_over_coap.records.dtls12 import MAX_PLAINTEXT
from handshake_over_coap.tls.codepoints import AlertDescription
from handshake_over_coap.tls.schedule12 import MASTER_SECRET_LENGTH

from .stack import StackFailed

try:
    from OpenSSL import SSL
except ImportError as missing:
    raise ImportError(
        "the adapter for OpenSSL needs pyOpenSSL: pip install -e '.[adapters]' in the checkout"
    ) from missing

_WHOLE_MESSAGES = 1 << 16
"""An MTU in bytes at which no message is fragmented; Finished must not be, being sealed."""

_OPTIONS = SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION


def client(
    context: SSL.Context, prepare: Callable[[SSL.Connection], None] = lambda _: None
) -> Callable[[], OpenSslStack]:
    """What makes clients of ``context``, for ``adapters.connect``.

    ``prepare`` is called with each connection, to set a server name for instance.  Sets options
    that a handshake over CoAP needs on ``context``: no query for the MTU, no tickets, no
    renegotiation.  Raises ConfigurationError if it has cookies switched on.
    """
    _set_options(context)

    def make() -> OpenSslStack:
        connection = SSL.Connection(context, None)
        connection.set_connect_state()
        prepare(connection)
        return OpenSslStack(connection)

    return make


def server(
    context: SSL.Context, prepare: Callable[[SSL.Connection], None] = lambda _: None
) -> Callable[[], OpenSslStack]:
    """What makes servers of ``context``, for ``adapters.serve``; otherwise as :func:`client`.

    Sessions are not cached: there is no resumption.
    """
    _set_options(context)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)

    def make() -> OpenSslStack:
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        prepare(connection)
        return OpenSslStack(connection)

    return make


def _set_options(context: SSL.Context) -> None:
    if context.set_options(_OPTIONS) & (SSL.OP_COOKIE_EXCHANGE or 0):
        raise ConfigurationError("Echo proves addresses over CoAP: leave OP_COOKIE_EXCHANGE off")


class OpenSslStack:
    """A pyOpenSSL connection over memory: a :class:`~.stack.DtlsStack`."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._complete = False
        connection.set_ciphertext_mtu(_WHOLE_MESSAGES)

    def master_secret(self) -> bytes | None:
        """The master secret (RFC 5246 section 8.1), once the key exchange is over."""
        try:
            secret = self._connection.master_key()
        except SSL.Error:  # there is a session, and no secret in it yet
            return None
        return secret if secret and len(secret) == MASTER_SECRET_LENGTH else None

    def start(self) -> None:
        """A client says its hello; a server finds nothing to read."""
        self._go_on()

    def receive(self, datagram: bytes) -> None:
        """Take one record, and go on with the handshake while there is one."""
        self._connection.bio_write(datagram)
        if not self._complete:
            self._go_on()

    def _go_on(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise _failed(error) from error
        self._complete = True

    def take(self) -> bytes:
        """The records that wait in the outgoing BIO."""
        found = []
        with suppress(SSL.WantReadError):
            while True:
                found.append(self._connection.bio_read(_WHOLE_MESSAGES))
        return b"".join(found)

    @property
    def handshake_complete(self) -> bool:
        """Whether ``do_handshake`` has succeeded."""
        return self._complete

    @property
    def overhead(self) -> int:
        """Header, explicit nonce or IV, tag or MAC, and the most of padding."""
        sizes = range(1024, 1024 + 16)  # as many as the longest cipher block has bytes
        expansion = 0
        for size in sizes:
            self._connection.set_ciphertext_mtu(size)
            expansion = max(expansion, size - self._connection.get_cleartext_mtu())
        self._connection.set_ciphertext_mtu(_WHOLE_MESSAGES)
        return expansion

    def send(self, data: bytes) -> None:
        """Seal application data; OpenSSL has no empty records to send."""
        if not data:
            raise ConfigurationError("OpenSSL sends no empty datagram: send at least one byte")
        try:
            self._connection.send(data)
        except SSL.Error as error:
            raise _failed(error) from error

    def read(self) -> bytes | None:
        """The data of one record."""
        try:
            return self._connection.recv(MAX_PLAINTEXT)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError as end:
            raise Closed("the peer said close_notify") from end
        except SSL.Error as error:
            raise _failed(error) from error

    def close(self) -> None:
        """Say close_notify, unless all is over already."""
        with suppress(SSL.Error):
            self._connection.shutdown()

    def export(self, label: str, length: int, context: bytes | None) -> bytes:
        """Keying material by RFC 5705."""
        return self._connection.export_keying_material(label.encode(), length, context)


def _failed(error: SSL.Error) -> StackFailed:
    """OpenSSL's reasons in words, and the peer's alert if it was one."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(entry[-1]) for entry in entries]
    reason = "; ".join(reasons) or type(error).__name__
    named = re.search(r"\balert (.+)", reason)
    name = named.group(1).replace(" ", "_") if named else ""
    known = AlertDescription.__members__.get(name)
    return StackFailed(f"OpenSSL: {reason}", None if known is None else int(known))
