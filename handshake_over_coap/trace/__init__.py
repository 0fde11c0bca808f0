"""What was seen: datagrams with time, direction and bytes, on real and simulated networks alike.

An endpoint reports to a :class:`Tap`; observers count, record, or write a capture.  A recording
becomes a ladder diagram in text or SVG; figures of handshakes become a report.
"""

from __future__ import annotations

from handshake_over_coap.trace.capture import Capture
from handshake_over_coap.trace.keylog import KeyLog, KeyLogLabel, key_log_line, key_log_lines
from handshake_over_coap.trace.label import datagram_label
from handshake_over_coap.trace.ladder import ladder
from handshake_over_coap.trace.packets import packet_address, udp_packet
from handshake_over_coap.trace.pcapng import LinkType, PcapngWriter
from handshake_over_coap.trace.report import HandshakeReport, Summary, TrialFigures
from handshake_over_coap.trace.svg import ladder_svg
from handshake_over_coap.trace.tap import (
    Counts,
    DatagramSeen,
    Direction,
    Fate,
    Observer,
    Recorder,
    Tap,
)

__all__ = [
    "Capture",
    "Counts",
    "DatagramSeen",
    "Direction",
    "Fate",
    "HandshakeReport",
    "KeyLog",
    "KeyLogLabel",
    "LinkType",
    "Observer",
    "PcapngWriter",
    "Recorder",
    "Summary",
    "Tap",
    "TrialFigures",
    "datagram_label",
    "key_log_line",
    "key_log_lines",
    "ladder",
    "ladder_svg",
    "packet_address",
    "udp_packet",
]
