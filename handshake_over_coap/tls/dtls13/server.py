"""The server's states of a DTLS 1.3 handshake.

::

    start -> ExpectClientHello [-> ExpectSecondClientHello] -> [ExpectCertificate
          -> ExpectCertificateVerify] -> ExpectFinished -> Connected13

What the hellos agree on is chosen in :mod:`.selection`; the server's flight is made in
:mod:`.server_flight`.

Source: RFC 8446 sections 4.1 to 4.4, RFC 9147 section 5.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from handshake_over_coap.tls.alerts import (
    CertificateRequired,
    DecryptError,
    IllegalParameter,
    InternalError,
)
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import identity_of
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.messages import ClientHello, binder_input
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH, EarlySecret, verify_data
from handshake_over_coap.tls.signatures import PublicKey
from handshake_over_coap.tls.steps import expect
from handshake_over_coap.tls.transcript import Transcript

from .common import (
    check_certificate_verify,
    check_finished,
    empty_transcript,
    read_certificate,
)
from .connected import Ending, connected
from .retry import OpenCookie, Retry, open_retry, retry_with_state
from .selection import ChosenKey, select
from .server_flight import HeardHello, ServerCommon, make_flight, make_tickets


def start_server(config: ServerConfig) -> ExpectClientHello:
    """The first state; it keeps nothing of any client."""
    return ExpectClientHello(config)


def state_after_retry(
    config: ServerConfig, second: HandshakeMessage, open_: OpenCookie
) -> ExpectSecondClientHello:
    """The state that handles ``second``, the answer to a retry of :func:`~.retry.retry_for`.

    ``open_`` undoes the protection of the cookie, or gives None for one to refuse.  Raises
    IllegalParameter for such a cookie, and the AlertError to send for a malformed hello.
    """
    expect(second, HandshakeType.client_hello)
    return ExpectSecondClientHello(config, open_retry(config, second, open_))


@dataclass(frozen=True, slots=True)
class ExpectClientHello:
    """Nothing has happened yet."""

    config: ServerConfig

    def handle(self, item: Item) -> Step:
        """ClientHello, which draws the server's flight, or HelloRetryRequest for another group."""
        message = expect(item, HandshakeType.client_hello)
        return self.hear(message, ClientHello.decode(message.body))

    def hear(self, message: HandshakeMessage, hello: ClientHello) -> Step:
        """The same for a ``message`` that is decoded already."""
        if ExtensionType.cookie in hello.extensions:
            raise IllegalParameter("a cookie in a first ClientHello")
        choice = select(self.config, hello)
        if choice.needs_retry:
            retry, answer = retry_with_state(message, hello, choice)
            return Step(ExpectSecondClientHello(self.config, retry), (answer,))
        early = _early_secret(choice.key, message, empty_transcript())
        heard = HeardHello(choice, early, empty_transcript().append(message))
        return _answer(make_flight(self.config, heard, next_seq=0))


@dataclass(frozen=True, slots=True)
class ExpectSecondClientHello:
    """A HelloRetryRequest is sent."""

    config: ServerConfig
    retry: Retry

    def handle(self, item: Item) -> Step:
        """The second ClientHello, which draws the server's flight; there is no third."""
        message = expect(item, HandshakeType.client_hello)
        hello = ClientHello.decode(message.body)
        self.retry.check(hello)
        choice = select(self.config, hello)
        self.retry.check_choice(choice)
        early = _early_secret(choice.key, message, self.retry.transcript)
        heard = HeardHello(choice, early, self.retry.transcript.append(message))
        return _answer(make_flight(self.config, heard, next_seq=1))


def _early_secret(
    key: ChosenKey | None, message: HandshakeMessage, before: Transcript
) -> EarlySecret:
    """Where the key schedule starts; ``before`` is the transcript without the hello ``message``.

    Raises DecryptError unless the client proves by its binder that it has the key (RFC 8446
    section 4.2.11.2).
    """
    if key is None:
        return EarlySecret.of()
    early = EarlySecret.of(key.key)
    external = key.ticket is None
    base = early.external_binder_key() if external else early.resumption_binder_key()
    digest = before.hash_with(binder_input(message.body, key.offered))
    binder = key.offered.binders[key.index]
    if not hmac.compare_digest(binder, verify_data(base, digest)):
        raise DecryptError("the client does not have the pre-shared key it names")
    return early


def _answer(common: ServerCommon) -> Step:
    state: ExpectCertificate | ExpectFinished
    if common.asks_for_key:
        state = ExpectCertificate(common, common.transcript)
    else:
        key = common.choice.key
        peer = PeerIdentity() if key is None else key.peer
        state = ExpectFinished(common, common.transcript, peer)
    return Step(state, common.flight, common.keys)


@dataclass(frozen=True, slots=True)
class ExpectCertificate:
    """The client was asked for its key."""

    common: ServerCommon
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """Certificate, checked against the trust of the configuration; an empty one is refused."""
        message = expect(item, HandshakeType.certificate, HANDSHAKE_EPOCH)
        config = self.common.config
        shown = read_certificate(message.body, self.common.parameters.client_certificate_type)
        if config.trust is None:
            raise InternalError("a client's key was asked for, and none can be trusted")
        if not shown.entries:
            raise CertificateRequired("the client has no certificate or key to show")
        key = config.trust.verify(shown, config.asked_of_client())
        transcript = self.transcript.append(message)
        return Step(ExpectCertificateVerify(self.common, transcript, identity_of(shown), key))


@dataclass(frozen=True, slots=True)
class ExpectCertificateVerify:
    """The client has shown a key that can sign."""

    common: ServerCommon
    transcript: Transcript
    identity: PeerIdentity
    client_key: PublicKey

    def handle(self, item: Item) -> Step:
        """CertificateVerify over all messages before it."""
        message = expect(item, HandshakeType.certificate_verify, HANDSHAKE_EPOCH)
        check_certificate_verify(message.body, self.client_key, self.transcript, by_server=False)
        return Step(ExpectFinished(self.common, self.transcript.append(message), self.identity))


@dataclass(frozen=True, slots=True)
class ExpectFinished:
    """Only the client's Finished is missing."""

    common: ServerCommon
    transcript: Transcript
    peer: PeerIdentity

    def handle(self, item: Item) -> Step:
        """Finished, verified: the handshake is complete.  Tickets follow, where they are of use."""
        common = self.common
        message = check_finished(item, common.secrets.client, self.transcript)
        transcript = self.transcript.append(message)
        resumption = common.secrets.master.resumption(transcript.hash())
        tickets = make_tickets(common, self.peer, resumption)
        ending = Ending(
            parameters=common.parameters,
            peer=self.peer,
            secrets=common.traffic,
            resumption=resumption,
            verify_data=(message.body, common.verify_data),
            transcript=transcript.bytes,
            next_seq=common.next_seq + len(tickets),
        )
        return Step(connected(ending, client=False, now=common.config.now), tickets)
