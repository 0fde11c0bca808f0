"""Traces that were recorded once: simulated handshakes over CoAP, datagram by datagram.

A file holds one trial in text.  Its first line is the scenario as JSON, with seed and trial; then
there is one line for each datagram in the order in which they were sent: the time in seconds, who
sent it (``>`` the client, ``<`` the server), ``+`` if it arrived or ``-`` if it was lost, and its
bytes in hexadecimal.  ``python -m tests.support.recorded FOLDER`` records all of them anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import handshake_over_coap as hoc

FOLDER = Path(__file__).parent.parent / "lab" / "recorded"

_SMALL: dict[str, Any] = {"block_size": 64, "max_retransmit": 4, "timeout": 60.0}
SCENARIOS: dict[str, tuple[dict[str, Any], int, int]] = {
    "psk-1.2": ({"dtls": "1.2", **_SMALL}, 1, 0),
    "psk-1.3": ({**_SMALL}, 1, 0),
    "psk-1.2-loss": ({"dtls": "1.2", "loss": 0.2, **_SMALL}, 1, 3),
    "psk-1.3-loss": ({"loss": 0.2, **_SMALL}, 2, 1),
    "psk-1.3-uncut": ({"loss": 0.2, "max_retransmit": 4, "timeout": 60.0}, 1, 0),
    "ecdhe-psk-1.3-loss": ({"auth": "ecdhe-psk", "loss": 0.1, **_SMALL}, 5, 0),
    "rpk-mutual-1.2": (
        {"dtls": "1.2", "auth": "rpk", "mutual": True, "loss": 0.1, **_SMALL},
        4,
        0,
    ),
    "rpk-1.3-small": (
        {"auth": "rpk", "block_size": 16, "mtu": 65, "max_retransmit": 4, "timeout": 60.0},
        1,
        0,
    ),
    "x509-1.3-loss": ({"auth": "x509", "loss": 0.15, **_SMALL, "block_size": 256}, 3, 0),
    "no-location": ({"location": False, "loss": 0.2, **_SMALL}, 6, 0),
    "no-address-check": ({"address_check": False, "loss": 0.2, **_SMALL}, 7, 0),
    "no-token": ({"token_length": 0, "loss": 0.2, **_SMALL}, 8, 0),
    "adapted-timer": ({"adapt_timer": True, "loss": 0.25, **_SMALL}, 9, 0),
    "jitter-and-order": (
        {"jitter": 0.2, "duplicate": 0.2, "reorder": 0.2, "loss": 0.1, **_SMALL},
        10,
        0,
    ),
    "two-groups": (
        {
            "auth": "rpk",
            "group": ["secp256r1", "x25519"],
            "loss": 0.1,
            **_SMALL,
        },
        11,
        0,
    ),
    "slow-server": (
        {"auth": "rpk", "device": "m0plus", "loss": 0.1, **_SMALL, "timeout": 300.0},
        12,
        0,
    ),
    "slow-server-1.2": (
        {"dtls": "1.2", "auth": "rpk", "device": "m0plus", "loss": 0.2, **_SMALL, "timeout": 300.0},
        13,
        0,
    ),
    "gives-up": ({"loss": 0.9, **_SMALL}, 14, 0),
    "unlimited": (
        {"loss": 0.5, "block_size": 64, "max_retransmit": None, "timeout": 1000.0},
        15,
        0,
    ),
    "frames": ({"link": "802154", "loss": 0.1, "loss_unit": "frame", **_SMALL}, 16, 0),
}
"""Options, seed and trial of each trace."""


def record(name: str) -> str:
    """The text of one trace, as the library makes it now."""
    options, seed, trial = SCENARIOS[name]
    watched = hoc.watch(hoc.Scenario(**options), seed=seed, trial=trial)
    head = json.dumps({"options": options, "seed": seed, "trial": trial})
    lines = (
        f"{each.time!r} {'>' if each.from_client else '<'} {'-' if each.lost else '+'} "
        f"{each.data.hex()}"
        for each in watched.datagrams
    )
    return "\n".join((head, *lines)) + "\n"


def main(folder: Path) -> None:
    """Write every trace into ``folder``."""
    for name in SCENARIOS:
        (folder / f"{name}.txt").write_text(record(name), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
