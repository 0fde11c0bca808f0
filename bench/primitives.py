"""How much CPU our handshake takes beyond the cryptographic primitives that it calls.

One handshake is recorded, every call into ``cryptography`` with its arguments: key decoding and
chain verification too.  Playing the calls back, in their order and with nothing between them, is
the sum of the primitives.  Against it stand the whole handshake as messages and keys alone, over
UDP and over CoAP; both ends in one process.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random

from stacks import ours, tape
from stacks.rounds import Contestant, arguments, measure, repeat, table, verdict

FORMS = {
    ("1.2", "psk"): "PSK",
    ("1.2", "rpk"): "ECDHE_ECDSA, raw public key",
    ("1.2", "x509"): "ECDHE_ECDSA, X.509",
    ("1.3", "psk"): "psk_ke",
    ("1.3", "ecdhe-psk"): "psk_dhe_ke",
    ("1.3", "mutual-rpk"): "raw public keys of both sides",
    ("1.3", "x509"): "X.509",
}


def recorded(dtls: str, form: str) -> tape.Tape:
    """The calls of one handshake; those that make the configurations are not among them."""
    made = tape.Tape()
    with made.recording():
        pair = ours.configs(form, random.Random(form).randbytes, dtls=dtls)
        ours.converse(pair)  # whatever is made once and kept
        made.rewind()
        ours.converse(pair)
    return made


def main() -> None:
    given = arguments("the handshake against its own primitives", rounds=51)
    for (dtls, form), title in FORMS.items():
        calls = recorded(dtls, form)
        compare(given, dtls, form, f"DTLS {dtls}, {title}", calls)
        if os.environ.get("BENCH_CALLS"):
            for name, count in calls.counts.most_common():
                print(f"    {count:3} {name}")


def compare(given: argparse.Namespace, dtls: str, form: str, title: str, calls: tape.Tape) -> None:
    pair = ours.configs(form, dtls=dtls)
    with contextlib.closing(ours.Coap(pair)) as coap:
        base = Contestant(f"{calls.counts.total()} calls of primitives", repeat(calls.player()))
        alone = Contestant("no carrier", repeat(lambda: ours.converse(pair)))
        udp = Contestant("over UDP", repeat(lambda: ours.udp(pair)))
        everybody = [base, alone, udp, Contestant("over CoAP", coap.run)]
        measure(everybody, given.rounds, given.seconds)
    table(f"A handshake and its primitives: {title}", everybody, base)
    if form != "psk":
        verdict("a handshake over UDP, in times of its primitives", udp.ratio(base), 1.5)


if __name__ == "__main__":
    main()
