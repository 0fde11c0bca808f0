"""How it is sealed: record headers, epochs and numbers, AEAD protection, the replay window.

One :class:`~handshake_over_coap.records.sealer.Sealer` and one
:class:`~handshake_over_coap.records.opener.Opener` serve a direction and epoch, whatever carries
the record: a UDP datagram or the body of a CoAP message.
"""

from __future__ import annotations

from handshake_over_coap.records.dtls12 import (
    PlaintextRecord,
    RawRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.errors import (
    ForgedRecord,
    ForgeryLimitReached,
    MalformedRecord,
    NumbersExhausted,
    RecordDropped,
    ReplayedRecord,
    WrongEpoch,
)
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.replay import ReplayWindow
from handshake_over_coap.records.sealer import Sealer

__all__ = [
    "ForgedRecord",
    "ForgeryLimitReached",
    "MalformedRecord",
    "NumbersExhausted",
    "Opener",
    "PlaintextRecord",
    "RawRecord",
    "RecordDropped",
    "ReplayWindow",
    "ReplayedRecord",
    "SealedRecord",
    "Sealer",
    "WrongEpoch",
    "split_datagram",
]
