"""Figures that others have published, as data.

Sources: draft-hartke-dice-practical-issues-01 (April 2014), tables 1, 2, 4 and 5, whose example is
one handshake of DTLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 and a raw public key;
draft-keoh-lwig-dtls-iot-02 (August 2013); T. Claeys et al., "Performance of the Transport Layer
Security Handshake Over 6TiSCH", Sensors 2021, 21(6):2192.
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


@dataclass(frozen=True, slots=True)
class Left:
    """Bytes of a datagram that are left for application data: as it is, and with SHC."""

    plain: int
    shc: int


TABLE_4: Final[Mapping[int, Left]] = MappingProxyType({80: Left(plain=51, shc=69)})
"""What the record layer leaves of a datagram, by its size in bytes (with CCM_8, nonce elided)."""


@dataclass(frozen=True, slots=True)
class Transmissions:
    """Mean numbers of datagrams, acknowledgements included, by strategy.

    ``bulk`` sends a flight at once and has no acknowledgements, as DTLS 1.2; ``stop_and_wait`` has
    one for each fragment, as CoAP; ``cumulative`` sends at once and has one for a flight.
    """

    bulk: float
    stop_and_wait: float
    cumulative: float

    @property
    def best(self) -> float:
        """The lowest of them."""
        return min(self.bulk, self.stop_and_wait, self.cumulative)


TABLE_5: Final[Mapping[float, Transmissions]] = MappingProxyType(
    {
        0.0: Transmissions(18.0, 36.0, 19.0),
        0.05: Transmissions(22.2, 39.7, 20.5),
        0.10: Transmissions(25.9, 41.8, 23.8),
        0.15: Transmissions(27.6, 44.7, 25.1),
        0.20: Transmissions(33.3, 51.6, 27.1),
        0.25: Transmissions(40.0, 57.2, 33.3),
        0.30: Transmissions(39.2, 64.0, 37.4),
        0.35: Transmissions(45.6, 66.4, 44.0),
        0.40: Transmissions(55.4, 74.7, 46.2),
        0.45: Transmissions(54.4, 90.0, 47.9),
        0.50: Transmissions(67.2, 102.2, 57.2),
        0.60: Transmissions(96.9, 151.3, 74.4),
        0.70: Transmissions(115.8, 248.2, 106.8),
        0.80: Transmissions(199.6, 528.6, 169.9),
        0.85: Transmissions(343.4, 804.4, 278.0),
    }
)
"""The handshake of table 1 at 65 bytes, 18 fragments, by the loss of datagrams as a fraction."""


@dataclass(frozen=True, slots=True)
class BestAlone:
    """A row of which only the lowest figure is at hand, and not which strategy it belongs to."""

    best: float


TABLE_5_BEST: Final[Mapping[float, BestAlone]] = MappingProxyType(
    {0.55: BestAlone(62.3), 0.65: BestAlone(86.4), 0.75: BestAlone(141.5)}
)
"""The rows between those of :data:`TABLE_5`, of which no more is at hand."""

LOSSES_5: Final = tuple(sorted((*TABLE_5, *TABLE_5_BEST)))
"""The losses of both, from 0 to 85 % in steps of five."""


def published_5(loss: float) -> Transmissions | BestAlone:
    """What table 5 has for one of its losses."""
    return TABLE_5_BEST.get(loss) or TABLE_5[loss]


@dataclass(frozen=True, slots=True)
class Success:
    """The fraction of handshakes that complete within a budget; ``approximate``: read as about.

    ``success`` is a fraction.
    """

    success: float
    approximate: bool = False


KEOH: Final[Mapping[float, Success]] = MappingProxyType(
    {0.0: Success(1.0), 0.5: Success(0.0, approximate=True)}
)
"""Handshakes with a pre-shared key that complete within 15 s, by the loss of datagrams.

The two ends of a curve: it falls from all of them to about none.
"""


@dataclass(frozen=True, slots=True)
class Degradation:
    """How much more a handshake takes on a bad link: ratios to a good one, 1.45 for 45 % more."""

    time: float
    bytes: float


CLAEYS: Final[Mapping[str, Degradation]] = MappingProxyType(
    {"dtls": Degradation(time=1.45, bytes=2.0), "tls": Degradation(time=1.15, bytes=1.15)}
)
"""DTLS 1.2 over UDP, and TLS 1.2 over TCP, of mbedTLS over 6TiSCH."""
