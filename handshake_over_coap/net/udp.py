"""One UDP socket on an asyncio loop, as a datagram endpoint.

The loop only tells when the socket can be read: datagrams are then taken in batches, which is
several times cheaper than a wake-up for each.  On a socket bound to a wildcard address every
datagram brings the local address it came to, and answers leave from there (RFC 7252 section 5.3.2
has a client match responses by that address).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections import deque
from typing import Final, TypeAlias

from handshake_over_coap.carriers.datagram import Address, DatagramReceiver
from handshake_over_coap.errors import CarrierError, Error
from handshake_over_coap.net.pktinfo import ANCILLARY_SPACE, PacketInfo

_log = logging.getLogger(__name__)

SockAddr: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

BATCH: Final = 64
"""How many datagrams one wake-up takes at most before the loop sees to others."""

SEND_QUEUE: Final = 256
"""How many datagrams wait at most for a socket that takes no more."""

_MAX_DATAGRAM: Final = 65535
_ADDRESS_CACHE: Final = 1024

# Linux: SO_MEMINFO gives nine 32-bit numbers, of which the last counts dropped datagrams.  Unlike
# SO_RXQ_OVFL it also sees drops after which nothing more has arrived, and costs nothing a datagram.
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("=9I")


class UdpEndpoint:
    """A :class:`~handshake_over_coap.carriers.datagram.DatagramEndpoint` over a UDP socket.

    Takes over ``sock``, which is bound (or connected) and not blocking.  Connected to ``peer``, it
    talks to that peer alone and learns of ICMP errors; datagrams to another address are not sent.

    Counters: ``received`` and ``sent`` datagrams, ``send_errors``, ``receive_errors`` (errors the
    socket reported instead of a datagram), ``handler_errors`` (exceptions of the receiver).
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        peer: Address | None = None,
    ) -> None:
        self._sock = sock
        self._loop = loop
        self._peer = peer
        self._receiver: DatagramReceiver | None = None
        self._closed = False
        self._writing = False
        self._unsent: deque[tuple[bytes, Address]] = deque()
        self._addresses: dict[object, Address] = {}
        self._local_address = from_sockaddr(sock.getsockname())
        self._packet_info = PacketInfo.enabled_on(sock) if peer is None else None
        self._kernel_drops: int | None = None
        self.received = 0
        self.sent = 0
        self.send_errors = 0
        self.receive_errors = 0
        self.handler_errors = 0

    @property
    def local_address(self) -> Address:
        """Where the socket is bound; readable after closing too."""
        return self._local_address

    @property
    def peer(self) -> Address | None:
        """Whom the socket is connected to, if it is."""
        return self._peer

    @property
    def kernel_drops(self) -> int | None:
        """Datagrams the kernel dropped for want of buffer space; None where it does not tell."""
        if not self._closed:
            self._kernel_drops = _read_kernel_drops(self._sock)
        return self._kernel_drops

    @property
    def receive_buffer(self) -> int:
        """The receive buffer that the kernel granted, in bytes; 0 once closed."""
        if self._closed:
            return 0
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def start(self, receiver: DatagramReceiver) -> None:
        """Deliver to ``receiver`` from now on; raises Error when called a second time."""
        if self._receiver is not None:
            raise Error("a datagram endpoint has one receiver")
        self._receiver = receiver
        if not self._closed:
            try:
                self._loop.add_reader(self._sock, self._on_readable, receiver)
            except OSError as error:  # no memory or no descriptor left for it
                self.close()
                raise CarrierError(f"cannot wait for datagrams: {error.strerror}") from error

    def close(self) -> None:
        """Close the socket; datagrams that still wait to be sent are dropped and counted."""
        if self._closed:
            return
        self._kernel_drops = _read_kernel_drops(self._sock)
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self.send_errors += len(self._unsent)
        self._unsent.clear()
        self._addresses.clear()
        self._sock.close()

    # Receiving

    def _on_readable(self, receiver: DatagramReceiver) -> None:
        for _ in range(BATCH):
            if self._closed:
                return
            try:
                data, ancillary, flags, source = self._sock.recvmsg(_MAX_DATAGRAM, ANCILLARY_SPACE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.receive_errors += 1
                self._report(error, self._peer)
                continue
            if flags & socket.MSG_TRUNC:
                self.receive_errors += 1
                continue
            self.received += 1
            self._deliver(receiver, data, self._source(source, ancillary))

    def _deliver(self, receiver: DatagramReceiver, data: bytes, address: Address) -> None:
        try:
            receiver.on_datagram(data, address)
        except Exception:  # noqa: BLE001
            # A fault of ours in handling one datagram must not end the service to all others.
            self.handler_errors += 1
            _log.exception("handling a datagram of %d bytes from %s failed", len(data), address)

    def _source(self, source: SockAddr, ancillary: list[tuple[int, int, bytes]]) -> Address:
        """The address of a datagram's sender; the same object for the same sender, for a while."""
        key = (source, ancillary[0][2]) if ancillary else source
        known = self._addresses.get(key)
        if known is None:
            local_host = self._packet_info.local_host(ancillary) if self._packet_info else None
            known = from_sockaddr(source, local_host)
            if len(self._addresses) >= _ADDRESS_CACHE:
                self._addresses.clear()
            self._addresses[key] = known
        return known

    def _report(self, error: OSError, address: Address | None) -> None:
        """Tell the receiver of ``error`` from the loop, never from within a call of its own."""
        if self._receiver is not None:
            self._loop.call_soon(self._deliver_error, self._receiver, error, address)

    def _deliver_error(
        self, receiver: DatagramReceiver, error: OSError, address: Address | None
    ) -> None:
        if self._closed:
            return
        try:
            receiver.on_error(error, address)
        except Exception:  # noqa: BLE001
            self.handler_errors += 1
            _log.exception("handling the error %r of %s failed", error, address)

    # Sending

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram; when the socket takes no more, keep up to 256 and drop the rest.

        Never raises for the network's reasons: what is not sent counts in ``send_errors``, and its
        error goes to the receiver's ``on_error``.
        """
        if self._closed or (self._peer is not None and address != self._peer):
            self.send_errors += 1
        elif self._writing:
            self._queue(data, address)
        elif not self._send_now(data, address):
            self._writing = True
            self._loop.add_writer(self._sock, self._on_writable)
            self._queue(data, address)

    def _queue(self, data: bytes, address: Address) -> None:
        if len(self._unsent) < SEND_QUEUE:
            self._unsent.append((data, address))
        else:
            self.send_errors += 1

    def _on_writable(self) -> None:
        while self._unsent:
            if not self._send_now(*self._unsent[0]):
                return
            self._unsent.popleft()
        self._writing = False
        self._loop.remove_writer(self._sock)

    def _send_now(self, data: bytes, address: Address, *, again: bool = True) -> bool:
        """Hand one datagram to the kernel; False when it must wait.  Failures are counted."""
        try:
            self._hand_over(data, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._report(error, address)
            if again and isinstance(error, ConnectionRefusedError):
                # That was said of an earlier datagram; this one has not been tried yet.
                return self._send_now(data, address, again=False)
            self.send_errors += 1
            return True
        self.sent += 1
        return True

    def _hand_over(self, data: bytes, address: Address) -> None:
        if self._peer is not None:
            self._sock.send(data)
            return
        target: SockAddr = (address.host, address.port)
        if self._sock.family == socket.AF_INET6:
            target = (address.host, address.port, 0, address.scope_id)
        if address.local_host is not None and self._packet_info is not None:
            leave_from = self._packet_info.leave_from(address.local_host, address.scope_id)
            self._sock.sendmsg((data,), leave_from, 0, target)
        else:
            self._sock.sendto(data, target)


def from_sockaddr(source: SockAddr, local_host: str | None = None) -> Address:
    """The Address of a socket address as the socket module gives it."""
    scope_id = source[3] if len(source) == 4 else 0
    return Address(source[0], source[1], scope_id, local_host)


def _read_kernel_drops(sock: socket.socket) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        numbers = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return None
    if len(numbers) < _MEMINFO.size:
        return None
    drops: int = _MEMINFO.unpack(numbers)[-1]
    return drops
