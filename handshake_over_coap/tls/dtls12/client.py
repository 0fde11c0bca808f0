"""The client's states of a DTLS 1.2 handshake.

::

    start -> ExpectServerHello -> [ExpectCertificate] -> [ExpectServerKeyExchange]
          -> ExpectServerHelloDone -> ExpectChangeCipherSpec -> ExpectFinished -> Connected

Source: RFC 5246 section 7.4; RFC 4279, RFC 5489, RFC 8422 (key exchanges); RFC 7250 (raw public
keys); RFC 7627; RFC 5746; RFC 9146 (connection IDs); RFC 8449 (record limits); RFC 8446 section
4.1.3 (what a server of 1.3 says in its random).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from handshake_over_coap.tls.alerts import (
    HandshakeFailure,
    IllegalParameter,
    ProtocolVersion,
    UnsupportedCertificate,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ExtensionType,
    HandshakeType,
)
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import (
    MAX_RECORD_LIMIT_1_2,
    ClientConfig,
    groups12,
)
from handshake_over_coap.tls.credentials import DEFAULT_FORM, identity_of
from handshake_over_coap.tls.extensions import (
    UNCOMPRESSED,
    ClientCertificateType,
    ConnectionId,
    ECPointFormats,
    ExtendedMasterSecret,
    Extensions,
    RecordSizeLimit,
    RenegotiationInfo,
    ServerCertificateType,
    ServerName,
    ServerNameAcknowledged,
    SignatureAlgorithms,
    SupportedGroups,
    TypedExtension,
)
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.messages import (
    DOWNGRADE_TO_1_0,
    DOWNGRADE_TO_1_2,
    CertificateRequest,
    ClientHello,
    HelloVerifyRequest,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchangeEcdheEcdsa,
    ServerKeyExchangeEcdhePsk,
    ServerKeyExchangePsk,
)
from handshake_over_coap.tls.signatures import SCHEMES, verify
from handshake_over_coap.tls.steps import agreed_certificate_types, expect, is_message, unexpected
from handshake_over_coap.tls.suites import KeyExchange
from handshake_over_coap.tls.transcript import Transcript

from .client_flight import ClientCommon, ServerFlight, make_flight_3
from .common import (
    FlightBuilder,
    Parameters,
    Secrets,
    check_finished,
    connected,
    expect_change_cipher_spec,
    read_certificate,
)

_OF_1_3 = {
    ExtensionType.pre_shared_key,
    ExtensionType.supported_versions,
    ExtensionType.psk_key_exchange_modes,
    ExtensionType.key_share,
}

_MAX_HELLO_VERIFY_REQUESTS = 4
"""A server may ask for a cookie again when its secret has changed, but not for ever."""


def start_client(config: ClientConfig) -> Step:
    """Begin: the state that waits for ServerHello, and flight 1."""
    hello = ClientHello(
        version=Version.DTLS_1_2,
        random=config.rng(32),
        session_id=b"",
        cookie=b"",
        cipher_suites=(
            *(suite.id for suite in config.usable_suites),
            # Stands for an empty renegotiation_info and is 3 bytes shorter (RFC 5746 3.3).
            CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV,
        ),
        extensions=Extensions.of(*_extensions(config)),
    )
    return _send_hello(config, hello, next_seq=0, verify_requests=0)


def _send_hello(
    config: ClientConfig, hello: ClientHello, next_seq: int, verify_requests: int
) -> Step:
    builder = FlightBuilder(Transcript(), next_seq)
    builder.add(hello)
    state = ExpectServerHello(config, hello, builder.transcript, builder.next_seq, verify_requests)
    return Step(state, tuple(builder.items))


def _extensions(config: ClientConfig) -> list[TypedExtension]:
    exchanges = {suite.key_exchange for suite in config.usable_suites}
    found: list[TypedExtension] = []
    if config.sni is not None:
        found.append(ServerName(config.sni))
    if any(exchange.uses_ecdhe for exchange in exchanges):
        # The one form there is goes without saying, but some servers want it said (RFC 8422 4).
        found += [SupportedGroups(groups12(config.groups)), ECPointFormats((UNCOMPRESSED,))]
    if KeyExchange.ECDHE_ECDSA in exchanges:
        found.append(SignatureAlgorithms(SCHEMES))
        credential = config.credential
        if credential is not None and credential.form != DEFAULT_FORM:
            found.append(ClientCertificateType((credential.form,)))
        if config.server_certificate_types != (DEFAULT_FORM,):
            found.append(ServerCertificateType(config.server_certificate_types))
    found.append(ExtendedMasterSecret())
    if config.record_size_limit is not None:
        found.append(RecordSizeLimit(min(config.record_size_limit, MAX_RECORD_LIMIT_1_2)))
    if config.connection_id is not None:
        found.append(ConnectionId(config.connection_id))
    return found


@dataclass(frozen=True, slots=True)
class ExpectServerHello:
    """Flight 1 is sent.

    ``hello`` is the one sent last, ``transcript`` goes up to it; ``next_seq`` is the message_seq of
    our next message, ``verify_requests`` how many HelloVerifyRequests there were.
    """

    config: ClientConfig
    hello: ClientHello
    transcript: Transcript
    next_seq: int
    verify_requests: int

    def handle(self, item: Item) -> Step:
        """ServerHello, or HelloVerifyRequest, which draws the ClientHello again with a cookie."""
        if is_message(item, HandshakeType.hello_verify_request):
            return self._again(expect(item, HandshakeType.hello_verify_request))
        message = expect(item, HandshakeType.server_hello)
        hello = ServerHello.decode(message.body)
        parameters = self._check(hello)
        common = ClientCommon(self.config, parameters, self.next_seq)
        transcript = self.transcript.append(message)
        exchange = parameters.suite.key_exchange
        if exchange is KeyExchange.ECDHE_ECDSA:
            return Step(ExpectCertificate(common, transcript))
        return Step(ExpectServerKeyExchange(common, transcript, ServerFlight()))

    def _again(self, message: HandshakeMessage) -> Step:
        cookie = HelloVerifyRequest.decode(message.body).cookie
        if self.verify_requests >= _MAX_HELLO_VERIFY_REQUESTS:
            raise HandshakeFailure("the server keeps asking for a cookie")
        hello = replace(self.hello, cookie=cookie)
        return _send_hello(self.config, hello, self.next_seq, self.verify_requests + 1)

    def _check(self, hello: ServerHello) -> Parameters:
        if hello.version != Version.DTLS_1_2:
            raise ProtocolVersion(f"the server chose version {hello.version:#06x}")
        self._check_downgrade(hello)
        suite = next((s for s in self.config.usable_suites if s.id == hello.cipher_suite), None)
        if suite is None:
            raise IllegalParameter(f"cipher suite {hello.cipher_suite:#06x} was not offered")
        if hello.compression_method != 0:
            raise IllegalParameter("a compression method that was not offered")
        self._check_extensions(hello.extensions)
        extended = hello.extensions.find(ExtendedMasterSecret) is not None
        if not extended and self.config.require_extended_master_secret:
            raise HandshakeFailure("the server does without the extended master secret (RFC 7627)")
        server_type, client_type = agreed_certificate_types(
            self.config, hello.extensions, by_certificate=suite.key_exchange.uses_certificates
        )
        cid = hello.extensions.find(ConnectionId)
        limit = hello.extensions.find(RecordSizeLimit)
        return Parameters(
            suite=suite,
            client_random=self.hello.random,
            server_random=hello.random,
            extended_master_secret=extended,
            server_certificate_type=server_type,
            client_certificate_type=client_type,
            server_name=self.config.sni,
            own_cid=None if cid is None else self.config.connection_id,
            peer_cid=None if cid is None else cid.cid,
            peer_record_limit=None if limit is None else min(limit.limit, MAX_RECORD_LIMIT_1_2),
            own_record_limit=None if limit is None else self.config.record_size_limit,
        )

    def _check_downgrade(self, hello: ServerHello) -> None:
        """A server that speaks 1.3 says so in its random: then our offer of it was stripped."""
        offered = Version.DTLS_1_3 in self.config.usable_versions
        if offered and hello.random.endswith((DOWNGRADE_TO_1_2, DOWNGRADE_TO_1_0)):
            raise IllegalParameter("DTLS 1.2, although both sides speak 1.3 (RFC 8446 4.1.3)")

    def _check_extensions(self, extensions: Extensions) -> None:
        # renegotiation_info answers the signalling suite; ec_point_formats is often sent unasked.
        offered = {
            *self.hello.extensions.types(),
            RenegotiationInfo.extension_type,
            ECPointFormats.extension_type,
        }
        for number in extensions.types():
            if number not in offered:
                raise UnsupportedExtension(f"extension {number} was not offered")
            if number in _OF_1_3:
                raise IllegalParameter(f"extension {number} does not belong into DTLS 1.2")
        renegotiation = extensions.find(RenegotiationInfo)
        if renegotiation is not None and renegotiation.renegotiated_connection:
            raise HandshakeFailure("renegotiation_info is not empty in a first handshake")
        extensions.find(ServerNameAcknowledged)
        formats = extensions.find(ECPointFormats)
        if formats is not None and UNCOMPRESSED not in formats.formats:
            raise IllegalParameter("the server takes no uncompressed points")


@dataclass(frozen=True, slots=True)
class ExpectCertificate:
    """The suite is authenticated by the server's key."""

    common: ClientCommon
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """Certificate, checked against the trust of the configuration."""
        message = expect(item, HandshakeType.certificate)
        config, parameters = self.common.config, self.common.parameters
        shown = read_certificate(message.body, parameters.server_certificate_type)
        if config.trust is None:
            raise UnsupportedCertificate("a certificate, and nothing to check it against")
        key = config.trust.verify(shown, config.asked_of_server())
        server = ServerFlight(identity_of(shown), key)
        return Step(ExpectServerKeyExchange(self.common, self.transcript.append(message), server))


@dataclass(frozen=True, slots=True)
class ExpectServerKeyExchange:
    """A plain PSK suite may leave the message out."""

    common: ClientCommon
    transcript: Transcript
    server: ServerFlight

    def handle(self, item: Item) -> Step:
        """ServerKeyExchange in the form of the suite, its signature verified."""
        exchange = self.common.parameters.suite.key_exchange
        optional = exchange is KeyExchange.PSK
        if optional and not is_message(item, HandshakeType.server_key_exchange):
            state = ExpectServerHelloDone(self.common, self.transcript, self.server)
            return state.handle(item)
        message = expect(item, HandshakeType.server_key_exchange)
        server = self.server
        if exchange is KeyExchange.PSK:
            ServerKeyExchangePsk.decode(message.body)
        elif exchange is KeyExchange.ECDHE_PSK:
            params = ServerKeyExchangeEcdhePsk.decode(message.body)
            server = replace(server, group=params.named_curve, public=params.public)
        else:
            signed = ServerKeyExchangeEcdheEcdsa.decode(message.body)
            self._check_signature(signed)
            server = replace(server, group=signed.named_curve, public=signed.public)
        if server.group is not None and server.group not in groups12(self.common.config.groups):
            raise IllegalParameter(f"group {server.group} was not offered")
        return Step(ExpectServerHelloDone(self.common, self.transcript.append(message), server))

    def _check_signature(self, message: ServerKeyExchangeEcdheEcdsa) -> None:
        if self.server.key is None:
            raise UnsupportedCertificate("a signed key exchange without a certificate")
        parameters = self.common.parameters
        signed = parameters.client_random + parameters.server_random + message.signed_params()
        verify(self.server.key, message.scheme, signed, message.signature)


@dataclass(frozen=True, slots=True)
class ExpectServerHelloDone:
    """The end of flight 2, with a CertificateRequest before it if the server wants a key."""

    common: ClientCommon
    transcript: Transcript
    server: ServerFlight

    def handle(self, item: Item) -> Step:
        """CertificateRequest once, then ServerHelloDone, which draws flight 3."""
        if is_message(item, HandshakeType.certificate_request):
            return self._requested(expect(item, HandshakeType.certificate_request))
        message = expect(item, HandshakeType.server_hello_done)
        ServerHelloDone.decode(message.body)
        answer = make_flight_3(self.common, self.server, self.transcript.append(message))
        state = ExpectChangeCipherSpec(
            self.common.parameters, answer.secrets, answer.transcript, answer.verify_data
        )
        return Step(state, answer.items, (answer.keys,))

    def _requested(self, message: HandshakeMessage) -> Step:
        by_certificate = self.common.parameters.suite.key_exchange.uses_certificates
        if self.server.request is not None or not by_certificate:
            raise unexpected(message, "server_hello_done")
        server = replace(self.server, request=CertificateRequest.decode(message.body))
        return Step(replace(self, transcript=self.transcript.append(message), server=server))


@dataclass(frozen=True, slots=True)
class ExpectChangeCipherSpec:
    """Flight 3 is sent; the server's keys are next."""

    parameters: Parameters
    secrets: Secrets
    transcript: Transcript
    verify_data: bytes

    def handle(self, item: Item) -> Step:
        """ChangeCipherSpec and nothing else."""
        expect_change_cipher_spec(item)
        return Step(
            ExpectFinished(self.parameters, self.secrets, self.transcript, self.verify_data)
        )


@dataclass(frozen=True, slots=True)
class ExpectFinished:
    """Only the server's Finished is missing.

    ``transcript`` goes up to the client's own Finished, whose 12 bytes are ``verify_data``.
    """

    parameters: Parameters
    secrets: Secrets
    transcript: Transcript
    verify_data: bytes

    def handle(self, item: Item) -> Step:
        """Finished, verified: the handshake is complete."""
        message = check_finished(item, self.secrets.master, self.transcript, client=False)
        state = connected(
            self.parameters,
            self.secrets,
            self.transcript.append(message),
            (self.verify_data, message.body),
        )
        return Step(state)
