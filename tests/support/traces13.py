"""Recorded handshakes of TLS 1.3 and DTLS 1.3, with the private keys to follow them.

``traces13.txt`` holds them.  Sections ``simple``, ``resumed``, ``retry``, ``client_auth`` are RFC
8448 sections 3 to 6; ``external_psk`` and ``raw_public_key`` come from the test vectors of Botan
(src/tests/data/tls_13_rfc8448); ``dtls`` is what wolfSSL sent for "The Illustrated DTLS Connection"
(github.com/syncsynchalt/illustrated-dtls), with its key log.

:func:`follow` computes a TLS trace anew with the code under test, record by record.
"""

from __future__ import annotations

from collections.abc import Callable
from configparser import ConfigParser
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag

from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls import schedule13 as ks
from handshake_over_coap.tls.codepoints import HandshakeType, NamedGroup
from handshake_over_coap.tls.extensions import SelectedKeyShare, SelectedPsk
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import offer
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites13 import CipherSuite13, suite13_by_id

END_OF_EARLY_DATA = bytes.fromhex("05000000")
TLS_TRACES = ("simple", "resumed", "retry", "client_auth", "external_psk", "raw_public_key")


def _load() -> dict[str, dict[str, bytes]]:
    parser = ConfigParser()
    parser.read(Path(__file__).with_name("traces13.txt"))
    return {
        name: {key: bytes.fromhex(value) for key, value in parser[name].items()}
        for name in parser.sections()
    }


TRACES = _load()


def digest(data: bytes) -> bytes:
    """SHA-256 by another library."""
    return sha256(data).digest()


def scripted(private: bytes, group: int) -> Callable[[int], bytes]:
    """The rng that makes this private key of ``group`` come out."""
    if group == NamedGroup.secp256r1:
        return lambda count: (int.from_bytes(private, "big") - 1).to_bytes(count, "big")
    return lambda count: private[:count]


def as_dtls(hello: bytes) -> bytes:
    """The body of a ClientHello of TLS with DTLS's cookie, empty."""
    end = 35 + hello[34]
    return hello[:end] + b"\x00" + hello[end:]


def as_tls(hello: bytes) -> bytes:
    """The body of a ClientHello of DTLS without its empty cookie."""
    end = 35 + hello[34]
    assert hello[end] == 0
    return hello[:end] + hello[end + 1 :]


def split(data: bytes) -> list[HandshakeMessage]:
    """The messages of TLS, with 4-byte headers, that fill ``data``."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[1:4], "big")
        found.append(HandshakeMessage(data[0], data[4:end]))
        data = data[end:]
    return found


def open_tls(keys: TrafficKeys, record: bytes, number: int = 0) -> tuple[int, bytes]:
    """Type and content of a sealed record of TLS 1.3."""
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    plain = keys.aead.make(keys.key).decrypt(nonce, record[5:], record[:5]).rstrip(b"\x00")
    return plain[-1], plain[:-1]


def open_later(keys: TrafficKeys, record: bytes) -> tuple[int, bytes]:
    """The same for one of the first records, whichever it is."""
    for number in range(4):
        try:
            return open_tls(keys, record, number)
        except InvalidTag:
            continue
    raise AssertionError("the record does not open")


@dataclass(frozen=True)
class Followed:
    """What a trace led to."""

    suite: CipherSuite13
    early: ks.EarlySecret
    handshake: ks.HandshakeSecret
    master: ks.MasterSecret
    hellos: bytes
    """The messages from ClientHello, or its hash, to ServerHello."""
    server_flight: list[HandshakeMessage]
    client_flight: list[HandshakeMessage]
    secrets: dict[str, bytes]
    """Traffic and later secrets, by the labels of RFC 8446 section 7.1."""

    def keys(self, label: str, epoch: int) -> TrafficKeys:
        return ks.traffic_keys(self.secrets[label], epoch, self.suite.aead, ks.TLS13_PREFIX)


def hellos_of(trace: dict[str, bytes]) -> bytes:
    """The transcript of the hellos: the first one as a hash where a retry was asked for."""
    if "hello_retry_request" not in trace:
        return trace["client_hello"] + trace["server_hello"]
    first = msg.MessageHash(digest(trace["client_hello"]))
    stand_in = HandshakeMessage(first.msg_type, first.encode()).tls_bytes()
    return b"".join(
        (stand_in, trace["hello_retry_request"], trace["client_hello_2"], trace["server_hello"])
    )


def follow(name: str) -> Followed:
    """Go through a TLS trace; a wrong key or Finished anywhere is an error."""
    trace = TRACES[name]
    hello = msg.ServerHello.decode(trace["server_hello"][4:])
    suite = suite13_by_id(hello.cipher_suite)
    share = hello.extensions.find(SelectedKeyShare)
    assert suite is not None
    assert share is not None
    psk = trace["psk"] if hello.extensions.find(SelectedPsk) is not None else None
    early = ks.EarlySecret.of(psk, ks.TLS13_PREFIX)
    ours = offer(share.entry.group, scripted(trace["client_private"], share.entry.group))
    handshake = early.handshake(ours.finish(share.entry.key_exchange))
    master = handshake.master()
    hellos = hellos_of(trace)
    secrets = {
        "c hs": handshake.client_traffic(digest(hellos)),
        "s hs": handshake.server_traffic(digest(hellos)),
    }
    done = Followed(suite, early, handshake, master, hellos, [], [], secrets)

    def flight(label: str, record: bytes, so_far: bytes) -> tuple[list[HandshakeMessage], bytes]:
        messages = split(open_tls(done.keys(label, 2), record)[1])
        for message in messages[:-1]:
            so_far += message.tls_bytes()
        assert messages[-1].type == HandshakeType.finished
        expected = ks.verify_data(secrets[label], digest(so_far), ks.TLS13_PREFIX)
        assert msg.Finished13.decode(messages[-1].body).verify_data == expected
        return messages, so_far + messages[-1].tls_bytes()

    done.server_flight[:], transcript = flight("s hs", trace["server_record"], hellos)
    secrets["c ap"] = master.client_traffic(digest(transcript))
    secrets["s ap"] = master.server_traffic(digest(transcript))
    secrets["exp"] = master.exporter(digest(transcript))
    if name == "resumed":
        transcript += END_OF_EARLY_DATA
    done.client_flight[:], transcript = flight("c hs", trace["client_record"], transcript)
    secrets["res"] = master.resumption(digest(transcript))
    return done
