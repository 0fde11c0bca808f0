"""The server's answer to ClientHellos from unproven addresses: a cookie, and no state.

A client of 1.2 is sent a HelloVerifyRequest, one of 1.3 a HelloRetryRequest, whose cookie holds all
that the server has to know of the first hello.  Either cookie is bound to the address and the time.

Source: RFC 6347 section 4.2.1, RFC 9147 section 5.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from handshake_over_coap.carriers.address_check import AddressProof
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.rejections import Rejections
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.timers import Draw, undrawn
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType, ProtocolVersion
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.dtls13 import state_after_retry
from handshake_over_coap.tls.dtls13.retry import has_cookie, retry_for
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import State
from handshake_over_coap.tls.messages import HelloVerifyRequest
from handshake_over_coap.tls.negotiation import start_server, version_for

from .engine import Engine
from .engine13 import Engine13
from .fragments import Numbers, Packer, plain_record
from .parameters import UdpParameters
from .prelude import Found, Hello, Malformed, Opening, Partial, Prelude
from .strangers import Strangers
from .versions import AnyEngine


@dataclass(frozen=True, slots=True)
class StatelessAnswer:
    """Datagrams for somebody of whom nothing is kept."""

    datagrams: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A hello that a handshake begins with: :meth:`engine` makes what goes on with it."""

    found: Hello
    state: State
    version: ProtocolVersion

    @property
    def message(self) -> HandshakeMessage:
        """The ClientHello, which the engine takes first."""
        return self.found.message

    def engine(
        self, parameters: UdpParameters, counters: Counter[str], draw: Draw = undrawn
    ) -> AnyEngine:
        """The server's side of the handshake."""
        first_seq, first_record = self.message.message_seq, self.found.record_number
        if self.version == ProtocolVersion.DTLS_1_3:
            return Engine13(
                self.state,
                parameters,
                counters,
                first_seq=first_seq,
                first_record=first_record,
                chosen=True,
                draw=draw,
            )
        return Engine(
            self.state,
            parameters,
            counters,
            first_seq=first_seq,
            first_record=first_record,
            draw=draw,
        )


class Greeting:
    """Finds out which ClientHellos begin a handshake.

    Where ``parameters`` ask for it, an address has to be proven first, by a cookie of ``proof``.
    """

    def __init__(
        self,
        config: ServerConfig,
        parameters: UdpParameters,
        proof: AddressProof,
        counters: Counter[str],
    ) -> None:
        self._config = config
        self._parameters = parameters
        self._proof = proof
        self._counters = counters
        self.rejections = Rejections()
        self._checked = parameters.address_check
        # A HelloRetryRequest depends on the whole of the first hello, a HelloVerifyRequest on
        # nothing in it.
        speaks_13 = ProtocolVersion.DTLS_1_3 in config.usable_versions
        self._keep_first = speaks_13 or not self._checked
        only_13 = config.usable_versions == (ProtocolVersion.DTLS_1_3,)
        self._strangers = Strangers(counters, parameters.mtu, only_13=only_13)
        self._prelude = Prelude(counters, self._strangers)

    @property
    def deadline(self) -> float | None:
        """When :meth:`late` has something to say; None for never."""
        return self._strangers.deadline

    def find(self, datagram: bytes, address: Address, now: float) -> Found | None:
        """The hello in a datagram, or the beginning of one; None for nothing (yet)."""
        return self._prelude.receive(datagram, address, now, keep_first=self._keep_first)

    def late(self, now: float) -> list[tuple[Address, StatelessAnswer]]:
        """ACKs of second hellos of 1.3 of which a part has come and the rest has not."""
        return [
            (address, _acknowledging(joined.acks, joined.record_number))
            for address, joined in self._strangers.late(now)
        ]

    def greet(self, found: Found, address: Address, now: float) -> StatelessAnswer | Begin:
        """What to do about a hello: answer it and forget it, or begin a handshake."""
        if isinstance(found, Malformed):
            return self.refuse(found.error, found.record_number, address, now)
        if isinstance(found, Partial):
            return _acknowledging(found.acks, found.record_number)
        if isinstance(found, Opening):
            return self._verify_request(0, found.record_number, address, now)
        try:
            version = version_for(self._config, found.message)
            if version == ProtocolVersion.DTLS_1_3:
                return self._greet_13(found, address, now)
        except AlertError as error:
            return self.refuse(error, found.record_number, address, now)
        if self._checked and not self._proof.verify(found.hello.cookie, address, now):
            sequence = found.message.message_seq
            return self._verify_request(sequence, found.record_number, address, now)
        return Begin(found, start_server(self._config), version)

    def refuse(
        self, error: AlertError, record_number: int, address: Address, now: float
    ) -> StatelessAnswer:
        """An alert in the clear, which is shorter than any hello."""
        self._counters[f"refused: {error.name}"] += 1
        self.rejections.say(address, error, now)
        body = error.alert.encode()
        return StatelessAnswer((plain_record(ContentType.alert, record_number, body),))

    def _greet_13(self, found: Hello, address: Address, now: float) -> StatelessAnswer | Begin:
        version, message = ProtocolVersion.DTLS_1_3, found.message
        if not self._checked:
            return Begin(found, start_server(self._config), version)
        if has_cookie(message):
            state = state_after_retry(
                self._config,
                message,
                lambda value, context: self._proof.open(value, address, now, context),
            )
            return Begin(found, state, version)
        self._counters["challenged"] += 1
        retry = retry_for(
            self._config,
            message,
            lambda content, context: self._proof.protect(content, address, now, context),
        )
        answer = self._message(retry, found.record_number)
        if found.cut:
            self._strangers.answered(address, message, sum(map(len, answer.datagrams)), now)
        return answer

    def _verify_request(
        self, message_seq: int, record_number: int, address: Address, now: float
    ) -> StatelessAnswer:
        """HelloVerifyRequest, under the number of the record it answers (RFC 6347 4.2.1).

        And under the ``message_seq`` of the hello: each side has sent as many messages before, and
        a client whose cookie is out of date would take another number for a repetition.
        """
        self._counters["challenged"] += 1
        # Version 1.0, whatever is negotiated: RFC 6347 section 4.2.1.
        request = HelloVerifyRequest(ProtocolVersion.DTLS_1_0, self._proof.make(address, now))
        kind = HandshakeType.hello_verify_request
        message = HandshakeMessage(kind, request.encode(), message_seq)
        return self._message(message, record_number)

    def _message(self, message: HandshakeMessage, record_number: int) -> StatelessAnswer:
        """A message in the clear, its records counted from that of the hello."""
        packer = Packer(self._parameters.mtu, Numbers(record_number))
        return StatelessAnswer(tuple(packer.pack((message,), None)))


def _acknowledging(acks: Iterable[Ack], number: int) -> StatelessAnswer:
    """ACKs in the clear, counted from ``number``."""
    return StatelessAnswer(
        tuple(
            plain_record(ContentType.ack, number + index, ack.encode())
            for index, ack in enumerate(acks)
        )
    )
