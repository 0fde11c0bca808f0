"""Handshake messages of 1.2: round trips, bounds, and damage."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.alerts import AlertError, DecodeError, IllegalParameter
from tests.support.strategies import MESSAGES, damaged

Kind = type[msg.Message]
every_kind = pytest.mark.parametrize("kind", MESSAGES)

RANDOM = bytes(range(32))
HELLO = "fefd" + RANDOM.hex()

VECTORS: list[tuple[msg.Message, str]] = [
    (msg.HelloRequest(), ""),
    (
        msg.ClientHello(0xFEFD, RANDOM, b"", b"co", (0xC0A8, 0x00FF)),
        HELLO + "00 02636f 0004c0a800ff 0100",
    ),
    (msg.HelloVerifyRequest(0xFEFF, b"co"), "feff 02636f"),
    (msg.ServerHello(0xFEFD, RANDOM, b"id", 0xC0A8), HELLO + "026964 c0a8 00"),
    (msg.ServerHelloDone(), ""),
    (msg.Certificate((b"\x30\x00", b"\x31")), "000009 000002 3000 000001 31"),
    (msg.Certificate(()), "000000"),
    (msg.RawPublicKeyCertificate(b"\x30\x00"), "000002 3000"),
    (
        msg.CertificateRequest((64,), (0x0403, 0x0807), (b"\x30\x00",)),
        "0140 0004 04030807 0004 0002 3000",
    ),
    (msg.CertificateVerify(0x0403, b"sig"), "0403 0003 736967"),
    (msg.ServerKeyExchangePsk(b"hint"), "0004 68696e74"),
    (
        msg.ServerKeyExchangeEcdheEcdsa(29, b"\x01\x02", 0x0403, b"sig"),
        "03 001d 02 0102 0403 0003 736967",
    ),
    (msg.ServerKeyExchangeEcdhePsk(b"", 23, b"\x04\x05"), "0000 03 0017 02 0405"),
    (msg.ClientKeyExchangePsk(b"me"), "0002 6d65"),
    (msg.ClientKeyExchangeEcdhe(b"\x04\x05"), "02 0405"),
    (msg.ClientKeyExchangeEcdhePsk(b"me", b"\x04\x05"), "0002 6d65 02 0405"),
    (msg.Finished(bytes(range(12))), "000102030405060708090a0b"),
]

MALFORMED: list[tuple[Kind, str, type[AlertError]]] = [
    (msg.ClientHello, HELLO + "21" + "00" * 33 + "00 0002c0a8 0100", DecodeError),  # session_id
    (msg.ClientHello, HELLO + "00 00 0000 0100", DecodeError),  # no suites
    (msg.ClientHello, HELLO + "00 00 0003c0a800 0100", DecodeError),  # one suite and a half
    (msg.ClientHello, HELLO + "00 00 0002c0a8 00", DecodeError),  # no compression method
    (msg.ClientHello, HELLO + "00 00 0002c0a8 0100 0000 00", DecodeError),  # after extensions
    (msg.ClientHello, HELLO + "00 00 0002c0a8 0100 0008 00170000 00170000", DecodeError),
    (msg.ServerHello, HELLO + "21" + "00" * 33 + "c0a8 00", DecodeError),
    (msg.ServerHello, HELLO + "00 c0a8 00 00", DecodeError),  # half a length of extensions
    (msg.ServerHello, HELLO + "00 c0a8 00 0008 00170000 00170000", DecodeError),
    (msg.Certificate, "000003 000000", DecodeError),  # an empty certificate
    (msg.Certificate, "000004 000002 30", DecodeError),  # a certificate cut off by its list
    (msg.RawPublicKeyCertificate, "000000", DecodeError),
    (msg.CertificateRequest, "00 0002 0403 0000", DecodeError),  # no type
    (msg.CertificateRequest, "0140 0000 0000", DecodeError),  # no signature algorithm
    (msg.CertificateRequest, "0140 0003 040308 0000", DecodeError),
    (msg.CertificateRequest, "0140 0002 0403 0002 0000", DecodeError),  # an empty name
    (msg.CertificateVerify, "0403", DecodeError),
    (msg.ServerKeyExchangeEcdheEcdsa, "03 001d 00 0403 0000", DecodeError),  # no public value
    (msg.ServerKeyExchangeEcdheEcdsa, "01 001d 01 04 0403 0000", IllegalParameter),
    (msg.ServerKeyExchangeEcdhePsk, "0000 03 0017 00", DecodeError),
    (msg.ServerKeyExchangeEcdhePsk, "0000 02 0017 01 04", IllegalParameter),
    (msg.ClientKeyExchangePsk, "", DecodeError),
    (msg.ClientKeyExchangeEcdhe, "00", DecodeError),
    (msg.ClientKeyExchangeEcdhePsk, "0000 00", DecodeError),
    (msg.Finished, "00" * 11, DecodeError),
    (msg.Finished, "00" * 13, DecodeError),
]

UNSENDABLE: list[msg.Message] = [
    msg.ClientHello(0xFEFD, bytes(31), b"", b"", (0xC0A8,)),
    msg.ClientHello(0xFEFD, RANDOM, bytes(33), b"", (0xC0A8,)),
    msg.ClientHello(0xFEFD, RANDOM, b"", bytes(256), (0xC0A8,)),
    msg.ClientHello(0xFEFD, RANDOM, b"", b"", ()),
    msg.ClientHello(0xFEFD, RANDOM, b"", b"", (0xC0A8,) * 32768),
    msg.ClientHello(0xFEFD, RANDOM, b"", b"", (0xC0A8,), b""),
    msg.HelloVerifyRequest(0xFEFF, bytes(256)),
    msg.ServerHello(0xFEFD, bytes(33), b"", 0xC0A8),
    msg.ServerHello(0xFEFD, RANDOM, bytes(33), 0xC0A8),
    msg.Certificate((b"",)),
    msg.RawPublicKeyCertificate(b""),
    msg.CertificateRequest((), (0x0403,)),
    msg.CertificateRequest((64,), ()),
    msg.CertificateRequest((64,), (0x0403,), (b"",)),
    msg.CertificateVerify(0x0403, bytes(65536)),
    msg.ServerKeyExchangePsk(bytes(65536)),
    msg.ServerKeyExchangeEcdheEcdsa(29, b"", 0x0403, b"sig"),
    msg.ServerKeyExchangeEcdheEcdsa(29, bytes(256), 0x0403, b"sig"),
    msg.ServerKeyExchangeEcdhePsk(b"", 23, b""),
    msg.ClientKeyExchangePsk(bytes(65536)),
    msg.ClientKeyExchangeEcdhe(b""),
    msg.ClientKeyExchangeEcdhe(bytes(256)),
    msg.ClientKeyExchangeEcdhePsk(b"me", b""),
    msg.Finished(bytes(11)),
]


def _short(value: object) -> str:
    return str(value)[:40]


@pytest.mark.parametrize(("message", "expected"), VECTORS, ids=_short)
def test_bodies_as_the_rfcs_lay_them_out(message: msg.Message, expected: str) -> None:
    assert message.encode() == bytes.fromhex(expected)
    assert type(message).decode(bytes.fromhex(expected)) == message


def test_every_message_has_a_vector() -> None:
    assert {type(message) for message, _ in VECTORS} == set(MESSAGES)


@pytest.mark.parametrize(("kind", "body", "error"), MALFORMED)
def test_impossible_bodies_draw_the_right_alert(
    kind: Kind, body: str, error: type[AlertError]
) -> None:
    with pytest.raises(error):
        kind.decode(bytes.fromhex(body))


@pytest.mark.parametrize("message", UNSENDABLE, ids=_short)
def test_what_no_peer_could_accept_is_not_encoded(message: msg.Message) -> None:
    with pytest.raises(ConfigurationError):
        message.encode()


@pytest.mark.parametrize("kind", [msg.ServerKeyExchangePsk, msg.ClientKeyExchangePsk])
def test_identities_and_hints_may_be_as_long_as_their_length_says(kind: Kind) -> None:
    body = b"\xff\xff" + bytes(65535)
    assert kind.decode(body).encode() == body


def test_what_is_signed_is_the_parameters_without_the_signature() -> None:
    exchange = msg.ServerKeyExchangeEcdheEcdsa(29, b"\x01\x02", 0x0403, b"sig")
    assert exchange.signed_params() == bytes.fromhex("03 001d 02 0102")


@every_kind
@given(data=st.data())
def test_messages_come_back(kind: Kind, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    assert kind.decode(message.encode()) == message


@pytest.mark.parametrize(("message", "expected"), VECTORS, ids=_short)
def test_every_truncation_of_a_body_is_a_decode_error(message: msg.Message, expected: str) -> None:
    body = bytes.fromhex(expected)
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            type(message).decode(body[:end])


@every_kind
@given(data=st.data())
def test_bytes_after_a_message_are_a_decode_error(kind: Kind, data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    extra = data.draw(st.binary(min_size=1, max_size=4))
    # Two zero bytes are an empty block of extensions, where there was none.
    assume(extra != b"\x00\x00" or getattr(message, "extensions", True))
    with pytest.raises(DecodeError):
        kind.decode(message.encode() + extra)


@every_kind
@given(data=st.data())
def test_damaged_messages_raise_alerts_or_mean_what_they_say(
    kind: Kind, data: st.DataObject
) -> None:
    mutated = data.draw(damaged(data.draw(MESSAGES[kind]).encode()))
    try:
        message = kind.decode(mutated)
    except AlertError:
        return
    assert message.encode() == mutated


@every_kind
@given(body=st.binary(max_size=200))
def test_noise_raises_alerts_or_means_what_it_says(kind: Kind, body: bytes) -> None:
    try:
        message = kind.decode(body)
    except AlertError:
        return
    assert message.encode() == body
