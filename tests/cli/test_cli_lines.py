from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from handshake_over_coap.cli.lines import LONGEST_LINE, as_line, lines_of
from handshake_over_coap.errors import Error


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", ""),
        (b"hello", "hello"),
        ("grüße ☃\t!".encode(), "grüße ☃\t!"),
        (b"\xff\x00", "hex:ff00"),
        (b"two\nlines", "hex:74776f0a6c696e6573"),
        (b"\x1b[2J", "hex:1b5b324a"),
        ("\u2028".encode(), "hex:e280a8"),
        (b"\xc2\x9b1m", "hex:c29b316d"),
    ],
)
def test_a_datagram_is_always_one_harmless_line(data: bytes, line: str) -> None:
    assert as_line(data) == line


async def _all_of(descriptor: int) -> list[bytes]:
    return [line async for line in lines_of(descriptor)]


CASES = [
    (b"", []),
    (b"a", [b"a"]),
    (b"a\n", [b"a"]),
    (b"a\n\n\xff\r\nlast", [b"a", b"", b"\xff\r", b"last"]),
]


@pytest.mark.parametrize(("content", "lines"), CASES)
def test_a_file_is_read_line_by_line(tmp_path: Path, content: bytes, lines: list[bytes]) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with path.open("rb") as file:
        assert asyncio.run(_all_of(file.fileno())) == lines


@pytest.mark.parametrize(("content", "lines"), CASES)
def test_a_pipe_is_read_as_it_fills(content: bytes, lines: list[bytes]) -> None:
    reading, writing = os.pipe()

    def fill() -> None:
        for place in range(len(content)):
            time.sleep(0.002)
            os.write(writing, content[place : place + 1])
        os.close(writing)

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        assert asyncio.run(_all_of(reading)) == lines
    finally:
        filler.join()
        os.close(reading)


def test_waiting_for_a_line_leaves_the_loop_free() -> None:
    reading, writing = os.pipe()

    async def scenario() -> None:
        waiting = asyncio.create_task(_all_of(reading))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    try:
        asyncio.run(scenario())
        assert os.get_blocking(reading)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 * LONGEST_LINE))
    with path.open("rb") as file, pytest.raises(Error, match="line of more than"):
        asyncio.run(_all_of(file.fileno()))


def test_a_descriptor_that_is_closed_has_no_lines() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    assert asyncio.run(_all_of(reading)) == []
