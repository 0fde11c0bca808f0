"""IP packets around UDP payloads, for captures: what the kernel, or a simulated node, would send.

Headers are made up from the addresses alone: no options, hop limit 64, never fragmented.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError

IPAddress: TypeAlias = IPv4Address | IPv6Address

_UDP: Final = 17
_HOP_LIMIT: Final = 64
_DO_NOT_FRAGMENT: Final = 0x4000
# Version and header length, traffic class; total length, identification, flags and offset, time
# to live, protocol, checksum, source, destination (RFC 791 section 3.1).
_IPV4_HEADER: Final = struct.Struct(">BBHHHBBH4s4s")
# Version, traffic class and flow label; payload length, next header, hop limit, source,
# destination (RFC 8200 section 3).
_IPV6_HEADER: Final = struct.Struct(">IHBB16s16s")
_UDP_HEADER: Final = struct.Struct(">HHHH")
_DOCUMENTATION_PREFIX: Final = bytes.fromhex("20010db8")

MAX_UDP_PAYLOAD: Final = 0xFFFF - _IPV4_HEADER.size - _UDP_HEADER.size
"""Most bytes of data in a packet made here: what fits over IPv4."""


@lru_cache(maxsize=4096)
def packet_address(host: str) -> IPAddress:
    """The address that stands for ``host`` in a capture.

    An IPv4-mapped IPv6 address is written as IPv4, and a zone is left out.  Whatever is no numeric
    address is the name of a simulated node: it gets an address of the documentation prefix
    2001:db8::/32 (RFC 3849) that depends on the name alone.
    """
    try:
        address = ip_address(host)
    except ValueError:
        digest = hashlib.sha256(host.encode("utf-8", "surrogatepass")).digest()
        return IPv6Address(_DOCUMENTATION_PREFIX + digest[:12])
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(address.packed)
    return address


def udp_packet(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> bytes:
    """The IPv4 or IPv6 packet with ``data`` as its UDP payload; both ends are (host, port).

    Of two ends of different families an unspecified address takes the other's; else the IPv4 one
    is mapped into IPv6.  Raises ConfigurationError for an impossible port, or more than
    :data:`MAX_UDP_PAYLOAD` bytes.
    """
    if len(data) > MAX_UDP_PAYLOAD:
        raise ConfigurationError(f"{len(data)} bytes in a datagram: at most {MAX_UDP_PAYLOAD}")
    for _, port in (source, destination):
        if not 0 <= port <= 0xFFFF:
            raise ConfigurationError(f"port {port} is outside 0..65535")
    here, there = _same_family(packet_address(source[0]), packet_address(destination[0]))
    length = _UDP_HEADER.size + len(data)
    pseudo = here.packed + there.packed + struct.pack(">II", length, _UDP)
    header = _UDP_HEADER.pack(source[1], destination[1], length, 0)
    # Zero would mean "no checksum" (RFC 768): it travels as its other representation.
    checksum = internet_checksum(pseudo + header + data) or 0xFFFF
    segment = header[:6] + checksum.to_bytes(2, "big") + data
    return _ip_header(here, there, length) + segment


def internet_checksum(data: bytes) -> int:
    """The ones' complement of the ones' complement sum of 16-bit words (RFC 1071)."""
    # 2^16 is 1 modulo 2^16 - 1, so the remainder of the whole number is that sum.
    number = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return (0xFFFF - number % 0xFFFF) % 0xFFFF if number else 0xFFFF


def _ip_header(source: IPAddress, destination: IPAddress, length: int) -> bytes:
    """The header before ``length`` bytes of UDP."""
    if source.version == 6:
        return _IPV6_HEADER.pack(
            6 << 28, length, _UDP, _HOP_LIMIT, source.packed, destination.packed
        )
    header = _IPV4_HEADER.pack(
        0x45,
        0,
        _IPV4_HEADER.size + length,
        0,
        _DO_NOT_FRAGMENT,
        _HOP_LIMIT,
        _UDP,
        0,
        source.packed,
        destination.packed,
    )
    return header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:]


def _same_family(one: IPAddress, other: IPAddress) -> tuple[IPAddress, IPAddress]:
    if one.version == other.version:
        return one, other
    if one == IPv6Address(0) or other == IPv6Address(0):
        return _as_ipv4(one), _as_ipv4(other)
    return _as_ipv6(one), _as_ipv6(other)


def _as_ipv4(address: IPAddress) -> IPAddress:
    return IPv4Address(0) if address.version == 6 else address


def _as_ipv6(address: IPAddress) -> IPAddress:
    if address.version == 6:
        return address
    unspecified = not int(address)
    return IPv6Address(0 if unspecified else 0xFFFF << 32 | int(address))
