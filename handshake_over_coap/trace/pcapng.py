"""Captures in the pcapng format, written as a stream (draft-ietf-opsawg-pcapng).

One section with one interface; packets with their time in nanoseconds and their direction; and
the secrets of TLS key logs, by which an analyser decrypts what stands after them in the file.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, Protocol

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_ENHANCED_PACKET: Final = 6
_DECRYPTION_SECRETS: Final = 10

_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_UNKNOWN_LENGTH: Final = (1 << 64) - 1
_TLS_KEY_LOG: Final = 0x544C534B

_COMMENT: Final = 1
_USER_APPLICATION: Final = 4
_TIME_RESOLUTION: Final = 9
_PACKET_FLAGS: Final = 2
_NANOSECONDS: Final = b"\x09"
_INBOUND, _OUTBOUND = 1, 2

_APPLICATION: Final = "handshake-over-coap"


class LinkType(IntEnum):
    """What a packet begins with: registry "LINKTYPE"."""

    RAW_IP = 101
    """IPv4 or IPv6, told apart by the version field."""


class Sink(Protocol):
    """A binary file, as far as a capture needs one."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""


class PcapngWriter:
    """Writes a capture to ``file``, block by block, beginning at once.

    Each block is one ``write``; nothing is kept.  What the file raises passes through.
    """

    def __init__(self, file: Sink, link_type: int = LinkType.RAW_IP) -> None:
        self._file = file
        section = struct.pack("<IHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
        application = _option(_USER_APPLICATION, _APPLICATION.encode())
        # No limit to the length of a packet.
        interface = struct.pack("<HHI", link_type, 0, 0)
        resolution = _option(_TIME_RESOLUTION, _NANOSECONDS)
        file.write(
            _block(_SECTION_HEADER, section + _options(application))
            + _block(_INTERFACE_DESCRIPTION, interface + _options(resolution))
        )

    def packet(
        self, time_ns: int, packet: bytes, *, outbound: bool | None = None, comment: str = ""
    ) -> None:
        """Append a packet, link layer first, seen ``time_ns`` nanoseconds after 1970 (UTC).

        Times that the format cannot hold, before 1970 or after 2554, become the nearest that it
        can.  ``outbound`` is its direction, where there is one to tell.
        """
        moment = min(max(time_ns, 0), (1 << 64) - 1)
        high, low = moment >> 32, moment & 0xFFFFFFFF
        size = len(packet)
        options = b""
        if comment:
            options += _option(_COMMENT, comment.encode())
        if outbound is not None:
            flags = _OUTBOUND if outbound else _INBOUND
            options += _option(_PACKET_FLAGS, flags.to_bytes(4, "little"))
        fixed = struct.pack("<IIIII", 0, high, low, size, size)
        self._file.write(_block(_ENHANCED_PACKET, fixed + _padded(packet) + _options(options)))

    def secrets(self, key_log: str) -> None:
        """Append lines of a key log; they have to precede the packets they are to decrypt."""
        self._file.write(secrets_block(key_log))


def secrets_block(key_log: str) -> bytes:
    """A block of lines of a key log; as long for every key log of the same length."""
    lines = key_log if key_log.endswith("\n") else f"{key_log}\n"
    data = lines.encode("ascii")
    fixed = struct.pack("<II", _TLS_KEY_LOG, len(data))
    return _block(_DECRYPTION_SECRETS, fixed + _padded(data))


def _block(kind: int, body: bytes) -> bytes:
    """A block; ``body`` is padded already.  The length stands at both ends."""
    length = (len(body) + 12).to_bytes(4, "little")
    return kind.to_bytes(4, "little") + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _options(options: bytes) -> bytes:
    """Options with the end that closes a list of at least one."""
    return options + _option(0, b"") if options else b""


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
