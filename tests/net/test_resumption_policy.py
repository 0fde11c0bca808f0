"""Which ticket a client uses: one of a server that it would accept now."""

from __future__ import annotations

import pytest

from handshake_over_coap.net.options import Options
from handshake_over_coap.tls.credentials import PSK, Trust
from handshake_over_coap.tls.tickets import Ticket
from tests.support import parties, pki
from tests.support.memory_pair13 import resume, run
from tests.support.parties13 import ECDHE_PSK

OURS = PSK(parties.IDENTITY, parties.KEY)
PIN = Trust(raw_public_keys=pki.p256_key("somebody").public_key())


def kept(psk: PSK | None, trust: Trust | None) -> Ticket | None:
    """What becomes of a ticket of a session with ``OURS``."""
    ticket = resume(run(ECDHE_PSK.client(server_name=None), ECDHE_PSK.server()))
    rng = parties.seeded(1)
    config = Options().client_config(psk, trust, "127.0.0.1", rng, lambda: parties.NOW, ticket)
    return config.ticket


@pytest.mark.parametrize(
    ("psk", "trust", "used"),
    [
        (OURS, None, True),
        (OURS, PIN, True),
        (None, None, True),
        (PSK("another", parties.KEY), None, False),
        (None, PIN, False),
    ],
    ids=["its key", "its key and trust", "the ticket alone", "another key", "trust alone"],
)
def test_a_ticket_of_a_pre_shared_key_goes_with_that_key(
    psk: PSK | None, trust: Trust | None, used: bool
) -> None:
    assert (kept(psk, trust) is not None) is used
