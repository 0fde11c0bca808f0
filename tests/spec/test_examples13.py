"""The examples of DTLS 1.3 hold what they say, and so do the figures in the draft's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.groups import GROUPS13
from spec.examples import FOLDER
from spec.examples13 import body_sizes, make_handshake13

HYBRID = NamedGroup.X25519MLKEM768

needs_mlkem = pytest.mark.skipif(HYBRID not in GROUPS13, reason="this cryptography has no ML-KEM")

ROWS = {
    "psk_ke": (None, False),
    "psk_dhe_ke, x25519": (NamedGroup.x25519, False),
    "psk_dhe_ke, secp256r1": (NamedGroup.secp256r1, False),
    "psk_ke, resumption": (None, True),
    "psk_dhe_ke, X25519MLKEM768": (HYBRID, False),
}
"""Lines of the table of sizes."""


def draft() -> str:
    (path,) = FOLDER.glob("draft-*.md")
    return path.read_text(encoding="utf-8")


def sections() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The sections of the annotated example: title, then (meaning, bytes) line by line."""
    text = (FOLDER / "example-psk13.txt").read_text(encoding="ascii")
    for part in text.removeprefix("-- ").split("\n-- "):
        title, *lines = part.splitlines()
        fields: list[tuple[str, bytes]] = []
        for line in filter(None, lines):
            found = re.match(r"  ([0-9a-f]+)(?:  +(\S.*))?$", line)
            if found is None:
                continue  # the rest of a note
            value = bytes.fromhex(found[1])
            if found[2] is None:
                meaning, before = fields.pop()
                fields.append((meaning, before + value))
            else:
                fields.append((found[2], value))
        yield title, fields


def records(fields: list[tuple[str, bytes]]) -> Iterator[dict[str, bytes]]:
    """The protected records of a body, field by field."""
    starts = [i for i, (meaning, _) in enumerate(fields) if meaning.startswith("protected")]
    for start in starts:
        inside = takewhile(lambda field: field[0] != "tag", fields[start + 1 :])
        record = dict(inside)
        record["first"] = fields[start][1]
        record["tag"] = fields[start + len(record)][1]
        yield record


def opened(record: dict[str, bytes], keys: dict[str, bytes]) -> bytes:
    """What is in a record, by nothing but AES (RFC 9147 sections 4 and 4.2.3)."""
    ciphertext = record["ciphertext"] + record["tag"]
    block = Cipher(algorithms.AES(keys["sn_key"]), modes.ECB()).encryptor()  # noqa: S305
    mask = block.update(ciphertext[:16])
    number = record["sequence_number: masked"][0] ^ mask[0]
    # As in a datagram: the first bit is clear.
    header = bytes([record["first"][0] & 0x7F, number]) + record.get("length", b"")
    nonce = (int.from_bytes(keys["write_iv"], "big") ^ number).to_bytes(12, "big")
    return AESCCM(keys["write_key"]).decrypt(nonce, ciphertext, header)


def test_every_record_of_the_example_opens_with_the_keys_beside_it() -> None:
    all_of_it = dict(sections())
    count = 0
    for title, fields in all_of_it.items():
        sent = re.match(r"Flight (\d), (client|server)", title)
        if sent is None:
            continue
        for place, record in enumerate(records(fields), 1):
            epoch = record["first"][0] & 3
            keys = dict(all_of_it[f"Keys of epoch {epoch}, {sent[2]}"])
            shown = all_of_it[f"Flight {sent[1]}, what is in record {place} of the body"]
            assert shown[0][0] == "mask of the number"
            assert opened(record, keys) == b"".join(value for _, value in shown[2:])
            count += 1
    assert count == 4


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=needs_mlkem if group == HYBRID else ())
        for name, (group, _) in ROWS.items()
    ],
)
def test_the_table_of_sizes_is_what_the_bodies_have(name: str) -> None:
    group, resume = ROWS[name]
    sizes = body_sizes(group, resume=resume)
    assert f"| {name} | {' | '.join(map(str, sizes))} |" in draft()


@needs_mlkem
def test_a_later_block_of_a_large_flight_is_asked_for_by_32_bytes() -> None:
    handshake = make_handshake13(HYBRID)
    both = zip(handshake.datagrams, handshake.messages, strict=True)
    asked = [len(data) for (client, data), seen in both if client and not seen.payload]
    assert asked == [32]
    assert max(len(data) for client, data in handshake.datagrams if not client) > 32 * 32
    assert "the request for a later block has 32 bytes" in " ".join(draft().split())
