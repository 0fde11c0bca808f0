"""IPv6 over IEEE 802.15.4, byte for byte: MAC frames, header compression, fragmentation.

Everything here is pure: bytes in, bytes out, time as an argument.  What is decoded is treated as
coming from a stranger: it raises :class:`~.errors.MalformedFrame` and nothing else.
"""

from handshake_over_coap.sim.lowpan.adaptation import Adaptation
from handshake_over_coap.sim.lowpan.errors import MalformedFrame
from handshake_over_coap.sim.lowpan.fragmentation import (
    FirstFragment,
    LaterFragment,
    fragment,
    parse_fragment,
)
from handshake_over_coap.sim.lowpan.iphc import Contexts, Hop, compress, decompress
from handshake_over_coap.sim.lowpan.mac import (
    AckFrame,
    DataFrame,
    decode_frame,
    encode_frame,
    frame_check_sequence,
)
from handshake_over_coap.sim.lowpan.reassembly import Reassembler

__all__ = [
    "AckFrame",
    "Adaptation",
    "Contexts",
    "DataFrame",
    "FirstFragment",
    "Hop",
    "LaterFragment",
    "MalformedFrame",
    "Reassembler",
    "compress",
    "decode_frame",
    "decompress",
    "encode_frame",
    "fragment",
    "frame_check_sequence",
    "parse_fragment",
]
