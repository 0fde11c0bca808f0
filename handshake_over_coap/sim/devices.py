"""How long constrained devices compute, and how much they can hold.

A :class:`Device` says how many seconds each primitive takes on it; what a handshake asks of it is
counted elsewhere and priced by :func:`think_time`.  Each figure says where it is from.  Where a
source gives less than is needed, the rest is *derived* from it, and the figure says how:

* Key generation, key agreement and signing on one curve cost about one scalar multiplication
  each, and verification about two, as the benchmark behind ``k64f`` measures (365, 365, 387 and
  751 ms).
* What a source says of signatures alone is spread over the others in that way.

Nothing is carried over to other curves or to ML-KEM: a device has those of them that its source
measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from handshake_over_coap.errors import ConfigurationError


class Operation(Enum):
    """A primitive; those without a name of their own are on secp256r1, unless the device says."""

    KEYGEN = "key generation"
    ECDH = "key agreement"
    SIGN = "signing"
    VERIFY = "verification"
    KEYGEN_X25519 = "key generation of group x25519"
    ECDH_X25519 = "key agreement of group x25519"
    SIGN_ED25519 = "signing by an Ed25519 key"
    VERIFY_ED25519 = "verification by an Ed25519 key"
    MLKEM768 = "ML-KEM-768 (group X25519MLKEM768)"
    AEAD_BLOCK = "AEAD, 16 bytes"
    """AES-128-CCM over 16 bytes, encrypted or decrypted and authenticated."""
    HASH_BLOCK = "hash, 64 bytes"
    """One compression of SHA-256; HMAC over a short message takes four."""


_OTHER_CURVES: Final = {
    Operation.KEYGEN_X25519: "choose group secp256r1",
    Operation.ECDH_X25519: "choose group secp256r1",
    Operation.SIGN_ED25519: "use P-256 keys, which take group secp256r1",
    Operation.VERIFY_ED25519: "use P-256 keys, which take group secp256r1",
    Operation.MLKEM768: "choose group secp256r1",
}
"""Operations that a device may have no figure for, and what to do then."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one operation takes."""

    seconds: float
    """For one of it."""
    source: str
    """Where that is published."""


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of node."""

    name: str
    """As options call it."""
    description: str
    """What it is, in words."""
    figures: Mapping[Operation, Figure]
    """For every operation on secp256r1, and perhaps others."""
    memory: int | None = None
    """Bytes of its RAM; None where there is no limit worth modelling."""
    buffer: int | None = None
    """Bytes that we suppose to be there for datagrams and bodies that are being put together.

    None where there is no limit worth modelling.
    """

    def time_of(self, operation: Operation, count: float = 1) -> float:
        """Seconds for ``count`` operations, one after the other.

        Raises ConfigurationError for one that there is no figure for.
        """
        figure = self.figures.get(operation)
        if figure is None:
            raise ConfigurationError(
                f"device {self.name} has no figure for {operation.value}: "
                f"{_OTHER_CURVES[operation]}, or another device"
            )
        return count * figure.seconds


def think_time(device: Device, operations: Mapping[Operation, float]) -> float:
    """Seconds that ``device`` takes for that many of each operation, one after the other."""
    return sum(device.time_of(operation, count) for operation, count in operations.items())


def blocks(size: int, block: int) -> int:
    """How many blocks of ``block`` bytes hold ``size`` bytes: for AEAD_BLOCK 16, HASH_BLOCK 64."""
    return -(-size // block)


def device(name: str) -> Device:
    """The device called ``name``.  Raises ConfigurationError, which lists those there are."""
    try:
        return DEVICES[name]
    except KeyError:
        known = ", ".join(DEVICES)
        raise ConfigurationError(f"there is no device {name!r}: choose one of {known}") from None


_KIB: Final = 1024
_DATAGRAM: Final = 1280
"""Bytes that every IPv6 node has to be able to put together (RFC 8200 section 5)."""

_MBED: Final = (
    "Mbed TLS, output in the README of its yotta benchmark: FRDM-K64F, Cortex-M4, 120 MHz"
)
_SCALED: Final = "derived: clock cycles of k64f at 48 MHz, so rather too fast for a Cortex-M0"
_SEGGER: Final = "SEGGER knowledge base, emCrypt 2.34, ECDSA on STM32F072: Cortex-M0, 48 MHz"
_LWIG: Final = "draft-ietf-lwig-crypto-sensors (RFC 8387): P-256 on Cortex-M0+"
_PRACTICAL: Final = "draft-hartke-dice-practical-issues-01 table 3: ECDSA, secp192r1"
_ARDUINO: Final = "Arduino Cryptography Library, its documentation: AVR, 16 MHz"


def _one_figure(seconds: float, source: str) -> dict[Operation, Figure]:
    """Asymmetric operations where the source has one figure, that of a signature."""
    once, twice = Figure(seconds, f"derived: as a signature; {source}"), 2 * seconds
    return {
        Operation.KEYGEN: once,
        Operation.ECDH: once,
        Operation.SIGN: Figure(seconds, source),
        Operation.VERIFY: Figure(twice, f"derived: twice a signature; {source}"),
    }


_FREE: Final = Figure(0.0, "by definition")
_M4_SYMMETRIC: Final = {
    Operation.AEAD_BLOCK: Figure(16 / (542 * _KIB), f"{_MBED} (AES-CCM-128, 542 KiB/s)"),
    Operation.HASH_BLOCK: Figure(64 / (1957 * _KIB), f"{_MBED} (SHA-256, 1957 KiB/s)"),
}
_M0_SYMMETRIC: Final = {
    Operation.AEAD_BLOCK: Figure(16 * 216 / 48e6, f"{_SCALED} (216 per byte)"),
    Operation.HASH_BLOCK: Figure(64 * 59 / 48e6, f"{_SCALED} (59 per byte)"),
}
_AVR_SYMMETRIC: Final = {
    Operation.AEAD_BLOCK: Figure(
        16 * 78.37e-6, f"derived: EAX in place of CCM, two AES per block either; {_ARDUINO}"
    ),
    Operation.HASH_BLOCK: Figure(64 * 43.85e-6, f"{_ARDUINO} (43.85 us per byte)"),
}

_ALL: Final = (
    Device("fast", "takes no time and has no limits", dict.fromkeys(Operation, _FREE)),
    Device(
        "k64f",
        "Cortex-M4 at 120 MHz with Mbed TLS",
        {
            Operation.KEYGEN: Figure(0.365, f"derived: ECDHE 730 ms less ECDH 365 ms; {_MBED}"),
            Operation.ECDH: Figure(0.365, _MBED),
            Operation.SIGN: Figure(0.387, _MBED),
            Operation.VERIFY: Figure(0.751, _MBED),
            Operation.KEYGEN_X25519: Figure(
                0.308, f"derived: ECDHE-Curve25519 611 ms less ECDH-Curve25519 303 ms; {_MBED}"
            ),
            Operation.ECDH_X25519: Figure(0.303, f"{_MBED} (ECDH-Curve25519)"),
            **_M4_SYMMETRIC,
        },
        memory=256 * _KIB,
        buffer=8 * _DATAGRAM,
    ),
    Device(
        "stm32f0",
        "Cortex-M0 at 48 MHz with emCrypt",
        {
            Operation.KEYGEN: Figure(0.64162, f"derived: as a signature; {_SEGGER}"),
            Operation.ECDH: Figure(0.64162, f"derived: as a signature; {_SEGGER}"),
            Operation.SIGN: Figure(0.64162, _SEGGER),
            Operation.VERIFY: Figure(0.58385, f"{_SEGGER} (both multiplications at once)"),
            **_M0_SYMMETRIC,
        },
        memory=16 * _KIB,
        buffer=_DATAGRAM,
    ),
    Device(
        "m0plus",
        "Cortex-M0+, P-256 as it comes",
        {**_one_figure(3.65, _LWIG), **_M0_SYMMETRIC},
        memory=16 * _KIB,
        buffer=_DATAGRAM,
    ),
    Device(
        "m0plus-optimised",
        "Cortex-M0+, P-256 optimised",
        {**_one_figure(0.46, f"{_LWIG}, optimised"), **_M0_SYMMETRIC},
        memory=16 * _KIB,
        buffer=_DATAGRAM,
    ),
    Device(
        "avr-tinyecc",
        "8-bit AVR with TinyECC; the curve is secp192r1, weaker than what is simulated",
        {**_one_figure(3.6, f"{_PRACTICAL}, TinyECC"), **_AVR_SYMMETRIC},
        memory=4 * _KIB,
        buffer=_DATAGRAM,
    ),
    Device(
        "avr-wiselib",
        "8-bit AVR with Wiselib; the curve is secp192r1, weaker than what is simulated",
        {**_one_figure(34.6, f"{_PRACTICAL}, Wiselib"), **_AVR_SYMMETRIC},
        memory=4 * _KIB,
        buffer=_DATAGRAM,
    ),
)

DEVICES: Final[Mapping[str, Device]] = MappingProxyType({each.name: each for each in _ALL})
"""The devices by name.  ``memory`` is that of the microcontroller of the measurement where it is
known (K64F, STM32F072), else typical for its kind; ``buffer`` is a supposition of ours."""
