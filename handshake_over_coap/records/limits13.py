"""How much one key of DTLS 1.3 may protect, and how many forgeries it may see.

Confidentiality: RFC 8446 section 5.5 gives 2^24.5 records for AES-GCM and none for
ChaCha20-Poly1305 that sequence numbers could reach; RFC 9147 section 4.5.3 adds 2^23 for CCM, and
appendix B.1 the same for CCM_8.

Integrity: RFC 9147 section 4.5.3 gives 2^36 failed authentications for GCM and ChaCha20-Poly1305
and 2^23.5 for CCM.  For CCM_8 it gives none but wants one that fits the deployment: the margin of
the others would allow 128 forgeries (appendix B.3), which anybody who can send 128 datagrams
could bring about.  Here it is 2^20: one forgery in that many succeeds with probability 2^-44,
half of them already ask for new keys, and 2^20 of the shortest records are 19 MB of traffic.
Whoever can afford less sets it by argument.
"""

from __future__ import annotations

from typing import NamedTuple

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.records.dtls12 import MAX_SEQUENCE_NUMBER
from handshake_over_coap.tls.suites import AeadAlgorithm


class AeadLimits(NamedTuple):
    """``sealed`` records and ``forged`` ones that one key bears, at most."""

    sealed: int
    forged: int


# 2^24.5, rounded down.
GCM_LIMITS = AeadLimits(23_726_566, 1 << 36)
# Not a limit of the algorithm: numbers of 48 bits, which no connection lives to see the end of.
CHACHA20_LIMITS = AeadLimits(MAX_SEQUENCE_NUMBER, 1 << 36)
# 2^23, and 2^23.5 rounded down.
CCM_LIMITS = AeadLimits(1 << 23, 11_863_283)
CCM_8_LIMITS = AeadLimits(1 << 23, 1 << 20)


def limits_of(aead: AeadAlgorithm) -> AeadLimits:
    """The limits of an algorithm; raises ConfigurationError for one that has none here.

    RFC 9147 section 4.5.3 admits no algorithm whose limits are not known.
    """
    name = aead.name.upper()
    if "GCM" in name:
        return GCM_LIMITS
    if "CHACHA20" in name:
        return CHACHA20_LIMITS
    if "CCM" in name:
        return CCM_8_LIMITS if aead.tag_length == 8 else CCM_LIMITS
    raise ConfigurationError(f"no usage limits are known for {aead.name}")
