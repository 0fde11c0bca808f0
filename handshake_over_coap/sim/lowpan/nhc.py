"""Compression of the UDP header: UDP LOWPAN_NHC (RFC 6282 section 4.3).

The length is left out, for it follows from what is around; the checksum is always carried.  Ports
are shortened where they can be: to a byte each in 0xf000-0xf0ff, if the other is sent whole, and
to four bits each if both are in 0xf0b0-0xf0bf.
"""

from __future__ import annotations

from typing import Final

from .errors import MalformedFrame

UDP_HEADER_SIZE: Final = 8

_UDP: Final = 0b11110_0_00
_UDP_MASK: Final = 0b11111_0_00
_CHECKSUM_ELIDED: Final = 0b100
_BYTE_PORTS: Final = 0xF000
_NIBBLE_PORTS: Final = 0xF0B0

_BOTH_WHOLE, _DESTINATION_BYTE, _SOURCE_BYTE, _NIBBLES = range(4)
_PORT_BYTES: Final = (4, 3, 3, 1)


def compress_udp(header: bytes) -> bytes:
    """The compressed form of a UDP ``header`` of 8 bytes; its length field is lost."""
    source, destination = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:4], "big")
    if source & 0xFFF0 == destination & 0xFFF0 == _NIBBLE_PORTS:
        form, ports = _NIBBLES, bytes(((source & 0xF) << 4 | destination & 0xF,))
    elif destination & 0xFF00 == _BYTE_PORTS:
        form, ports = _DESTINATION_BYTE, header[:2] + header[3:4]
    elif source & 0xFF00 == _BYTE_PORTS:
        form, ports = _SOURCE_BYTE, header[1:4]
    else:
        form, ports = _BOTH_WHOLE, header[:4]
    return bytes((_UDP | form,)) + ports + header[6:8]


def decompress_udp(data: bytes) -> tuple[bytes, int]:
    """The UDP header at the start of ``data``, with a length of 0, and how many bytes it took.

    Raises MalformedFrame for anything else, and for a checksum that was left out: it would be for
    the layers above to vouch for the data.
    """
    if not data or data[0] & _UDP_MASK != _UDP:
        raise MalformedFrame("no compressed UDP header")
    if data[0] & _CHECKSUM_ELIDED:
        raise MalformedFrame("a UDP checksum that was left out")
    form = data[0] & 3
    end = 1 + _PORT_BYTES[form]
    if len(data) < end + 2:
        raise MalformedFrame("a compressed UDP header that ends early")
    ports = data[1:end]
    if form == _NIBBLES:
        source, destination = _NIBBLE_PORTS | ports[0] >> 4, _NIBBLE_PORTS | ports[0] & 0xF
        ports = source.to_bytes(2, "big") + destination.to_bytes(2, "big")
    elif form == _DESTINATION_BYTE:
        ports = ports[:2] + b"\xf0" + ports[2:]
    elif form == _SOURCE_BYTE:
        ports = b"\xf0" + ports
    return ports + b"\0\0" + data[end : end + 2], end + 2
