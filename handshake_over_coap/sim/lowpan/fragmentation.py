"""Fragments of IPv6 packets (RFC 4944 section 5.3).

The first fragment begins with compressed headers; sizes and offsets nevertheless count bytes of
the packet as it was before compression (RFC 6282 section 2), in units of 8 where fragments begin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from handshake_over_coap.errors import ConfigurationError

from .errors import MalformedFrame

UNIT: Final = 8
FIRST_HEADER_SIZE: Final = 4
LATER_HEADER_SIZE: Final = 5
MAX_PACKET: Final = 1280
"""Bytes of an IPv6 packet on this link: the MTU of RFC 4944 section 4."""

_FIRST, _LATER = 0b11000, 0b11100
_SIZE_MASK: Final = 0x7FF


@dataclass(frozen=True, slots=True)
class FirstFragment:
    """``rest`` is the compressed headers and the first data.

    ``size`` is that of the uncompressed packet in bytes, ``tag`` the 16-bit number of the packet
    (RFC 4944 section 5.3).
    """

    size: int
    tag: int
    rest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LaterFragment:
    """``data`` belongs at ``offset``, in bytes, of the packet of ``size`` bytes."""

    size: int
    tag: int
    offset: int
    data: bytes = field(repr=False)


def fragment(headers: bytes, covered: int, data: bytes, tag: int, room: int) -> list[bytes]:
    """The payloads of the frames that carry a packet: one if it fits, else fragments.

    ``headers`` is the compressed form of the packet's first ``covered`` bytes, ``data`` what comes
    after, ``room`` how many bytes a frame holds.  Every fragment is as large as can be.  Raises
    ConfigurationError if there is no room for a fragment, or the packet is above the link's MTU.
    """
    if len(headers) + len(data) <= room:
        return [headers + data]
    size = covered + len(data)
    if size > MAX_PACKET:
        raise ConfigurationError(f"an IPv6 packet of {size} bytes: at most {MAX_PACKET}")
    first = (covered + room - FIRST_HEADER_SIZE - len(headers)) // UNIT * UNIT - covered
    step = (room - LATER_HEADER_SIZE) // UNIT * UNIT
    if first < 0 or step <= 0:
        raise ConfigurationError(f"frames with room for {room} bytes hold no fragment")
    tag_bytes = tag.to_bytes(2, "big")
    fragments = [(_FIRST << 11 | size).to_bytes(2, "big") + tag_bytes + headers + data[:first]]
    later = (_LATER << 11 | size).to_bytes(2, "big") + tag_bytes
    for start in range(first, len(data), step):
        offset = bytes(((covered + start) // UNIT,))
        fragments.append(later + offset + data[start : start + step])
    return fragments


def parse_fragment(payload: bytes) -> FirstFragment | LaterFragment | None:
    """The fragment in a frame's payload, or None if that is something else.

    Raises MalformedFrame for one that ends early or cannot be part of a packet.
    """
    kind = payload[0] >> 3 if payload else 0
    if kind not in (_FIRST, _LATER):
        return None
    header = FIRST_HEADER_SIZE if kind == _FIRST else LATER_HEADER_SIZE
    if len(payload) <= header:
        raise MalformedFrame("a fragment without data")
    size = int.from_bytes(payload[:2], "big") & _SIZE_MASK
    tag = int.from_bytes(payload[2:4], "big")
    if kind == _FIRST:
        return FirstFragment(size, tag, payload[4:])
    offset, data = payload[4] * UNIT, payload[5:]
    end = offset + len(data)
    if end > size or (end < size and len(data) % UNIT):
        raise MalformedFrame(f"a fragment from {offset} to {end} of a packet of {size} bytes")
    return LaterFragment(size, tag, offset, data)
