"""Ladder diagrams as SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.trace.svg import ladder_svg
from handshake_over_coap.trace.tap import DatagramSeen, Direction, Fate

SVG = "{http://www.w3.org/2000/svg}"


def seen(time: float, direction: Direction, data: bytes, fate: Fate = Fate.UNKNOWN) -> DatagramSeen:
    return DatagramSeen(time, direction, "peer", 1, data, fate=fate)


def lines(picture: str, kind: str) -> list[ET.Element]:
    root = ET.fromstring(picture)  # noqa: S314  (our own output)
    return [e for e in root.iter(f"{SVG}line") if kind in e.get("class", "").split()]


def texts(picture: str, kind: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314
    return [e.text or "" for e in root.iter(f"{SVG}text") if e.get("class") == kind]


def test_each_datagram_is_an_arrow_from_its_sender_to_the_other_side() -> None:
    picture = ladder_svg([seen(1.0, Direction.SENT, b"a"), seen(1.5, Direction.RECEIVED, b"b")])
    (there,), (back,) = lines(picture, "to-server"), lines(picture, "to-client")
    assert int(there.get("x1", "")) < int(there.get("x2", ""))
    assert int(back.get("x1", "")) > int(back.get("x2", ""))
    assert int(there.get("y2", "")) < int(back.get("y1", ""))
    assert texts(picture, "time") == ["0.000 s", "0.500 s"]


def test_observed_at_the_server_what_was_sent_goes_left() -> None:
    picture = ladder_svg([seen(0, Direction.SENT, b"a")], at_server=True)
    assert lines(picture, "to-client")
    assert not lines(picture, "to-server")


def test_a_lost_datagram_ends_in_a_cross_and_a_repeated_one_is_marked() -> None:
    picture = ladder_svg(
        [seen(0, Direction.SENT, b"a", Fate.LOST), seen(2.5, Direction.SENT, b"a", Fate.DELIVERED)]
    )
    assert len(lines(picture, "lost")) == 1
    assert len(lines(picture, "cross")) == 2
    assert len(lines(picture, "again")) == 1
    assert [text.endswith("(again)") for text in texts(picture, "label")] == [False, True]
    assert texts(picture, "gap") == ["2.5 s"]


def test_a_long_label_keeps_its_end() -> None:
    long = "CON POST /" + "long" * 40 + ", Echo, 117 B"
    twice = [seen(0, Direction.SENT, b"a"), seen(1, Direction.SENT, b"a")]
    first, second = texts(ladder_svg(twice, label=lambda _: long), "label")
    assert first.startswith("CON POST /long")
    assert first.endswith(", Echo, 117 B")
    assert second.endswith(", Echo, 117 B (again)")
    assert len(first) == len(second) == 96
    assert "..." in first


def test_rows_do_not_leave_the_picture() -> None:
    picture = ladder_svg([seen(3.0 * n, Direction.SENT, bytes([n])) for n in range(30)])
    height = int(re.search(r'height="(\d+)"', picture).group(1))  # type: ignore[union-attr]
    assert all(int(line.get("y2", "")) < height for line in lines(picture, "to-server"))


@given(st.lists(st.binary(max_size=80), max_size=6), st.text(max_size=30))
def test_whatever_was_seen_the_picture_is_well_formed(datagrams: list[bytes], title: str) -> None:
    every = [seen(0.0, Direction.SENT, data) for data in datagrams]
    picture = ladder_svg(every, title=title, label=lambda data: data.decode("latin-1"))
    assert len(texts(picture, "label")) == len(datagrams)
