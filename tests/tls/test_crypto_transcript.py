from __future__ import annotations

import hashlib

from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.transcript import Transcript

HELLO = HandshakeMessage(HandshakeType.client_hello, b"hello", message_seq=0)
DONE = HandshakeMessage(HandshakeType.server_hello_done, b"", message_seq=258)


def test_the_transcript_of_1_2_has_whole_messages_under_12_byte_headers() -> None:
    transcript = Transcript().append(HELLO).append(DONE)
    # type, length, message_seq, fragment_offset, fragment_length (RFC 6347 section 4.2.2)
    expected = bytes.fromhex("01 000005 0000 000000 000005") + b"hello"
    expected += bytes.fromhex("0e 000000 0102 000000 000000")
    assert transcript.bytes == expected
    assert transcript.hash() == hashlib.sha256(expected).digest()


def test_another_framing_is_kept_through_appending() -> None:
    transcript = Transcript(HandshakeMessage.tls_bytes).append(HELLO).append(DONE)
    assert transcript.bytes == bytes.fromhex("01 000005") + b"hello" + bytes.fromhex("0e 000000")


def test_appending_leaves_earlier_transcripts_as_they_were() -> None:
    empty = Transcript()
    first = empty.append(HELLO)
    before = first.hash()
    second = first.append(DONE)
    assert empty.bytes == b""
    assert empty.hash() == hashlib.sha256(b"").digest()
    assert first.hash() == before != second.hash()
    assert first == Transcript().append(HELLO) != second


def test_the_hash_is_computed_once() -> None:
    transcript = Transcript().append(HELLO)
    assert transcript.hash() is transcript.hash()
