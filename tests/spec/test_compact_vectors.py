"""The vectors and the CDDL of the compact encoding are what the code does."""

from __future__ import annotations

from pathlib import Path

import cddl_verifier
import pytest

from handshake_over_coap.encodings.compact import cbor
from spec import compact_vectors

CDDL = Path(compact_vectors.__file__).parent / "compact.cddl"


def test_the_vectors_are_what_the_code_makes() -> None:
    assert compact_vectors.FILE.read_text(encoding="ascii") == compact_vectors.text()


@pytest.mark.parametrize(
    ("root", "items", "fits"),
    [
        ("clear-flight", [1, b"hello"], True),
        ("clear-flight", [2, b"a", 11, b"b", 3], True),
        ("clear-flight", [-21, b"\2\50"], False),
        ("clear-flight", [1, b"hello", 4], False),
        ("sealed-flight", [-26, b"ack", 4, b"ticket"], True),
        ("sealed-flight", [8, b"", None, 20, b"finished", 1], True),
        ("sealed-flight", [-22, b"what"], False),
    ],
)
def test_an_independent_validator_agrees(root: str, items: list[cbor.Item], fits: bool) -> None:
    schema = f"start = {root}\n" + CDDL.read_text(encoding="ascii")
    result = cddl_verifier.validate(schema, cbor.write(items))
    assert bool(result.valid) is fits
