"""The classic DTLS conversation that a handshake carried otherwise is equivalent to, as a capture.

The messages of a handshake over CoAP are those of DTLS, and so are its sealed records.  Written
one after another into UDP datagrams, the way RFC 6347 carries them, any analyser of DTLS reads
them, and with the secrets beside them decrypts what is sealed.

One datagram holds one flight, whatever its size; messages stand in records of their own and are not
fragmented.  Records in the clear are numbered from 0 in each direction: those numbers never
travelled over CoAP.  Sealed records are as they were sent; where an encoding has sealed in its own
way, they are what DTLS would have sent.

What had CoAP's port has that of DTLS here: analysers go by it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Observer

_CHANGE_CIPHER_SPEC = b"\x01"

_PORTS: Final = {5683: 5684}
"""From coap to coaps (RFC 7252 sections 6.1 and 6.2)."""

MOST_PEERS: Final = 256
"""Peers without a completed handshake whose records are kept: the oldest makes room."""
MOST_RECORDS: Final = 64
"""Datagrams of records kept for each of them."""


def classic_port(port: int) -> int:
    """The port in a classic capture of what had ``port`` over CoAP."""
    return _PORTS.get(port, port)


class _AtClassicPorts:
    """Tells ``observer`` of datagrams with the ports that they would have had."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def observe(self, seen: DatagramSeen) -> None:
        """Pass a datagram on."""
        self._observer.observe(seen._replace(port=classic_port(seen.port)))


class ClassicConversation:
    """Writes flights and records between this endpoint and one peer as classic DTLS.

    ``host`` and ``port`` are the peer's; ``observer`` gets the datagrams, a capture for example.
    """

    def __init__(self, observer: Observer, host: str, port: int) -> None:
        self._observer = observer
        self._host = host
        self._port = port
        self._numbers: Counter[Direction] = Counter()

    def flight(self, time: float, direction: Direction, items: Iterable[FlightItem]) -> None:
        """A flight that was sent or received at ``time`` (seconds); an empty one leaves nothing."""
        data = b"".join(self._record(item, direction) for item in items)
        if data:
            self._observer.observe(DatagramSeen(time, direction, self._host, self._port, data))

    def _record(self, item: FlightItem, direction: Direction) -> bytes:
        if isinstance(item, HandshakeMessage):
            return self._plain(ContentType.handshake, item.dtls_bytes(), direction)
        if isinstance(item, ChangeCipherSpec):
            return self._plain(ContentType.change_cipher_spec, _CHANGE_CIPHER_SPEC, direction)
        return (item.standard() if isinstance(item, Unsealed) else item).to_bytes()

    def _plain(self, content_type: ContentType, fragment: bytes, direction: Direction) -> bytes:
        number = self._numbers[direction]
        self._numbers[direction] += 1
        return PlaintextRecord(content_type, number, fragment).to_bytes()


class ClassicTrace:
    """Turns what one endpoint sees into classic DTLS, peer by peer; an observer of its tap.

    Datagrams of records pass through, those of other protocols do not.  What comes before a peer's
    handshake has completed waits for that (bounded), since an analyser reads the secrets first.
    ``is_records`` tells records from the rest by a datagram's bytes.
    """

    def __init__(self, observer: Observer, is_records: Callable[[bytes], bool]) -> None:
        self._observer = _AtClassicPorts(observer)
        self._is_records = is_records
        self._waiting: OrderedDict[tuple[str, int], list[DatagramSeen]] = OrderedDict()
        self._complete: OrderedDict[tuple[str, int], None] = OrderedDict()

    def observe(self, seen: DatagramSeen) -> None:
        """Take a datagram of records: written at once, or when its handshake completes."""
        if not self._is_records(seen.data):
            return
        peer = (seen.host, seen.port)
        if peer in self._complete:
            self._observer.observe(seen)
            return
        waiting = self._waiting.setdefault(peer, [])
        if len(waiting) < MOST_RECORDS:
            waiting.append(seen)
        while len(self._waiting) > MOST_PEERS:
            self._waiting.popitem(last=False)

    def established(
        self,
        host: str,
        port: int,
        flights: Iterable[tuple[float, Direction, tuple[FlightItem, ...]]],
    ) -> None:
        """A handshake with that peer is complete: write its flights, then what has waited.

        The secrets have to stand in the capture already.
        """
        conversation = ClassicConversation(self._observer, host, port)
        for time, direction, items in flights:
            conversation.flight(time, direction, items)
        for seen in self._waiting.pop((host, port), []):
            self._observer.observe(seen)
        self._complete[host, port] = None
        while len(self._complete) > MOST_PEERS:
            self._complete.popitem(last=False)
