"""What to do next when something failed, in one line."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.tls import alerts
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.credentials import auth_names, kind_by_auth

_NO_PSK: Final = "compare --auth and --group on both sides, then --psk"

_OF_CERTIFICATES: Final[dict[type[AlertError], str]] = {
    alerts.UnknownCa: "give the authority that issued it with --ca",
    alerts.CertificateExpired: "renew it, or set this machine's clock",
    alerts.UnsupportedCertificate: "both sides need the same --auth, and keys of P-256 or Ed25519",
    alerts.CertificateRequired: "the peer has to show a key: --key there",
    alerts.BadCertificate: "check the files of --cert and --ca on both sides",
}

_NOTHING_IN_COMMON: Final = (
    "compare --auth, --suite and --group on both sides (a P-256 key needs the group secp256r1), "
    "and give --key if the server asks for a client's key"
)
_REFUSED: Final = (
    "the server does not accept this client's key: check --key and --cert here, and --peer-key "
    "or --ca there"
)
_ASKED: Final = "the server asks for a client's key: add --key (and, for x509, --cert)"
_REQUIRED: Final = "the server asks for a key of the kind that it has pinned: give another --key"
_OTHER_AUTH: Final = "compare --auth on both sides; or, if it is the same, "
_BUSY: Final = "the server may be busy with other handshakes: try again later, or read its log"
_OTHER_VERSION: Final = "compare --dtls (and --suite) on both sides"


def advice(error: Error, arguments: Namespace) -> str:
    """What failed, and what to try: one line without a full stop."""
    said = str(error) or type(error).__name__
    remedy = _remedy(error, arguments)
    return f"{said}; {remedy}" if remedy else said


def _remedy(error: Error, arguments: Namespace) -> str:
    auth: str = getattr(arguments, "auth", "")
    if isinstance(error, AlertError):
        return _for_alert(error, auth, has_key=getattr(arguments, "key", None) is not None)
    if isinstance(error, HandshakeTimeout):
        return (
            "is a server running there, with the same --transport, and does UDP get through? "
            "--timeout and --max-retransmit allow more time"
        )
    if isinstance(error, CarrierError) and error.code == "4.04":
        return "both sides need the same --resource"
    if isinstance(error, CarrierError) and error.code == "4.15":
        return "both sides need the same --encoding"
    return ""


def _for_alert(error: AlertError, auth: str, *, has_key: bool) -> str:
    refused = _REFUSED if has_key else _ASKED
    of_kind = _of_kind(error, auth)
    if isinstance(error, alerts.BadRecordMac | alerts.DecryptError) and of_kind:
        return of_kind
    if isinstance(error, alerts.UnknownPskIdentity):
        return _NO_PSK
    if isinstance(error, alerts.InternalError) and error.received:
        return _BUSY  # over UDP there is no other way to say so
    if isinstance(error, alerts.ProtocolVersion):
        return _OTHER_VERSION
    if isinstance(error, alerts.HandshakeFailure | alerts.InsufficientSecurity):
        return "; ".join(filter(None, (_NOTHING_IN_COMMON, of_kind)))
    if isinstance(error, alerts.UnsupportedCertificate) and error.received:
        return _OTHER_AUTH + refused
    if isinstance(error, alerts.CertificateRequired) and error.received and has_key:
        return _REQUIRED
    if isinstance(error, alerts.CertificateUnknown):
        return refused if error.received else of_kind
    for kind, remedy in _OF_CERTIFICATES.items():
        if isinstance(error, kind):
            return refused if error.received else remedy
    return ""


def _of_kind(error: AlertError, auth: str) -> str:
    """What the kind of credential in use has to say about such an alert, if anything."""
    if auth not in auth_names() and ":" not in auth:
        return ""
    said = kind_by_auth(auth).advice.items()
    return next((text for alert, text in said if isinstance(error, alert)), "")
