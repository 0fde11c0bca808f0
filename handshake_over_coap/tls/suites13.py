"""Cipher suites of DTLS 1.3.

A suite of 1.3 names an AEAD and a hash; how keys are agreed and who proves what is negotiated by
extensions.  All suites here use SHA-256.

Source: RFC 8446 appendix B.4; RFC 9147 section 4.5.3 on AES_128_CCM_8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.codepoints import CipherSuiteId
from handshake_over_coap.tls.suites import (
    AES_128_CCM,
    AES_128_CCM_8,
    AES_128_GCM,
    CHACHA20_POLY1305,
    AeadAlgorithm,
)


@dataclass(frozen=True, slots=True)
class CipherSuite13:
    """A cipher suite of DTLS 1.3; ``name`` is the one in the IANA registry."""

    id: CipherSuiteId
    aead: AeadAlgorithm

    @property
    def name(self) -> str:
        """The registry's name, such as ``TLS_AES_128_CCM_SHA256``."""
        return self.id.name

    def __str__(self) -> str:
        return self.name


SUITES13: Final[tuple[CipherSuite13, ...]] = (
    CipherSuite13(CipherSuiteId.TLS_AES_128_CCM_SHA256, AES_128_CCM),
    CipherSuite13(CipherSuiteId.TLS_AES_128_GCM_SHA256, AES_128_GCM),
    CipherSuite13(CipherSuiteId.TLS_CHACHA20_POLY1305_SHA256, CHACHA20_POLY1305),
    CipherSuite13(CipherSuiteId.TLS_AES_128_CCM_8_SHA256, AES_128_CCM_8),
)
"""Every suite of 1.3 that is supported, in our order of preference.

CCM comes first as the mode that constrained hardware has.  CCM_8 comes last, unlike in 1.2: its
short tag lets so few forgeries pass before keys wear out that RFC 9147 asks for other safeguards
where it is used.
"""

_BY_ID: Final[Mapping[int, CipherSuite13]] = MappingProxyType({int(s.id): s for s in SUITES13})
_BY_NAME: Final[Mapping[str, CipherSuite13]] = MappingProxyType({s.name: s for s in SUITES13})


def suite13_by_id(number: int) -> CipherSuite13 | None:
    """The suite of a number met on the wire, or None for one that is not supported."""
    return _BY_ID.get(number)


def suite13_by_name(name: str) -> CipherSuite13:
    """The suite of an IANA name; raises ConfigurationError, naming the known ones."""
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise ConfigurationError(f"unknown cipher suite {name!r}; known are {known}") from None
