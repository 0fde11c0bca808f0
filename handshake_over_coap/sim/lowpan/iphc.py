"""Compression of the IPv6 header: LOWPAN_IPHC (RFC 6282 section 3).

Every field takes the shortest form that its value allows.  Addresses are shortened against the
link-local prefix and against *contexts*, prefixes of 64 bits that all nodes of the network know by
number; their other half is left out if it follows from the address in the MAC header.  Multicast
destinations are understood and sent in full: nothing here sends any.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from .errors import MalformedFrame
from .mac import LinkAddress
from .nhc import UDP_HEADER_SIZE, compress_udp, decompress_udp

IPV6_HEADER_SIZE: Final = 40
UDP: Final = 17

Contexts: TypeAlias = Mapping[int, bytes]
"""Prefixes of 8 bytes by their number, 0 to 15."""

_DISPATCH: Final = 0b011 << 13
_TF_SHIFT: Final = 11
_NEXT_HEADER: Final = 1 << 10
_HLIM_SHIFT: Final = 8
_CONTEXT_BYTE: Final = 1 << 7
_SOURCE_SHIFT: Final = 4
_MULTICAST: Final = 1 << 3
_STATEFUL: Final = 4
"""SAC or DAC, above the two bits of SAM or DAM."""

_LINK_LOCAL: Final = bytes.fromhex("fe80000000000000")
_SHORT_IID: Final = bytes.fromhex("000000fffe00")
_UNSPECIFIED: Final = bytes(16)
_HOP_LIMITS: Final = {1: 1, 64: 2, 255: 3}
_HOP_LIMIT_OF: Final = {code: limit for limit, code in _HOP_LIMITS.items()}

_IPV6: Final = struct.Struct(">IHBB16s16s")


@dataclass(frozen=True, slots=True)
class Hop:
    """The MAC addresses that a packet travels between, from which parts of IPv6 ones follow."""

    source: LinkAddress
    destination: LinkAddress

    @property
    def back(self) -> Hop:
        """The same, the other way."""
        return Hop(self.destination, self.source)


def interface_identifier(address: LinkAddress) -> bytes:
    """The lower half of the IPv6 address that follows from a MAC address (RFC 6282 3.2.2)."""
    if len(address) == 2:
        return _SHORT_IID + address
    return bytes((address[0] ^ 2,)) + address[1:]


def compress(packet: bytes, hop: Hop, contexts: Contexts) -> tuple[bytes, int]:
    """The compressed headers of an IPv6 ``packet``, and how many of its bytes they stand for.

    A UDP header is compressed too if its length says the same as that of the IPv6 header.
    """
    word, length, next_header, hop_limit, source, destination = _IPV6.unpack_from(packet)
    tf_code, tf = _traffic(word >> 20 & 0xFF, word & 0xFFFFF)
    udp_length = int.from_bytes(packet[44:46], "big")
    udp = next_header == UDP and length == udp_length == len(packet) - IPV6_HEADER_SIZE
    limit_code = _HOP_LIMITS.get(hop_limit, 0)
    source_code, source_bytes, source_context = _address(source, hop.source, contexts)
    if source == _UNSPECIFIED:
        source_code, source_bytes, source_context = _STATEFUL, b"", 0
    to_code, to_bytes, to_context = _address(destination, hop.destination, contexts)
    multicast = destination[0] == 0xFF
    context = source_context << 4 | to_context
    base = _DISPATCH | tf_code << _TF_SHIFT | limit_code << _HLIM_SHIFT
    base |= source_code << _SOURCE_SHIFT | to_code
    base |= (_NEXT_HEADER if udp else 0) | (_MULTICAST if multicast else 0)
    base |= _CONTEXT_BYTE if context else 0
    parts = (
        base.to_bytes(2, "big"),
        bytes((context,)) if context else b"",
        tf,
        b"" if udp else bytes((next_header,)),
        b"" if limit_code else bytes((hop_limit,)),
        source_bytes,
        to_bytes,
        compress_udp(packet[40:48]) if udp else b"",
    )
    return b"".join(parts), IPV6_HEADER_SIZE + (UDP_HEADER_SIZE if udp else 0)


def _traffic(traffic_class: int, flow_label: int) -> tuple[int, bytes]:
    """TF and its bytes: the two bits of ECN come before DSCP here, after it in IPv6."""
    ecn, dscp = traffic_class & 3, traffic_class >> 2
    if not flow_label:
        return (0b10, bytes((ecn << 6 | dscp,))) if traffic_class else (0b11, b"")
    if not dscp:
        return 0b01, (ecn << 22 | flow_label).to_bytes(3, "big")
    return 0b00, ((ecn << 6 | dscp) << 24 | flow_label).to_bytes(4, "big")


def _address(address: bytes, link: LinkAddress, contexts: Contexts) -> tuple[int, bytes, int]:
    """SAC and SAM (or DAC and DAM), the bytes that are carried, and the number of the context."""
    prefix, identifier = address[:8], address[8:]
    stateful, context = 0, 0
    if prefix != _LINK_LOCAL:
        known = [number for number, each in contexts.items() if each == prefix]
        if not known:
            return 0, address, 0
        stateful, context = _STATEFUL, known[0]
    if identifier == interface_identifier(link):
        return stateful | 3, b"", context
    if identifier[:6] == _SHORT_IID:
        return stateful | 2, identifier[6:], context
    return stateful | 1, identifier, context


class _Reader:
    """Takes bytes off the front of ``data``."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) < size:
            raise MalformedFrame("a compressed header that ends early")
        self.at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")


def decompress(
    data: bytes, hop: Hop, contexts: Contexts, size: int | None = None
) -> tuple[bytes, int]:
    """The headers at the start of ``data`` as they were, and how many bytes they took.

    ``size`` is that of the whole packet, uncompressed, where a fragment header says it; else
    ``data`` is the whole packet.  Raises MalformedFrame, also for unknown contexts.
    """
    reader = _Reader(data)
    base = reader.number(2)
    if base >> 13 != _DISPATCH >> 13:
        raise MalformedFrame("no compressed IPv6 header")
    contexts_used = reader.number(1) if base & _CONTEXT_BYTE else 0
    traffic_class, flow_label = _read_traffic(reader, base >> _TF_SHIFT & 3)
    udp = bool(base & _NEXT_HEADER)
    next_header = UDP if udp else reader.number(1)
    limit_code = base >> _HLIM_SHIFT & 3
    hop_limit = _HOP_LIMIT_OF[limit_code] if limit_code else reader.number(1)
    code = base >> _SOURCE_SHIFT & 7
    if code == _STATEFUL:
        source = _UNSPECIFIED
    else:
        source = _read_address(reader, code, hop.source, contexts, contexts_used >> 4)
    code, multicast = base & 7, bool(base & _MULTICAST)
    if (multicast and code) or code == _STATEFUL:
        raise MalformedFrame("a form of destination address that is not understood")
    destination = _read_address(reader, code, hop.destination, contexts, contexts_used & 0xF)
    if multicast != (destination[0] == 0xFF):
        raise MalformedFrame("a destination that contradicts its form")
    udp_header, taken = decompress_udp(data[reader.at :]) if udp else (b"", 0)
    end = reader.at + taken
    length = len(udp_header) + len(data) - end if size is None else size - IPV6_HEADER_SIZE
    if not len(udp_header) <= length <= 0xFFFF:
        raise MalformedFrame(f"a packet of {length} bytes after its header")
    if udp:
        udp_header = udp_header[:4] + length.to_bytes(2, "big") + udp_header[6:]
    word = 6 << 28 | traffic_class << 20 | flow_label
    header = _IPV6.pack(word, length, next_header, hop_limit, source, destination)
    return header + udp_header, end


def _read_traffic(reader: _Reader, form: int) -> tuple[int, int]:
    """Traffic class and flow label."""
    if form == 0b11:
        return 0, 0
    if form == 0b01:
        value = reader.number(3)
        return value >> 22, value & 0xFFFFF
    first = reader.number(1)
    traffic_class = (first & 0x3F) << 2 | first >> 6
    return traffic_class, reader.number(3) & 0xFFFFF if form == 0b00 else 0


def _read_address(
    reader: _Reader, code: int, link: LinkAddress, contexts: Contexts, context: int
) -> bytes:
    if code == 0:
        return reader.take(16)
    prefix = contexts.get(context) if code & _STATEFUL else _LINK_LOCAL
    if prefix is None:
        raise MalformedFrame(f"an address in context {context}, which is not known")
    form = code & 3
    if form == 1:
        return prefix + reader.take(8)
    if form == 2:
        return prefix + _SHORT_IID + reader.take(2)
    return prefix + interface_identifier(link)
