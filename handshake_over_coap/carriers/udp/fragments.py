"""Flights into datagrams: fragments no larger than the mtu, packed as full as it allows.

Source: RFC 6347 sections 4.1.1 and 4.2.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER, fragment
from handshake_over_coap.records.dtls12 import HEADER, MAX_PLAINTEXT, VERSION, PlaintextRecord
from handshake_over_coap.records.sealer import Sealer
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import Flight, HandshakeMessage

_LEAST_FRAGMENT = 1
"""An almost full datagram still takes a fragment of this many bytes."""

_BEYOND_MTU = 16
"""What a datagram holds that has no room for a single byte.

The peer may ask for a connection ID as long as the mtu, and nothing else can be done for it."""


CHANGE_CIPHER_SPEC = b"\x01"
"""The body of a ChangeCipherSpec."""


class Numbers:
    """The sequence numbers of a side's unprotected records (epoch 0)."""

    def __init__(self, first: int = 0) -> None:
        self.next = first

    def take(self) -> int:
        """The next number."""
        number = self.next
        self.next += 1
        return number


class Packer:
    """Packs a flight into datagrams; every call numbers and seals anew, as resending has to."""

    def __init__(self, mtu: int, numbers: Numbers) -> None:
        self._mtu = mtu
        self._numbers = numbers
        self._datagrams: list[bytes] = []
        self._current = b""

    def pack(self, flight: Flight, sealer: Sealer | None) -> list[bytes]:
        """The datagrams of ``flight``, each at most as large as the mtu.

        Larger where the peer's connection ID leaves no room in it.
        """
        self._datagrams, self._current = [], b""
        for item in flight:
            if isinstance(item, HandshakeMessage):
                self._message(item, sealer if item.epoch else None)
            else:
                self._put(self._plain(ContentType.change_cipher_spec, CHANGE_CIPHER_SPEC))
        self._flush()
        return self._datagrams

    def _message(self, message: HandshakeMessage, sealer: Sealer | None) -> None:
        overhead = MESSAGE_HEADER + (HEADER.size if sealer is None else sealer.overhead)
        for offset, length in self._cuts(len(message.body), overhead):
            data = fragment(message, offset, length)
            if sealer is None:
                self._put(self._plain(ContentType.handshake, data))
            else:
                self._put(sealer.seal_datagram(ContentType.handshake, data))

    def _cuts(self, size: int, overhead: int) -> Iterator[tuple[int, int]]:
        """Offsets and lengths of the fragments, the first filling what is left of a datagram."""
        offset = 0
        while True:
            room = self._mtu - len(self._current) - overhead
            if room < min(size - offset, _LEAST_FRAGMENT):
                self._flush()
                room = self._mtu - overhead
            if room < _LEAST_FRAGMENT:
                room = _BEYOND_MTU
            length = min(size - offset, room, MAX_PLAINTEXT - MESSAGE_HEADER)
            yield offset, length
            offset += length
            if offset >= size:
                return

    def _plain(self, content_type: int, data: bytes) -> bytes:
        return HEADER.pack(content_type, VERSION, self._numbers.take(), len(data)) + data

    def _put(self, record: bytes) -> None:
        if self._current and len(self._current) + len(record) > self._mtu:
            self._flush()
        self._current += record

    def _flush(self) -> None:
        if self._current:
            self._datagrams.append(self._current)
        self._current = b""


def plain_record(content_type: int, number: int, data: bytes) -> bytes:
    """One unprotected record, such as an alert or a HelloVerifyRequest."""
    return PlaintextRecord(content_type, number, data).to_bytes()
