"""One node's adaptation layer: packets to the payloads of frames, and back."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import MalformedFrame
from .fragmentation import MAX_PACKET, fragment, parse_fragment
from .iphc import Contexts, Hop, compress, decompress
from .reassembly import Reassembler


class Adaptation:
    """Compresses, fragments and numbers what a node sends, and undoes that for what it receives.

    ``contexts`` are the network's; ``reassembler`` holds what is still incomplete.
    """

    __slots__ = ("_contexts", "_tag", "reassembler")

    def __init__(self, contexts: Mapping[int, bytes], reassembler: Reassembler) -> None:
        self._contexts: Contexts = contexts
        self._tag = 0
        self.reassembler = reassembler

    def payloads(self, packet: bytes, hop: Hop, room: int) -> list[bytes]:
        """The payloads of frames, ``room`` bytes each, that take an IPv6 ``packet`` over ``hop``.

        Raises ConfigurationError for a packet above the MTU, or too little room.
        """
        headers, covered = compress(packet, hop, self._contexts)
        parts = fragment(headers, covered, packet[covered:], self._tag, room)
        if len(parts) > 1:
            self._tag = (self._tag + 1) & 0xFFFF
        return parts

    def receive(self, now: float, payload: bytes, hop: Hop) -> bytes | None:
        """The packet that is complete with ``payload``, if one is.  Raises MalformedFrame."""
        piece = parse_fragment(payload)
        if piece is not None:
            return self.reassembler.add(now, piece, hop, self._contexts)
        headers, taken = decompress(payload, hop, self._contexts)
        packet = headers + payload[taken:]
        if len(packet) > MAX_PACKET:
            raise MalformedFrame(f"an IPv6 packet of {len(packet)} bytes")
        return packet
