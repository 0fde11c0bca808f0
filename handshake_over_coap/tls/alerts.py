"""TLS alerts: on the wire, and as one exception type each.

Every alert of the registry has a subclass of :class:`AlertError` named after it.  The same class
serves both directions: ``received`` tells an alert that the peer sent from one that we raise and
are about to send.

Source: RFC 5246 section 7.2, RFC 8446 section 6, and the registry "TLS Alerts".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import ConfigurationError, Error
from .codepoints import AlertDescription, AlertLevel


class AlertError(Error):
    """An alert that ends or troubles a session; this class itself stands for unknown numbers.

    ``description`` is the alert's registry entry (None where the number has none), ``code`` its
    number in either case, ``detail`` what was wrong in words, without secrets.  ``received`` is
    True when the peer sent it.  ``authenticated`` is True for a received alert that came sealed;
    an alert in the clear may have been sent by anybody.
    """

    description: ClassVar[AlertDescription | None] = None
    default_level: ClassVar[AlertLevel] = AlertLevel.fatal

    def __init__(
        self,
        detail: str = "",
        *,
        received: bool = False,
        level: int | None = None,
        authenticated: bool = False,
        code: int | None = None,
    ) -> None:
        if code is None:
            if self.description is None:
                raise TypeError("an AlertError without a description needs a code")
            code = int(self.description)
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.received = received
        self.level = int(self.default_level if level is None else level)
        self.authenticated = authenticated

    @property
    def name(self) -> str:
        """The registry's name of the alert, or its number in words."""
        return f"alert {self.code}" if self.description is None else self.description.name

    def __str__(self) -> str:
        text = f"the peer sent {self.name}" if self.received else self.name
        return f"{text}: {self.detail}" if self.detail else text

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword arguments too: errors cross process boundaries in sweeps."""
        state = (self.detail, self.received, self.level, self.authenticated, self.code)
        return (_rebuild, (type(self), *state))

    @property
    def alert(self) -> Alert:
        """The alert as a message."""
        return Alert(self.level, self.code)


def _rebuild(
    kind: type[AlertError],
    detail: str,
    received: bool,
    level: int,
    authenticated: bool,
    code: int,
) -> AlertError:
    return kind(detail, received=received, level=level, authenticated=authenticated, code=code)


class CloseNotify(AlertError):
    """The sender will send nothing more on this connection."""

    description = AlertDescription.close_notify
    default_level = AlertLevel.warning


class UnexpectedMessage(AlertError):
    """A message arrived that this point of the handshake does not allow."""

    description = AlertDescription.unexpected_message


class BadRecordMac(AlertError):
    """A record did not authenticate."""

    description = AlertDescription.bad_record_mac


class RecordOverflow(AlertError):
    """A record is longer than a record may be."""

    description = AlertDescription.record_overflow


class DecompressionFailure(AlertError):
    """A record could not be decompressed."""

    description = AlertDescription.decompression_failure


class HandshakeFailure(AlertError):
    """No acceptable set of security parameters could be agreed."""

    description = AlertDescription.handshake_failure


class BadCertificate(AlertError):
    """A certificate is corrupt, or its signature does not verify."""

    description = AlertDescription.bad_certificate


class UnsupportedCertificate(AlertError):
    """A certificate is of a type or form that is not supported."""

    description = AlertDescription.unsupported_certificate


class CertificateRevoked(AlertError):
    """A certificate was revoked by its signer."""

    description = AlertDescription.certificate_revoked


class CertificateExpired(AlertError):
    """A certificate has expired or is not valid yet."""

    description = AlertDescription.certificate_expired


class CertificateUnknown(AlertError):
    """A certificate is not acceptable for some other reason."""

    description = AlertDescription.certificate_unknown


class IllegalParameter(AlertError):
    """A field is well formed but its value is out of range or contradicts another."""

    description = AlertDescription.illegal_parameter


class UnknownCa(AlertError):
    """A chain leads to no known trust anchor."""

    description = AlertDescription.unknown_ca


class AccessDenied(AlertError):
    """A valid credential that access control does not admit."""

    description = AlertDescription.access_denied


class DecodeError(AlertError):
    """A message could not be parsed: a length or a field is impossible."""

    description = AlertDescription.decode_error


class DecryptError(AlertError):
    """A handshake-layer check failed: a signature, or a Finished."""

    description = AlertDescription.decrypt_error


class TooManyCidsRequested(AlertError):
    """More connection IDs were asked for than will be given (RFC 9147 section 9)."""

    description = AlertDescription.too_many_cids_requested


class ProtocolVersion(AlertError):
    """The peer's protocol version is recognised but not supported."""

    description = AlertDescription.protocol_version


class InsufficientSecurity(AlertError):
    """The server requires stronger parameters than the client offers."""

    description = AlertDescription.insufficient_security


class InternalError(AlertError):
    """Something failed that has nothing to do with the peer or the protocol."""

    description = AlertDescription.internal_error


class InappropriateFallback(AlertError):
    """A retry at a lower version that the server would not have needed (RFC 7507)."""

    description = AlertDescription.inappropriate_fallback


class UserCanceled(AlertError):
    """The handshake is given up for a reason outside the protocol."""

    description = AlertDescription.user_canceled
    default_level = AlertLevel.warning


class NoRenegotiation(AlertError):
    """A new handshake on this connection is refused."""

    description = AlertDescription.no_renegotiation
    default_level = AlertLevel.warning


class MissingExtension(AlertError):
    """An extension that the offered parameters require is absent."""

    description = AlertDescription.missing_extension


class UnsupportedExtension(AlertError):
    """An extension stands where it was not offered or is not allowed."""

    description = AlertDescription.unsupported_extension


class CertificateUnobtainable(AlertError):
    """A certificate could not be fetched from the given URL (RFC 6066)."""

    description = AlertDescription.certificate_unobtainable


class UnrecognizedName(AlertError):
    """No server of the requested name is here (RFC 6066 section 3)."""

    description = AlertDescription.unrecognized_name


class BadCertificateStatusResponse(AlertError):
    """An OCSP response is invalid or unacceptable."""

    description = AlertDescription.bad_certificate_status_response


class BadCertificateHashValue(AlertError):
    """A certificate does not match the hash that was given for it (RFC 6066)."""

    description = AlertDescription.bad_certificate_hash_value


class UnknownPskIdentity(AlertError):
    """No key is known for the PSK identity (RFC 4279 section 2)."""

    description = AlertDescription.unknown_psk_identity


class CertificateRequired(AlertError):
    """A client certificate was required and not given."""

    description = AlertDescription.certificate_required


class NoApplicationProtocol(AlertError):
    """No application protocol in common (RFC 7301)."""

    description = AlertDescription.no_application_protocol


_CLASSES: dict[int, type[AlertError]] = {
    int(kind.description): kind
    for kind in AlertError.__subclasses__()
    if kind.description is not None
}


def alert_error(
    description: int,
    *,
    received: bool,
    level: int | None = None,
    authenticated: bool = False,
    detail: str = "",
) -> AlertError:
    """The exception for the alert number ``description``.

    An unknown number gives a plain :class:`AlertError` with that number as its ``code``.
    ``level`` None means the alert's usual level.
    """
    kind = _CLASSES.get(description, AlertError)
    return kind(
        detail, received=received, level=level, authenticated=authenticated, code=description
    )


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert message: two bytes.  Unknown levels and descriptions are kept as they came."""

    level: int
    description: int

    def encode(self) -> bytes:
        """The two bytes; raises ConfigurationError for a number that does not fit one."""
        if not (0 <= self.level <= 0xFF and 0 <= self.description <= 0xFF):
            raise ConfigurationError(f"alert ({self.level}, {self.description}) has no encoding")
        return bytes((self.level, self.description))

    def sealed_error(self) -> AlertError:
        """The exception for this alert, which the peer has sent under the keys agreed on."""
        return alert_error(self.description, received=True, level=self.level, authenticated=True)

    @classmethod
    def decode(cls, data: bytes) -> Alert:
        """Parse exactly two bytes; raises DecodeError for any other length."""
        if len(data) != 2:
            raise DecodeError(f"alert of {len(data)} bytes")
        return cls(data[0], data[1])


def sealed_alert(content: bytes, *, single: bool = False) -> AlertError:
    """The exception for what the peer has said in a sealed record of alerts.

    1.2 lets several share a record (RFC 5246 section 6.2.1), and the gravest counts; a record of
    1.3 holds a ``single`` one (RFC 8446 section 5.1).  Raises DecodeError for any other length, and
    UnexpectedMessage for a record of 1.3 without content.
    """
    if single and not content:
        raise UnexpectedMessage("an alert record without content")
    if single or not content:
        return Alert.decode(content).sealed_error()
    alerts = [Alert.decode(content[at : at + 2]) for at in range(0, len(content), 2)]
    return max(alerts, key=_gravity).sealed_error()


def _gravity(alert: Alert) -> int:
    """How much an alert means: whatever ends the connection means more than a warning."""
    if alert.level == AlertLevel.fatal:
        return 2
    return alert.description == AlertDescription.close_notify
