"""Figures that others have published, as data.

Source: draft-hartke-dice-practical-issues-01 (April 2014), tables 1 and 2: one handshake of DTLS
1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 and a raw public key, by the limit on UDP payloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Total:
    """What a handshake took: datagrams both ways, and their UDP payloads in bytes."""

    datagrams: int
    bytes: int


TABLE_1: Final[Mapping[int, Total]] = MappingProxyType(
    {
        50: Total(27, 1182),
        55: Total(21, 1037),
        60: Total(20, 1081),
        65: Total(18, 1003),
        70: Total(15, 912),
        75: Total(14, 875),
        80: Total(13, 874),
        85: Total(12, 849),
        90: Total(12, 849),
        1152: Total(6, 802),
    }
)
"""The classic handshake, by the largest UDP payload in bytes."""

TABLE_2: Final[Mapping[int, Total]] = MappingProxyType(
    {
        50: Total(15, 592),
        55: Total(13, 585),
        60: Total(13, 621),
        65: Total(11, 588),
        70: Total(11, 573),
        75: Total(11, 573),
        80: Total(10, 567),
        85: Total(10, 567),
        90: Total(10, 567),
        1152: Total(6, 617),
    }
)
"""The same with the draft's stateless header compression."""
