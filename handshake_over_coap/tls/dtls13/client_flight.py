"""The client's states from EncryptedExtensions on, all of them in epoch 2.

::

    ExpectEncryptedExtensions -> [ExpectCertificate -> ExpectCertificateVerify] -> ExpectFinished
        -> Connected13

Source: RFC 8446 sections 4.3 and 4.4; RFC 7250 (raw public keys); RFC 8449.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from handshake_over_coap.tls.alerts import (
    DecodeError,
    IllegalParameter,
    MissingExtension,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.config import (
    MAX_RECORD_LIMIT_1_3,
    ClientConfig,
)
from handshake_over_coap.tls.credentials import AsymmetricCredential, identity_of
from handshake_over_coap.tls.extensions import (
    CertificateAuthorities,
    RecordSizeLimit,
    ServerNameAcknowledged,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
)
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.messages import (
    Certificate13,
    CertificateRequest13,
    EncryptedExtensions,
    Finished13,
)
from handshake_over_coap.tls.schedule13 import HANDSHAKE_EPOCH, verify_data
from handshake_over_coap.tls.signatures import PublicKey
from handshake_over_coap.tls.steps import (
    FlightBuilder,
    agreed_certificate_types,
    expect,
    is_message,
    unexpected,
)
from handshake_over_coap.tls.transcript import Transcript

from .common import (
    HandshakeSecrets,
    Parameters,
    application_keys,
    certificate_message,
    certificate_verify,
    check_allowed,
    check_certificate_verify,
    check_finished,
    check_place,
    read_certificate,
)
from .connected import Ending, connected
from .offer import OfferedKey

_IN_ENCRYPTED_EXTENSIONS = {
    int(ExtensionType.server_name),
    int(ExtensionType.supported_groups),
    int(ExtensionType.client_certificate_type),
    int(ExtensionType.server_certificate_type),
    int(ExtensionType.record_size_limit),
}
_IN_CERTIFICATE_REQUEST = {
    int(ExtensionType.status_request),
    int(ExtensionType.signature_algorithms),
    int(ExtensionType.certificate_authorities),
    int(ExtensionType.signature_algorithms_cert),
}


@dataclass(frozen=True, slots=True)
class ClientCommon:
    """What all states after ServerHello know.

    ``offered`` are the numbers of the extensions in our hello, ``key`` the pre-shared key in use.
    """

    config: ClientConfig
    offered: tuple[int, ...]
    secrets: HandshakeSecrets
    next_seq: int
    key: OfferedKey | None


@dataclass(frozen=True, slots=True)
class ExpectEncryptedExtensions:
    """ServerHello has come, and with it the keys of epoch 2."""

    common: ClientCommon
    parameters: Parameters
    transcript: Transcript

    def handle(self, item: Item) -> Step:
        """EncryptedExtensions: what is agreed on besides the keys."""
        message = expect(item, HandshakeType.encrypted_extensions, HANDSHAKE_EPOCH)
        extensions = EncryptedExtensions.decode(message.body).extensions
        check_allowed(extensions, _IN_ENCRYPTED_EXTENSIONS, self.common.offered)
        extensions.find(ServerNameAcknowledged)
        limit = extensions.find(RecordSizeLimit)
        server_type, client_type = agreed_certificate_types(
            self.common.config, extensions, by_certificate=not self.parameters.psk
        )
        if self.common.key is not None and self.common.key.ticket is not None:
            server_type = self.common.key.ticket.server_certificate_type
        parameters = replace(
            self.parameters,
            server_certificate_type=server_type,
            client_certificate_type=client_type,
            peer_record_limit=None if limit is None else min(limit.limit, MAX_RECORD_LIMIT_1_3),
            own_record_limit=None if limit is None else self.common.config.record_size_limit,
        )
        transcript = self.transcript.append(message)
        if parameters.psk:
            return Step(ExpectFinished(self.common, parameters, transcript, self._peer()))
        return Step(ExpectCertificate(self.common, parameters, transcript))

    def _peer(self) -> PeerIdentity:
        """Who the server is by having the pre-shared key."""
        key = self.common.key
        if key is None:
            return PeerIdentity()
        if key.ticket is not None:
            return key.ticket.peer
        return PeerIdentity(psk_identity=key.identity)


@dataclass(frozen=True, slots=True)
class ExpectCertificate:
    """The server proves itself with a key of its own."""

    common: ClientCommon
    parameters: Parameters
    transcript: Transcript
    request: CertificateRequest13 | None = None

    def handle(self, item: Item) -> Step:
        """CertificateRequest at most once, then Certificate, checked against the trust."""
        if self.request is None and is_message(
            item, HandshakeType.certificate_request, HANDSHAKE_EPOCH
        ):
            return self._requested(expect(item, HandshakeType.certificate_request, HANDSHAKE_EPOCH))
        message = expect(item, HandshakeType.certificate, HANDSHAKE_EPOCH)
        config = self.common.config
        shown = read_certificate(message.body, self.parameters.server_certificate_type)
        if config.trust is None:
            raise UnsupportedCertificate("a certificate, and nothing to check it against")
        if not shown.entries:
            raise DecodeError("the server shows no certificate or key (RFC 8446 4.4.2.4)")
        key = config.trust.verify(shown, config.asked_of_server())
        transcript = self.transcript.append(message)
        server = _Server(identity_of(shown), key, self.request)
        return Step(ExpectCertificateVerify(self.common, self.parameters, transcript, server))

    def _requested(self, message: HandshakeMessage) -> Step:
        request = CertificateRequest13.decode(message.body)
        if request.context:
            raise IllegalParameter("a certificate request with a context")
        check_place(request.extensions, _IN_CERTIFICATE_REQUEST)
        for kind in (SignatureAlgorithmsCert, CertificateAuthorities):
            request.extensions.find(kind)  # with one credential there is nothing to choose by them
        if request.extensions.find(SignatureAlgorithms) is None:
            raise MissingExtension("a certificate request without signature_algorithms")
        return Step(replace(self, transcript=self.transcript.append(message), request=request))


@dataclass(frozen=True, slots=True)
class _Server:
    """What the server has shown of itself, and asked."""

    identity: PeerIdentity
    key: PublicKey
    request: CertificateRequest13 | None


@dataclass(frozen=True, slots=True)
class ExpectCertificateVerify:
    """The server's key is known, and not yet that it is its own."""

    common: ClientCommon
    parameters: Parameters
    transcript: Transcript
    server: _Server

    def handle(self, item: Item) -> Step:
        """CertificateVerify over all messages before it."""
        message = expect(item, HandshakeType.certificate_verify, HANDSHAKE_EPOCH)
        check_certificate_verify(message.body, self.server.key, self.transcript, by_server=True)
        return Step(
            ExpectFinished(
                self.common,
                self.parameters,
                self.transcript.append(message),
                self.server.identity,
                self.server.request,
            )
        )


@dataclass(frozen=True, slots=True)
class ExpectFinished:
    """The end of the server's flight."""

    common: ClientCommon
    parameters: Parameters
    transcript: Transcript
    peer: PeerIdentity
    request: CertificateRequest13 | None = None

    def handle(self, item: Item) -> Step:
        """Finished, verified, which draws the client's last flight: the handshake is complete."""
        if not is_message(item, HandshakeType.finished, HANDSHAKE_EPOCH):
            raise unexpected(item, "finished")
        secrets = self.common.secrets
        message = check_finished(item, secrets.server, self.transcript)
        transcript = self.transcript.append(message)
        traffic = secrets.application(transcript)
        builder = self._flight(transcript)
        own = verify_data(secrets.client, builder.transcript.hash())
        builder.add(Finished13(own), HANDSHAKE_EPOCH)
        ending = Ending(
            parameters=self.parameters,
            peer=self.peer,
            secrets=traffic,
            resumption=secrets.master.resumption(builder.transcript.hash()),
            verify_data=(own, message.body),
            transcript=builder.transcript.bytes,
            next_seq=builder.next_seq,
        )
        state = connected(ending, client=True, now=self.common.config.now)
        keys = application_keys(self.parameters, traffic, client=True)
        return Step(state, tuple(builder.items), (keys,))

    def _flight(self, transcript: Transcript) -> FlightBuilder:
        """Our key if it was asked for; a client without one says so (RFC 8446 4.4.2)."""
        builder = FlightBuilder(transcript, self.common.next_seq)
        if self.request is None:
            return builder
        credential = self._credential(self.request)
        if credential is None:
            builder.add(Certificate13(), HANDSHAKE_EPOCH)
            return builder
        builder.add(certificate_message(credential), HANDSHAKE_EPOCH)
        verify = certificate_verify(credential, builder.transcript, by_server=False)
        builder.add(verify, HANDSHAKE_EPOCH)
        return builder

    def _credential(self, request: CertificateRequest13) -> AsymmetricCredential | None:
        """Our key, if the request takes it."""
        credential = self.common.config.credential
        schemes = request.extensions.find(SignatureAlgorithms)
        if credential is None or schemes is None:
            return None
        fits = (
            credential.form == self.parameters.client_certificate_type
            and credential.scheme in schemes.schemes
        )
        return credential if fits else None
