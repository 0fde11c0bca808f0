from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from handshake_over_coap.cli import main
from handshake_over_coap.tls.credentials import RawPublicKey, Trust

KINDS = {"p256": ec.EllipticCurvePrivateKey, "ed25519": ed25519.Ed25519PrivateKey}


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_key_and_its_public_half_are_written(
    tmp_path: Path, kind: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "device.key"
    assert main(["keygen", "--out", str(out), *(["--kind", kind] if kind else [])]) == 0
    assert out.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    key = serialization.load_pem_private_key(out.read_bytes(), None)
    assert isinstance(key, KINDS[kind or "p256"])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    public = tmp_path / "device.key.pub"
    assert public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")
    trust = Trust.from_files(raw_public_keys=[public])
    assert trust.raw_public_keys == {RawPublicKey.from_file(out).spki}
    assert capsys.readouterr().out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"device.key", "device.key.pub"}


@pytest.mark.parametrize("existing", ["key", "key.pub"])
def test_files_are_replaced_only_by_force(
    tmp_path: Path, existing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / existing).write_text("precious", encoding="utf-8")
    (tmp_path / existing).chmod(0o644)
    command = ["keygen", "--out", str(tmp_path / "key")]
    assert main(command) == 2
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text(encoding="utf-8") == "precious"
    assert main([*command, "--force"]) == 0
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    RawPublicKey.from_file(tmp_path / "key")


def test_two_keys_differ(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["keygen", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()
