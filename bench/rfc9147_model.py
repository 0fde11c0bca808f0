"""What RFC 9147 lets a handshake take: a model of datagrams, loss and timers, and nothing else.

It stands beside the real thing in docs/tables.md.  What it assumes:

- Six flights of client and server in turn: hello, retry with a cookie, hello again, the server's
  flight, the client's, and the ACK of that; ``PLAIN`` is how many datagrams each takes at 65 bytes.
- A datagram is lost by itself with the given probability, and is 50 ms under way otherwise.
- A flight is repeated when its timer runs out, but for what an ACK has named (section 5.8.1); the
  retry and the last ACK have no timer.  Any part of the next flight ends that, except that a retry
  and the last ACK have to be whole.
- The timer begins at 1 s, doubles up to 60 s, and stays from flight to flight (section 5.8.2).  A
  flight that only ACKs have had repeated sets it to 1.5 times what passed from its first sending to
  the answer, 0.25 s at least; not the retry, after which a server keeps nothing.  If
  ``acks_measure`` an ACK of what was sent once does that besides.
- A receiver with a part of a flight sends an ACK when a gap shows, after all that arrives at that
  moment, and a quarter of its timer after a part that no ACK has named (section 7.1); of the
  server's and the client's second flight at once, of the second hello if ``second_acked``, of the
  first hello and the retry never, as nothing is agreed on.  What an ACK does not name goes again.
- A repeated part draws the answer again, once for all that arrives at that moment and unless part
  of the answer is acknowledged (section 5.8.1).  Without ``any_part`` that takes all parts.
- With ``planned`` it is the model that this project was planned with: there a retry measures, too,
  from its first sending to the next hello, so that a server waits for minutes after several, and
  a flight counts as repeated only if its own timer ran out.
- All is generous: ACKs are sent and understood before keys are there, and nobody computes.

    python bench/rfc9147_model.py [--trials 3000] [--seed 1]
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
from dataclasses import dataclass, field, replace
from typing import Final

PLAIN: Final = (4, 3, 5, 10, 1, 1)
COMPACT: Final = (2, 1, 2, 4, 1, 1)
UNCUT: Final = (1, 1, 1, 1, 1, 1)

ONE_WAY: Final = 0.05
FIRST, LONGEST, SHORTEST, ROUND_TRIPS = 1.0, 60.0, 0.25, 1.5
AN_INSTANT: Final = 1e-6
RETRY, SECOND_HELLO, LAST = 1, 2, 5


@dataclass(frozen=True)
class Rules:
    """What is left to an implementation."""

    second_acked: bool = True
    any_part: bool = True
    acks_measure: bool = False
    planned: bool = False


@dataclass
class Flight:
    """A flight: what its sender and its receiver know of it."""

    number: int
    size: int
    began: float | None = None
    repeated: bool = False
    sent: dict[int, list[float]] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    got: set[int] = field(default_factory=set)
    again: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    answered_at: float = -math.inf
    over: bool = False
    alarm: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of it has come."""
        return len(self.got) == self.size


class Handshake:
    """One handshake; :meth:`run` gives its datagrams and seconds."""

    def __init__(self, sizes: tuple[int, ...], loss: float, rules: Rules, rng: random.Random):
        self.flights = [Flight(number, size) for number, size in enumerate(sizes)]
        self.loss, self.rules, self.rng = loss, rules, rng
        self.timers = [FIRST, FIRST]  # of client and server
        self.now, self.datagrams, self.count = 0.0, 0, 0
        self.events: list[tuple[float, int, str, Flight, object]] = []
        self.done = False

    def run(self) -> tuple[int, float]:
        """From the first hello to the last ACK."""
        self.begin(self.flights[0])
        while not self.done:
            self.now, _, kind, flight, what = heapq.heappop(self.events)
            getattr(self, kind)(flight, what)
        return self.datagrams, self.now

    def later(self, seconds: float, kind: str, flight: Flight, what: object = None) -> None:
        self.count += 1
        heapq.heappush(self.events, (self.now + seconds, self.count, kind, flight, what))

    def send(self, kind: str, flight: Flight, what: object) -> None:
        self.datagrams += 1
        if self.rng.random() >= self.loss:
            self.later(ONE_WAY, kind, flight, what)

    # -- the sender of a flight

    def begin(self, flight: Flight) -> None:
        flight.began = self.now
        self.transmit(flight)

    def transmit(self, flight: Flight) -> None:
        """All that no ACK has named."""
        flight.answered_at = self.now
        for part in range(flight.size):
            if part not in flight.acked:
                flight.sent.setdefault(part, []).append(self.now)
                self.send("part", flight, part)
        self.wait(flight)

    def wait(self, flight: Flight) -> None:
        flight.alarm += 1
        if flight.number not in (RETRY, LAST):
            self.later(self.timers[flight.number % 2], "timer", flight, flight.alarm)

    def timer(self, flight: Flight, alarm: object) -> None:
        if alarm == flight.alarm and not flight.over:
            flight.repeated = True
            side = flight.number % 2
            self.timers[side] = min(LONGEST, 2 * self.timers[side])
            self.transmit(flight)

    def adopt(self, flight: Flight, since: float) -> None:
        self.timers[flight.number % 2] = max(SHORTEST, ROUND_TRIPS * (self.now - since))

    def ack(self, flight: Flight, named: object) -> None:
        """An ACK of a flight has come."""
        assert isinstance(named, frozenset)
        fresh = named - flight.acked
        flight.acked |= named
        if flight.over or not fresh:
            return
        once = [flight.sent[part][0] for part in fresh if len(flight.sent[part]) == 1]
        if self.rules.acks_measure and once:
            self.adopt(flight, max(once))
        if len(flight.acked) < flight.size:
            self.transmit(flight)
        else:
            flight.alarm += 1

    def finished(self, flight: Flight) -> None:
        """The next flight says that all of this one has come."""
        if not flight.over:
            flight.over = True
            measures = flight.number != RETRY or self.rules.planned
            if measures and not flight.repeated and flight.began is not None:
                self.adopt(flight, flight.began)

    # -- its receiver

    def part(self, flight: Flight, part: object) -> None:
        assert isinstance(part, int)
        known = part in flight.got
        flight.got.add(part)
        if flight.number and (flight.number not in (RETRY, LAST) or flight.whole):
            self.finished(self.flights[flight.number - 1])
        if flight.whole and flight.number == LAST:
            self.done = True
        elif flight.whole:
            self.answer(flight, part, known=known)
        elif flight.number > SECOND_HELLO or self.acks(flight):
            if not set(range(part)) <= flight.got:
                self.later(AN_INSTANT, "tell", flight)
            patience = self.timers[(flight.number + 1) % 2] / 4
            self.later(patience, "tell", flight)

    def acks(self, flight: Flight) -> bool:
        return flight.number == SECOND_HELLO and self.rules.second_acked

    def tell(self, flight: Flight, _: object) -> None:
        """Time for an ACK, if there is anything new to say and the rest has not come."""
        if not flight.whole and flight.got - flight.told:
            flight.told = set(flight.got)
            self.send("ack", flight, frozenset(flight.got))

    def answer(self, flight: Flight, part: int, *, known: bool) -> None:
        """All of it is here: the next flight, or that once more for what is repeated."""
        following = self.flights[flight.number + 1]
        if following.began is None:
            self.begin(following)
        elif known and not following.acked and not following.over:
            flight.again.add(part)
            enough = self.rules.any_part or len(flight.again) == flight.size
            if enough and self.now > following.answered_at:
                flight.again.clear()
                following.repeated |= not self.rules.planned
                self.transmit(following)


GENEROUS: Final = Rules()
STEPS: Final = {
    "whole hellos, nothing of them acknowledged": Rules(second_acked=False, any_part=False),
    "a second hello is acknowledged in part": Rules(any_part=False),
    "any repeated part draws the answer": GENEROUS,
    "an ACK measures": replace(GENEROUS, acks_measure=True),
    "as it was planned with": replace(GENEROUS, planned=True),
}


def cell(
    sizes: tuple[int, ...], loss: float, rules: Rules, trials: int, seed: int
) -> tuple[str, str]:
    """Mean datagrams, and mean seconds with half of their 95 % interval."""
    rng = random.Random(f"{seed}/{loss}")
    runs = [Handshake(sizes, loss, rules, rng).run() for _ in range(trials)]
    seconds = [time for _, time in runs]
    half = 1.96 * statistics.stdev(seconds) / math.sqrt(trials)
    datagrams = statistics.fmean(count for count, _ in runs)
    return f"{datagrams:.1f}", f"{statistics.fmean(seconds):.2f} ± {half:.2f}"


def main() -> None:
    """Print the tables of docs/tables.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    losses = (0.1, 0.2, 0.3, 0.5)
    print("| flights | rules | " + " | ".join(f"{loss:.0%}" for loss in losses) + " |")
    print("|---|---|" + "---|" * len(losses))
    for name, sizes in (("65 bytes", PLAIN), ("compact", COMPACT), ("uncut", UNCUT)):
        for said, rules in STEPS.items():
            found = [cell(sizes, loss, rules, chosen.trials, chosen.seed) for loss in losses]
            cells = " | ".join(f"{datagrams}; {seconds} s" for datagrams, seconds in found)
            print(f"| {name} | {said} | {cells} |")


if __name__ == "__main__":
    main()
