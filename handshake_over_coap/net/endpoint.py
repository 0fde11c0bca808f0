"""Opening UDP endpoints: names resolved, sockets bound, and clear words when that fails."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.errors import CarrierError, ConfigurationError
from handshake_over_coap.net.udp import SockAddr, UdpEndpoint, from_sockaddr

__all__ = ["HostPort", "UdpEndpoint", "check_address", "named", "open_each", "open_udp"]

HostPort: TypeAlias = tuple[str, int]

_ALL_HOSTS: Final = IPv4Address("255.255.255.255")

_REMEDIES: Final = {
    errno.EADDRINUSE: "stop the program that holds it, or choose another port (0: any free one)",
    errno.EADDRNOTAVAIL: "no interface here has this address: use one that has, or :: or 0.0.0.0",
    errno.EACCES: "ports below 1024 may need privileges: choose a higher one",
    errno.EPERM: "the system does not permit it: choose another port or address",
    errno.EAFNOSUPPORT: "this machine has no IPv6: use an IPv4 address, such as 0.0.0.0",
    errno.ENETUNREACH: "there is no route: check the address and the network",
    errno.EHOSTUNREACH: "there is no route: check the address and the network",
    errno.EINVAL: "check the address; a link-local one needs its interface, as in fe80::1%eth0",
}


def named(host: str) -> str | None:
    """The name that ``host`` is, in ASCII; None for an address in numbers."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        pass
    else:
        return None
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


async def open_udp(
    bind: HostPort | None = None,
    *,
    connect_to: HostPort | None = None,
    receive_buffer: int | None = None,
) -> UdpEndpoint:
    """A UDP endpoint on the running loop.

    ``bind`` is the local host and port (port 0: any free one; host ``::`` takes IPv4 too).  With
    ``connect_to`` the endpoint talks to that peer alone and learns of ICMP errors; ``bind`` may
    then be left out.  Of several addresses of a name, the first that can be used is taken.
    ``receive_buffer`` asks the kernel for that many bytes (it may grant fewer).

    Raises CarrierError when an address cannot be resolved, bound or reached, and ConfigurationError
    for one that never could.
    """
    endpoint, _ = await anext(open_each(bind, connect_to=connect_to, receive_buffer=receive_buffer))
    return endpoint


async def open_each(
    bind: HostPort | None = None,
    *,
    connect_to: HostPort | None = None,
    receive_buffer: int | None = None,
) -> AsyncGenerator[tuple[UdpEndpoint, int]]:
    """An endpoint for each address that the name to connect to has, as :func:`open_udp` gives one.

    Beside it stands how many addresses come after.  Each is opened when it is asked for.
    Addresses that cannot be used are passed over; the error of the first is raised where none can.
    """
    if receive_buffer is not None and not 0 < receive_buffer < 1 << 31:
        raise ConfigurationError(f"a receive buffer of {receive_buffer} bytes is impossible")
    failures: list[OSError] = []
    opened = False
    plans = await _plans(bind, connect_to)
    for number, plan in enumerate(plans, 1):
        try:
            sock = _open_socket(plan, receive_buffer)
            try:
                peer = None if plan.target is None else from_sockaddr(sock.getpeername())
                endpoint = UdpEndpoint(sock, asyncio.get_running_loop(), peer=peer)
            except OSError:
                sock.close()
                raise
        except OSError as error:
            failures.append(error)
            continue
        opened = True
        yield endpoint, len(plans) - number
    if not opened:
        raise _failure(bind, connect_to, failures[0])


@dataclass(frozen=True, slots=True)
class _Plan:
    """One way to open the socket: addresses as getaddrinfo gives them, of one family."""

    family: int
    local: SockAddr | None
    target: SockAddr | None


async def _plans(bind: HostPort | None, connect_to: HostPort | None) -> list[_Plan]:
    """The ways to try, at least one, in the resolver's order."""
    if bind is None and connect_to is None:
        raise ConfigurationError("open_udp needs an address to bind or one to connect to")
    here = [] if bind is None else await _resolve(bind, socket.AI_PASSIVE)
    if connect_to is None:
        return [_Plan(family, local, None) for family, local in here]
    check_address(connect_to)
    if connect_to[1] == 0:
        raise ConfigurationError("port 0 is no server's: give the port that it listens on")
    there = await _resolve(connect_to, 0)
    if bind is None:
        return [_Plan(family, None, target) for family, target in there]
    plans = [
        _Plan(family, local, target)
        for family, target in there
        for local_family, local in here
        if local_family == family
    ]
    if not plans:
        raise ConfigurationError(
            f"cannot connect {_text(bind)} to {_text(connect_to)}: one is IPv4, the other IPv6"
        )
    return plans


def _without_groups(
    where: HostPort, found: list[tuple[int, SockAddr]]
) -> list[tuple[int, SockAddr]]:
    """A handshake is made with one peer, at an address of its own (RFC 6347 has no other kind)."""
    ours = [each for each in found if not _is_group(each[1][0])]
    if found and not ours:
        raise ConfigurationError(
            f"{_text(where)} is a group of hosts: a handshake is made with one, give its address"
        )
    return ours


def _is_group(host: str) -> bool:
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_multicast or (mapped or address) == _ALL_HOSTS


def check_address(where: HostPort) -> None:
    """Raise ConfigurationError for what is no host and port, whatever types say."""
    match where:
        case (str() | None, int() as port) if not isinstance(port, bool):
            if not 0 <= port <= 0xFFFF:
                raise ConfigurationError(f"port {port} of {where[0]}: choose one from 0 to 65535")
        case _:
            raise ConfigurationError(
                f"{where!r} is no address: give host and port, as in ('::1', 5684)"
            )


async def _resolve(where: HostPort, flags: int) -> list[tuple[int, SockAddr]]:
    """Family and address of each that ``where`` stands for; CarrierError if none does."""
    check_address(where)
    host, port = where
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise CarrierError(
            f"cannot resolve {host!r} (port {port}): {why}; "
            "check the spelling, or give a numeric address"
        ) from error
    # A Python built without IPv6 gives its addresses as (int, bytes): those are of no use.
    usable: list[tuple[int, SockAddr]] = [
        (family, sockaddr) for family, _, _, _, sockaddr in found if isinstance(sockaddr[0], str)
    ]
    return _without_groups(where, usable)


def _open_socket(plan: _Plan, receive_buffer: int | None) -> socket.socket:
    """A socket bound and connected as planned; raises OSError, with nothing left open."""
    sock = socket.socket(plan.family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if plan.family == socket.AF_INET6:
            # Dual stack is a convenience: a system that insists on IPv6 alone still serves it.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if plan.local is not None:
            sock.bind(plan.local)
        if plan.target is not None:
            sock.connect(plan.target)
    except OSError:
        sock.close()
        raise
    return sock


def _failure(bind: HostPort | None, connect_to: HostPort | None, error: OSError) -> CarrierError:
    if connect_to is None:
        what = f"cannot bind UDP {_text(bind)}" if bind else "cannot open a UDP socket"
    else:
        what = f"cannot connect UDP to {_text(connect_to)}"
        what += f" from {_text(bind)}" if bind else ""
    remedy = _REMEDIES.get(error.errno or 0, "check the address and the port")
    if connect_to is not None and error.errno == errno.EACCES:
        remedy = "it is an address for all hosts, or a firewall forbids it: give that of one server"
    return CarrierError(f"{what}: {error.strerror or error}; {remedy}")


def _text(where: HostPort) -> str:
    return str(Address(*where))
