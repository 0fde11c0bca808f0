"""The example handshake of the practical-issues draft, carried by the classic carrier.

The draft names the suite and the raw public key, and leaves out the rest.  Its total at 1152 bytes,
802 in 6 datagrams, is met by the plainest set there is, each message in a record of its own:
P-256, no client authentication, a cookie of 8 bytes, no session ID, server_certificate_type as the
only extension of either hello, and the commonest length of an ECDSA signature, 71 bytes.

The messages are encoded by our codecs and carried by two engines of ``carriers/udp``; their random
values, keys and signatures are noise, as only sizes count.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from handshake_over_coap.carriers.address_check import PROOF_LENGTH
from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.tls.codepoints import (
    CertificateType,
    CipherSuiteId,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from handshake_over_coap.tls.extensions import (
    Extensions,
    SelectedServerCertificateType,
    ServerCertificateType,
)
from handshake_over_coap.tls.flight import ChangeCipherSpec, Flight, HandshakeMessage, Item
from handshake_over_coap.tls.groups import P256_POINT_LENGTH
from handshake_over_coap.tls.handshake import Connected, EpochKeys, PeerIdentity, State, Step
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.messages import (
    RANDOM_LENGTH,
    VERIFY_DATA_LENGTH,
    ClientHello,
    ClientKeyExchangeEcdhe,
    Finished,
    HelloVerifyRequest,
    Message,
    RawPublicKeyCertificate,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchangeEcdheEcdsa,
)
from handshake_over_coap.tls.suites import AES_128_CCM_8, suite_by_id

_SUITE: Final = CipherSuiteId.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
_RPK: Final = CertificateType.RawPublicKey
_P256_SPKI_LENGTH: Final = 91
_SIGNATURE_LENGTH: Final = 71

CLIENT_KEYS: Final = TrafficKeys(1, AES_128_CCM_8, bytes(16), bytes(4))
"""What the example's client seals with."""
SERVER_KEYS: Final = TrafficKeys(1, AES_128_CCM_8, bytes([1]) * 16, bytes(4))
"""What the example's server seals with."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One datagram of the example, and who sent it."""

    from_client: bool
    data: bytes


def carry(limit: int) -> tuple[Carried, ...]:
    """The datagrams of the example with UDP payloads of at most ``limit`` bytes, 50 at least.

    No datagram is lost, so that none is sent twice.  The same bytes at each call.
    """
    client_script, server_script = _scripts()
    parameters, counters = UdpParameters(mtu=limit), Counter[str]()
    client = Engine(client_script.state, parameters, counters)
    server = Engine(server_script, parameters, counters)
    sent: list[Carried] = []
    datagrams, from_client = client.start(client_script, 0.0), True
    while datagrams:
        sent += (Carried(from_client, data) for data in datagrams)
        receiver = server if from_client else client
        datagrams = [answer for data in datagrams for answer in receiver.receive(data, 0.0)]
        from_client = not from_client
    return tuple(sent)


def flights() -> tuple[Flight, ...]:
    """The six flights, the client's first; message_seq and epochs as RFC 6347 counts them."""
    return tuple(tuple(flight) for flight in _flights())


def _flights() -> Iterator[list[Item]]:
    noise = random.Random(1152).randbytes
    cookie = noise(PROOF_LENGTH)
    client_random = noise(RANDOM_LENGTH)
    client, server = _Numbering(), _Numbering()
    yield [client(_client_hello(client_random, b""))]
    yield [server(HelloVerifyRequest(ProtocolVersion.DTLS_1_2, cookie))]
    yield [client(_client_hello(client_random, cookie))]
    public, signature = noise(P256_POINT_LENGTH), noise(_SIGNATURE_LENGTH)
    scheme = SignatureScheme.ecdsa_secp256r1_sha256
    yield [
        server(
            ServerHello(
                ProtocolVersion.DTLS_1_2,
                noise(RANDOM_LENGTH),
                b"",
                _SUITE,
                extensions=Extensions.of(SelectedServerCertificateType(_RPK)),
            )
        ),
        server(RawPublicKeyCertificate(noise(_P256_SPKI_LENGTH))),
        server(ServerKeyExchangeEcdheEcdsa(NamedGroup.secp256r1, public, scheme, signature)),
        server(ServerHelloDone()),
    ]
    yield [
        client(ClientKeyExchangeEcdhe(noise(P256_POINT_LENGTH))),
        ChangeCipherSpec(),
        client(Finished(noise(VERIFY_DATA_LENGTH)), epoch=1),
    ]
    yield [ChangeCipherSpec(), server(Finished(noise(VERIFY_DATA_LENGTH)), epoch=1)]


def _client_hello(client_random: bytes, cookie: bytes) -> ClientHello:
    return ClientHello(
        ProtocolVersion.DTLS_1_2,
        client_random,
        b"",
        cookie,
        (_SUITE,),
        extensions=Extensions.of(ServerCertificateType((_RPK,))),
    )


class _Numbering:
    """Frames the messages of one side in their order."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, message: Message, epoch: int = 0) -> HandshakeMessage:
        framed = HandshakeMessage(message.msg_type, message.encode(), self._next, epoch)
        self._next += 1
        return framed


@dataclass(frozen=True, slots=True)
class _Script:
    """A state that answers each item with what stands next, whatever the item says."""

    steps: tuple[tuple[Flight, EpochKeys | None], ...]

    def handle(self, item: Item) -> Step:
        """The next step; the last one completes the handshake."""
        (flight, keys), *rest = self.steps
        state: State = _Script(tuple(rest)) if rest else _connected()
        return Step(state, flight, () if keys is None else (keys,))


def _scripts() -> tuple[Step, _Script]:
    """The client's first step and the server's first state."""
    hello, verify, again, flight_4, flight_5, flight_6 = flights()
    quiet: tuple[Flight, None] = ((), None)
    client_keys = EpochKeys(read=SERVER_KEYS, write=CLIENT_KEYS)
    server_keys = EpochKeys(read=CLIENT_KEYS, write=SERVER_KEYS)
    client = _Script(
        (
            (again, None),  # HelloVerifyRequest
            *(quiet for _ in flight_4[:-1]),
            (flight_5, client_keys),  # ServerHelloDone
            *(quiet for _ in flight_6),
        )
    )
    server = _Script(
        (
            (verify, None),  # ClientHello
            (flight_4, None),  # ClientHello with the cookie
            ((), server_keys),  # ClientKeyExchange
            quiet,  # ChangeCipherSpec
            (flight_6, None),  # Finished
        )
    )
    return Step(client, hello), server


def _connected() -> Connected:
    suite = suite_by_id(_SUITE)
    if suite is None:
        raise LookupError(_SUITE.name)
    return Connected(
        version=ProtocolVersion.DTLS_1_2,
        suite=suite,
        client_random=b"",
        server_random=b"",
        master_secret=b"",
        peer=PeerIdentity(),
        server_certificate_type=_RPK,
        server_name=None,
        extended_master_secret=False,
        verify_data=(b"", b""),
        transcript=b"",
    )
