"""Why a record is not sent, or not accepted.

DTLS drops what it cannot accept without a word (RFC 6347 section 4.1.2.7): a receiver catches
:class:`RecordDropped`, counts its ``reason`` and goes on.
"""

from __future__ import annotations

from typing import ClassVar

from handshake_over_coap.errors import Error


class NumbersExhausted(Error):
    """A key has sealed all that it may: the session must be replaced, or in 1.3 the key.

    In 1.2 all 2^48 sequence numbers of the epoch, in 1.3 what the algorithm bears (RFC 9147
    section 4.5.3).
    """


class RecordDropped(Error):
    """A record that is dropped silently; ``reason`` is a short stable name for counters."""

    default_reason: ClassVar[str] = "dropped"

    def __init__(self, detail: str = "", *, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = self.default_reason if reason is None else reason


class MalformedRecord(RecordDropped):
    """Bytes that are no record; whatever follows them in the datagram is lost too."""

    default_reason = "malformed"


class WrongEpoch(RecordDropped):
    """A record of an epoch that these keys do not serve."""

    default_reason = "wrong-epoch"


class UnknownConnectionId(RecordDropped):
    """A record without the connection ID that the peer was told to send, or with another."""

    default_reason = "connection-id"


class ReplayedRecord(RecordDropped):
    """A record seen before (reason ``replayed``), or too old to tell (reason ``too-old``)."""

    default_reason = "replayed"


class ForgedRecord(RecordDropped):
    """A record that fails authentication, or is too short to hold a tag."""

    default_reason = "forged"


class ForgeryLimitReached(RecordDropped):
    """So many records have failed authentication that these keys accept nothing more."""

    default_reason = "forgery-limit"
