"""Through how many files a ClientHello passes on its way to the server's flight.

A handshake of DTLS 1.3 with a pre-shared key on virtual time; counted are this package's files, and
calls of its functions, from the datagram that brings flight 1 with its Echo until flight 2 is sent.
What does the handshake itself, ``tls/`` and ``records/``, is counted apart.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import handshake_over_coap as hoc
from handshake_over_coap.net.server import Server

PACKAGE = Path(hoc.__file__).parent
HANDSHAKE = ("tls", "records")
MOST = 15
"""Files that a ClientHello over CoAP should pass at most."""


def passed(transport: str) -> Counter[str]:
    """Calls by file, in the one datagram that is answered with flight 2."""
    found: list[Counter[str]] = []
    original = Server.on_datagram

    def on_datagram(self: Server, data: bytes, address: Any) -> None:
        calls: Counter[str] = Counter()

        def profile(frame: FrameType, event: str, _: object) -> None:
            path = Path(frame.f_code.co_filename)
            if event == "call" and PACKAGE in path.parents:
                calls[path.relative_to(PACKAGE).as_posix()] += 1

        sys.setprofile(profile)
        try:
            original(self, data, address)
        finally:
            sys.setprofile(None)
        found.append(calls)

    with patch.object(Server, "on_datagram", on_datagram):
        hoc.simulate(hoc.Scenario(transport=transport), trials=1, seed=1)
    return max(found, key=lambda each: sum(n for name, n in each.items() if name.startswith("tls")))


def main() -> None:
    """Print both carriers."""
    for transport in ("coap", "udp"):
        calls = passed(transport)
        outside = {n: c for n, c in calls.items() if n.partition("/")[0] not in HANDSHAKE}
        simulated = {n for n in outside if n.startswith("sim/")}
        carriage = sorted(set(outside) - simulated)
        print(
            f"{transport}: {len(calls)} files and {calls.total()} calls in all; outside tls/ and "
            f"records/, the simulated network aside, {len(carriage)} files:"
        )
        for name in carriage:
            print(f"  {outside[name]:4} {name}")
        if transport == "coap":
            print(f"  aim: at most {MOST}: {'met' if len(carriage) <= MOST else 'missed'}")


if __name__ == "__main__":
    main()
