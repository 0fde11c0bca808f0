"""Bytes and what they mean, side by side, no wider than a figure of an Internet-Draft."""

from __future__ import annotations

from textwrap import wrap
from typing import Final, Self

from handshake_over_coap.coap.message import Message
from handshake_over_coap.encodings.plain import read_body
from handshake_over_coap.errors import Error
from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.tls.codepoints import (
    CipherSuiteId,
    ContentType,
    ExtensionType,
    HandshakeType,
)
from handshake_over_coap.trace.coap import TYPES, code_words, path_text

WIDTH: Final = 69
"""Columns of a figure: 72 less the 3 by which it is indented."""
_BYTES: Final = 16
_HEX_COLUMN: Final = 2 * _BYTES + 4

_OPTIONS: Final = {
    4: "ETag",
    8: "Location-Path",
    11: "Uri-Path",
    12: "Content-Format",
    23: "Block2",
    27: "Block1",
    252: "Echo",
    292: "Request-Tag",
}
_TEXT_OPTIONS: Final = {8, 11}
_BLOCK_OPTIONS: Final = {23, 27}

_NAMES: Final = {
    HandshakeType.client_hello: "ClientHello",
    HandshakeType.server_hello: "ServerHello",
    HandshakeType.server_hello_done: "ServerHelloDone",
    HandshakeType.client_key_exchange: "ClientKeyExchange",
    HandshakeType.finished: "Finished",
}


class Lines:
    """Lines of an example; every method adds some."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def section(self, title: str) -> None:
        """A title, with an empty line before it unless it is the first."""
        if self._lines:
            self._lines.append("")
        self._lines.append(f"-- {title}")

    def wrapped(self, mark: str, text: str) -> None:
        """``text`` after ``mark``, on as many lines as it takes."""
        first, *rest = wrap(text, WIDTH - len(mark) - 1, break_long_words=False)
        self._lines += [f"{mark} {first}", *(" " * (len(mark) + 1) + more for more in rest)]

    def field(self, meaning: str, value: bytes, note: str = "") -> None:
        """Hex on the left, at most 16 bytes a line, and on the right what it means."""
        rows = [value[i : i + _BYTES].hex() for i in range(0, len(value), _BYTES)] or ["(empty)"]
        text = f"{meaning}: {note}" if note else meaning
        words = wrap(text, WIDTH - _HEX_COLUMN, break_long_words=False)
        for i in range(max(len(rows), len(words))):
            left = rows[i] if i < len(rows) else ""
            right = words[i] if i < len(words) else ""
            self._lines.append(f"  {left:<{_HEX_COLUMN - 2}}{right}".rstrip())

    def __iadd__(self, other: Lines) -> Self:
        self._lines += other._lines
        return self

    def text(self) -> str:
        """All lines; raises Error if one is too long for a figure."""
        for line in self._lines:
            if len(line) > WIDTH:
                raise Error(f"{len(line)} columns: {line}")
        return "\n".join(self._lines) + "\n"


class Cursor:
    """Takes bytes off a message and writes down what they are."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.lines = Lines()

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data)

    def take(self, n: int, meaning: str, note: str = "") -> bytes:
        """The next ``n`` bytes."""
        if n > len(self._data):
            raise Error(f"{meaning} is cut short")
        taken, self._data = self._data[:n], self._data[n:]
        self.lines.field(meaning, taken, note)
        return taken

    def peek(self, n: int) -> int:
        """The next ``n`` bytes as a number, not taken yet."""
        return int.from_bytes(self._data[:n], "big")

    def number(self, n: int, meaning: str, note: str = "") -> int:
        """The next ``n`` bytes as a number."""
        return int.from_bytes(self.take(n, meaning, note), "big")

    def done(self) -> Lines:
        """The lines; raises Error if bytes are left."""
        if self._data:
            raise Error(f"{len(self._data)} bytes are not explained")
        return self.lines


def plain_body(body: bytes) -> Lines:
    """A body in the plain encoding, field by field."""
    cursor = Cursor(body)
    while cursor.left:
        first = cursor.peek(1)
        if first & 0x80:
            cursor.take(1, "sealed, short", ContentType(first & 0x3F).name)
            length = cursor.number(2, "length")
            cursor.take(length - 8, "ciphertext")
            cursor.take(8, "tag")
            continue
        kind = HandshakeType(cursor.number(1, "message", _NAMES[HandshakeType(first)]))
        length = cursor.number(2, "length")
        before = cursor.left
        if kind in _MESSAGES:
            _MESSAGES[kind](cursor)
        if before - cursor.left != length:
            raise Error(f"{kind.name} is not explained to its end")
    return cursor.done()


def _client_hello(cursor: Cursor) -> None:
    cursor.take(2, "client_version", "DTLS 1.2")
    cursor.take(32, "random")
    cursor.take(1, "session_id", "empty")
    cursor.take(1, "cookie", "empty")
    for _ in range(cursor.number(2, "length of cipher_suites") // 2):
        _suite(cursor)
    cursor.take(2, "compression_methods", "null")
    _extensions(cursor)


def _server_hello(cursor: Cursor) -> None:
    cursor.take(2, "server_version", "DTLS 1.2")
    cursor.take(32, "random")
    cursor.take(1, "session_id", "empty")
    _suite(cursor)
    cursor.take(1, "compression_method", "null")
    _extensions(cursor)


def _suite(cursor: Cursor) -> None:
    cursor.take(2, CipherSuiteId(cursor.peek(2)).name)


def _extensions(cursor: Cursor) -> None:
    end = cursor.left - 2 - cursor.number(2, "length of extensions")
    while cursor.left > end:
        cursor.take(2, ExtensionType(cursor.peek(2)).name)
        length = cursor.number(2, "length")
        if length:
            cursor.take(length, "data")


def _client_key_exchange(cursor: Cursor) -> None:
    cursor.take(cursor.number(2, "length"), "psk_identity")


_MESSAGES: Final = {
    HandshakeType.client_hello: _client_hello,
    HandshakeType.server_hello: _server_hello,
    HandshakeType.client_key_exchange: _client_key_exchange,
}


def finished_record(body: bytes, opener: Opener) -> Lines:
    """The sealed record of a body as DTLS has it over UDP, and what is in it."""
    records = [i for i in read_body(body, next_message_seq=0) if isinstance(i, SealedRecord)]
    if len(records) != 1:
        raise Error("the body does not hold one sealed record")
    lines = named(records[0].to_bytes(), finished=True)
    plaintext = Cursor(opener.open_in_body(records[0]))
    plaintext.take(1, "opened: msg_type", "finished")
    plaintext.take(3, "length")
    plaintext.take(2, "message_seq")
    plaintext.take(3, "fragment_offset")
    plaintext.take(3, "fragment_length")
    plaintext.take(12, "verify_data")
    lines += plaintext.done()
    return lines


def named(record: bytes, *, finished: bool) -> Lines:
    """A sealed record of DTLS 1.2; in a Finished, what its body leaves out is marked."""
    cursor = Cursor(record)
    out = "not in the body" if finished else ""
    cursor.take(1, "type", ContentType(record[0]).name)
    cursor.take(2, "version", out)
    cursor.take(2, "epoch", out)
    cursor.take(6, "sequence_number", out)
    cursor.take(2, "length", "less by 8 in the body" if finished else "")
    cursor.take(8, "nonce_explicit", out)
    cursor.take(cursor.left - 8, "ciphertext")
    cursor.take(8, "tag")
    return cursor.done()


def coap_message(data: bytes, message: Message, note: str) -> Lines:
    """A CoAP message, option by option; ``note`` is what the payload is."""
    cursor = Cursor(data)
    cursor.take(1, f"{TYPES[message.type]}, token of {len(message.token)} bytes")
    cursor.take(1, _code(message))
    cursor.take(2, "message ID")
    cursor.take(len(message.token), "token")
    for number, value in message.options:
        header = _header_length(cursor)
        cursor.take(header + len(value), *_option(number, value))
    if message.payload:
        cursor.take(1, "payload marker")
        cursor.take(len(message.payload), note)
    return cursor.done()


def _header_length(cursor: Cursor) -> int:
    first = cursor.peek(1)
    return 1 + sum({13: 1, 14: 2}.get(nibble, 0) for nibble in (first >> 4, first & 15))


def _option(number: int, value: bytes) -> tuple[str, str]:
    name = _OPTIONS.get(number, f"option {number}")
    if number in _TEXT_OPTIONS:
        return name, f'"{value.decode()}"'
    if number in _BLOCK_OPTIONS:
        return name, _block(value)
    return name, ""


def _block(value: bytes) -> str:
    number = int.from_bytes(value, "big")
    return f"{number >> 4}/{number >> 3 & 1}/{16 << (number & 7)}"


def _code(message: Message) -> str:
    named_code = {0x81: "Unauthorized", 0x41: "Created", 0x44: "Changed", 0x5F: "Continue"}
    return f"{code_words(message)} {named_code.get(message.code, '')}".strip()


def coap_summary(message: Message) -> str:
    """A CoAP message in one line: what matters to blocks."""
    words = [f"{TYPES[message.type]} {_code(message)}"]
    for number, value in message.options:
        name = _OPTIONS.get(number, f"option {number}")
        if number in _TEXT_OPTIONS:
            continue
        shown = _block(value) if number in _BLOCK_OPTIONS else value.hex() if number != 252 else ""
        words.append(f"{name} {shown}".strip())
    for name, number in (("to", 11), ("Location", 8)):
        path = path_text(message, number)
        if path is not None:
            words.insert(1, f"{name} {path}")
    if message.payload:
        words.append(f"{len(message.payload)} bytes")
    return ", ".join(words)
