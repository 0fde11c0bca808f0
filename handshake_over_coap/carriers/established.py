"""What a completed handshake of ours leaves, whichever carrier it came over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from handshake_over_coap.carriers.carried import OnCompleted
from handshake_over_coap.carriers.post_handshake import PostHandshake
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.records.writer13 import Writer13
from handshake_over_coap.tls.dtls13.connected import Connected13
from handshake_over_coap.tls.handshake import Connected
from handshake_over_coap.tls.tickets import Ticket


@dataclass(frozen=True, slots=True)
class Established:
    """A completed handshake of DTLS 1.2: what it agreed on, and the ends of the record layer.

    The sealer's and the opener's numbers go on after those that the handshake used.  ``early`` are
    content type and plaintext of records that were opened before the peer's Finished was.
    """

    connected: Connected
    sealer: Sealer
    opener: Opener
    early: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Established13:
    """A completed handshake of DTLS 1.3: what it agreed on, and its record layer.

    ``sealer`` seals with the newest keys, ``opener`` holds the epochs that are still read; their
    numbers go on after those that the handshake used.  ``peer_seq`` is the message_seq of the
    peer's next message; as many as ``unseen`` from there on may be in an answer that is not waited
    for.  ``early`` are records that were opened before completion;
    ``tickets`` came with it.  ``post`` goes on with what the carrier has not seen acknowledged yet;
    where it is None, nothing is, and the session makes its own.
    ``provisional`` tells that a client has said its last flight and knows no more than that.
    """

    connected: Connected13
    sealer: Writer13
    opener: Opener13
    peer_seq: int
    early: tuple[Opened, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    post: PostHandshake | None = None
    provisional: bool = False
    unseen: int = 0


AnyEstablished: TypeAlias = Established | Established13

OnEstablished: TypeAlias = OnCompleted[AnyEstablished]
"""What a server calls when a handshake of ours has completed."""
