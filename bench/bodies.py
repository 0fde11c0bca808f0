"""What bodies of fewer bytes cost: handshakes over CoAP in memory, ``compact`` beside ``plain``.

One carrier, both ends in one process, no sockets and no address check.  A ratio is the CPU time of
a handshake whose bodies are compact over that of one whose bodies are plain, within a round.
Messages with compact bodies name a Content-Format, which the carrier has to write and read; so do
those of the second contestant, whose bodies are plain: what it takes is the carrier's, not the
encoding's.  "In itself" is what the encoding does, by a clock around each of its steps: what it
encodes and decodes on both sides, sealing and opening included.  ``--profile KIND`` shows where
it goes.

Templates are warm, as in a program that makes many handshakes.  What one end has parsed of the
hellos is at hand for the other, too, since both are here: one to two hundredths of a handshake that
two programs would take besides.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import pstats
import statistics
import time
from collections.abc import Iterator, Sequence

from stacks import ours
from stacks.rounds import Contestant, machine, measure, table, verdict

from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.encodings import Encoding, FlightContext, FlightItem
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.flight import HandshakeMessage

AIM, AIM_RESTORED = 1.05, 1.10
KINDS = {
    "1.2 psk": ("1.2", "psk", AIM),
    "1.2 ecdhe-psk": ("1.2", "ecdhe-psk", AIM_RESTORED),
    "1.2 rpk": ("1.2", "rpk", AIM_RESTORED),
    "1.2 mutual-rpk": ("1.2", "mutual-rpk", AIM_RESTORED),
    "1.2 x509": ("1.2", "x509", AIM_RESTORED),
    "1.3 psk": ("1.3", "psk", AIM),
    "1.3 ecdhe-psk": ("1.3", "ecdhe-psk", AIM_RESTORED),
    "1.3 rpk": ("1.3", "rpk", AIM_RESTORED),
    "1.3 mutual-rpk": ("1.3", "mutual-rpk", AIM_RESTORED),
    "1.3 x509": ("1.3", "x509", AIM_RESTORED),
}


class Clocked:
    """An encoding, and how long it has worked, in seconds."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self.name, self.content_format = encoding.name, encoding.content_format
        self.seconds = 0.0

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """The body of a flight."""
        begun = time.perf_counter()
        body = self._encoding.encode(flight, context)
        self.seconds += time.perf_counter() - begun
        return body

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """The items of a body; what is done with one before the next does not count."""
        begun = time.perf_counter()
        for item in self._encoding.decode(body, context):
            self.seconds += time.perf_counter() - begun
            yield item
            begun = time.perf_counter()
        self.seconds += time.perf_counter() - begun

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """The ClientHello that a body is."""
        return self._encoding.hello(body)


class Named:
    """Plain bodies under a Content-Format that is not the default one."""

    name, content_format = "plain, named", 65250
    encode, decode, hello = PLAIN.encode, PLAIN.decode, PLAIN.hello


CONTESTANTS: dict[str, Encoding] = {"plain": PLAIN, Named.name: Named(), "compact": COMPACT}


def converse(pair: ours.Configs, encoding: Encoding) -> None:
    """One handshake by bodies, without a carrier."""
    turn = open_client(pair[0], encoding)
    ends = [turn.after, begin_server(pair[1])]
    number = 1
    while turn.body:
        turn = ends[number % 2].hear(turn.body, encoding)
        ends[number % 2] = turn.after
        number += 1


def inside(pair: ours.Configs, encoding: Encoding, times: int) -> float:
    """Median seconds that an encoding works for in a handshake."""
    found = []
    for _ in range(times):
        clocked = Clocked(encoding)
        converse(pair, clocked)
        found.append(clocked.seconds)
    return statistics.median(found)


def profile(pair: ours.Configs) -> None:
    """Print where the time of compact handshakes goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(300):
        converse(pair, COMPACT)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def main() -> None:
    parser = argparse.ArgumentParser(description="the CPU time of encodings")
    parser.add_argument("--rounds", type=int, default=41, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.03, help="of a contestant's turn")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind (repeatable)")
    parser.add_argument("--profile", choices=KINDS, help="show where the time goes, by cProfile")
    given = parser.parse_args()
    if given.profile:
        dtls, kind, _ = KINDS[given.profile]
        profile(ours.configs(kind, dtls=dtls))
        return
    print(machine())
    for name in given.only or KINDS:
        dtls, kind, aim = KINDS[name]
        pair = ours.configs(kind, dtls=dtls)
        with contextlib.ExitStack() as stack:
            everybody = []
            for title, encoding in CONTESTANTS.items():
                coap = stack.enter_context(contextlib.closing(ours.Coap(pair, encoding)))
                own = 1e6 * inside(pair, encoding, 100)
                everybody.append(Contestant(f"{title} ({own:.0f} µs in itself)", coap.run))
            measure(everybody, given.rounds, given.seconds)
            plain, named, compact = everybody
            table(f"Handshakes over CoAP, {name}", everybody, plain)
            verdict("compact, in times of plain", compact.ratio(plain), aim)
            verdict("compact, in times of plain that is named", compact.ratio(named), aim)


if __name__ == "__main__":
    main()
