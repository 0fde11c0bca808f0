"""Whether a ticket may stand for the credential that the server would otherwise have to show.

Resuming skips certificate and key: a ticket that was given by a server whom nobody checked, or who
is trusted no more, must not get past what the caller asks for now.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.credentials import (
    PSK,
    Asked,
    PeerRole,
    Trust,
    kind_by_auth,
    shown_by,
)
from handshake_over_coap.tls.identity import PeerIdentity
from handshake_over_coap.tls.tickets import Ticket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a client asks of its server: its ``auth``, or None for any, and whom it believes."""

    auth: str | None
    psk: PSK | None = field(repr=False)
    trust: Trust | None
    server_name: str | None
    server_address: str
    now: datetime

    def accepts(self, ticket: Ticket) -> bool:
        """Whether the server that gave ``ticket`` would be accepted by what it showed then."""
        try:
            accepted = self._of_this_kind(ticket.peer) and self._believes(ticket.peer)
        except AlertError as error:
            log.info("the ticket is not used: its server would be refused now: %s", error)
            return False
        if not accepted:
            log.info("the ticket is not used: its server proved itself in another way")
        return accepted

    def _of_this_kind(self, peer: PeerIdentity) -> bool:
        return self.auth is None or kind_by_auth(self.auth).proven(peer)

    def _believes(self, peer: PeerIdentity) -> bool:
        """Raises AlertError, as the handshake would have."""
        if peer.psk_identity is not None:
            if self.psk is None:  # whoever names somebody to trust does not mean this one
                return self.trust is None
            return self.psk.identity == peer.psk_identity
        if self.trust is None:  # only where any kind is good: the ticket alone is the credential
            return True
        shown = shown_by(peer)
        if shown is None:
            return False
        asked = Asked(PeerRole.SERVER, self.now, self.server_name, self.server_address)
        self.trust.verify(shown, asked)
        return True
