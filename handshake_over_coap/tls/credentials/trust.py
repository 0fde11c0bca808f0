"""Whom a side believes: what each kind of credential is checked against, or anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CertificateType, SignatureScheme
from handshake_over_coap.tls.identity import Shown
from handshake_over_coap.tls.signatures import SCHEMES, PublicKey

from .base import Address, Asked, Kind, MadeUp, PeerRole, Verifier
from .chains import Anchors
from .keyfiles import CertificateSources, FilePath, read_file
from .kinds import certificate_kinds, kind_by_auth, kind_by_form
from .rpk import Pins


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Trust:
    """What a peer's certificate or raw public key is checked against.

    ``anchors`` are certificates of authorities, as objects, PEM or DER bytes; ``raw_public_keys``
    the public keys that are accepted by themselves, as objects, PEM or DER bytes; ``others`` check
    credentials of further kinds.  ``insecure`` accepts every well-formed credential of a supported
    kind, whatever else is given.  Raises ConfigurationError for what cannot be loaded.
    """

    verifiers: tuple[Verifier, ...]
    """One for each kind that is known by anything."""
    insecure: bool

    def __init__(
        self,
        anchors: CertificateSources = (),
        raw_public_keys: PublicKey | bytes | Iterable[PublicKey | bytes] = (),
        insecure: bool = False,
        others: Iterable[Verifier] = (),
    ) -> None:
        every: list[Verifier] = [Pins(raw_public_keys), Anchors(anchors), *others]
        object.__setattr__(self, "verifiers", tuple(each for each in every if each.schemes))
        object.__setattr__(self, "insecure", insecure)

    @classmethod
    def of(cls, verifier: Verifier | None, *, insecure: bool = False) -> Trust:
        """By ``verifier`` and nothing else."""
        return cls(insecure=insecure, others=() if verifier is None else (verifier,))

    @classmethod
    def from_files(
        cls,
        anchors: Iterable[FilePath] = (),
        raw_public_keys: Iterable[FilePath] = (),
        *,
        insecure: bool = False,
    ) -> Trust:
        """Anchors (one or several in a file) and pinned keys (one in a file) in PEM or DER.

        Raises ConfigurationError.
        """
        return cls(
            anchors=[read_file(path) for path in anchors],
            raw_public_keys=[read_file(path) for path in raw_public_keys],
            insecure=insecure,
        )

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The certificates of authorities."""
        found = (each.certificates for each in self.verifiers if isinstance(each, Anchors))
        return tuple(certificate for each in found for certificate in each)

    @property
    def raw_public_keys(self) -> frozenset[bytes]:
        """The pinned keys as DER SubjectPublicKeyInfo."""
        pins = (each.keys for each in self.verifiers if isinstance(each, Pins))
        return frozenset[bytes]().union(*pins)

    def accepts(self, form: int | None) -> bool:
        """Whether any credential of this CertificateType number can be accepted."""
        return form is not None and form in self.certificate_types

    @property
    def certificate_types(self) -> tuple[int, ...]:
        """The forms in which a peer's key may be accepted, in order of preference."""
        known = {each.form for each in self.verifiers}
        # Whoever accepts anybody has no preference of their own but the table's.
        listed = tuple(kind.form for kind in certificate_kinds())
        return tuple(form for form in listed if self.insecure or form in known)

    def asks_for_name(self, auth: str | None) -> bool:
        """Whether a server that shows itself by ``auth`` (None: any way) is to be asked by name."""
        kinds = certificate_kinds() if auth is None else (kind_by_auth(auth),)
        return any(kind.known_by_name and self.accepts(kind.form) for kind in kinds)

    def needs_name(self, forms: Iterable[int]) -> bool:
        """Whether a server's key in one of ``forms`` could not be verified without its name."""
        if self.insecure:
            return False
        known = {each.form for each in self.verifiers}
        return any(form in known and kind_by_form(form).known_by_name for form in forms)

    def schemes(self, forms: Iterable[int]) -> tuple[SignatureScheme, ...]:
        """The signatures of a peer that could be accepted, if it shows its key in one of ``forms``.

        Those of the pinned keys where nothing but a pinned key will do, or all that are supported.
        """
        known = {each.form: each.schemes for each in self.verifiers}
        if self.insecure or not set(forms) <= set(known):
            return SCHEMES
        found = {scheme for form in forms for scheme in known[form]}
        return tuple(scheme for scheme in SCHEMES if scheme in found)

    def require_usable(self) -> None:
        """Raise ConfigurationError if no peer could ever be accepted."""
        if not self.certificate_types:
            raise ConfigurationError(
                "a trust anchor or a pinned raw public key is needed to know the peer by"
                " (or insecure=True, to accept anybody)"
            )

    def verify(self, shown: Shown, asked: Asked) -> PublicKey:
        """The key of the peer in what it has ``shown``, if that is to be believed.

        Raises the alert that names what is wrong (see :mod:`.chains`), and ConfigurationError where
        ``asked`` lacks what has to be known.
        """
        kind = kind_by_form(shown.form)
        verifier = next((each for each in self.verifiers if each.form == shown.form), None)
        if verifier is not None and not self.insecure:
            return verifier.verify(shown.entries, asked)
        key = kind.read(shown.entries)
        if not self.insecure:
            raise kind.stranger()
        return key

    def verify_raw_public_key(self, spki: bytes) -> PublicKey:
        """The key in a peer's DER SubjectPublicKeyInfo, if it is one of the pinned ones.

        Raises BadCertificate (not a key), UnsupportedCertificate (neither P-256 nor Ed25519) or
        CertificateUnknown (not pinned).
        """
        # A key is valid for ever and names nobody, so that nothing of this is looked at.
        asked = Asked(PeerRole.CLIENT, datetime.max.replace(tzinfo=UTC))
        return self.verify(Shown(CertificateType.RawPublicKey, (spki,)), asked)

    def verify_chain(
        self,
        chain_der: Sequence[bytes],
        *,
        role: PeerRole,
        now: datetime,
        server_name: str | None = None,
        server_address: Address | None = None,
    ) -> PublicKey:
        """The leaf's key, if the chain (DER, leaf first) leads to an anchor and fits the peer.

        The arguments are those of :class:`.base.Asked`; raises what :meth:`verify` does.
        """
        asked = Asked(role, now, server_name, server_address)
        return self.verify(Shown(CertificateType.X509, tuple(chain_der)), asked)


def trusts(kind: Kind, made: MadeUp, *, insecure: bool) -> tuple[Trust | None, Trust | None]:
    """What the server and the client of a run in one process check each other with.

    ``None`` is for a side that checks nothing; with ``insecure`` the client accepts anybody.
    """
    server = None if made.client_known_by is None else Trust.of(made.client_known_by)
    client = None if kind.form is None else Trust.of(made.server_known_by, insecure=insecure)
    return server, client
