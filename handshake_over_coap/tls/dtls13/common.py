"""What the client's and the server's states of DTLS 1.3 share.

Source: RFC 8446 sections 4.4 and 7, RFC 9147 sections 5 and 6.1.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import (
    DecryptError,
    IllegalParameter,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import (
    ExtensionType,
    HandshakeType,
    NamedGroup,
)
from handshake_over_coap.tls.credentials import (
    DEFAULT_FORM,
    AsymmetricCredential,
    kind_by_form,
)
from handshake_over_coap.tls.extensions import Extensions
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.identity import Shown
from handshake_over_coap.tls.messages import (
    Certificate13,
    CertificateVerify,
    Finished13,
    MessageHash,
)
from handshake_over_coap.tls.schedule13 import (
    APPLICATION_EPOCH,
    HANDSHAKE_EPOCH,
    EarlySecret,
    MasterSecret,
    traffic_keys,
    verify_data,
)
from handshake_over_coap.tls.signatures import PublicKey, sign, signed_content, verify
from handshake_over_coap.tls.steps import expect
from handshake_over_coap.tls.suites13 import CipherSuite13
from handshake_over_coap.tls.transcript import Transcript

_KNOWN = frozenset(map(int, ExtensionType))


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the hellos and EncryptedExtensions agreed on.

    ``group`` is None where a pre-shared key is all there is; ``psk`` tells whether one is used,
    and ``resumed`` whether it came with a ticket.
    The randoms have 32 bytes.  Certificate types are numbers of RFC 7250; ``server_name`` is the
    name that the client asked for, if any.  ``own_cid`` goes into the records that come here,
    ``peer_cid`` into those that go out: None without the extension, empty where none is wanted (RFC
    9146).  Record limits are bytes of plaintext with the byte of its type, None without the
    extension (RFC 8449).
    """

    suite: CipherSuite13
    group: NamedGroup | None
    psk: bool
    resumed: bool
    client_random: bytes
    server_random: bytes
    server_name: str | None
    server_certificate_type: int = DEFAULT_FORM
    client_certificate_type: int = DEFAULT_FORM
    own_cid: bytes | None = None
    peer_cid: bytes | None = None
    peer_record_limit: int | None = None
    own_record_limit: int | None = None


def empty_transcript() -> Transcript:
    """The transcript of 1.3, before anything has been said."""
    return Transcript(HandshakeMessage.tls_bytes)


def transcript_after_retry(first_hello_hash: bytes, retry: HandshakeMessage) -> Transcript:
    """The first ClientHello's hash in its place, then the retry (RFC 8446 section 4.4.1)."""
    stand_in = MessageHash(first_hello_hash)
    message = HandshakeMessage(stand_in.msg_type, stand_in.encode())
    return empty_transcript().append(message).append(retry)


@dataclass(frozen=True, slots=True)
class HandshakeSecrets:
    """The traffic secrets of epoch 2, 32 bytes each, and the secret that follows.

    ``client`` and ``server`` are client_handshake_traffic_secret and the server's, ``master`` the
    master secret that the epochs after the handshake come from (RFC 8446 section 7.1).
    """

    client: bytes = field(repr=False)
    server: bytes = field(repr=False)
    master: MasterSecret = field(repr=False)

    @classmethod
    def of(
        cls, early: EarlySecret, shared: bytes | None, transcript: Transcript
    ) -> HandshakeSecrets:
        """From the hellos, which ``transcript`` goes up to."""
        secret, digest = early.handshake(shared), transcript.hash()
        return cls(secret.client_traffic(digest), secret.server_traffic(digest), secret.master())

    def application(self, transcript: Transcript) -> TrafficSecrets:
        """The secrets of epoch 3; ``transcript`` goes up to the server's Finished."""
        digest = transcript.hash()
        return TrafficSecrets(
            client_handshake=self.client,
            server_handshake=self.server,
            client_application=self.master.client_traffic(digest),
            server_application=self.master.server_traffic(digest),
            exporter=self.master.exporter(digest),
        )


@dataclass(frozen=True, slots=True)
class TrafficSecrets:
    """The secrets of a session that a key log holds, 32 bytes each.

    The application's are those of epoch 3, whatever KeyUpdate has made of them.
    """

    client_handshake: bytes = field(repr=False)
    server_handshake: bytes = field(repr=False)
    client_application: bytes = field(repr=False)
    server_application: bytes = field(repr=False)
    exporter: bytes = field(repr=False)


def handshake_keys(parameters: Parameters, secrets: HandshakeSecrets, *, client: bool) -> EpochKeys:
    """The keys of epoch 2 as one side uses them."""
    return _epoch_keys(parameters, HANDSHAKE_EPOCH, secrets.client, secrets.server, client=client)


def application_keys(parameters: Parameters, secrets: TrafficSecrets, *, client: bool) -> EpochKeys:
    """The keys of epoch 3 as one side uses them."""
    both = secrets.client_application, secrets.server_application
    return _epoch_keys(parameters, APPLICATION_EPOCH, *both, client=client)


def _epoch_keys(
    parameters: Parameters,
    epoch: int,
    client_secret: bytes,
    server_secret: bytes,
    *,
    client: bool,
) -> EpochKeys:
    aead = parameters.suite.aead
    clients = traffic_keys(client_secret, epoch, aead)
    servers = traffic_keys(server_secret, epoch, aead)
    return EpochKeys(
        read=servers if client else clients,
        write=clients if client else servers,
        own_cid=parameters.own_cid or b"",
        peer_cid=parameters.peer_cid or b"",
        peer_record_limit=parameters.peer_record_limit,
        own_record_limit=parameters.own_record_limit,
    )


def check_allowed(extensions: Extensions, allowed: set[int], offered: Iterable[int]) -> None:
    """Check a server's extensions: each answers one of ours, in the message it belongs into.

    Raises UnsupportedExtension for one that was not offered, IllegalParameter for one that has
    its place elsewhere (RFC 8446 section 4.2).
    """
    known = set(offered)
    for number in extensions.types():
        if number not in known:
            raise UnsupportedExtension(f"extension {number} was not offered")
        if number not in allowed:
            raise IllegalParameter(f"extension {number} does not belong into this message")


def check_place(extensions: Extensions, allowed: set[int]) -> None:
    """Check the extensions of a message that answers nothing: known ones are in their place.

    Raises IllegalParameter for one that is not; what is not known is passed over (RFC 8446 section
    4.2).
    """
    for number in extensions.types():
        if number in _KNOWN and number not in allowed:
            raise IllegalParameter(f"extension {number} does not belong into this message")


def certificate_message(credential: AsymmetricCredential) -> Certificate13:
    """The Certificate message that presents ``credential``."""
    return Certificate13.of(credential.entries)


def read_certificate(body: bytes, form: int) -> Shown:
    """The content of a Certificate message in the negotiated form; an empty one shows nothing.

    Raises IllegalParameter for a context, which has no place in a handshake, or for more entries
    than the form has, and UnsupportedExtension for an extension of an entry: this library offers
    none that go there.
    """
    message = Certificate13.decode(body)
    if message.context:
        raise IllegalParameter("a certificate with a context")
    if any(len(entry.extensions) for entry in message.entries):
        raise UnsupportedExtension("a certificate with extensions that were not offered")
    if len(message.entries) > 1 and not kind_by_form(form).listed:
        raise IllegalParameter(f"{len(message.entries)} entries, where one belongs")
    return Shown(form, message.chain)


def certificate_verify(
    credential: AsymmetricCredential, transcript: Transcript, *, by_server: bool
) -> CertificateVerify:
    """CertificateVerify over everything so far (RFC 8446 section 4.4.3)."""
    content = signed_content(transcript.hash(), by_server=by_server)
    signature = sign(credential.private_key, credential.scheme, content)
    return CertificateVerify(credential.scheme, signature)


def check_certificate_verify(
    body: bytes, key: PublicKey, transcript: Transcript, *, by_server: bool
) -> None:
    """Raises DecryptError unless the peer's CertificateVerify fits its key and the transcript.

    IllegalParameter for a scheme that is not that of the key.
    """
    message = CertificateVerify.decode(body)
    content = signed_content(transcript.hash(), by_server=by_server)
    verify(key, message.scheme, content, message.signature)


def check_finished(item: Item, base_key: bytes, transcript: Transcript) -> HandshakeMessage:
    """The peer's Finished, verified with its handshake traffic secret.  Raises DecryptError."""
    message = expect(item, HandshakeType.finished, epoch=HANDSHAKE_EPOCH)
    received = Finished13.decode(message.body).verify_data
    if not hmac.compare_digest(received, verify_data(base_key, transcript.hash())):
        raise DecryptError("the peer's Finished does not fit the handshake as seen here")
    return message
