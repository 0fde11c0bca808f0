"""The shapes of ClientHello that have a short form: which extensions, in which order.

A shape says of each extension what is in it, or that the body does.  With the lists of
:mod:`.lists` it is a hello with holes: all that remains is random, key share, binder, identity.

A head byte names a shape and how its key share stands in the body; with its lowest bit, flags
follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

from handshake_over_coap.tls.codepoints import ExtensionType

from . import lists, points, stock
from .lists import Tables

SNI: Final = int(ExtensionType.server_name)
GROUPS: Final = int(ExtensionType.supported_groups)
POINTS: Final = int(ExtensionType.ec_point_formats)
SCHEMES: Final = int(ExtensionType.signature_algorithms)
LIMIT: Final = int(ExtensionType.record_size_limit)
CID: Final = int(ExtensionType.connection_id)
MODES: Final = int(ExtensionType.psk_key_exchange_modes)
SHARE: Final = int(ExtensionType.key_share)
PSK: Final = int(ExtensionType.pre_shared_key)
CLIENT_TYPE: Final = int(ExtensionType.client_certificate_type)
SERVER_TYPE: Final = int(ExtensionType.server_certificate_type)
EMS: Final = int(ExtensionType.extended_master_secret)
VERSIONS: Final = int(ExtensionType.supported_versions)
SCHEMES_CERT: Final = int(ExtensionType.signature_algorithms_cert)

OPTIONAL: Final = (SNI, LIMIT, CID, MODES)
"""What a hello may have besides: in the extras, in this order."""

_VERSION_1_3 = (VERSIONS, bytes.fromhex("02fefc"))
_ONLY_RAW = bytes.fromhex("0102")
_EITHER = bytes.fromhex("020200")
_SCHEMES_OF_CHAINS = bytes.fromhex("0012040305030603040105010601080408050806")
_KE, _DHE, _BOTH = b"\x01\x00", b"\x01\x01", b"\x02\x01\x00"

_CURVES: Final = ((GROUPS, None), (POINTS, b"\x01\x00"))

Extensions = tuple[tuple[int, bytes | None], ...]
"""Numbers of extensions in order, each with its content, or None where the body has it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of ClientHello; extensions of ``OPTIONAL`` that are not its own may be left out."""

    name: str
    is_1_3: bool
    tables: Tables
    extensions: Extensions

    @property
    def has_share(self) -> bool:
        """Whether a key share is in it."""
        return (SHARE, None) in self.extensions

    @property
    def has_psk(self) -> bool:
        """Whether pre-shared keys are offered in it."""
        return (PSK, None) in self.extensions

    @property
    def takes_raw_keys(self) -> bool:
        """Whether the server may show a raw public key."""
        return any(number == SERVER_TYPE for number, _ in self.extensions)


def _older(name: str, suites: lists.Table, *before: tuple[int, bytes | None]) -> Shape:
    numbers = [number for number, _ in before]
    tables = Tables(
        suites,
        lists.GROUPS_EVEN if GROUPS in numbers else (),
        lists.SCHEMES_BOTH if SCHEMES in numbers else (),
    )
    optional = ((LIMIT, None), (CID, None))
    return Shape(name, False, tables, ((SNI, None), *before, (EMS, b""), *optional))


def _newer(name: str, modes: bytes | None, *, psk: bool, share: bool, certificates: str) -> Shape:
    before: list[tuple[int, bytes | None]] = [(SNI, None)]
    if share:
        before.append((GROUPS, None))
    if certificates:
        before.append((SCHEMES, None))
    if certificates.startswith(("x509", "either")):
        before.append((SCHEMES_CERT, _SCHEMES_OF_CHAINS))
    if certificates.endswith("mutual"):
        before.append((CLIENT_TYPE, _ONLY_RAW))
    if not certificates.startswith("x509") and certificates:
        before.append((SERVER_TYPE, _EITHER if certificates.startswith("either") else _ONLY_RAW))
    after: list[tuple[int, bytes | None]] = [(MODES, modes)]
    if share:
        after.append((SHARE, None))
    if psk:
        after.append((PSK, None))
    both = certificates.startswith(("x509", "either"))
    schemes = (lists.SCHEMES_BOTH if both else lists.SCHEMES_13) if certificates else ()
    tables = Tables(lists.SUITES_13, lists.GROUPS_EVEN if share else (), schemes)
    return Shape(name, True, tables, (*before, (LIMIT, None), (CID, None), _VERSION_1_3, *after))


SHAPES: Final[tuple[Shape, ...]] = (
    _newer("1.3 psk_ke", _KE, psk=True, share=False, certificates=""),
    _newer("1.3 psk_dhe_ke", _DHE, psk=True, share=True, certificates=""),
    _newer("1.3 psk, both modes", _BOTH, psk=True, share=True, certificates=""),
    _newer("1.3 raw key", None, psk=False, share=True, certificates="rpk"),
    _newer("1.3 raw keys", None, psk=False, share=True, certificates="rpk mutual"),
    _newer("1.3 certificate", None, psk=False, share=True, certificates="x509"),
    _newer("1.3 either", None, psk=False, share=True, certificates="either"),
    _newer("1.3 either, mutual", None, psk=False, share=True, certificates="either mutual"),
    _older("1.2 psk", lists.SUITES_PSK),
    _older("1.2 ecdhe_psk", lists.SUITES_ECDHE_PSK, *_CURVES),
    _older("1.2 raw key", lists.SUITES_ECDSA, *_CURVES, (SCHEMES, None), (SERVER_TYPE, _ONLY_RAW)),
    _older("1.2 raw keys", lists.SUITES_ECDSA, *_CURVES, (SCHEMES, None),
           (CLIENT_TYPE, _ONLY_RAW), (SERVER_TYPE, _ONLY_RAW)),
    _older("1.2 certificate", lists.SUITES_ECDSA, *_CURVES, (SCHEMES, None)),
    Shape("OpenSSL", False, *stock.OPENSSL),
    Shape("pyOpenSSL", False, *stock.PYOPENSSL),
    Shape("GnuTLS", False, *stock.GNUTLS),
    Shape("Mbed TLS", False, *stock.MBED_TLS),
    Shape("wolfSSL, 1.2", False, *stock.WOLFSSL_12),
    Shape("wolfSSL, 1.3", True, *stock.WOLFSSL_13),
    Shape("wolfSSL, 1.3 psk", True, *stock.WOLFSSL_13_PSK),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """What a head byte says: the shape, and how the share stands, None for no share.

    ``derived`` tells that the random follows from the share, or, where there is none, its second
    half from the first.
    """

    shape: Shape
    share: int | None
    derived: bool


_DERIVING: Final = {
    "1.3 psk_dhe_ke",
    "1.3 raw key",
    "1.3 raw keys",
    "1.3 certificate",
}
"""Shapes that have heads for a random that follows from the share."""

_SEEDED: Final = "1.3 psk_ke"
"""The shape without a share that has a head for a random that follows from a seed."""


def _heads() -> tuple[Head, ...]:
    found: list[Head] = []
    for shape in SHAPES:
        if not shape.has_share:
            found.append(Head(shape, None, derived=False))
            continue
        codes = (points.EVEN, points.ODD, points.X25519, points.OTHER)
        derived = (False, True) if shape.name in _DERIVING else (False,)
        found += [
            Head(shape, code, each)
            for code, each in product(codes, derived)
            if not (each and code == points.OTHER)
        ]
    # Added later, and so behind all others.
    found += [Head(shape, None, derived=True) for shape in SHAPES if shape.name == _SEEDED]
    return tuple(found)


HEADS: Final = _heads()
"""By the upper seven bits of the head byte; its lowest bit says that flags follow."""

NUMBERS: Final = {head: number for number, head in enumerate(HEADS)}

LISTS_FOLLOW: Final = 0x04
EXTRAS_FOLLOW: Final = 0x08
REFERENCES: Final = 0x03
"""Flags: two bits of how many bytes name a known key, then what follows."""


def tables_of(shape: Shape, share: int | None) -> Tables:
    """The lists that a shape knows; with a share of X25519 its own group comes first."""
    if share != points.X25519 or not shape.tables.groups:
        return shape.tables
    return Tables(shape.tables.suites, lists.GROUPS_X25519, shape.tables.schemes)
