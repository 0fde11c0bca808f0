"""The file in which ``hoc connect --session`` keeps a ticket: one JSON object, secrets included."""

from __future__ import annotations

import json
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import CertificateType
from handshake_over_coap.tls.credentials import kind_by_form, known_form, shown_by
from handshake_over_coap.tls.identity import PeerIdentity, Shown
from handshake_over_coap.tls.suites13 import suite13_by_name
from handshake_over_coap.tls.tickets import MAX_TICKET_LENGTH, MAX_TICKET_LIFETIME, Ticket
from handshake_over_coap.trace.files import cannot_write, open_private

_WHAT: Final = "ticket"
_PSK_LENGTH: Final = 32
_REMEDY: Final = "delete it, and the next session writes a new one"
_LARGEST: Final = 1 << 20
"""Bytes of the largest file that is read: a ticket and a chain of certificates are far smaller."""
_DAMAGED: Final = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    *(ConfigurationError, AlertError),
)
"""What a file that somebody has meddled with may raise."""


def read_ticket(path: Path) -> Ticket | None:
    """The ticket in ``path``; None where there is no file yet.

    Raises ConfigurationError for a file that cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise ConfigurationError(f"cannot read --session {path}: {why}") from error
    if not data:
        return None
    try:
        if len(data) > _LARGEST:
            raise ValueError("too long")
        return _from_json(json.loads(data))
    except _DAMAGED as error:
        raise ConfigurationError(f"--session {path} holds no ticket: {_REMEDY}") from error


def check_ticket_file(path: Path) -> None:
    """Raise ConfigurationError now if :func:`write_ticket` could not; what is there stays."""
    open_private(path, _WHAT, append=True).close()


def write_ticket(path: Path, ticket: Ticket) -> None:
    """Put ``ticket`` into ``path``, readable by its owner alone; ConfigurationError if not."""
    data = json.dumps(_to_json(ticket), indent=2).encode() + b"\n"
    try:
        with open_private(path, _WHAT, append=False) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fchmod(file.fileno(), 0o600)  # it may have been there before
            file.write(data)
    except OSError as error:
        raise cannot_write(_WHAT, path, error) from error


def _to_json(ticket: Ticket) -> dict[str, object]:
    raw_key = ticket.peer.raw_public_key
    identity = ticket.peer.psk_identity
    return {
        "ticket": ticket.ticket.hex(),
        "psk": ticket.psk.hex(),
        "suite": ticket.suite.name,
        "lifetime": ticket.lifetime,
        "age_add": ticket.age_add,
        "received_at": ticket.received_at.isoformat(),
        "server_name": ticket.server_name,
        "certificate_type": _form_text(ticket.server_certificate_type),
        "peer": {
            "psk_identity": None if identity is None else identity.hex(),
            "raw_public_key": None if raw_key is None else raw_key.hex(),
            "certificates": [each.hex() for each in ticket.peer.certificates],
            **_other_to_json(ticket.peer.other),
        },
    }


def _from_json(said: Any) -> Ticket:
    peer = said["peer"]
    received_at = datetime.fromisoformat(said["received_at"])
    ticket = Ticket(
        ticket=bytes.fromhex(said["ticket"]),
        psk=bytes.fromhex(said["psk"]),
        suite=suite13_by_name(said["suite"]),
        lifetime=int(said["lifetime"]),
        age_add=int(said["age_add"]),
        received_at=received_at,
        server_name=said["server_name"],
        peer=PeerIdentity(
            psk_identity=_bytes(peer["psk_identity"]),
            raw_public_key=_bytes(peer["raw_public_key"]),
            certificates=tuple(bytes.fromhex(each) for each in peer["certificates"]),
            other=_other_from_json(peer.get("other")),
        ),
        server_certificate_type=_form(said["certificate_type"]),
    )
    _check(ticket)
    return ticket


def _check(ticket: Ticket) -> None:
    """Raise ValueError or TypeError for a ticket that no server has given."""
    if ticket.received_at.tzinfo is None:
        raise ValueError("a time without a zone")
    if not isinstance(ticket.server_name, str | None):
        raise TypeError("a name that is no text")
    fits = len(ticket.psk) == _PSK_LENGTH and 0 < len(ticket.ticket) <= MAX_TICKET_LENGTH
    if not fits or not 0 < ticket.lifetime <= MAX_TICKET_LIFETIME:
        raise ValueError("a length or a lifetime out of bounds")
    if not 0 <= ticket.age_add < 1 << 32:
        raise ValueError("an age out of bounds")
    shown = shown_by(ticket.peer)
    if shown is not None:
        kind_by_form(shown.form).read(shown.entries)


def _form_text(form: int) -> str:
    """The name of a CertificateType in the registry, or its number."""
    return form.name if isinstance(form, CertificateType) else str(form)


def _form(text: str) -> int:
    """The reverse of :func:`_form_text`; raises ValueError or ConfigurationError."""
    names = CertificateType.__members__
    return known_form(names[text] if text in names else int(text))


def _other_to_json(other: Shown | None) -> dict[str, object]:
    if other is None:
        return {}
    entries = [each.hex() for each in other.entries]
    return {"other": {"form": _form_text(other.form), "entries": entries}}


def _other_from_json(said: Any) -> Shown | None:
    if said is None:
        return None
    return Shown(_form(said["form"]), tuple(bytes.fromhex(each) for each in said["entries"]))


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
