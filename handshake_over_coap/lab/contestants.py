"""Our real carriers as contestants: one scenario for each carrier, version and encoding there is.

``lean`` is the profile of that name, ``lean-echo`` the same with the address check by Echo,
``lean-quick`` with a spare piece in every flight, ``lean-derived`` with randoms that follow from
the key shares, and ``lean-derived-pinned`` with a key that is named and not carried.
``udp-1.3-compact`` is compact bodies under the rules of ``udp-1.3`` and of the laboratory alone.

All have the same handshake (the draft's: a raw public key, CCM_8, P-256), the same limit on
datagrams, the address check on and the defaults of everything else, each carrier's timers among
them, but that DTLS 1.2 over UDP begins each flight with its first wait, which serves it better.
Nobody gives up, however long the other is silent, and back-off is capped at 60 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from handshake_over_coap.encodings import BY_NAME
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.compact_udp import CompactOverUdp
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.net.options import TRANSPORTS, VERSIONS, Options

FOREVER: Final = 1e6
"""Seconds (11 days): a limit on the whole handshake that patience never meets."""

_SUITES: Final = {
    "1.2": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    "1.3": "TLS_AES_128_CCM_8_SHA256",
}


_Ways: TypeAlias = Mapping[str, Mapping[str, Any]]

_LEAN: Final[_Ways] = {
    "lean-echo": {"address_check": "always"},
    "lean": {},
    "lean-quick": {"quick": True},
}
"""The profile ``lean``, with the address check of all others and with its own."""

_DERIVED: Final[_Ways] = {
    "lean-derived": {"derived_random": True},
    "lean-derived-pinned": {"derived_random": True, "insecure": False},
}
"""What a raw public key in DTLS 1.3 can save besides."""


def contestants(**options: Any) -> Mapping[str, Scenario]:
    """A scenario for each of our carriers, by names such as ``coap-1.2-plain`` and ``udp-1.2``.

    ``options`` are those of :class:`Scenario` that all have in common; they come before what this
    module sets.  Raises ConfigurationError for options that do not fit.
    """
    found = {}
    for transport in TRANSPORTS:
        for version in versions():
            for encoding in BY_NAME if transport == "coap" else ("",):
                name = "-".join(filter(None, (transport, version, encoding)))
                found[name] = _scenario(transport, version, encoding, options)
    found["udp-1.3-compact"] = _compact_over_udp(options)
    for version in versions():
        for way, choices in _ways(version, options).items():
            found[f"coap-{version}-{way}"] = _scenario(
                "coap", version, "", {"profile": "lean", **choices, **options}
            )
    return found


def _compact_over_udp(options: Mapping[str, Any]) -> Scenario:
    """Of the laboratory alone: how much is the encoding, how much the transfer."""
    insecure = {} if "auth" in options else {"insecure": True}
    same = _scenario("udp", "1.3", "", {**insecure, **options})
    return CompactOverUdp.of(same.changed())


def _ways(version: str, options: Mapping[str, Any]) -> _Ways:
    ways = dict(_LEAN)
    if "address_check" in options:
        del ways["lean-echo"]  # nothing would tell it from ``lean``
    return ways if version == "1.2" or "auth" in options else {**ways, **_DERIVED}


def versions() -> tuple[str, ...]:
    """The versions of DTLS that are built."""
    return tuple(version for version in VERSIONS if _is_built(version))


def _is_built(version: str) -> bool:
    try:
        Options(dtls=version)
    except ConfigurationError:
        return False
    return True


def _scenario(transport: str, version: str, encoding: str, options: Mapping[str, Any]) -> Scenario:
    mine: dict[str, Any] = {
        "auth": "rpk",
        "suite": _SUITES[version],
        "group": "secp256r1",
        "max_retransmit": None,
        "timeout": FOREVER,
        # Else a server that has heard nothing for an hour forgets its last flight, and a client
        # that still lacks it asks for ever.
        "idle_timeout": FOREVER,
    }
    if "auth" in options:
        # The suite and the curve are those of the draft's example only.
        del mine["suite"], mine["group"]
    elif encoding == "compact" or "profile" in options:
        # With keys pinned, a client would have them named and not carried, as it says in a compact
        # hello.  The draft's handshake carries the key, as ours do with other bodies.
        mine["insecure"] = True
    if encoding:
        mine["encoding"] = encoding
    if (transport, version) == ("udp", "1.2"):
        # By default a wait that has grown stays (RFC 6347 section 4.2.4.1).  Where datagrams are
        # lost and not late this one needs fewer of them and less time, and so it is the baseline.
        mine["keep_timer"] = False
    return Scenario(**{**mine, "transport": transport, "dtls": version, **options})
