"""Answers to a client's last flight that anybody can forge."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from handshake_over_coap.coap.message import Message
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.tls.codepoints import AlertDescription
from tests.support.exchange import (
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ECHO,
    ETAG,
    LOCATION_PATH,
    MAX_AGE,
    SERVER,
    Exchange,
    block,
    response,
    uint,
)
from tests.support.network import Sent, Verdict

BAD_FORMAT = 65123
FATAL = bytes([2, AlertDescription.handshake_failure])


def is_flight_3(sent: Sent) -> bool:
    """Whether this is (a block of) a POST to a session's resource."""
    if sent.destination != SERVER or not 0x40 <= sent.data[0] < 0x80:
        return False
    path = Message.decode(sent.data).path
    return len(path) == 2 and path[1] != b"dtls"


def forging(
    here: Exchange, forge: Callable[[Sent], bytes], *, times: int = 1, block_genuine: bool = False
) -> Verdict:
    """Answers the first flights 3 itself, before the server or in its place."""
    left = times

    def verdict(sent: Sent) -> Iterable[bytes]:
        nonlocal left
        if is_flight_3(sent) and left:
            left -= 1
            here.network.inject(forge(sent), SERVER, sent.source, 0.01)
            return () if block_genuine else (sent.data,)
        return (sent.data,)

    return verdict


FORGERIES: dict[str, Callable[[Sent], bytes]] = {
    "reset": lambda s: bytes([0x70, 0]) + s.data[2:4],
    "4.00": lambda s: response(s.data, 0x80),
    "4.00 alert": lambda s: response(s.data, 0x80, (CONTENT_FORMAT, uint(ALERT)), payload=FATAL),
    "4.00 no alert": lambda s: response(s.data, 0x80, (CONTENT_FORMAT, uint(ALERT)), payload=b"!"),
    "4.01": lambda s: response(s.data, 0x81, (ECHO, bytes(8))),
    "4.04": lambda s: response(s.data, 0x84),
    "4.08": lambda s: response(s.data, 0x88),
    "5.00": lambda s: response(s.data, 0xA0),
    "5.03": lambda s: response(s.data, 0xA3, (MAX_AGE, uint(2**32 - 1))),
    "2.04 empty": lambda s: response(s.data, 0x44),
    "2.04 garbage": lambda s: response(s.data, 0x44, payload=b"garbage"),
    "2.04 format": lambda s: response(
        s.data, 0x44, (CONTENT_FORMAT, uint(BAD_FORMAT)), payload=b"x"
    ),
    "2.01": lambda s: response(s.data, 0x41, payload=b"garbage"),
    "2.31": lambda s: response(s.data, 0x5F, (BLOCK1, block(0, True, 16))),
    "2.04 block": lambda s: response(
        s.data, 0x44, (BLOCK2, block(3, True, 16)), (ETAG, b"xx"), payload=bytes(16)
    ),
    "2.04 half": lambda s: response(
        s.data, 0x44, (BLOCK2, block(0, True, 64)), (ETAG, b"xx"), payload=bytes(9)
    ),
    "2.04 text": lambda s: response(s.data, 0x44, (LOCATION_PATH, b"\xff"), payload=b"x"),
    "2.04 exponent": lambda s: response(s.data, 0x44, (BLOCK2, b"\x0f"), payload=b"x"),
    "2.04 critical": lambda s: response(s.data, 0x44, (9, b""), payload=b"x"),
    "2.04 critical, confirmable": lambda s: response(
        s.data, 0x44, (9, b""), payload=b"x", kind=CON, mid=7
    ),
    "empty": lambda s: bytes([0x60, 0]) + s.data[2:4],
}
