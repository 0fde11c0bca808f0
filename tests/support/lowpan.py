"""Addresses and packets for tests of the 6LoWPAN codecs."""

from __future__ import annotations

from typing import Final

from handshake_over_coap.sim.lowpan import Hop
from handshake_over_coap.trace.packets import udp_packet

LONG_HOP: Final = Hop(bytes.fromhex("0200000000000001"), bytes.fromhex("0200000000000002"))
SHORT_HOP: Final = Hop(b"\x00\x01", b"\x00\x02")
CONTEXTS: Final = {
    0: bytes.fromhex("20010db800000000"),
    3: bytes.fromhex("20010db800000003"),
}
LINK_LOCAL: Final = ("fe80::1", "fe80::2")
GLOBAL: Final = ("2001:db8::1", "2001:db8::2")


def packet(source: str, destination: str, ports: tuple[int, int], data: bytes) -> bytes:
    return udp_packet((source, ports[0]), (destination, ports[1]), data)


def with_hop_limit(whole: bytes, limit: int) -> bytes:
    return whole[:7] + bytes((limit,)) + whole[8:]
