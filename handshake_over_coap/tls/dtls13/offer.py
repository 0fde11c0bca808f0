"""A client's ClientHello of DTLS 1.3, and the secrets behind what it offers.

The hello of a client that speaks 1.2 as well carries what that version needs besides.

Source: RFC 8446 sections 4.1.2, 4.2 and 9.2, RFC 9147 section 5.3; RFC 8449, RFC 9146.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.config import ClientConfig
from handshake_over_coap.tls.credentials import DEFAULT_FORM, issuer_schemes
from handshake_over_coap.tls.derived import SEED_SIZE, random_of, seeded_random
from handshake_over_coap.tls.extensions import (
    UNCOMPRESSED,
    ClientCertificateType,
    ConnectionId,
    Cookie,
    ECPointFormats,
    ExtendedMasterSecret,
    Extension,
    Extensions,
    KeyShareEntry,
    KeyShares,
    OfferedPsks,
    PskIdentity,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerCertificateType,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    SupportedVersions,
    TypedExtension,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import KeyShareOffer
from handshake_over_coap.tls.groups import offer as offer_share
from handshake_over_coap.tls.messages import ClientHello, binder_input
from handshake_over_coap.tls.schedule13 import EarlySecret, verify_data
from handshake_over_coap.tls.signatures import SCHEMES
from handshake_over_coap.tls.tickets import Ticket
from handshake_over_coap.tls.transcript import Transcript


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A pre-shared key among those that a hello offers; ``ticket`` is where it came from."""

    identity: bytes
    key: bytes = field(repr=False)
    ticket: Ticket | None = field(default=None, repr=False)

    def early_secret(self) -> EarlySecret:
        """Where the key schedule starts with this key."""
        return EarlySecret.of(self.key)

    def binder(self, transcript_hash: bytes) -> bytes:
        """The proof of having the key, 32 bytes (RFC 8446 section 4.2.11.2)."""
        early = self.early_secret()
        external = self.ticket is None
        base = early.external_binder_key() if external else early.resumption_binder_key()
        return verify_data(base, transcript_hash)


@dataclass(frozen=True, slots=True)
class Offer:
    """A ClientHello as sent, and what its sender alone knows of it.

    ``hello`` stands in ``message``; ``shares`` are its key shares with their private halves,
    ``keys`` the pre-shared keys in the order of their identities.
    """

    hello: ClientHello
    message: HandshakeMessage
    shares: tuple[KeyShareOffer, ...] = field(repr=False)
    keys: tuple[OfferedKey, ...]


def first_offer(config: ClientConfig, transcript: Transcript) -> Offer:
    """The first hello, with message_seq 0; ``transcript`` is empty.

    Raises ConfigurationError where the only credential is a ticket that can no longer be used.
    """
    random = config.rng(32)
    keys = _keys(config)
    if not (keys or config.offers_certificates):
        raise ConfigurationError("the ticket has expired, and there is no other credential")
    shares = tuple(offer_share(group, config.rng) for group in _share_groups(config, keys))
    found = _extensions(config, keys)
    if any(isinstance(extension, SupportedGroups) for extension in found):
        found.append(_key_shares(shares))  # the two come together or not at all (section 9.2)
    return _offer(
        ClientHello(
            version=ProtocolVersion.DTLS_1_2,
            random=_derived(config, shares, random) or random,
            session_id=b"",
            cookie=b"",
            cipher_suites=_suites(config),
            extensions=Extensions.of(*found),
        ),
        shares,
        keys,
        config,
        transcript,
        message_seq=0,
    )


def _derived(
    config: ClientConfig, shares: tuple[KeyShareOffer, ...], random: bytes
) -> bytes | None:
    """The random that follows from the one share, or in half from itself without any.

    None where the configuration wants neither.
    """
    if not shares and config.seeded_random:
        return seeded_random(random[:SEED_SIZE])
    if not config.derived_random or len(shares) != 1:
        return None
    return random_of(shares[0].group, shares[0].public)


def second_offer(
    config: ClientConfig,
    first: Offer,
    transcript: Transcript,
    *,
    group: int | None,
    cookie: Cookie | None,
) -> Offer:
    """The hello that a HelloRetryRequest asks for, with message_seq 1.

    The same as the first but for a share of ``group``, the cookie and the binders (RFC 8446
    section 4.1.2); ``transcript`` goes up to the retry.
    """
    shares, changed = first.shares, first.hello.extensions
    if group is not None:
        shares = (offer_share(group, config.rng),)
        new = Extension.of(_key_shares(shares))
        changed = Extensions(tuple(new if e.type == new.type else e for e in changed))
    changed = Extensions(tuple(e for e in changed if e.type != OfferedPsks.extension_type))
    if cookie is not None:
        # First, so that it is in the first fragment: who keeps no state looks for it there.
        changed = Extensions((Extension.of(cookie), *changed))
    hello = replace(first.hello, extensions=changed)
    return _offer(hello, shares, first.keys, config, transcript, message_seq=1)


def _offer(
    hello: ClientHello,
    shares: tuple[KeyShareOffer, ...],
    keys: tuple[OfferedKey, ...],
    config: ClientConfig,
    transcript: Transcript,
    *,
    message_seq: int,
) -> Offer:
    if keys:
        hello = _bound(hello, keys, config, transcript)
    message = HandshakeMessage(hello.msg_type, hello.encode(), message_seq)
    return Offer(hello, message, shares, keys)


def _bound(
    hello: ClientHello,
    keys: tuple[OfferedKey, ...],
    config: ClientConfig,
    transcript: Transcript,
) -> ClientHello:
    """``hello`` with pre_shared_key at its end, which has a binder for each key."""
    psks = OfferedPsks.unbound(_identity(key, config) for key in keys)
    laid_out = replace(hello, extensions=_with(hello.extensions, psks))
    digest = transcript.hash_with(binder_input(laid_out.encode(), psks))
    bound = psks.with_binders(key.binder(digest) for key in keys)
    return replace(hello, extensions=_with(hello.extensions, bound))


def _with(extensions: Extensions, psks: OfferedPsks) -> Extensions:
    return Extensions((*extensions, Extension.of(psks)))


def _identity(key: OfferedKey, config: ClientConfig) -> PskIdentity:
    if key.ticket is None:
        return PskIdentity(key.identity)
    return PskIdentity(key.identity, key.ticket.obfuscated_age(config.now()))


def _keys(config: ClientConfig) -> tuple[OfferedKey, ...]:
    """The ticket first: it proves more than a key that is shared for long."""
    found: list[OfferedKey] = []
    ticket = config.ticket
    if (
        ticket is not None
        and ticket.suite in config.suites13
        and ticket.usable(config.now(), config.sni)
    ):
        found.append(OfferedKey(ticket.ticket, ticket.psk, ticket))
    if config.psk is not None:
        found.append(OfferedKey(config.psk.identity, config.psk.key))
    return tuple(found)


def _suites(config: ClientConfig) -> tuple[int, ...]:
    found: list[int] = [suite.id for suite in config.suites13]
    if config.usable_suites:
        found += [suite.id for suite in config.usable_suites]
        found.append(CipherSuiteId.TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
    return tuple(found)


def _modes(config: ClientConfig) -> tuple[PskKeyExchangeMode, ...]:
    """The ways to use a pre-shared key that are open to this client."""
    return tuple(m for m in config.psk_modes if m == PskKeyExchangeMode.psk_ke or config.groups)


def _share_groups(config: ClientConfig, keys: tuple[OfferedKey, ...]) -> tuple[int, ...]:
    ephemeral = keys and PskKeyExchangeMode.psk_dhe_ke in config.psk_modes
    if not (ephemeral or config.offers_certificates):
        return ()
    return config.groups[:1] if config.key_shares is None else config.key_shares


def _key_shares(shares: tuple[KeyShareOffer, ...]) -> KeyShares:
    return KeyShares(tuple(KeyShareEntry(share.group, share.public) for share in shares))


def _extensions(config: ClientConfig, keys: tuple[OfferedKey, ...]) -> list[TypedExtension]:
    """All but key_share, cookie and pre_shared_key."""
    exchanges = {suite.key_exchange for suite in config.usable_suites}
    ephemeral = any(exchange.uses_ecdhe for exchange in exchanges)
    found: list[TypedExtension] = []
    if config.sni is not None:
        found.append(ServerName(config.sni))
    if ephemeral or _wants_groups(config, keys):
        found.append(SupportedGroups(config.groups))
    if ephemeral:
        found.append(ECPointFormats((UNCOMPRESSED,)))
    if config.offers_certificates:
        found += _certificate_extensions(config)
    if config.usable_suites:
        found.append(ExtendedMasterSecret())
    if config.record_size_limit is not None:
        found.append(RecordSizeLimit(config.record_size_limit))
    if config.connection_id is not None:
        found.append(ConnectionId(config.connection_id))
    found.append(SupportedVersions(config.usable_versions))
    if _modes(config) and (keys or config.ask_for_tickets):
        found.append(PskKeyExchangeModes(_modes(config)))
    return found


def _wants_groups(config: ClientConfig, keys: tuple[OfferedKey, ...]) -> bool:
    return config.offers_certificates or bool(
        config.groups and keys and PskKeyExchangeMode.psk_dhe_ke in config.psk_modes
    )


def _certificate_extensions(config: ClientConfig) -> list[TypedExtension]:
    trust, forms = config.trust, config.server_certificate_types
    schemes = SCHEMES if trust is None or config.usable_suites else trust.schemes(forms)
    found: list[TypedExtension] = [SignatureAlgorithms(schemes)]
    issuers = issuer_schemes(forms)
    if issuers:
        found.append(SignatureAlgorithmsCert(issuers))
    credential = config.credential
    if credential is not None and credential.form != DEFAULT_FORM:
        found.append(ClientCertificateType((credential.form,)))
    if forms != (DEFAULT_FORM,):
        found.append(ServerCertificateType(forms))
    return found
