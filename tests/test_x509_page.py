"""What docs/x509.md shows works as it stands there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.shown import ROOT, blocks, conversation

PAGE = (ROOT / "docs/x509.md").read_text(encoding="utf-8")


@pytest.mark.peer
def test_the_commands_for_certificates_lead_to_sessions(
    tmp_path: Path, require_peer: Callable[[str], str]
) -> None:
    require_peer("openssl")
    authority, server, client, mutual_server, mutual_client = blocks(PAGE)
    said = conversation([authority, server, client], tmp_path, 25685)
    assert said.splitlines() == ["hello"]
    said = conversation([mutual_server, mutual_client], tmp_path, 25686)
    assert said.splitlines() == ["hello"]
