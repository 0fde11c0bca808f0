"""Flights of DTLS 1.3, byte by byte, as draft-ietf-iotops-security-protocol-comparison has them.

The draft (version 09, June 2025, section "DTLS 1.3") lists the fields of mutual authentication with
raw public keys and gives the other handshakes as differences from that; so does this module.  Its
assumptions: one suite, one group and one signature scheme offered, a connection ID and a key
identity of one byte each, CCM_8, signatures of 71 bytes (the mean), one record for all sealed
messages of a flight, no cookie, no ACK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias


class Place(NamedTuple):
    """Where bytes stand: in which message or record of a flight, and what they are."""

    where: str
    what: str


Bytes: TypeAlias = Mapping[Place, int]
"""How many bytes of a flight stand where."""

Chosen: TypeAlias = dict[str, str | bool]

CLEAR: Final = "record in the clear"
SEALED: Final = "sealed record"
HEADER: Final = "header"
LENGTH: Final = "length of extensions"
CONTENT_TYPE: Final = "content type"
TAG: Final = "tag"
CID: Final = "connection ID"

_CLIENT_HELLO: Final = {
    "legacy_version": 2,
    "random": 32,
    "legacy_session_id": 1,
    "legacy_cookie": 1,
    "cipher_suites": 4,
    "legacy_compression_methods": 2,
    LENGTH: 2,
    "supported_groups": 8,
    "signature_algorithms": 8,
    "key_share": 75,
    "supported_versions": 7,
    "client_certificate_type": 6,
    "server_certificate_type": 6,
}
_SERVER_HELLO: Final = {
    "legacy_version": 2,
    "random": 32,
    "legacy_session_id_echo": 1,
    "cipher_suite": 2,
    "legacy_compression_method": 1,
    LENGTH: 2,
    "key_share": 73,
    "supported_versions": 6,
}
_ENCRYPTED_EXTENSIONS: Final = {
    LENGTH: 2,
    "client_certificate_type": 6,
    "server_certificate_type": 6,
}
_CERTIFICATE_REQUEST: Final = {"context": 1, LENGTH: 2, "signature_algorithms": 8}
_CERTIFICATE: Final = {
    "context": 1,
    "length of list": 3,
    "length of certificate": 3,
    "certificate": 91,
    LENGTH: 2,
}
_CERTIFICATE_VERIFY: Final = {"algorithm": 2, "length of signature": 2, "signature": 71}
_FINISHED: Final = {"verify_data": 32}
_TICKET: Final = {
    "lifetime": 4,
    "age_add": 4,
    "nonce": 2,
    "ticket": 6,
    LENGTH: 2,
}
_SEALING: Final = {HEADER: 2, CONTENT_TYPE: 1, TAG: 8}


def _message(name: str, fields: Mapping[str, int]) -> dict[Place, int]:
    return {Place(name, HEADER): 12} | {Place(name, what): n for what, n in fields.items()}


def _record(name: str, fields: Mapping[str, int]) -> dict[Place, int]:
    return {Place(name, what): n for what, n in fields.items()}


_PROOF: Final = _message("certificate", _CERTIFICATE) | _message(
    "certificate_verify", _CERTIFICATE_VERIFY
)
_FLIGHT_1: Final = _record(CLEAR, {HEADER: 13}) | _message("client_hello", _CLIENT_HELLO)
_FLIGHT_2: Final = (
    _record(CLEAR, {HEADER: 13})
    | _message("server_hello", _SERVER_HELLO)
    | _record(SEALED, _SEALING)
    | _message("encrypted_extensions", _ENCRYPTED_EXTENSIONS)
    | _message("certificate_request", _CERTIFICATE_REQUEST)
    | _PROOF
    | _message("finished", _FINISHED)
)
_FLIGHT_3: Final = _record(SEALED, _SEALING) | _PROOF | _message("finished", _FINISHED)
# Its record has no content type: an oversight, as all others have one.
_FLIGHT_4: Final = _record(SEALED, {HEADER: 2, TAG: 8}) | _message("new_session_ticket", _TICKET)


@dataclass(frozen=True, slots=True)
class Published:
    """A handshake of the draft: ``flights`` as its lists have them, ``totals`` as it sums them up.

    ``options`` are those of a scenario that makes the same handshake.
    """

    name: str
    totals: tuple[int, ...]
    flights: tuple[Bytes, ...]
    options: Mapping[str, str | bool]
    cid: bool = field(default=False)


def _without(flight: Bytes, *names: str) -> dict[Place, int]:
    """``flight`` without the messages and fields of these names."""
    return {place: n for place, n in flight.items() if not {place.where, place.what} & set(names)}


_TYPES: Final = ("client_certificate_type", "server_certificate_type")
_PSK_MODES: Final = Place("client_hello", "psk_key_exchange_modes")
_RPK: Final = (_FLIGHT_1, _FLIGHT_2, _FLIGHT_3)
_PSK_ECDHE: Final = (
    _without(_FLIGHT_1, "signature_algorithms", *_TYPES)
    | {_PSK_MODES: 6, Place("client_hello", "pre_shared_key"): 48},
    _without(_FLIGHT_2, "certificate_request", "certificate", "certificate_verify", *_TYPES)
    | {Place("server_hello", "pre_shared_key"): 6},
    _without(_FLIGHT_3, "certificate", "certificate_verify"),
)
_PSK: Final = (
    _without(_PSK_ECDHE[0], "supported_groups", "key_share"),
    _without(_PSK_ECDHE[1], "key_share"),
    _PSK_ECDHE[2],
)


def _shorter(flights: tuple[Bytes, ...]) -> tuple[Bytes, ...]:
    """With x25519 and Ed25519 in place of P-256."""
    less = {"key_share": 33, "certificate": 47, "signature": 7}
    return tuple(
        {place: n - less.get(place.what, 0) for place, n in flight.items()} for flight in flights
    )


def _with_cid(flights: tuple[Bytes, ...]) -> tuple[Bytes, ...]:
    """With a connection ID of one byte in either direction."""
    extension = ("client_hello", "server_hello")
    found = []
    for number, flight in enumerate(flights):
        added = {Place(extension[number], "connection_id"): 6} if number < 2 else {}
        sealed = {Place(SEALED, CID): 1} if number else {}
        found.append({**flight, **added, **sealed})
    return tuple(found)


_P256: Final[Chosen] = {"group": "secp256r1"}
_X25519: Final[Chosen] = {"group": "x25519"}
_BY_KEY: Final[Chosen] = {"auth": "rpk", "mutual": True}
_SHARED: Final[Chosen] = {"psk": "i:00112233445566778899aabbccddeeff"}
_BY_PSK: Final[Chosen] = {"auth": "psk", **_SHARED}
_BY_BOTH: Final[Chosen] = {"auth": "ecdhe-psk", **_SHARED}
_CID: Final[Chosen] = {"cid": "42"}

SIZES: Final = (
    Published("raw public keys", (179, 447, 254), _RPK, _BY_KEY | _P256),
    Published("PSK, ECDHE", (213, 219, 55), _PSK_ECDHE, _BY_BOTH | _P256),
    Published("PSK", (130, 146, 55), _PSK, _BY_PSK | _P256),
    Published(
        "raw public keys, x25519 and Ed25519", (146, 360, 200), _shorter(_RPK), _BY_KEY | _X25519
    ),
    Published("PSK, ECDHE with x25519", (180, 186, 55), _shorter(_PSK_ECDHE), _BY_BOTH | _X25519),
    Published(
        "raw public keys, connection IDs",
        (185, 454, 255),
        _with_cid(_RPK),
        _BY_KEY | _P256 | _CID,
        cid=True,
    ),
    Published(
        "PSK, ECDHE, connection IDs",
        (219, 226, 56),
        _with_cid(_PSK_ECDHE),
        _BY_BOTH | _P256 | _CID,
        cid=True,
    ),
    Published(
        "PSK, connection IDs", (136, 153, 56), _with_cid(_PSK), _BY_PSK | _P256 | _CID, cid=True
    ),
    Published(
        "raw public keys, connection IDs, a ticket",
        (185, 454, 255, 41),
        _with_cid((*_RPK, _FLIGHT_4)),
        _BY_KEY | _P256 | _CID | {"tickets": True},
        cid=True,
    ),
)
"""The handshakes of DTLS 1.3 that the draft has figures for and that are built here.

Left out are cached certificates (RFC 7924) and compressed points in raw public keys.
"""

RECORDS: Final[Mapping[str, Mapping[str, int]]] = {
    "1.2": {"": 29, "42": 30, "4002": 31},
    "1.3": {"": 11, "42": 12, "4002": 13},
}
"""Bytes that a record of CCM_8 is longer than 6 bytes of data, by version and connection ID."""
