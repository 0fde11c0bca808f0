"""MAC frames of IEEE 802.15.4-2006: data frames and acknowledgements (section 7.2).

Data frames carry one PAN identifier (PAN ID compression) and both addresses, each of 64 or of 16
bits; there is no security.  Addresses are kept in the order in which they are written, most
significant byte first, and travel the other way round.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError

from .errors import MalformedFrame

MAX_FRAME: Final = 127
"""aMaxPHYPacketSize: bytes of a frame, its check sequence included."""
FCS_SIZE: Final = 2
ACK_SIZE: Final = 5

LinkAddress: TypeAlias = bytes
"""Two or eight bytes."""

_DATA, _ACK = 1, 2
_TYPE: Final = 0x0007
_ACK_REQUEST: Final = 1 << 5
_PAN_COMPRESSION: Final = 1 << 6
_VERSION_2006: Final = 1 << 12
_DESTINATION_SHIFT, _SOURCE_SHIFT = 10, 14
_MODE_OF_SIZE: Final = {2: 2, 8: 3}
_SIZE_OF_MODE: Final = {2: 2, 3: 8}
# Frame control bits that are zero in every frame understood here: security, frame pending, the
# reserved ones, and the upper bit of the version.
_UNUSED: Final = 1 << 3 | 1 << 4 | 0b111 << 7 | 1 << 13

_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A data frame; ``sequence`` is its data sequence number, 0 to 255.

    ``pan`` is the PAN identifier, 16 bits; ``ack_request`` asks the receiver for an acknowledgement
    (IEEE 802.15.4-2020 section 7.3.1).
    """

    sequence: int
    pan: int
    destination: LinkAddress
    source: LinkAddress
    payload: bytes = field(repr=False)
    ack_request: bool = False


@dataclass(frozen=True, slots=True)
class AckFrame:
    """An acknowledgement of the frame that has ``sequence``."""

    sequence: int


Frame: TypeAlias = DataFrame | AckFrame


def frame_check_sequence(data: bytes) -> bytes:
    """The FCS over ``data``: the CRC of ITU-T, least significant bit first (section 7.2.1.9)."""
    # crc_hqx has the same polynomial, most significant bit first: mirror what goes in and out.
    mirrored = crc_hqx(data.translate(_REVERSED), 0).to_bytes(2, "big")
    return mirrored.translate(_REVERSED)


def header_size(destination: LinkAddress, source: LinkAddress) -> int:
    """Bytes before the payload of a data frame between two addresses."""
    return 5 + len(destination) + len(source)


def encode_frame(frame: Frame) -> bytes:
    """The frame with its FCS.  Raises ConfigurationError if it is too long or an address odd."""
    if isinstance(frame, AckFrame):
        body = _ACK.to_bytes(2, "little") + bytes((frame.sequence,))
        return body + frame_check_sequence(body)
    try:
        to, by = (_MODE_OF_SIZE[len(each)] for each in (frame.destination, frame.source))
    except KeyError:
        raise ConfigurationError("link addresses have 2 or 8 bytes") from None
    control = _DATA | _PAN_COMPRESSION | _VERSION_2006
    control |= to << _DESTINATION_SHIFT | by << _SOURCE_SHIFT
    control |= _ACK_REQUEST if frame.ack_request else 0
    body = b"".join(
        (
            control.to_bytes(2, "little"),
            bytes((frame.sequence,)),
            frame.pan.to_bytes(2, "little"),
            frame.destination[::-1],
            frame.source[::-1],
            frame.payload,
        )
    )
    if len(body) + FCS_SIZE > MAX_FRAME:
        raise ConfigurationError(f"{len(body) + FCS_SIZE} bytes in a frame: at most {MAX_FRAME}")
    return body + frame_check_sequence(body)


def decode_frame(data: bytes) -> Frame:
    """The frame in ``data``, FCS included.

    Raises MalformedFrame for a bad check sequence, and for whatever :func:`encode_frame` does not
    make: other types, security, addresses left out, two PAN identifiers.
    """
    if not ACK_SIZE <= len(data) <= MAX_FRAME:
        raise MalformedFrame(f"a frame of {len(data)} bytes")
    body, fcs = data[:-FCS_SIZE], data[-FCS_SIZE:]
    if frame_check_sequence(body) != fcs:
        raise MalformedFrame("the frame check sequence is wrong")
    control, sequence = int.from_bytes(body[:2], "little"), body[2]
    if control == _ACK and len(data) == ACK_SIZE:
        return AckFrame(sequence)
    if control & _TYPE != _DATA or control & _UNUSED or not control & _PAN_COMPRESSION:
        raise MalformedFrame(f"a frame with control field {control:#06x}")
    try:
        to = _SIZE_OF_MODE[control >> _DESTINATION_SHIFT & 3]
        by = _SIZE_OF_MODE[control >> _SOURCE_SHIFT & 3]
    except KeyError:
        raise MalformedFrame("a frame without both addresses") from None
    if len(body) < 5 + to + by:
        raise MalformedFrame("a frame that ends in its header")
    return DataFrame(
        sequence,
        int.from_bytes(body[3:5], "little"),
        body[5 : 5 + to][::-1],
        body[5 + to : 5 + to + by][::-1],
        body[5 + to + by :],
        ack_request=bool(control & _ACK_REQUEST),
    )
