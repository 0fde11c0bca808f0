"""Which records of the peer's messages have come, and when that has to be said.

An ACK goes out at once where a gap shows, where ten records have come without a word, and for what
has no other answer; and a quarter of the timer after a part of a flight that does not go on.

Source: RFC 9147 sections 5.8.3, 7 and 7.1.
"""

from __future__ import annotations

from handshake_over_coap.carriers.delivery import ACK_LENGTH, RECORDS_AT_ONCE
from handshake_over_coap.records.ack import RECORD_NUMBER_LENGTH, Ack
from handshake_over_coap.records.dtls13 import RecordNumber

MOST = 64
"""Record numbers that are kept: the oldest make room."""


class Receipts:
    """The records of the flight that is coming in.

    ``deadline`` is when what came has to be acknowledged, None while nothing waits for that.
    """

    def __init__(self) -> None:
        # In the order of arrival; whether an ACK has named it.
        self._numbers: dict[RecordNumber, bool] = {}
        self._holes = 0
        self.deadline: float | None = None

    @property
    def unsaid(self) -> int:
        """How many records no ACK has named."""
        return sum(not said for said in self._numbers.values())

    @property
    def numbers(self) -> tuple[RecordNumber, ...]:
        """The records, in the order in which they came."""
        return tuple(self._numbers)

    def note(self, number: RecordNumber) -> None:
        """A record came, and all that is in it was taken or is there already."""
        self._numbers.pop(number, None)
        self._numbers[number] = False
        while len(self._numbers) > MOST:
            del self._numbers[next(iter(self._numbers))]

    def clear(self) -> None:
        """The flight is over: what follows is another."""
        self._numbers.clear()
        self._holes = 0
        self.deadline = None

    def wanted(self, holes: int, now: float, patience: float) -> bool:
        """Whether to send an ACK at once, after a datagram that left ``holes`` gaps.

        Otherwise one is due ``patience`` seconds after the first record that it will name.
        """
        at_once = holes > self._holes or self.unsaid >= RECORDS_AT_ONCE
        self._holes = holes
        if self.unsaid:
            due = now + patience
            self.deadline = due if self.deadline is None else min(due, self.deadline)
        return at_once

    def acks(self, room: int) -> list[Ack]:
        """ACKs of at most ``room`` bytes that name all that no other has named; at least one.

        Where there is space they name again what was named before.
        """
        self.deadline = None
        most = max((room - ACK_LENGTH) // RECORD_NUMBER_LENGTH, 1)
        fresh = [number for number, said in self._numbers.items() if not said]
        groups = [fresh[start : start + most] for start in range(0, len(fresh), most)] or [[]]
        spare = most - len(groups[-1])
        said = [number for number, said in self._numbers.items() if said]
        groups[-1] += said[len(said) - min(spare, len(said)) :]
        self._numbers = dict.fromkeys(self._numbers, True)
        return [Ack.of(group) for group in groups[:RECORDS_AT_ONCE]]
