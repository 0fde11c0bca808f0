from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.trace import KeyLog, KeyLogLabel, key_log_line
from handshake_over_coap.trace import keylog as keylog_module

RANDOM = bytes(range(32))
SECRET = bytes(range(100, 148))
LINE = (
    "CLIENT_RANDOM 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
    "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283848586878889"
    "8a8b8c8d8e8f90919293"
)


def test_a_line_is_label_random_and_secret_in_hexadecimal() -> None:
    assert key_log_line(KeyLogLabel.CLIENT_RANDOM, RANDOM, SECRET) == LINE


@pytest.mark.parametrize(("client_random", "secret"), [(RANDOM[1:], SECRET), (RANDOM, SECRET[1:])])
def test_secrets_of_other_lengths_are_refused(client_random: bytes, secret: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        key_log_line(KeyLogLabel.CLIENT_RANDOM, client_random, secret)
    assert secret.hex() not in str(caught.value)


def test_lines_are_on_disk_at_once_and_only_for_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    before = os.umask(0)
    try:
        log = KeyLog(path)
    finally:
        os.umask(before)
    with log:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        log.write(LINE)
        assert path.read_text() == f"{LINE}\n"
        log.write("second")
    assert path.read_text() == f"{LINE}\nsecond\n"


def test_a_file_that_is_there_is_added_to_by_all_who_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_text("# earlier\n")
    with KeyLog(path) as one, KeyLog(str(path)) as other:
        for log in (one, other, one):
            log.write(LINE)
    assert path.read_text() == "# earlier\n" + f"{LINE}\n" * 3


@pytest.mark.parametrize("name", ["absent/keys.log", ".", "nul\0byte"])
def test_a_file_that_cannot_be_opened_is_named_with_a_remedy(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(ConfigurationError) as caught:
        KeyLog(path)
    assert repr(str(path)) in str(caught.value)
    assert "existing folder" in str(caught.value)


def test_a_line_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    log = KeyLog(path)
    log.close()
    log.close()
    with pytest.raises(ConfigurationError, match=r"keys\.log"):
        log.write(LINE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told() -> None:
    with KeyLog("/dev/full") as log, pytest.raises(Error, match="/dev/full"):
        log.write(LINE)


def test_half_a_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class TakesHalf:
        def write(self, data: bytes) -> int:
            return len(data) // 2

    monkeypatch.setattr(keylog_module, "open_private", lambda *_, **__: TakesHalf())
    with pytest.raises(ConfigurationError, match="part of a line"):
        KeyLog(tmp_path / "keys.log").write(LINE)
