"""The client's first states of a DTLS 1.3 handshake: the hellos.

::

    start -> ExpectServerHello [-> ExpectServerHello, after a retry] -> ExpectEncryptedExtensions

The states after that are in :mod:`.client_flight`.

Source: RFC 8446 sections 4.1.3, 4.1.4 and 4.2, RFC 9147 sections 5.1 and 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    IllegalParameter,
    MissingExtension,
    ProtocolVersion,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType, PskKeyExchangeMode
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import ClientConfig
from handshake_over_coap.tls.extensions import (
    ConnectionId,
    Cookie,
    KeyShareEntry,
    RequestedGroup,
    SelectedKeyShare,
    SelectedPsk,
    SelectedVersion,
)
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.groups import KeyShareOffer
from handshake_over_coap.tls.handshake import Step
from handshake_over_coap.tls.messages import ServerHello, is_hello_retry_request
from handshake_over_coap.tls.schedule13 import EarlySecret
from handshake_over_coap.tls.steps import expect
from handshake_over_coap.tls.suites13 import CipherSuite13
from handshake_over_coap.tls.transcript import Transcript

from .client_flight import ClientCommon, ExpectEncryptedExtensions
from .common import (
    HandshakeSecrets,
    Parameters,
    check_allowed,
    empty_transcript,
    handshake_keys,
    transcript_after_retry,
)
from .offer import Offer, OfferedKey, first_offer, second_offer

_IN_SERVER_HELLO = {
    int(ExtensionType.supported_versions),
    int(ExtensionType.key_share),
    int(ExtensionType.pre_shared_key),
    int(ExtensionType.connection_id),
}
_IN_RETRY = {
    int(ExtensionType.supported_versions),
    int(ExtensionType.key_share),
    int(ExtensionType.cookie),
}


def start_client(config: ClientConfig) -> Step:
    """Begin: the state that waits for ServerHello, and the first ClientHello."""
    state = first_state(config)
    return Step(state, (state.offer.message,))


def first_state(config: ClientConfig) -> ExpectServerHello:
    """The state after the first ClientHello, which its offer holds."""
    return ExpectServerHello(config, first_offer(config, empty_transcript()), empty_transcript())


@dataclass(frozen=True, slots=True)
class ExpectServerHello:
    """A ClientHello is sent; ``transcript`` is what came before it.

    After a HelloRetryRequest ``suite`` is the one it named.
    """

    config: ClientConfig
    offer: Offer
    transcript: Transcript
    suite: CipherSuite13 | None = None

    def handle(self, item: Item) -> Step:
        """ServerHello, or once HelloRetryRequest, which draws a second ClientHello."""
        message = expect(item, HandshakeType.server_hello)
        hello = ServerHello.decode(message.body)
        if is_hello_retry_request(hello):
            return self._again(message, hello)
        offered = self.offer.hello.extensions.types()
        check_allowed(hello.extensions, _IN_SERVER_HELLO, offered)
        agreed = self._read(hello)
        transcript = self.transcript.append(self.offer.message).append(message)
        secrets = HandshakeSecrets.of(agreed.early, agreed.shared, transcript)
        next_seq = self.offer.message.message_seq + 1
        common = ClientCommon(self.config, offered, secrets, next_seq, agreed.key)
        keys = handshake_keys(agreed.parameters, secrets, client=True)
        state = ExpectEncryptedExtensions(common, agreed.parameters, transcript)
        return Step(state, keys=(keys,))

    def _again(self, message: HandshakeMessage, hello: ServerHello) -> Step:
        if self.suite is not None:
            raise UnexpectedMessage("a second HelloRetryRequest (RFC 8446 section 4.1.4)")
        offered = (*self.offer.hello.extensions.types(), ExtensionType.cookie)  # comes unasked
        check_allowed(hello.extensions, _IN_RETRY, offered)
        suite = self._suite(hello)
        group = self._requested_group(hello)
        cookie = hello.extensions.find(Cookie)
        if group is None and cookie is None:
            raise IllegalParameter("a HelloRetryRequest that asks for no change")
        first = self.transcript.append(self.offer.message)
        transcript = transcript_after_retry(first.hash(), message)
        try:
            offer = second_offer(self.config, self.offer, transcript, group=group, cookie=cookie)
        except ConfigurationError:  # the first hello was in order: it is what was added
            raise IllegalParameter("a cookie that a ClientHello has no room for") from None
        state = ExpectServerHello(self.config, offer, transcript, suite)
        return Step(state, (offer.message,))

    def _requested_group(self, hello: ServerHello) -> int | None:
        requested = hello.extensions.find(RequestedGroup)
        if requested is None:
            return None
        sent = {share.group for share in self.offer.shares}
        if requested.group not in self.config.groups or requested.group in sent:
            raise IllegalParameter(f"a share of group {requested.group} cannot be asked for")
        return requested.group

    def _suite(self, hello: ServerHello) -> CipherSuite13:
        """What a ServerHello and a HelloRetryRequest have in common, checked."""
        version = hello.extensions.find(SelectedVersion)
        if version is None:
            if self.suite is not None:
                raise IllegalParameter("DTLS 1.3 in the HelloRetryRequest, and not after it")
            raise ProtocolVersion("the server does not speak DTLS 1.3")
        if version.version != Version.DTLS_1_3 or hello.version != Version.DTLS_1_2:
            raise IllegalParameter(f"the server chose version {version.version:#06x}")
        if hello.session_id:
            raise IllegalParameter("a session ID, which DTLS 1.3 does not echo")
        if hello.compression_method != 0:
            raise IllegalParameter("a compression method that was not offered")
        suite = next((s for s in self.config.suites13 if s.id == hello.cipher_suite), None)
        if suite is None:
            raise IllegalParameter(f"cipher suite {hello.cipher_suite:#06x} was not offered")
        if self.suite is not None and suite != self.suite:
            raise IllegalParameter("not the cipher suite of the HelloRetryRequest")
        return suite

    def _read(self, hello: ServerHello) -> _Agreed:
        suite = self._suite(hello)
        key, share = self._key(hello), self._share(hello)
        self._check_mode(key, share)
        cid = hello.extensions.find(ConnectionId)
        parameters = Parameters(
            suite=suite,
            group=None if share is None else share.offer.group,
            psk=key is not None,
            resumed=key is not None and key.ticket is not None,
            client_random=self.offer.hello.random,
            server_random=hello.random,
            server_name=self.config.sni,
            own_cid=None if cid is None else self.config.connection_id,
            peer_cid=None if cid is None else cid.cid,
        )
        early = EarlySecret.of() if key is None else key.early_secret()
        return _Agreed(parameters, key, early, None if share is None else share.secret())

    def _key(self, hello: ServerHello) -> OfferedKey | None:
        selected = hello.extensions.find(SelectedPsk)
        if selected is None:
            return None
        if selected.index >= len(self.offer.keys):
            raise IllegalParameter(f"pre-shared key {selected.index} was not offered")
        return self.offer.keys[selected.index]

    def _share(self, hello: ServerHello) -> _Share | None:
        selected = hello.extensions.find(SelectedKeyShare)
        if selected is None:
            return None
        for share in self.offer.shares:
            if share.group == selected.entry.group:
                return _Share(share, selected.entry)
        raise IllegalParameter(f"group {selected.entry.group} was not offered")

    def _check_mode(self, key: OfferedKey | None, share: _Share | None) -> None:
        if key is None:
            if share is None:
                raise MissingExtension("neither a key share nor a pre-shared key")
            if not self.config.offers_certificates:
                raise MissingExtension("the server takes no pre-shared key, and needs to")
            return
        mode = PskKeyExchangeMode.psk_ke if share is None else PskKeyExchangeMode.psk_dhe_ke
        if mode not in self.config.psk_modes:
            raise IllegalParameter(f"{mode.name} was not offered")


@dataclass(frozen=True, slots=True)
class _Share:
    """Our share of a group and the server's."""

    offer: KeyShareOffer = field(repr=False)
    entry: KeyShareEntry

    def secret(self) -> bytes:
        return self.offer.finish(self.entry.key_exchange)


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What a ServerHello settles."""

    parameters: Parameters
    key: OfferedKey | None
    early: EarlySecret
    shared: bytes | None = field(repr=False)
