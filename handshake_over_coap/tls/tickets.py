"""What a client keeps of a session so as to resume it.

Source: RFC 8446 sections 2.2, 4.2.11.1 and 4.6.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from .identity import PeerIdentity
from .suites13 import CipherSuite13

MAX_TICKET_LIFETIME: Final = 604_800
"""Seconds that a ticket may be used at most: seven days (RFC 8446 section 4.6.1)."""

MAX_TICKET_LENGTH: Final = 4096
"""Bytes of the longest ticket that a server gives and a client keeps: it is repeated in a hello."""

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket and the key that goes with it; :attr:`ClientConfig.ticket` takes one.

    ``ticket`` is opaque and ``psk`` 32 bytes; ``lifetime`` in seconds from ``received_at``, which
    has a time zone; ``age_add`` hides the age on the wire.  The rest is what the session it came
    in had agreed on: ``peer`` is who the server proved to be there.
    """

    ticket: bytes = field(repr=False)
    psk: bytes = field(repr=False)
    suite: CipherSuite13
    lifetime: int
    age_add: int = field(repr=False)
    received_at: datetime
    server_name: str | None
    peer: PeerIdentity
    server_certificate_type: int

    def usable(self, now: datetime, server_name: str | None) -> bool:
        """Whether it has not expired and was given under that name (RFC 8446 section 4.6.1)."""
        age = (now - self.received_at).total_seconds()
        return 0 <= age <= self.lifetime and server_name == self.server_name

    def obfuscated_age(self, now: datetime) -> int:
        """The age in milliseconds as it stands in a ClientHello, 32 bits (section 4.2.11.1)."""
        return ((now - self.received_at) // _MILLISECOND + self.age_add) % 2**32
