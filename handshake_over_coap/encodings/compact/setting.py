"""Which flight a body is, and what it takes to read it: told from the messages before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from handshake_over_coap.encodings.base import FlightContext
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.codepoints import CertificateType, HandshakeType, ProtocolVersion
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.suites import KeyExchange, suite_by_id
from handshake_over_coap.tls.wire import Reader

from . import server_hello
from .opened import Opened, answered, opened
from .proof import Known, reference_size
from .shapes import CID, EMS, SERVER_TYPE

_HELLO: Final = int(HandshakeType.client_hello)
_ANSWER: Final = int(HandshakeType.server_hello)
_REQUEST: Final = int(HandshakeType.certificate_request)
_RAW: Final = int(CertificateType.RawPublicKey)
_type_of = attrgetter("type")

_HELLOS: Final = 4
"""So many there are at most: a HelloRetryRequest and what follows make it four."""

FINISHED12_SIZE: Final = 12
_DTLS_HEADER: Final = 12


class Said(NamedTuple):
    """What the hellos before a flight say; None for one that has not been said.

    After a HelloRetryRequest, the ClientHello that it answered counts as not said.
    ``asked_for_key`` tells whether a server has asked for a key of the client, and ``is_1_3``
    whether its hello has chosen 1.3.
    """

    hello: HandshakeMessage | None
    answer: HandshakeMessage | None
    asked_for_key: bool
    is_1_3: bool

    @classmethod
    def of(cls, messages: Sequence[HandshakeMessage]) -> Said:
        """From the messages of both sides so far, which begin with the hellos."""
        said = _NOTHING.then(messages[:_HELLOS])
        asked = _REQUEST in map(_type_of, messages)
        return said._replace(asked_for_key=True) if asked else said

    def then(self, messages: Sequence[HandshakeMessage]) -> Said:
        """With further hellos, where there is no ServerHello yet."""
        if not messages or self.answer is not None:
            return self
        hello, answer = self.hello, self.answer
        for message in messages:
            kind = message.type
            if kind == _HELLO:
                hello = message
            elif kind == _ANSWER:
                if not server_hello.is_retry(message.body):
                    answer = message
                    break
                hello = None
        newer = answer is not None and server_hello.is_1_3(answer.body)
        return Said(hello, answer, self.asked_for_key, newer)

    @property
    def parts(self) -> Opened | None:
        """The ClientHello in its parts."""
        return None if self.hello is None else opened(self.hello.body)

    @property
    def version(self) -> ProtocolVersion:
        """The version that was chosen."""
        return ProtocolVersion.DTLS_1_3 if self.is_1_3 else ProtocolVersion.DTLS_1_2


_NOTHING: Final = Said(None, None, False, False)


def takes_raw_keys(hello: HandshakeMessage | None) -> bool:
    """Whether a ClientHello lets the server show a raw public key."""
    parts = None if hello is None else opened(hello.body)
    types = None if parts is None else parts.get(SERVER_TYPE)
    return types is not None and _RAW in types[1:]


_NO_KEYS: Final = Known()


def known_by_us(said: Said, context: FlightContext) -> Known:
    """The keys that this side, which reads the flight, has said it knows."""
    if not context.pins:
        return _NO_KEYS
    told = said.asked_for_key if context.from_client else takes_raw_keys(said.hello)
    return Known(reference_size(context.pins), context.pins) if told else _NO_KEYS


@dataclass(frozen=True, slots=True)
class Older:
    """What a ServerHello of 1.2 settles: the kind of suite, and the length of a tag in bytes.

    ``extended`` tells whether there is an extended master secret; ``cid`` is the connection ID in
    the records that the reader of a flight gets.
    """

    psk: bool
    tag: int
    extended: bool
    cid: bytes

    @classmethod
    def of(cls, said: Said, *, from_client: bool) -> Older:
        """From the hellos; raises DecodeError for a suite that is not known."""
        if said.answer is None or said.hello is None:
            raise DecodeError("a flight before there is a ServerHello")
        return _older(said.hello.body, said.answer.body, from_client)

    @property
    def finished_size(self) -> int:
        """Bytes of a sealed Finished in its usual form."""
        if self.extended:
            return FINISHED12_SIZE + self.tag
        return _DTLS_HEADER + FINISHED12_SIZE + bool(self.cid) + self.tag


@lru_cache(maxsize=16)
def _older(hello: bytes, answer: bytes, from_client: bool) -> Older:
    parts = answered(answer)
    suite = None if parts is None else suite_by_id(parts.suite)
    if parts is None or suite is None:
        raise DecodeError("a cipher suite that is not known")
    offered = opened(hello)
    cid = parts.extensions.get(CID)
    if cid is not None and not from_client:
        cid = None if offered is None else offered.get(CID)
    return Older(
        psk=suite.key_exchange is not KeyExchange.ECDHE_ECDSA,
        tag=suite.aead.tag_length,
        extended=EMS in parts.extensions,
        cid=b"" if not cid else Reader(cid).vec8(),
    )
