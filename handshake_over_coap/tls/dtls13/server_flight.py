"""What a server of DTLS 1.3 says: its one flight, and the tickets after the handshake.

Source: RFC 8446 sections 4.1.3, 4.3, 4.4 and 4.6.1, RFC 9147 section 5.4; RFC 8449, RFC 9146.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import MAX_RECORD_LIMIT_1_3, ServerConfig
from handshake_over_coap.tls.credentials import issuer_schemes
from handshake_over_coap.tls.derived import SEED_SIZE, random_of, seeded_random
from handshake_over_coap.tls.extensions import (
    ClientCertificateType,
    ConnectionId,
    Extensions,
    KeyShareEntry,
    RecordSizeLimit,
    SelectedClientCertificateType,
    SelectedKeyShare,
    SelectedPsk,
    SelectedServerCertificateType,
    SelectedVersion,
    ServerCertificateType,
    ServerNameAcknowledged,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    TypedExtension,
)
from handshake_over_coap.tls.flight import Flight, HandshakeMessage
from handshake_over_coap.tls.groups import respond
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.messages import (
    CertificateRequest13,
    EncryptedExtensions,
    Finished13,
    NewSessionTicket,
    ServerHello,
)
from handshake_over_coap.tls.schedule13 import (
    APPLICATION_EPOCH,
    HANDSHAKE_EPOCH,
    EarlySecret,
    ticket_psk,
    verify_data,
)
from handshake_over_coap.tls.signatures import SCHEMES
from handshake_over_coap.tls.steps import FlightBuilder
from handshake_over_coap.tls.transcript import Transcript

from .common import (
    HandshakeSecrets,
    Parameters,
    TrafficSecrets,
    application_keys,
    certificate_message,
    certificate_verify,
    handshake_keys,
)
from .selection import Selection
from .server_tickets import TicketContent, milliseconds, seal_ticket, ticket_lifetime


@dataclass(frozen=True, slots=True)
class ServerCommon:
    """What all states after the server's flight know; ``transcript`` goes up to its end.

    ``traffic`` are the secrets of all epochs, ``keys`` those of epochs 2 and 3 made of them;
    ``verify_data`` is the server's Finished, 32 bytes; ``next_seq`` the message_seq of the server's
    next message.
    """

    config: ServerConfig
    choice: Selection
    parameters: Parameters
    secrets: HandshakeSecrets
    traffic: TrafficSecrets
    transcript: Transcript
    flight: Flight = field(repr=False)
    keys: tuple[EpochKeys, EpochKeys]
    verify_data: bytes
    next_seq: int

    @property
    def asks_for_key(self) -> bool:
        """Whether the flight has a CertificateRequest."""
        return self.config.request_client_certificate and self.choice.credential is not None


@dataclass(frozen=True, slots=True)
class HeardHello:
    """The client's last hello and what follows from it; ``transcript`` goes up to it."""

    choice: Selection
    early: EarlySecret
    transcript: Transcript


def make_flight(config: ServerConfig, heard: HeardHello, *, next_seq: int) -> ServerCommon:
    """ServerHello to Finished, and the keys that they are sealed with.

    Raises IllegalParameter for a key share that is not acceptable.
    """
    choice = heard.choice
    parameters = _parameters(config, choice)
    own_share, shared = None, None
    if choice.group is not None and choice.share is not None:
        own_share, shared = respond(choice.group, choice.share, config.rng)
        derived = random_of(choice.group, own_share) if config.derived_random else None
        parameters = replace(parameters, server_random=derived or parameters.server_random)
    elif config.seeded_random:
        seed = parameters.server_random[:SEED_SIZE]
        parameters = replace(parameters, server_random=seeded_random(seed))
    builder = FlightBuilder(heard.transcript, next_seq)
    builder.add(_server_hello(choice, parameters, own_share))
    secrets = HandshakeSecrets.of(heard.early, shared, builder.transcript)
    builder.add(_encrypted_extensions(config, choice), HANDSHAKE_EPOCH)
    if choice.credential is not None:
        if config.request_client_certificate:
            request = _certificate_request(config, choice.client_certificate_type)
            builder.add(request, HANDSHAKE_EPOCH)
        builder.add(certificate_message(choice.credential), HANDSHAKE_EPOCH)
        proof = certificate_verify(choice.credential, builder.transcript, by_server=True)
        builder.add(proof, HANDSHAKE_EPOCH)
    own = verify_data(secrets.server, builder.transcript.hash())
    builder.add(Finished13(own), HANDSHAKE_EPOCH)
    traffic = secrets.application(builder.transcript)
    return ServerCommon(
        config=config,
        choice=choice,
        parameters=parameters,
        secrets=secrets,
        traffic=traffic,
        transcript=builder.transcript,
        flight=tuple(builder.items),
        keys=(
            handshake_keys(parameters, secrets, client=False),
            application_keys(parameters, traffic, client=False),
        ),
        verify_data=own,
        next_seq=builder.next_seq,
    )


def _parameters(config: ServerConfig, choice: Selection) -> Parameters:
    offered = choice.offered
    peer_cid, limit = offered.connection_id, offered.record_size_limit
    own_cid = None if peer_cid is None else config.new_connection_id()
    return Parameters(
        suite=choice.suite,
        group=choice.group,
        psk=choice.key is not None,
        resumed=choice.key is not None and choice.key.ticket is not None,
        client_random=offered.hello.random,
        server_random=config.rng(32),
        server_name=offered.server_name,
        server_certificate_type=choice.server_certificate_type,
        client_certificate_type=choice.client_certificate_type,
        own_cid=own_cid,
        peer_cid=None if peer_cid is None or own_cid is None else peer_cid.cid,
        peer_record_limit=None if limit is None else min(limit.limit, MAX_RECORD_LIMIT_1_3),
        own_record_limit=None if limit is None else config.record_size_limit,
    )


def _server_hello(
    choice: Selection, parameters: Parameters, own_share: bytes | None
) -> ServerHello:
    found: list[TypedExtension] = [SelectedVersion(Version.DTLS_1_3)]
    if choice.group is not None and own_share is not None:
        found.append(SelectedKeyShare(KeyShareEntry(choice.group, own_share)))
    if choice.key is not None:
        found.append(SelectedPsk(choice.key.index))
    if parameters.own_cid is not None:
        found.append(ConnectionId(parameters.own_cid))
    return ServerHello(
        version=Version.DTLS_1_2,
        random=parameters.server_random,
        session_id=b"",
        cipher_suite=choice.suite.id,
        extensions=Extensions.of(*found),
    )


def _encrypted_extensions(config: ServerConfig, choice: Selection) -> EncryptedExtensions:
    found: list[TypedExtension] = []
    extensions = choice.offered.hello.extensions
    if choice.offered.server_name is not None:
        found.append(ServerNameAcknowledged())
    if choice.credential is not None:
        if ServerCertificateType.extension_type in extensions:
            found.append(SelectedServerCertificateType(choice.credential.form))
        asked = config.request_client_certificate
        if asked and ClientCertificateType.extension_type in extensions:
            found.append(SelectedClientCertificateType(choice.client_certificate_type))
    if choice.offered.record_size_limit is not None:
        # Answered without a limit of our own too: the client then knows that its own is heeded.
        found.append(RecordSizeLimit(config.record_size_limit or MAX_RECORD_LIMIT_1_3))
    return EncryptedExtensions(Extensions.of(*found))


def _certificate_request(config: ServerConfig, form: int) -> CertificateRequest13:
    """The request for a client's key in the negotiated ``form``."""
    trust, forms = config.trust, config.client_certificate_types
    schemes = SCHEMES if trust is None else trust.schemes(forms)
    found: list[TypedExtension] = [SignatureAlgorithms(schemes)]
    issuers = issuer_schemes((form,))
    if issuers:
        found.append(SignatureAlgorithmsCert(issuers))
    return CertificateRequest13(Extensions.of(*found))


def make_tickets(common: ServerCommon, peer: PeerIdentity, resumption: bytes) -> Flight:
    """NewSessionTickets for a client that can use them, and as many as the configuration says."""
    config, choice = common.config, common.choice
    count = config.tickets if choice.can_resume else 0
    now = milliseconds(config.now()) if count else 0
    old = None if choice.key is None else choice.key.ticket
    authenticated_at = now if old is None else old.authenticated_at
    lifetime = ticket_lifetime(config, authenticated_at) if count else 0
    found: list[HandshakeMessage] = []
    for number in range(count if lifetime else 0):
        nonce = bytes((number,))
        content = TicketContent(
            suite=choice.suite.id,
            psk=ticket_psk(resumption, nonce),
            issued_at=now,
            authenticated_at=authenticated_at,
            lifetime=lifetime,
            server_name=choice.offered.server_name,
            peer=peer,
            server_certificate_type=choice.server_certificate_type,
        )
        ticket = seal_ticket(config, content)
        if ticket is None:
            break
        age_add = int.from_bytes(config.rng(4), "big")
        message = NewSessionTicket(lifetime, age_add, nonce, ticket)
        seq = common.next_seq + number
        found.append(HandshakeMessage(message.msg_type, message.encode(), seq, APPLICATION_EPOCH))
    return tuple(found)
