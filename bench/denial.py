"""An attack on a server: many endpoints prove their addresses and finish nothing.

Each endpoint answers the challenge and sends a new flight 1 every so often, from a few addresses
that are its own.  Meanwhile honest clients come one by one, each from an address of its own, and
make their handshakes.  Everything runs on virtual time; the server's CPU time is the real one.
``python bench/denial.py`` prints the tables of ``docs/denial-of-service.md``.
"""

from __future__ import annotations

import argparse
from math import inf
from statistics import median

from denying.over_coap import OverCoap
from denying.over_udp import OverUdp
from denying.world import Attack, Carriage, World

SEED = 1

ATTACKS = (
    Attack("none", 0, 0),
    Attack("4 addresses", 4, 250),
    Attack("16 addresses", 16, 62),
    Attack("4 addresses, ten times as much", 4, 2500),
    Attack("16 addresses, ten times as much", 16, 625),
    Attack("4 of IPv4, each /24 its own", 4, 2500, host="203.0.{}.1".format),
    Attack("16 of IPv4, each /24 its own", 16, 625, host="203.0.{}.1".format),
    Attack("16 of IPv6, each /64 its own", 16, 625, host="2001:db8:0:{:x}::1".format),
    Attack("16 of IPv6, each /48 its own", 16, 625, host="2001:db8:{:x}::1".format),
)


def carriage(transport: str, version: str) -> Carriage:
    """A new server, and all that talk to it."""
    return (OverCoap if transport == "coap" else OverUdp)(version, SEED)


def row(attack: Attack, seconds: float, transport: str, version: str) -> str:
    """One attack and what became of honest clients."""
    world = World(attack, seconds, carriage(transport, version), SEED)
    done = world.run()
    spent = seconds + (attack.period if attack.endpoints else 0.0)
    return (
        f"| {attack.name} | {attack.rate:.0f} | {done.octets * 8 / spent / 1000:.0f} "
        f"| {len(done.times)} of {len(done.times) + done.failed} "
        f"| {median(done.times or [inf]):.2f} | {max(done.times, default=inf):.2f} "
        f"| {done.most_half_open} | {world.carriage.evicted} | {world.carriage.refused} "
        f"| {done.cpu / spent:.1%} |"
    )


def main() -> None:
    """Print the tables of attacks and what becomes of honest clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the attack (%(default)s)")
    parser.add_argument("--transport", choices=("coap", "udp"), help="this one only")
    parser.add_argument("--dtls", choices=("1.2", "1.3"), help="this version only")
    options = parser.parse_args()
    for transport in (options.transport,) if options.transport else ("coap", "udp"):
        for version in (options.dtls,) if options.dtls else ("1.2", "1.3"):
            print(f"\n{transport}, DTLS {version}\n")
            print(
                "| attack | flights 1 a second | kbit/s | honest completed | median s | longest s "
                "| half-open at most | evicted | refused | CPU of the server |"
            )
            print("|---|---|---|---|---|---|---|---|---|---|")
            for attack in ATTACKS:
                print(row(attack, options.seconds, transport, version), flush=True)


if __name__ == "__main__":
    main()
