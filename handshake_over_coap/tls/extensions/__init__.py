"""Hello extensions: raw, as a block, and typed.

A message keeps its extensions raw and in order (:class:`Extensions`), so what was received encodes
to the same bytes again, unknown extensions included.  Typed codecs stand beside that, one frozen
dataclass per extension and per form: where client and server say different things under one
number, there are two classes, and the caller picks the one that fits the message it reads.
``encode`` and ``decode`` deal in extension_data only.

A new extension is a new class with ``extension_type``, ``encode`` and ``decode``, in a module of
its own or one of these; nothing has to be registered.
"""

from __future__ import annotations

from .block import NO_EXTENSIONS, Extension, Extensions, TypedExtension
from .hello import (
    UNCOMPRESSED,
    ClientCertificateType,
    ConnectionId,
    ECPointFormats,
    ExtendedMasterSecret,
    RecordSizeLimit,
    RenegotiationInfo,
    SelectedClientCertificateType,
    SelectedServerCertificateType,
    ServerCertificateType,
    ServerName,
    ServerNameAcknowledged,
    SignatureAlgorithms,
    SupportedGroups,
)
from .psk import OfferedPsks, PskIdentity, PskKeyExchangeModes, SelectedPsk
from .tls13 import (
    CertificateAuthorities,
    Cookie,
    KeyShareEntry,
    KeyShares,
    RequestedGroup,
    SelectedKeyShare,
    SelectedVersion,
    SignatureAlgorithmsCert,
    SupportedVersions,
)

__all__ = [
    "NO_EXTENSIONS",
    "UNCOMPRESSED",
    "CertificateAuthorities",
    "ClientCertificateType",
    "ConnectionId",
    "Cookie",
    "ECPointFormats",
    "ExtendedMasterSecret",
    "Extension",
    "Extensions",
    "KeyShareEntry",
    "KeyShares",
    "OfferedPsks",
    "PskIdentity",
    "PskKeyExchangeModes",
    "RecordSizeLimit",
    "RenegotiationInfo",
    "RequestedGroup",
    "SelectedClientCertificateType",
    "SelectedKeyShare",
    "SelectedPsk",
    "SelectedServerCertificateType",
    "SelectedVersion",
    "ServerCertificateType",
    "ServerName",
    "ServerNameAcknowledged",
    "SignatureAlgorithms",
    "SignatureAlgorithmsCert",
    "SupportedGroups",
    "SupportedVersions",
    "TypedExtension",
]
