"""The server's states of a DTLS 1.2 handshake.

::

    start -> ExpectClientHello -> [ExpectCertificate] -> ExpectClientKeyExchange
          -> [ExpectCertificateVerify] -> ExpectChangeCipherSpec -> ExpectFinished -> Connected

What the hellos agree on is chosen in :mod:`.selection`.

Source: RFC 5246 section 7.4; RFC 4279, RFC 5489, RFC 8422 (key exchanges); RFC 7250; RFC 7627.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import HandshakeFailure, InternalError
from handshake_over_coap.tls.codepoints import ClientCertificateType as RequestedType
from handshake_over_coap.tls.codepoints import HandshakeType, ProtocolVersion
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import identity_of
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.groups import EphemeralKey, generate
from handshake_over_coap.tls.handshake import PeerIdentity, Step
from handshake_over_coap.tls.messages import (
    DOWNGRADE_TO_1_2,
    RANDOM_LENGTH,
    CertificateRequest,
    ClientHello,
    ClientKeyExchangeEcdhe,
    ClientKeyExchangeEcdhePsk,
    ClientKeyExchangePsk,
    ServerHelloDone,
    ServerKeyExchangeEcdheEcdsa,
    ServerKeyExchangeEcdhePsk,
    ServerKeyExchangePsk,
)
from handshake_over_coap.tls.schedule12 import ecdhe_psk_premaster, psk_premaster
from handshake_over_coap.tls.signatures import SCHEMES, PublicKey, sign
from handshake_over_coap.tls.steps import expect
from handshake_over_coap.tls.suites import KeyExchange
from handshake_over_coap.tls.transcript import Transcript

from .common import (
    FlightBuilder,
    Parameters,
    Secrets,
    certificate_message,
    check_certificate_verify,
    check_finished,
    connected,
    derive_master,
    epoch_keys,
    expect_change_cipher_spec,
    finished_data,
    read_certificate,
)
from .selection import Selection, select, server_hello, with_connection


def start_server(config: ServerConfig) -> ExpectClientHello:
    """The first state; it keeps nothing of any client."""
    return ExpectClientHello(config)


@dataclass(frozen=True, slots=True)
class ExpectClientHello:
    """Nothing has happened yet.  Any cookie has been checked by the carrier."""

    config: ServerConfig

    def handle(self, item: Item) -> Step:
        """ClientHello, which draws the whole of flight 2."""
        message = expect(item, HandshakeType.client_hello)
        return self.hear(message, ClientHello.decode(message.body))

    def hear(self, message: HandshakeMessage, hello: ClientHello) -> Step:
        """The same for a ``message`` that is decoded already."""
        choice = select(self.config, hello)
        parameters = choice.parameters(hello.random, self._random())
        parameters = with_connection(self.config, hello, parameters)
        # A stateless cookie exchange leaves its number of messages in the sequence (RFC 6347 4.2.2)
        builder = FlightBuilder(Transcript().append(message), message.message_seq)
        builder.add(server_hello(self.config, hello, choice, parameters))
        if choice.credential is not None:
            builder.add(certificate_message(choice.credential))
        ephemeral = self._add_key_exchange(builder, choice, parameters)
        requested = self.config.request_client_certificate and choice.credential is not None
        if requested:
            builder.add(CertificateRequest((RequestedType.ecdsa_sign,), SCHEMES))
        builder.add(ServerHelloDone())
        common = _Common(self.config, parameters, builder.next_seq, ephemeral)
        if requested:
            return Step(ExpectCertificate(common, builder.transcript), tuple(builder.items))
        state = ExpectClientKeyExchange(common, builder.transcript, PeerIdentity())
        return Step(state, tuple(builder.items))

    def _random(self) -> bytes:
        """Ours, which tells a client where 1.3 would have been spoken (RFC 8446 4.1.3)."""
        random = self.config.rng(RANDOM_LENGTH)
        if ProtocolVersion.DTLS_1_3 not in self.config.usable_versions:
            return random
        return random[: -len(DOWNGRADE_TO_1_2)] + DOWNGRADE_TO_1_2

    def _add_key_exchange(
        self, builder: FlightBuilder, choice: Selection, parameters: Parameters
    ) -> EphemeralKey | None:
        """ServerKeyExchange where the suite has one, and the ephemeral key behind it."""
        hint, exchange = self.config.psk_identity_hint, choice.suite.key_exchange
        if exchange is KeyExchange.PSK:
            if hint:
                builder.add(ServerKeyExchangePsk(hint))
            return None
        if choice.group is None:
            raise InternalError("a suite with ECDHE was chosen without a group")
        ephemeral = generate(choice.group, self.config.rng)
        if exchange is KeyExchange.ECDHE_PSK:
            builder.add(ServerKeyExchangeEcdhePsk(hint, ephemeral.group, ephemeral.public))
            return ephemeral
        credential = choice.credential
        if credential is None:
            raise InternalError("a suite with signatures was chosen without a key")
        unsigned = ServerKeyExchangeEcdheEcdsa(
            ephemeral.group, ephemeral.public, credential.scheme, b""
        )
        data = parameters.client_random + parameters.server_random + unsigned.signed_params()
        signature = sign(credential.private_key, credential.scheme, data)
        builder.add(
            ServerKeyExchangeEcdheEcdsa(
                ephemeral.group, ephemeral.public, credential.scheme, signature
            )
        )
        return ephemeral


@dataclass(frozen=True, slots=True)
class _Common:
    """What all later states know."""

    config: ServerConfig
    parameters: Parameters
    next_seq: int
    ephemeral: EphemeralKey | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExpectCertificate:
    """The client was asked for its key."""

    common: _Common
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """Certificate, checked against the trust of the configuration; an empty one is refused."""
        message = expect(item, HandshakeType.certificate)
        config = self.common.config
        form = self.common.parameters.client_certificate_type
        shown = read_certificate(message.body, form)
        if config.trust is None:
            raise InternalError("a client's key was asked for, and none can be trusted")
        if not shown.entries:
            raise HandshakeFailure("the client has no certificate or key to show")
        key = config.trust.verify(shown, config.asked_of_client())
        state = ExpectClientKeyExchange(
            self.common, self.transcript.append(message), identity_of(shown), client_key=key
        )
        return Step(state)


@dataclass(frozen=True, slots=True)
class ExpectClientKeyExchange:
    """The message that completes the premaster secret."""

    common: _Common
    transcript: Transcript
    identity: PeerIdentity
    client_key: PublicKey | None = None

    def handle(self, item: Item) -> Step:
        """ClientKeyExchange in the form of the suite: from here on there are keys."""
        message = expect(item, HandshakeType.client_key_exchange)
        premaster, identity = self._premaster(message)
        transcript = self.transcript.append(message)
        parameters = self.common.parameters
        master = derive_master(parameters, premaster, transcript)
        keys = (epoch_keys(parameters, master, client=False),)
        finishing = _Finishing(parameters, Secrets(master, identity), self.common.next_seq)
        if self.client_key is not None:
            return Step(ExpectCertificateVerify(finishing, transcript, self.client_key), keys=keys)
        return Step(ExpectChangeCipherSpec(finishing, transcript), keys=keys)

    def _premaster(self, message: HandshakeMessage) -> tuple[bytes, PeerIdentity]:
        exchange, lookup = self.common.parameters.suite.key_exchange, self.common.config.psk
        if exchange is KeyExchange.ECDHE_ECDSA:
            public = ClientKeyExchangeEcdhe.decode(message.body).public
            return self._shared(public), self.identity
        if lookup is None:
            raise InternalError("a PSK suite was chosen without keys")
        if exchange is KeyExchange.PSK:
            identity = ClientKeyExchangePsk.decode(message.body).identity
            return psk_premaster(lookup(identity)), PeerIdentity(psk_identity=identity)
        both = ClientKeyExchangeEcdhePsk.decode(message.body)
        premaster = ecdhe_psk_premaster(self._shared(both.public), lookup(both.identity))
        return premaster, PeerIdentity(psk_identity=both.identity)

    def _shared(self, public: bytes) -> bytes:
        if self.common.ephemeral is None:
            raise InternalError("a suite with ECDHE was chosen without a key pair")
        return self.common.ephemeral.exchange(public)


@dataclass(frozen=True, slots=True)
class _Finishing:
    """What the last states know."""

    parameters: Parameters
    secrets: Secrets
    next_seq: int


@dataclass(frozen=True, slots=True)
class ExpectCertificateVerify:
    """The client has shown a key that can sign."""

    finishing: _Finishing
    transcript: Transcript
    client_key: PublicKey

    def handle(self, item: Item) -> Step:
        """CertificateVerify over all messages before it."""
        message = expect(item, HandshakeType.certificate_verify)
        check_certificate_verify(message.body, self.client_key, self.transcript)
        return Step(ExpectChangeCipherSpec(self.finishing, self.transcript.append(message)))


@dataclass(frozen=True, slots=True)
class ExpectChangeCipherSpec:
    """The client's keys are next."""

    finishing: _Finishing
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """ChangeCipherSpec and nothing else."""
        expect_change_cipher_spec(item)
        return Step(ExpectFinished(self.finishing, self.transcript))


@dataclass(frozen=True, slots=True)
class ExpectFinished:
    """Only the client's Finished is missing."""

    finishing: _Finishing
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """Finished, verified, which draws flight 4: the handshake is complete."""
        finishing, master = self.finishing, self.finishing.secrets.master
        message = check_finished(item, master, self.transcript, client=True)
        builder = FlightBuilder(self.transcript.append(message), finishing.next_seq)
        own = finished_data(master, builder.transcript, client=False)
        builder.add_finished(own)
        state = connected(
            finishing.parameters, finishing.secrets, builder.transcript, (message.body, own)
        )
        return Step(state, tuple(builder.items))
