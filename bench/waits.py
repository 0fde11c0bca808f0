"""Where the time of a handshake of DTLS 1.3 over UDP goes: what is sent after each silence.

A silence is more than 0.15 s without a datagram, and counts for what ends it.  The handshakes are
those of ``hoc tables 5``.

    python bench/waits.py [--losses 0.2,0.3] [--limit 65] [--trials 1000] [--seed 1]
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict

from handshake_over_coap.lab.contestants import contestants
from handshake_over_coap.lab.selection import DELAY
from handshake_over_coap.lab.watch import WatchedDatagram, watch
from handshake_over_coap.records.dtls12 import HEADER
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType

SILENCE = 0.15
"""Seconds; a round trip takes 0.1."""


def kind(datagram: WatchedDatagram) -> str:
    """What a datagram is, by its first record."""
    data = datagram.data
    if data[0] == ContentType.ack:
        return "an ACK in the clear"
    if data[0] != ContentType.handshake:
        return "the client's flight" if datagram.from_client else "the server's flight, sealed"
    message = HandshakeType(data[HEADER.size])
    first = not int.from_bytes(data[HEADER.size + 4 : HEADER.size + 6], "big")
    if message == HandshakeType.client_hello:
        return "the first hello" if first else "the second hello"
    return "the retry" if first else "the server's flight, in the clear"


def main() -> None:
    """Print a table for each loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", default="0.2,0.3")
    parser.add_argument("--limit", type=int, default=65)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for loss in map(float, chosen.losses.split(",")):
        scenario = contestants(mtu=chosen.limit, loss=loss, delay=DELAY)["udp-1.3"]
        sent, waits = Counter[str](), Counter[str]()
        seconds: defaultdict[str, float] = defaultdict(float)
        whole = 0.0
        for trial in range(chosen.trials):
            watched = watch(scenario, chosen.seed, trial)
            whole += watched.trial.duration_s
            last = 0.0
            for each in watched.datagrams:
                name = kind(each)
                sent[name] += 1
                if each.time - last > SILENCE:
                    waits[name] += 1
                    seconds[name] += each.time - last
                last = each.time
        print(f"\n{loss:.0%} loss, {whole / chosen.trials:.2f} s in the mean\n")
        print("| | datagrams | silences | seconds |\n|---|---|---|---|")
        for name in sorted(sent, key=lambda name: -seconds[name]):
            row = (each / chosen.trials for each in (sent[name], waits[name], seconds[name]))
            print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


if __name__ == "__main__":
    main()
