"""How it is sealed: record headers, epochs and numbers, AEAD protection, the replay window.

One :class:`~handshake_over_coap.records.sealer.Sealer` and one
:class:`~handshake_over_coap.records.opener.Opener` serve a direction and epoch, whatever carries
the record: a UDP datagram or the body of a CoAP message.  In 1.3 it is a
:class:`~handshake_over_coap.records.sealer13.Sealer13` for each epoch, and one
:class:`~handshake_over_coap.records.opener13.Opener13` for all of them.
"""

from __future__ import annotations

from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls12 import (
    PlaintextRecord,
    RawRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls13 import (
    CiphertextRecord,
    NumberedRecord,
    RawRecord13,
    RecordNumber,
    split13,
)
from handshake_over_coap.records.errors import (
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    NumbersExhausted,
    RecordDropped,
    ReplayedRecord,
    UnknownConnectionId,
    WrongEpoch,
)
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opened, Opener13
from handshake_over_coap.records.replay import ReplayWindow
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.records.sealer13 import Sealer13

__all__ = [
    "Ack",
    "CiphertextRecord",
    "ForgedRecord",
    "ForgeryLimitReached",
    "MalformedRecord",
    "NumberedRecord",
    "NumbersExhausted",
    "Opened",
    "Opener",
    "Opener13",
    "PlaintextRecord",
    "RawRecord",
    "RawRecord13",
    "RecordDropped",
    "RecordNumber",
    "ReplayWindow",
    "ReplayedRecord",
    "SealedRecord",
    "Sealer",
    "Sealer13",
    "UnknownConnectionId",
    "WrongEpoch",
    "split13",
    "split_datagram",
]
