"""Which local address a datagram came to, and sending from a chosen one.

A socket bound to a wildcard address would answer from whichever address the route prefers.  The
socket options IP_PKTINFO and IPV6_RECVPKTINFO (RFC 3542 section 6) report the right one as
ancillary data and accept it back.  Without them (or on a socket bound to one address, which needs
none of it) nothing is reported and nothing is chosen.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final, TypeAlias

Ancillary: TypeAlias = list[tuple[int, int, bytes]]

# Python names IP_PKTINFO only since 3.14.
_IP_PKTINFO: Final[int | None] = getattr(
    socket, "IP_PKTINFO", {"linux": 8, "darwin": 26}.get(sys.platform)
)
_IPV6_PKTINFO: Final[int | None] = getattr(socket, "IPV6_PKTINFO", None)
_IPV6_RECVPKTINFO: Final[int | None] = getattr(socket, "IPV6_RECVPKTINFO", None)

_IN_PKTINFO: Final = struct.Struct("=i4s4s")  # interface, address to answer from, destination
_IN6_PKTINFO: Final = struct.Struct("=16si")  # destination, interface

_ANY: Final = bytes(16)
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})
_LOCAL_ADDRESSES: Final = 256


def _space() -> int:
    cmsg_space = getattr(socket, "CMSG_SPACE", None)
    return 0 if cmsg_space is None else int(cmsg_space(_IN6_PKTINFO.size))


ANCILLARY_SPACE: Final = _space()
"""Bytes of ancillary data to make room for on receiving."""


class PacketInfo:
    """The ancillary data of one socket bound to a wildcard address."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._made: dict[tuple[str, int], Ancillary] = {}

    @classmethod
    def enabled_on(cls, sock: socket.socket) -> PacketInfo | None:
        """Ask the kernel for the data; None where they are not needed or not to be had."""
        if sock.getsockname()[0] not in _WILDCARDS:
            return None
        if sock.family == socket.AF_INET6:
            level, option = socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO
        else:
            level, option = socket.IPPROTO_IP, _IP_PKTINFO
        if option is None or not ANCILLARY_SPACE:
            return None
        try:
            sock.setsockopt(level, option, 1)
        except OSError:
            return None
        return cls(sock.family)

    def local_host(self, ancillary: Ancillary) -> str | None:
        """The local address that a datagram came to; None if it is unknown or multicast."""
        for level, kind, data in ancillary:
            if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
                return _host_of_ipv6(data)
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                return _host_of_ipv4(data)
        return None

    def leave_from(self, local_host: str, scope_id: int) -> Ancillary:
        """The ancillary data that make a datagram leave from ``local_host``.

        The interface is named for link-local addresses alone: elsewhere the route decides.
        Raises OSError for a ``local_host`` that is no address of the socket's family.
        """
        made = self._made.get((local_host, scope_id))
        if made is None:
            made = [self._entry(local_host, scope_id)]
            if len(self._made) >= _LOCAL_ADDRESSES:
                self._made.clear()
            self._made[local_host, scope_id] = made
        return made

    def _entry(self, local_host: str, scope_id: int) -> tuple[int, int, bytes]:
        packed = socket.inet_pton(self._family, local_host)
        if self._family == socket.AF_INET6:
            data = _IN6_PKTINFO.pack(packed, scope_id)
            return socket.IPPROTO_IPV6, _IPV6_PKTINFO or 0, data
        return socket.IPPROTO_IP, _IP_PKTINFO or 0, _IN_PKTINFO.pack(0, packed, _ANY[:4])


def _host_of_ipv4(data: bytes) -> str | None:
    if len(data) < _IN_PKTINFO.size:
        return None
    _, answer_from, destination = _IN_PKTINFO.unpack_from(data)
    # Linux fills in the address to answer from; elsewhere it may be left zero.
    packed = destination if answer_from == _ANY[:4] else answer_from
    is_multicast = packed[0] & 0xF0 == 0xE0
    return None if is_multicast else socket.inet_ntop(socket.AF_INET, packed)


def _host_of_ipv6(data: bytes) -> str | None:
    is_multicast = data[:1] == b"\xff"
    if len(data) < _IN6_PKTINFO.size or is_multicast:
        return None
    return socket.inet_ntop(socket.AF_INET6, data[:16])
