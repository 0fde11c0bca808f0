"""What a frame costs a radio: time on air and electrical energy.

Counted are the seconds in which a frame is being sent, or listened to by the node it is for, and
those in which a sender waits for an acknowledgement.  What a node spends on listening when nothing
comes, on sleeping and on computing depends on duty cycling, which is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SYMBOL: Final = 16e-6
"""Seconds of a symbol of 4 bits: 250 kbit/s in the 2.4 GHz band (IEEE 802.15.4-2006 6.5)."""
_PHY_OVERHEAD: Final = 6
"""Bytes before a frame: preamble 4, start delimiter 1, length 1 (section 6.3)."""


def air_time(size: int) -> float:
    """Seconds on air of a frame of ``size`` bytes, FCS included, with what the PHY puts before."""
    return (_PHY_OVERHEAD + size) * 2 * SYMBOL


@dataclass(frozen=True, slots=True)
class RadioCurrents:
    """What a radio draws from its supply."""

    name: str
    """Of the radio."""
    supply: float
    """Volts."""
    transmit: float
    """Amperes while it sends."""
    receive: float
    """Amperes while it receives or listens."""
    source: str
    """Where these figures are from."""

    def sending(self, seconds: float) -> float:
        """Joules for sending."""
        return self.supply * self.transmit * seconds

    def receiving(self, seconds: float) -> float:
        """Joules for receiving, or listening."""
        return self.supply * self.receive * seconds


CC2538: Final = RadioCurrents(
    "CC2538", 3.0, 0.024, 0.020, "Texas Instruments SWRS096D, at 0 dBm, CPU idle"
)
CC2420: Final = RadioCurrents("CC2420", 3.0, 0.0174, 0.0188, "Chipcon SWRS041, at 0 dBm")
