"""What the client's and the server's states of DTLS 1.2 share.

Source: RFC 5246 section 7.4, RFC 6347 section 4.2.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from handshake_over_coap.tls import steps
from handshake_over_coap.tls.alerts import BadCertificate, DecryptError
from handshake_over_coap.tls.codepoints import HandshakeType, ProtocolVersion
from handshake_over_coap.tls.credentials import AsymmetricCredential, kind_by_form
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Connected, EpochKeys, PeerIdentity
from handshake_over_coap.tls.identity import Shown
from handshake_over_coap.tls.keys import Derive
from handshake_over_coap.tls.messages import (
    Certificate,
    CertificateVerify,
    Finished,
    Message,
    RawPublicKeyCertificate,
)
from handshake_over_coap.tls.schedule12 import (
    client_verify_data,
    connection_keys,
    exporter,
    extended_master_secret,
    master_secret,
    server_verify_data,
)
from handshake_over_coap.tls.signatures import PublicKey, sign, verify
from handshake_over_coap.tls.steps import expect, unexpected
from handshake_over_coap.tls.suites import CipherSuite
from handshake_over_coap.tls.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the hellos agreed on.

    The randoms have 32 bytes.  Certificate types are numbers of RFC 7250; ``server_name`` is the
    name that the client asked for, if any.  ``own_cid`` goes into the records that come here,
    ``peer_cid`` into those that go out: None without the extension, empty where none is wanted (RFC
    9146).  Record limits are bytes of plaintext, None without the extension (RFC 8449).
    """

    suite: CipherSuite
    client_random: bytes
    server_random: bytes
    extended_master_secret: bool
    server_certificate_type: int
    client_certificate_type: int
    server_name: str | None
    own_cid: bytes | None = None
    peer_cid: bytes | None = None
    peer_record_limit: int | None = None
    own_record_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The master secret and who the peer is: what is left to know before Finished."""

    master: bytes = field(repr=False)
    peer: PeerIdentity


def expect_change_cipher_spec(item: Item) -> None:
    """Raises UnexpectedMessage for anything but a ChangeCipherSpec."""
    if not isinstance(item, ChangeCipherSpec):
        raise unexpected(item, "change_cipher_spec")


class FlightBuilder(steps.FlightBuilder):
    """A flight of 1.2, which may end with Finished under new keys."""

    __slots__ = ()

    def add_finished(self, verify_data: bytes) -> None:
        """Add ChangeCipherSpec and a Finished under the new keys."""
        self.items.append(ChangeCipherSpec())
        self.add(Finished(verify_data), epoch=1)


def certificate_message(credential: AsymmetricCredential) -> Message:
    """The Certificate message that presents ``credential``."""
    if kind_by_form(credential.form).listed:
        return Certificate(credential.entries)
    (entry,) = credential.entries
    return RawPublicKeyCertificate(entry)


def read_certificate(body: bytes, form: int) -> Shown:
    """The content of a Certificate message in the negotiated form."""
    if kind_by_form(form).listed:
        return Shown(form, Certificate.decode(body).chain)
    return Shown(form, (RawPublicKeyCertificate.decode(body).subject_public_key_info,))


def sign_transcript(credential: AsymmetricCredential, transcript: Transcript) -> CertificateVerify:
    """CertificateVerify over everything so far (RFC 5246 section 7.4.8)."""
    signature = sign(credential.private_key, credential.scheme, transcript.bytes)
    return CertificateVerify(credential.scheme, signature)


def check_certificate_verify(body: bytes, key: PublicKey | None, transcript: Transcript) -> None:
    """Raises DecryptError unless the peer's CertificateVerify fits its key and the transcript."""
    if key is None:
        raise BadCertificate("a signature without a key to check it with")
    message = CertificateVerify.decode(body)
    verify(key, message.scheme, transcript.bytes, message.signature)


def derive_master(parameters: Parameters, premaster: bytes, transcript: Transcript) -> bytes:
    """The master secret; ``transcript`` goes up to and including ClientKeyExchange."""
    if parameters.extended_master_secret:
        return extended_master_secret(premaster, transcript.hash())
    return master_secret(premaster, parameters.client_random, parameters.server_random)


def epoch_keys(parameters: Parameters, master: bytes, *, client: bool) -> EpochKeys:
    """The keys of epoch 1 as one side uses them."""
    randoms = parameters.client_random, parameters.server_random
    further: tuple[Derive | None, Derive | None] = None, None
    if parameters.extended_master_secret:
        exports = exporter(master, *randoms)
        further = _further(exports, b"client"), _further(exports, b"server")
    keys = connection_keys(master, parameters.suite.aead, *randoms, further)
    clients, servers = keys.client_write, keys.server_write
    return EpochKeys(
        read=servers if client else clients,
        write=clients if client else servers,
        own_cid=parameters.own_cid or b"",
        peer_cid=parameters.peer_cid or b"",
        peer_record_limit=parameters.peer_record_limit,
        own_record_limit=parameters.own_record_limit,
    )


def _further(exports: Callable[[bytes, int], bytes], sender: bytes) -> Derive:
    """Further keys of one direction: exports (RFC 5705) under a label that names the sender."""
    return lambda label, length: exports(b"EXPERIMENTAL %b %b" % (label.encode(), sender), length)


def finished_data(master: bytes, transcript: Transcript, *, client: bool) -> bytes:
    """The 12 bytes of one side's Finished over ``transcript``."""
    derive = client_verify_data if client else server_verify_data
    return derive(master, transcript.hash())


def check_finished(
    item: Item, master: bytes, transcript: Transcript, *, client: bool
) -> HandshakeMessage:
    """The peer's Finished, verified; ``client`` tells whose it is.  Raises DecryptError."""
    message = expect(item, HandshakeType.finished, epoch=1)
    received = Finished.decode(message.body).verify_data
    if not hmac.compare_digest(received, finished_data(master, transcript, client=client)):
        raise DecryptError("the peer's Finished does not fit the handshake as seen here")
    return message


def connected(
    parameters: Parameters,
    secrets: Secrets,
    transcript: Transcript,
    verify_data: tuple[bytes, bytes],
) -> Connected:
    """The last state of either side."""
    return Connected(
        version=ProtocolVersion.DTLS_1_2,
        suite=parameters.suite,
        client_random=parameters.client_random,
        server_random=parameters.server_random,
        master_secret=secrets.master,
        peer=secrets.peer,
        server_certificate_type=parameters.server_certificate_type,
        server_name=parameters.server_name,
        extended_master_secret=parameters.extended_master_secret,
        verify_data=verify_data,
        transcript=transcript.bytes,
        own_cid=parameters.own_cid,
        peer_cid=parameters.peer_cid,
        peer_record_limit=parameters.peer_record_limit,
    )
