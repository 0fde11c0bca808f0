"""Conversations of flights for encodings: what stacks say, and what else a peer might say.

Each is a list of flights as whole messages and records; nothing is signed or keyed, as an encoding
does not care.  What is drawn is often a form that has a short one, or close to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from handshake_over_coap.encodings.compact.opened import write_extensions
from handshake_over_coap.encodings.compact.shapes import SHAPES
from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.records.ack import Ack
from handshake_over_coap.records.dtls13 import RecordNumber
from handshake_over_coap.tls.derived import derived_random, seeded_random
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage
from handshake_over_coap.tls.messages.hello13 import HELLO_RETRY_RANDOM
from handshake_over_coap.tls.wire import join_u16, u16, u32, vec8, vec16, vec24

Parts = list[tuple[int, bytes]]
"""Type and body of messages, or number and content of extensions."""

_h = bytes.fromhex
POINTS = tuple(
    ec.derive_private_key(secret, ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for secret in range(1, 17)
)
P256_KEY = _h("3059301306072a8648ce3d020106082a8648ce3d030107034200")
ED25519_KEY = _h("302a300506032b6570032100")
RAW_KEYS = (
    *(P256_KEY + point for point in POINTS),
    *(ED25519_KEY + sha256(bytes([n])).digest() for n in range(4)),
)


def one_in(draws: Random, count: int) -> bool:
    return draws.randrange(count) == 0


def some(draws: Random, most: int = 40) -> bytes:
    """A few bytes, perhaps none."""
    return draws.randbytes(draws.choice((0, 1, 2, draws.randrange(most))))


def a_list(draws: Random) -> bytes:
    return join_u16(draws.randrange(0x10000) for _ in range(draws.randrange(6)))


def a_key(draws: Random) -> tuple[int, bytes]:
    """Group and key of a share."""
    match draws.randrange(8):
        case 0 | 1 | 2 | 3:
            return 0x17, draws.choice(POINTS)
        case 4 | 5:
            return 0x1D, draws.randbytes(32)
        case 6:
            return 0x17, b"\4" + draws.randbytes(64)
    return draws.randrange(0x10000), some(draws, 70)


def a_signature(draws: Random) -> tuple[int, bytes]:
    """Scheme and signature, often a minimal one of ECDSA."""
    match draws.randrange(6):
        case 0:
            return 0x0807, draws.randbytes(64)
        case 1:
            return draws.randrange(0x10000), some(draws, 80)
    r, s = (draws.randrange(draws.choice((300, 2**256))) for _ in range(2))
    return 0x0403, encode_dss_signature(r, s) + (b"\0" if one_in(draws, 6) else b"")


def a_psk_offer(draws: Random) -> bytes:
    """Content of pre_shared_key in a ClientHello."""
    kind = draws.choice(("one", "one", "aged", "several", "any"))
    if kind == "any":
        return some(draws)
    identities = binders = b""
    for _ in range(draws.randrange(2, 4) if kind == "several" else 1):
        age = 0 if kind == "one" else draws.randrange(2**32)
        identities += vec16(draws.randbytes(draws.randrange(1, 20))) + u32(age)
        binders += vec8(draws.randbytes(48 if kind != "one" and one_in(draws, 4) else 32))
    return vec16(identities) + vec16(binders)


def a_client_hello(draws: Random) -> bytes:
    """A ClientHello: one of a shape with something in its slots, perhaps changed."""
    shape, (group, key) = draws.choice(SHAPES), a_key(draws)
    tables = shape.tables
    slots = {
        0: draws.choice((b"", vec16(b"\0" + vec16(b"host")))),
        10: vec16(a_list(draws) if one_in(draws, 4) else draws.choice(tables.groups or (b"",))),
        13: vec16(a_list(draws) if one_in(draws, 4) else draws.choice(tables.schemes or (b"",))),
        41: a_psk_offer(draws),
        51: some(draws) if one_in(draws, 6) else vec16(u16(group) + vec16(key)),
        54: vec8(some(draws)),
    }
    extensions: Parts = []
    for number, content in shape.extensions:
        if content is not None:
            extensions.append((number, content))
        elif number not in (0, 28, 45, 54) or one_in(draws, 2):
            extensions.append((number, slots.get(number, some(draws))))
    suites = a_list(draws) if one_in(draws, 4) else draws.choice(tables.suites)
    session, cookie, compression = b"\0", b"\0", b"\1\0"
    match draws.randrange(10):
        case 0:
            draws.shuffle(extensions)
        case 1:
            extensions.insert(0, (draws.randrange(0x10000), some(draws)))
        case 2:
            del extensions[draws.randrange(len(extensions)) :]
        case 3:
            session = vec8(some(draws, 32))
        case 4:
            cookie, compression = vec8(some(draws)), draws.choice((b"\1\0", b"\2\1\0"))
    random = _random(draws, key)
    block = b"" if not extensions and one_in(draws, 2) else write_extensions(extensions)
    return b"\xfe\xfd" + random + session + cookie + vec16(suites) + compression + block


def _random(draws: Random, key: bytes) -> bytes:
    """The random of a hello; sometimes one that follows from its share."""
    if one_in(draws, 2) and len(key) in (32, 65):
        return derived_random(key[1:33] if len(key) == 65 else key)
    return seeded_random(draws.randbytes(16)) if one_in(draws, 3) else draws.randbytes(32)


def a_server_hello(draws: Random, hello: bytes, *, retry: bool) -> bytes:
    """A ServerHello of 1.3 or a HelloRetryRequest."""
    extensions: Parts = [(43, b"\xfe\xfc")]
    group, key = a_key(draws)
    random = _random(draws, b"")
    if retry:
        random = HELLO_RETRY_RANDOM
        extensions.append((51, some(draws) if one_in(draws, 4) else draws.randbytes(2)))
    elif not one_in(draws, 4):
        extensions.append((51, u16(group) + vec16(key)))
        random = _random(draws, key)
    if one_in(draws, 4) or len(extensions) == 1:
        extensions.append((41, u16(draws.randrange(3))))
    if one_in(draws, 4):
        extensions.append((54, some(draws)))
    if one_in(draws, 6):
        draws.shuffle(extensions)
    suite = draws.randbytes(2) if one_in(draws, 3) else hello[38:40].ljust(2, b"\0")
    session = vec8(some(draws)) if one_in(draws, 6) else b"\0"
    return b"\xfe\xfd" + random + session + suite + b"\0" + write_extensions(extensions)


def a_proof(draws: Random, *, newer: bool) -> Parts:
    """Certificate and CertificateVerify."""
    scheme, signature = a_signature(draws)
    chain: Sequence[bytes] = (draws.choice(RAW_KEYS),)
    if one_in(draws, 2):
        chain = [some(draws, 60) for _ in range(draws.randrange(4))]
    elif not one_in(draws, 4):
        of_p256 = chain[0].startswith(P256_KEY)
        scheme = 0x0403 if of_p256 else 0x0807
        signature = encode_dss_signature(*(draws.randrange(2**256) for _ in range(2)))
        signature = signature if of_p256 else draws.randbytes(64)
    if newer:
        tail = vec16(some(draws)) if one_in(draws, 6) else b"\0\0"
        certificate = b"\0" + vec24(b"".join(vec24(each) + tail for each in chain))
    elif len(chain) == 1 and chain[0] in RAW_KEYS:
        certificate = vec24(chain[0])
    else:
        certificate = vec24(b"".join(map(vec24, chain)))
    return [(11, certificate), (15, u16(scheme) + vec16(signature))]


@dataclass
class Numbers:
    """The next message_seq of each side."""

    client: int = 0
    server: int = 0

    def messages(self, parts: Parts, epoch: int, *, client: bool) -> tuple[HandshakeMessage, ...]:
        """Messages of one side, counted."""
        first = self.client if client else self.server
        found = tuple(
            HandshakeMessage(kind, body, first + n, epoch) for n, (kind, body) in enumerate(parts)
        )
        if client:
            self.client += len(found)
        else:
            self.server += len(found)
        return found


def sealed(messages: tuple[HandshakeMessage, ...], number: int = 0) -> Unsealed:
    """A record of handshake messages."""
    plaintext = b"".join(each.dtls_bytes() for each in messages)
    return Unsealed(messages[0].epoch, number, 22, plaintext)


_USUAL = tuple(map(_h, ("0000", "0006001c00024001", "00050014000102", "000400000000")))
_REQUESTS = tuple(map(_h, ("000008000d000400020403", "00000a000d0006000404030807", "000000")))


def sealed13(draws: Random, numbers: Numbers, *, client: bool) -> list[Unsealed]:
    """The sealed part of a flight of 1.3."""
    parts: Parts = []
    if not client:
        parts.append((8, some(draws) if one_in(draws, 6) else draws.choice(_USUAL)))
    if one_in(draws, 2):
        if not client and one_in(draws, 2):
            parts.append((13, draws.choice(_REQUESTS)))
        parts += a_proof(draws, newer=True)
    elif client and one_in(draws, 3):
        parts.append((11, b"\0\0\0\0"))
    parts.append((20, draws.randbytes(48 if one_in(draws, 6) else 32)))
    if one_in(draws, 8):
        parts.insert(draws.randrange(len(parts)), (draws.randrange(256), some(draws)))
    messages = numbers.messages(parts, 2, client=client)
    place = draws.randrange(len(messages)) if one_in(draws, 8) else 0
    groups = [each for each in (messages[:place], messages[place:]) if each]
    found = [sealed(each, number) for number, each in enumerate(groups)]
    if one_in(draws, 10):
        found.append(Unsealed(2, len(found), 21, b"\2\x28"))
    return found


def last13(draws: Random, numbers: Numbers) -> list[Unsealed]:
    """The server's last flight of 1.3: an ACK, perhaps tickets."""
    match draws.randrange(4):
        case 0:
            return [Unsealed(3, 0, 26, some(draws))]
        case 1:
            tickets = [(4, some(draws)) for _ in range(draws.randrange(1, 3))]
            record = sealed(numbers.messages(tickets, 3, client=False))
            return [record, Unsealed(3, 1, 26, Ack.of([RecordNumber(2, 0)]).encode())]
    return [Unsealed(3, 0, 26, Ack.of([RecordNumber(2, 0)]).encode())]


_BLOCKS = tuple(
    write_extensions(each)
    for each in (
        [(23, b"")],
        [(0xFF01, b"\0"), (23, b"")],
        [(0xFF01, b"\0"), (11, b"\1\0"), (23, b"")],
        [(0xFF01, b"\0"), (11, b"\1\0"), (20, b"\2"), (23, b"")],
        [(0, b""), (11, b"\1\0"), (20, b"\2"), (19, b"\2"), (23, b""), (54, b"\1x")],
    )
)


def server12(draws: Random, *, psk: bool) -> Parts:
    """The server's first flight of 1.2."""
    group, key = a_key(draws)
    suite, extensions = (b"\xc0\xa8" if psk else b"\xc0\xae"), draws.choice(_BLOCKS)
    parts: Parts = [(2, b"\xfe\xfd" + draws.randbytes(32) + b"\0" + suite + b"\0" + extensions)]
    share = b"\3" + u16(group) + vec8(key)
    if psk and one_in(draws, 2):
        parts.append((12, vec16(some(draws) if one_in(draws, 3) else b"") + share))
    elif not psk:
        (_, certificate), (_, verify) = a_proof(draws, newer=False)
        parts += [(11, certificate), (12, share + verify)]
        if one_in(draws, 2):
            parts.append((13, _h("01400004040308070000")))
    if one_in(draws, 10):
        parts.insert(1, (draws.randrange(256), some(draws)))
    return [*parts, (14, b"")]


def client12(draws: Random, *, psk: bool) -> Parts:
    """What the client's second flight of 1.2 has in the clear."""
    _, key = a_key(draws)
    if psk:
        return [(16, vec16(some(draws)) + (vec8(key) if one_in(draws, 2) else b""))]
    exchange = (16, vec8(key))
    match draws.randrange(4):
        case 0:
            return [exchange]
        case 1:
            return [(11, b"\0\0\0"), exchange]
    certificate, verify = a_proof(draws, newer=False)
    return [certificate, exchange, verify]


@dataclass(frozen=True)
class Talk:
    """Flights in turn, the client's first; ``pins`` are what client and server have pinned."""

    flights: tuple[tuple[FlightItem, ...], ...]
    pins: tuple[frozenset[bytes], frozenset[bytes]]


def a_talk(draws: Random) -> Talk:
    """A handshake of either version, from its first flight to its last."""
    numbers, flights = Numbers(), list[tuple[FlightItem, ...]]()
    hello = a_client_hello(draws)
    flights.append(numbers.messages([(1, hello)], 0, client=True))
    if one_in(draws, 2):
        if one_in(draws, 3):
            retry = a_server_hello(draws, hello, retry=True)
            flights.append(numbers.messages([(2, retry)], 0, client=False))
            hello = a_client_hello(draws)
            flights.append(numbers.messages([(1, hello)], 0, client=True))
        answer = a_server_hello(draws, hello, retry=False)
        clear = numbers.messages([(2, answer)], 0, client=False)
        flights.append((*clear, *sealed13(draws, numbers, client=False)))
        flights.append(tuple(sealed13(draws, numbers, client=True)))
        flights.append(tuple(last13(draws, numbers)))
    else:
        psk = one_in(draws, 2)
        flights.append(numbers.messages(server12(draws, psk=psk), 0, client=False))
        for client in (True, False):
            ticket: Parts = [(4, some(draws))] if one_in(draws, 4) else []
            parts = client12(draws, psk=psk) if client else ticket
            finished = (20, draws.randbytes(13 if one_in(draws, 6) else 12))
            messages = numbers.messages(parts, 0, client=client)
            record = sealed(numbers.messages([finished], 1, client=client))
            flights.append((*messages, ChangeCipherSpec(), record))
    pins = [frozenset(RAW_KEYS if one_in(draws, 2) else ()) for _ in range(2)]
    return Talk(tuple(flights), (pins[0], pins[1]))
