"""What can be told of a handshake by listening to it: who, and by which kind of key.

In DTLS 1.2 identities travel in the clear.  What a side was told is certain once its stack has
verified the peer's Finished, which covers all of it; whether it should be trusted is what the
stack has decided before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.credentials import (
    DEFAULT_FORM,
    auth_by_form,
    auth_by_psk,
    certificate_kinds,
    identity_of,
)
from handshake_over_coap.tls.dtls12.common import read_certificate
from handshake_over_coap.tls.dtls13.common import read_certificate as read_certificate13
from handshake_over_coap.tls.extensions import Extensions, SelectedKeyShare
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.identity import PeerIdentity, Shown
from handshake_over_coap.tls.messages import ClientHello, EncryptedExtensions, ServerHello
from handshake_over_coap.tls.messages.hello13 import offered_psks
from handshake_over_coap.tls.wire import Reader

from .stack import DtlsStack


@dataclass(frozen=True, slots=True)
class OverheardAgreement:
    """What a stack's handshake agreed on, as far as it was said in the clear.

    ``peer`` is who the peer proved to be; ``auth`` is a name of ``--auth``, or unknown for
    what the stack understands and we do not.
    """

    peer: PeerIdentity
    auth: str
    stack: DtlsStack = field(repr=False)

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """Keying material (RFC 5705) from the stack; ConfigurationError where it gives none."""
        return self.stack.export(label, length, context)


def overheard(
    stack: DtlsStack,
    heard: Iterable[HandshakeMessage],
    said: Iterable[HandshakeMessage],
    *,
    is_client: bool,
) -> OverheardAgreement:
    """The agreement of a complete handshake; ``heard`` is the peer's part, ``said`` the stack's."""
    of_peer = {message.type: message.body for message in heard}
    own = {message.type: message.body for message in said}
    client, server = (own, of_peer) if is_client else (of_peer, own)
    try:
        if HandshakeType.certificate in server:
            hello = ServerHello.decode(server[HandshakeType.server_hello])
            auth = auth_by_form(_form(hello, of_server=True))
            form = _form(hello, of_server=is_client)
            body = of_peer.get(HandshakeType.certificate)
            shown = Shown(form) if body is None else read_certificate(body, form)
            peer = identity_of(shown)
        else:
            keys = Reader(client.get(HandshakeType.client_key_exchange, b""))
            peer = PeerIdentity(psk_identity=keys.vec16())
            auth = auth_by_psk(ephemeral=bool(keys.remaining))
    except AlertError:
        return OverheardAgreement(PeerIdentity(), "unknown", stack)
    return OverheardAgreement(peer, auth, stack)


def overheard13(
    stack: DtlsStack, messages: Iterable[HandshakeMessage], *, is_client: bool
) -> OverheardAgreement:
    """The same of DTLS 1.3, from the messages of both sides in their order."""
    by_type: dict[int, list[bytes]] = {}
    for message in messages:
        by_type.setdefault(message.type, []).append(message.body)
    certificates = by_type.get(HandshakeType.certificate, [])
    try:
        client = ClientHello.decode(by_type[HandshakeType.client_hello][0])
        server = ServerHello.decode(by_type[HandshakeType.server_hello][0])
        if certificates:
            (body,) = by_type[HandshakeType.encrypted_extensions]
            said = EncryptedExtensions.decode(body).extensions
            auth = auth_by_form(_negotiated(said, of_server=True))
            shown = certificates[:1] if is_client else certificates[1:]
            form = _negotiated(said, of_server=is_client)
            peer = identity_of(read_certificate13(shown[0], form) if shown else Shown(form))
        else:
            offered = offered_psks(client)
            chosen = server.extensions.get(ExtensionType.pre_shared_key)
            if offered is None or chosen is None:
                return OverheardAgreement(PeerIdentity(), "unknown", stack)
            identity = offered.identities[int.from_bytes(chosen, "big")].identity
            peer = PeerIdentity(psk_identity=identity)
            auth = auth_by_psk(ephemeral=server.extensions.find(SelectedKeyShare) is not None)
    except (AlertError, LookupError, ValueError):
        return OverheardAgreement(PeerIdentity(), "unknown", stack)
    return OverheardAgreement(peer, auth, stack)


def _form(hello: ServerHello, *, of_server: bool) -> int:
    """In which form one side's Certificate message is in 1.2."""
    return _negotiated(hello.extensions, of_server=of_server)


def _negotiated(extensions: Extensions, *, of_server: bool) -> int:
    """In which form one side's Certificate message is (RFC 7250 section 3)."""
    extension = (
        ExtensionType.server_certificate_type
        if of_server
        else ExtensionType.client_certificate_type
    )
    said = extensions.get(extension)
    known = (kind.form for kind in certificate_kinds())
    return next((form for form in known if said == bytes([form])), DEFAULT_FORM)
