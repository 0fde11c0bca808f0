"""HelloRetryRequest from the server's side, with state and without.

A server that keeps its state between the two ClientHellos asks for another group only.  One that
keeps none until the client's address is known puts what it has to remember into a cookie: the hash
of the first ClientHello, which nothing in the second one tells (it has other binders), and the
group that was asked for.  The cookie is protected by the caller, who binds it to the client's
address and to the time.

Source: RFC 8446 sections 4.1.2, 4.1.4, 4.2.2 and 4.4.1, RFC 9147 section 5.1.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes

from handshake_over_coap.tls.alerts import DecodeError, IllegalParameter
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType, NamedGroup
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.extensions import (
    Cookie,
    Extension,
    Extensions,
    RequestedGroup,
    SelectedVersion,
    TypedExtension,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import HELLO_RETRY_RANDOM, ClientHello, ServerHello
from handshake_over_coap.tls.steps import expect
from handshake_over_coap.tls.transcript import Transcript
from handshake_over_coap.tls.wire import Reader, u16

from .common import empty_transcript, transcript_after_retry
from .selection import Selection, select, select_suite

ProtectCookie: TypeAlias = Callable[[bytes, bytes], bytes]
"""Makes a cookie of content and context: it carries the one, and authenticates both."""

OpenCookie: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""The content of a cookie for a context; None for one to refuse."""

_HASH_LENGTH: Final = 32

_MAY_CHANGE: Final = frozenset(
    {
        ExtensionType.key_share,
        ExtensionType.early_data,
        ExtensionType.cookie,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
    }
)
"""Extensions in which a second ClientHello may differ from the first (RFC 8446 4.1.2)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A HelloRetryRequest that was sent.

    ``group`` is the one it asked for, if any; ``constant`` the digest of what may not change from
    the first ClientHello to the second; ``transcript`` goes up to the retry.
    ``suite`` is the number of the one it chose, ``cookie`` whether it asked for one.
    """

    suite: int
    group: NamedGroup | None
    cookie: bool
    constant: bytes
    transcript: Transcript

    def check(self, hello: ClientHello) -> None:
        """Raises IllegalParameter unless ``hello`` is what the retry asks for."""
        if not hmac.compare_digest(self.constant, constant_digest(hello)):
            raise IllegalParameter("the second ClientHello is not the first one")
        if (ExtensionType.cookie in hello.extensions) != self.cookie:
            raise IllegalParameter("a cookie that does not come from the HelloRetryRequest")
        if ExtensionType.early_data in hello.extensions:
            raise IllegalParameter("early data after a HelloRetryRequest")

    def check_choice(self, choice: Selection) -> None:
        """Raises IllegalParameter where the second ClientHello leads elsewhere."""
        if choice.suite.id != self.suite or choice.needs_retry:
            raise IllegalParameter("the second ClientHello has no share of the group asked for")
        if self.group is not None and choice.group not in (self.group, None):
            raise IllegalParameter("a share of another group than the one asked for")


def constant_digest(hello: ClientHello) -> bytes:
    """The SHA-256 of what a second ClientHello repeats; extensions in the order of their types."""
    kept = sorted((e for e in hello.extensions if e.type not in _MAY_CHANGE), key=_type_of)
    context = hashes.Hash(hashes.SHA256())
    context.update(replace(hello, extensions=Extensions(tuple(kept))).encode())
    return context.finalize()


def _type_of(extension: Extension) -> int:
    return extension.type


def hello_retry_request(
    suite: int, group: NamedGroup | None, cookie: Cookie | None
) -> HandshakeMessage:
    """The message, with message_seq 0."""
    found: list[TypedExtension] = [SelectedVersion(Version.DTLS_1_3)]
    if group is not None:
        found.append(RequestedGroup(group))
    if cookie is not None:
        found.append(cookie)
    hello = ServerHello(
        version=Version.DTLS_1_2,
        random=HELLO_RETRY_RANDOM,
        session_id=b"",
        cipher_suite=suite,
        extensions=Extensions.of(*found),
    )
    return HandshakeMessage(hello.msg_type, hello.encode())


def retry_with_state(
    first: HandshakeMessage, hello: ClientHello, choice: Selection
) -> tuple[Retry, HandshakeMessage]:
    """The retry that asks for a share of the group of ``choice``, and what to remember of it."""
    message = hello_retry_request(choice.suite.id, choice.group, None)
    transcript = transcript_after_retry(empty_transcript().append(first).hash(), message)
    digest = constant_digest(hello)
    return Retry(choice.suite.id, choice.group, False, digest, transcript), message


def has_cookie(message: HandshakeMessage) -> bool:
    """Whether a ClientHello carries a cookie of 1.3.  Raises DecodeError, IllegalParameter."""
    return ExtensionType.cookie in ClientHello.decode(message.body).extensions


def retry_for(
    config: ServerConfig, first: HandshakeMessage, protect: ProtectCookie
) -> HandshakeMessage:
    """The HelloRetryRequest, message_seq 0, for a client whose address is not known to be its own.

    ``protect`` makes a cookie of what is to be remembered (32 bytes, 34 where a group is asked
    for).  It authenticates that together with a context, which the second ClientHello tells again,
    and with the client's address, and need not hide anything.  Nothing else is kept.  Raises the
    AlertError to send where the hello could not be answered.
    """
    hello = ClientHello.decode(expect(first, HandshakeType.client_hello).body)
    if ExtensionType.cookie in hello.extensions:
        raise IllegalParameter("a cookie in a first ClientHello")
    choice = select(config, hello, settle=False)
    group = choice.group if choice.needs_retry else None
    first_hash = empty_transcript().append(first).hash()
    content = first_hash if group is None else first_hash + u16(group)
    cookie = Cookie(protect(content, _context(choice.suite.id, constant_digest(hello))))
    return hello_retry_request(choice.suite.id, group, cookie)


def open_retry(config: ServerConfig, second: HandshakeMessage, open_: OpenCookie) -> Retry:
    """What :func:`retry_for` had put into the cookie that ``second`` carries.

    ``open_`` gives back what was protected, or None for a cookie that is forged, of another
    address, too old, or of a hello that is not repeated: IllegalParameter (RFC 9147 section 5.1).
    Raises HandshakeFailure where no suite is left.
    """
    hello = ClientHello.decode(second.body)
    cookie = hello.extensions.find(Cookie)
    if cookie is None:
        raise IllegalParameter("a second ClientHello without the cookie")
    suite, digest = int(select_suite(config, hello).id), constant_digest(hello)
    content = open_(cookie.cookie, _context(suite, digest))
    if content is None:
        raise IllegalParameter(
            "the cookie is not ours, of another address, too old, or of another ClientHello"
        )
    try:
        reader = Reader(content)
        first_hash = reader.take(_HASH_LENGTH)
        group = NamedGroup(reader.u16()) if reader.remaining else None
        reader.done()
    except (DecodeError, ValueError):
        raise IllegalParameter("a cookie with another content than ours") from None
    message = hello_retry_request(suite, group, cookie)
    return Retry(suite, group, True, digest, transcript_after_retry(first_hash, message))


def _context(suite: int, digest: bytes) -> bytes:
    """What the second ClientHello tells again: the suite that we choose, and all that is fixed."""
    return u16(suite) + digest
