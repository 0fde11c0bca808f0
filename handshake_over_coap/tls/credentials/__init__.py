"""What a side proves itself with, and whom it believes: one module for each kind of credential.

Nobody outside this room asks of which kind a credential is.  :mod:`.base` says what a kind does,
:mod:`.kinds` has the table of those there are, and :class:`Trust` puts together what peers are
checked against.  The text form of a credential never shows a secret.
"""

from .base import (
    DEFAULT_FORM,
    PSK_MODES,
    Address,
    Asked,
    AsymmetricCredential,
    CertificateKind,
    Credential,
    Kind,
    MadeUp,
    PeerRole,
    SharedKey,
    Verifier,
    Way,
)
from .chains import MAX_CHAIN_LENGTH
from .given import Chance, Given, Workshop
from .keyfiles import FilePath
from .kinds import (
    asymmetric,
    auth_by_form,
    auth_names,
    certificate_kinds,
    identity_of,
    issuer_schemes,
    kind_and_way,
    kind_by_auth,
    kind_by_form,
    kind_of_peer,
    known_form,
    register,
    shown_by,
)
from .psk import PSK, FoundKey, PskLookup, PskSource, auth_by_psk, pre_shared, psk_lookup
from .rpk import RawPublicKey
from .trust import Trust, trusts
from .x509 import Certificate

__all__ = [
    "DEFAULT_FORM",
    "MAX_CHAIN_LENGTH",
    "PSK",
    "PSK_MODES",
    "Address",
    "Asked",
    "AsymmetricCredential",
    "Certificate",
    "CertificateKind",
    "Chance",
    "Credential",
    "FilePath",
    "FoundKey",
    "Given",
    "Kind",
    "MadeUp",
    "PeerRole",
    "PskLookup",
    "PskSource",
    "RawPublicKey",
    "SharedKey",
    "Trust",
    "Verifier",
    "Way",
    "Workshop",
    "asymmetric",
    "auth_by_form",
    "auth_by_psk",
    "auth_names",
    "certificate_kinds",
    "identity_of",
    "issuer_schemes",
    "kind_and_way",
    "kind_by_auth",
    "kind_by_form",
    "kind_of_peer",
    "known_form",
    "pre_shared",
    "psk_lookup",
    "register",
    "shown_by",
    "trusts",
]
