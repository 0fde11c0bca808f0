"""Flight 3: what a client answers to a server's first words.

Its key if it was asked for one, its part of the key exchange, its proof that the key is its own,
and Finished under the new keys.

Source: RFC 5246 sections 7.4.6 to 7.4.9; RFC 4279, RFC 5489, RFC 8422 (key exchanges); RFC 7627.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import HandshakeFailure
from handshake_over_coap.tls.codepoints import ClientCertificateType as RequestedType
from handshake_over_coap.tls.config import ClientConfig
from handshake_over_coap.tls.credentials import AsymmetricCredential
from handshake_over_coap.tls.flight import Flight
from handshake_over_coap.tls.groups import generate
from handshake_over_coap.tls.handshake import EpochKeys, PeerIdentity
from handshake_over_coap.tls.messages import (
    Certificate,
    CertificateRequest,
    ClientKeyExchangeEcdhe,
    ClientKeyExchangeEcdhePsk,
    ClientKeyExchangePsk,
    Message,
)
from handshake_over_coap.tls.schedule12 import ecdhe_psk_premaster, psk_premaster
from handshake_over_coap.tls.signatures import PublicKey
from handshake_over_coap.tls.suites import KeyExchange
from handshake_over_coap.tls.transcript import Transcript

from .common import (
    FlightBuilder,
    Parameters,
    Secrets,
    certificate_message,
    derive_master,
    epoch_keys,
    finished_data,
    sign_transcript,
)


@dataclass(frozen=True, slots=True)
class ClientCommon:
    """What all states of the client after ServerHello know.

    ``next_seq`` is the message_seq of the client's next message.
    """

    config: ClientConfig
    parameters: Parameters
    next_seq: int


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """What the server's flight has told so far.

    ``identity`` and ``key`` are of the server's Certificate; ``group`` (a NamedGroup number) and
    ``public`` (its bytes) of ServerKeyExchange; ``request`` is there where the server asks for the
    client's key.
    """

    identity: PeerIdentity = field(default_factory=PeerIdentity)
    key: PublicKey | None = None
    group: int | None = None
    public: bytes = b""
    request: CertificateRequest | None = None


@dataclass(frozen=True, slots=True)
class Flight3:
    """The flight, the keys it is sealed with, and what is needed to check the server's Finished.

    ``verify_data`` is the client's own, 12 bytes.
    """

    items: Flight
    keys: EpochKeys
    secrets: Secrets
    transcript: Transcript
    verify_data: bytes


def make_flight_3(common: ClientCommon, server: ServerFlight, transcript: Transcript) -> Flight3:
    """The answer to flight 2, which ``transcript`` goes up to.

    Raises IllegalParameter for an unacceptable public value, HandshakeFailure where the server has
    left out what its suite needs.
    """
    parameters = common.parameters
    builder = FlightBuilder(transcript, common.next_seq)
    credential = _credential(common, server)
    if credential is not None:
        builder.add(certificate_message(credential))
    elif server.request is not None:
        builder.add(Certificate(()))
    premaster, key_exchange = _key_exchange(common, server)
    builder.add(key_exchange)
    master = derive_master(parameters, premaster, builder.transcript)
    if credential is not None:
        builder.add(sign_transcript(credential, builder.transcript))
    own = finished_data(master, builder.transcript, client=True)
    builder.add_finished(own)
    return Flight3(
        items=tuple(builder.items),
        keys=epoch_keys(parameters, master, client=True),
        secrets=Secrets(master, _peer(common, server)),
        transcript=builder.transcript,
        verify_data=own,
    )


def _peer(common: ClientCommon, server: ServerFlight) -> PeerIdentity:
    if common.config.psk is not None and common.parameters.suite.key_exchange.uses_psk:
        return PeerIdentity(psk_identity=common.config.psk.identity)
    return server.identity


def _credential(common: ClientCommon, server: ServerFlight) -> AsymmetricCredential | None:
    """Our key, if the request takes it; a client without one says so (RFC 5246 7.4.6)."""
    credential, request = common.config.credential, server.request
    if credential is None or request is None:
        return None
    fits = (
        credential.form == common.parameters.client_certificate_type
        and RequestedType.ecdsa_sign in request.certificate_types
        and credential.scheme in request.signature_algorithms
    )
    return credential if fits else None


def _key_exchange(common: ClientCommon, server: ServerFlight) -> tuple[bytes, Message]:
    """The premaster secret and the message that conveys our part of it."""
    config, exchange = common.config, common.parameters.suite.key_exchange
    shared, public = b"", b""
    if exchange.uses_ecdhe:
        if server.group is None:
            raise HandshakeFailure("a suite with ECDHE, and no parameters from the server")
        ephemeral = generate(server.group, config.rng)
        shared, public = ephemeral.exchange(server.public), ephemeral.public
    if exchange is KeyExchange.ECDHE_ECDSA:
        return shared, ClientKeyExchangeEcdhe(public)
    if config.psk is None:
        raise HandshakeFailure("a PSK suite, and no key")
    if exchange is KeyExchange.PSK:
        return psk_premaster(config.psk.key), ClientKeyExchangePsk(config.psk.identity)
    message = ClientKeyExchangeEcdhePsk(config.psk.identity, public)
    return ecdhe_psk_premaster(shared, config.psk.key), message
