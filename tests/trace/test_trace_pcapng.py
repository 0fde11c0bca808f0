"""Captures read back by a parser that shares nothing with the writer."""

from __future__ import annotations

import io
import logging
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.trace import (
    Capture,
    DatagramSeen,
    Direction,
    Fate,
    PcapngWriter,
    packet_address,
    udp_packet,
)
from handshake_over_coap.trace.packets import MAX_UDP_PAYLOAD, internet_checksum

SECTION, INTERFACE, PACKET, SECRETS = 0x0A0D0D0A, 1, 6, 10


def blocks(capture: bytes) -> Iterator[tuple[int, bytes]]:
    while capture:
        kind, length = struct.unpack_from("<II", capture)
        assert length % 4 == 0
        assert struct.unpack_from("<I", capture, length - 4) == (length,)
        yield kind, capture[8 : length - 4]
        capture = capture[length:]


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            assert data == bytes(4)
            break
        found[code] = data[4 : 4 + length]
        data = data[4 + length + -length % 4 :]
    return found


@dataclass
class Packet:
    time_ns: int
    data: bytes
    options: dict[int, bytes]

    @classmethod
    def parse(cls, body: bytes) -> Packet:
        interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
        assert (interface, captured) == (0, original)
        end = 20 + captured
        assert not any(body[end : end + -captured % 4])
        return cls(high << 32 | low, body[20:end], options(body[end + -captured % 4 :]))


@dataclass
class Udp:
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    ports: tuple[int, int]
    payload: bytes

    @classmethod
    def parse(cls, packet: bytes) -> Udp:
        """Checks lengths and checksums on the way."""
        source: IPv4Address | IPv6Address
        destination: IPv4Address | IPv6Address
        if packet[0] >> 4 == 4:
            assert (packet[0] & 15, packet[9]) == (5, 17)
            assert int.from_bytes(packet[2:4], "big") == len(packet)
            assert ones_complement_sum(packet[:20]) == 0xFFFF
            source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
            segment = packet[20:]
        else:
            assert (packet[0] >> 4, packet[6]) == (6, 17)
            segment = packet[40:]
            assert int.from_bytes(packet[4:6], "big") == len(segment)
            source, destination = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
        here, there, length, checksum = struct.unpack_from(">HHHH", segment)
        assert length == len(segment)
        assert checksum != 0
        pseudo = source.packed + destination.packed + struct.pack(">IBBBB", length, 0, 0, 0, 17)
        assert ones_complement_sum(pseudo + segment) == 0xFFFF
        return cls(source, destination, (here, there), segment[8:])


def ones_complement_sum(data: bytes) -> int:
    """Word by word with the carry added back (RFC 1071 section 4.1)."""
    total = 0
    for high, low in zip(data[::2], data[1::2] + b"\0" * (len(data) % 2), strict=True):
        total += high << 8 | low
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packets(capture: bytes) -> list[Packet]:
    return [Packet.parse(body) for kind, body in blocks(capture) if kind == PACKET]


def test_a_capture_begins_with_one_section_and_one_raw_ip_interface_in_nanoseconds() -> None:
    file = io.BytesIO()
    PcapngWriter(file)
    (section, header), (interface, description) = blocks(file.getvalue())
    assert (section, interface) == (SECTION, INTERFACE)
    assert struct.unpack_from("<IHHq", header) == (0x1A2B3C4D, 1, 0, -1)
    assert options(header[16:]) == {4: b"handshake-over-coap"}
    assert struct.unpack_from("<HHI", description) == (101, 0, 0)
    assert options(description[8:]) == {9: b"\x09"}


@given(st.binary(max_size=40), st.integers(0, 2**64 - 1), st.sampled_from([None, True, False]))
def test_a_packet_survives(data: bytes, time_ns: int, outbound: bool | None) -> None:
    file = io.BytesIO()
    PcapngWriter(file).packet(time_ns, data, outbound=outbound)
    flags = {} if outbound is None else {2: struct.pack("<I", 2 if outbound else 1)}
    assert packets(file.getvalue()) == [Packet(time_ns, data, flags)]


@pytest.mark.parametrize(("given_ns", "written"), [(-1, 0), (1 << 64, (1 << 64) - 1)])
def test_a_time_that_the_format_cannot_hold_becomes_the_nearest(
    given_ns: int, written: int
) -> None:
    file = io.BytesIO()
    PcapngWriter(file).packet(given_ns, b"")
    assert packets(file.getvalue())[0].time_ns == written


@pytest.mark.parametrize("log", ["LINE one", "LINE one\n", "LINE one\nLINE two\n"])
def test_secrets_are_a_tls_key_log_of_whole_lines(log: str) -> None:
    file = io.BytesIO()
    PcapngWriter(file).secrets(log)
    kind, body = list(blocks(file.getvalue()))[-1]
    assert kind == SECRETS
    secrets_type, length = struct.unpack_from("<II", body)
    assert secrets_type == 0x544C534B
    assert body[8 : 8 + length].decode() == log.rstrip("\n") + "\n"
    assert body[8 + length :] == bytes(-length % 4)


hosts = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.text(max_size=12)
)
ports = st.integers(0, 65535)


@given(hosts, ports, hosts, ports, st.binary(max_size=80))
def test_every_packet_is_well_formed(
    here: str, port: int, there: str, peer_port: int, data: bytes
) -> None:
    parsed = Udp.parse(udp_packet((here, port), (there, peer_port), data))
    assert (parsed.ports, parsed.payload) == ((port, peer_port), data)


@given(st.binary(max_size=64))
def test_the_checksum_makes_the_sum_all_ones(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert ones_complement_sum(even + internet_checksum(data).to_bytes(2, "big")) == 0xFFFF


def test_a_udp_checksum_of_zero_travels_as_all_ones() -> None:
    # The data is chosen so that the sum before it is completed to all ones.
    plain = udp_packet(("0.0.0.0", 0), ("0.0.0.0", 0), b"\0\0")
    checksum = plain[26:28]
    packet = udp_packet(("0.0.0.0", 0), ("0.0.0.0", 0), checksum)
    assert packet[26:28] == b"\xff\xff"
    assert Udp.parse(packet).payload == checksum


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_numeric_hosts_are_written_as_what_they_are(host: str, address: str) -> None:
    assert str(packet_address(host)) == address


def test_simulated_nodes_get_addresses_for_documentation() -> None:
    names = ["client", "server", "client-1", ""]
    addresses = [packet_address(name) for name in names]
    assert all(address in IPv6Network("2001:db8::/32") for address in addresses)
    assert len(set(addresses)) == len(names)
    # The same in every process: not Python's own hash.
    assert str(addresses[0]) == "2001:db8:948f:e603:f61d:c036:b5c5:96dc"


@pytest.mark.parametrize(
    ("here", "there", "written"),
    [
        ("::", "::ffff:192.0.2.1", ("0.0.0.0", "192.0.2.1")),
        ("0.0.0.0", "2001:db8::1", ("::", "2001:db8::1")),
        ("192.0.2.1", "2001:db8::1", ("::ffff:c000:201", "2001:db8::1")),
        ("::", "2001:db8::1", ("::", "2001:db8::1")),
    ],
)
def test_both_ends_of_a_packet_are_of_one_family(
    here: str, there: str, written: tuple[str, str]
) -> None:
    forth = Udp.parse(udp_packet((here, 1), (there, 2), b""))
    back = Udp.parse(udp_packet((there, 2), (here, 1), b""))
    one, other = map(packet_address_of_packet, written)
    assert (forth.source, forth.destination) == (one, other)
    assert (back.source, back.destination) == (other, one)


def packet_address_of_packet(text: str) -> IPv4Address | IPv6Address:
    return IPv6Address(text) if ":" in text else IPv4Address(text)


@pytest.mark.parametrize(("port", "size"), [(-1, 0), (65536, 0), (1, MAX_UDP_PAYLOAD + 1)], ids=str)
def test_what_no_packet_can_hold_is_refused(port: int, size: int) -> None:
    with pytest.raises(ConfigurationError):
        udp_packet(("::1", port), ("::1", 1), bytes(size))


def test_the_largest_payload_fits() -> None:
    data = bytes(MAX_UDP_PAYLOAD)
    assert Udp.parse(udp_packet(("192.0.2.1", 1), ("192.0.2.2", 1), data)).payload == data


def capture(path: Path) -> Capture:
    return Capture(path, local_host="::", local_port=5683, time_zero_ns=1_700_000_000_000_000_000)


def test_an_observed_endpoint_is_captured(tmp_path: Path) -> None:
    path = tmp_path / "seen.pcapng"
    before = os.umask(0)
    try:
        observer = capture(path)
    finally:
        os.umask(before)
    with observer:
        observer.observe(
            DatagramSeen(2.5, Direction.RECEIVED, "::ffff:192.0.2.7", 4000, b"up", "192.0.2.1")
        )
        observer.secrets("LINE")
        observer.observe(
            DatagramSeen(2.75, Direction.SENT, "2001:db8::2", 4001, b"down", fate=Fate.LOST)
        )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kinds = [kind for kind, _ in blocks(path.read_bytes())]
    assert kinds == [SECTION, INTERFACE, PACKET, SECRETS, PACKET]
    up, down = packets(path.read_bytes())
    assert (up.time_ns, down.time_ns) == (1_700_000_002_500_000_000, 1_700_000_002_750_000_000)
    assert up.options == {2: b"\x01\0\0\0"}
    assert down.options == {1: b"lost", 2: b"\x02\0\0\0"}
    assert Udp.parse(up.data) == Udp(
        IPv4Address("192.0.2.7"), IPv4Address("192.0.2.1"), (4000, 5683), b"up"
    )
    assert Udp.parse(down.data) == Udp(
        IPv6Address("::"), IPv6Address("2001:db8::2"), (5683, 4001), b"down"
    )


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.sampled_from(Direction), st.binary(max_size=30)), max_size=9
    )
)
def test_order_and_content_of_what_was_seen_are_kept(
    tmp_path_factory: pytest.TempPathFactory, every: list[tuple[float, Direction, bytes]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "order.pcapng"
    with capture(path) as observer:
        for time, direction, data in sorted(every, key=lambda each: each[0]):
            observer.observe(DatagramSeen(time, direction, "::1", 7, data))
    read = packets(path.read_bytes())
    assert sorted(Udp.parse(each.data).payload for each in read) == sorted(d for _, _, d in every)
    assert all(one.time_ns <= other.time_ns for one, other in pairwise(read))


def test_an_earlier_capture_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "seen.pcapng"
    path.write_bytes(b"x" * 5000)
    capture(path).close()
    assert [kind for kind, _ in blocks(path.read_bytes())] == [SECTION, INTERFACE]


def test_a_capture_that_cannot_be_opened_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"capture .*absent.*existing folder"):
        capture(tmp_path / "absent" / "seen.pcapng")


def test_a_datagram_that_fits_no_packet_is_counted_and_left_out(tmp_path: Path) -> None:
    with capture(tmp_path / "seen.pcapng") as observer:
        observer.observe(DatagramSeen(0, Direction.SENT, "::1", 7, bytes(MAX_UDP_PAYLOAD + 1)))
    assert observer.left_out == 1
    assert packets((tmp_path / "seen.pcapng").read_bytes()) == []


needs_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a device that is always full"
)


@needs_full
def test_a_disk_that_is_full_from_the_start_is_told() -> None:
    with pytest.raises(Error, match="/dev/full"):
        capture(Path("/dev/full"))


@needs_full
@pytest.mark.parametrize("ends_by", ["datagrams", "secrets", "closing"])
def test_a_disk_that_fills_up_ends_the_capture_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ends_by: str
) -> None:
    observer = capture(tmp_path / "seen.pcapng")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, observer._file.fileno())
    os.close(full)
    large = DatagramSeen(0, Direction.SENT, "::1", 7, bytes(60_000))
    small = DatagramSeen(0, Direction.SENT, "::1", 7, b"small")
    with caplog.at_level(logging.INFO):
        observer.observe(large if ends_by == "datagrams" else small)
        if ends_by == "secrets":
            observer.secrets("LINE")
        if ends_by == "closing":
            observer.close()
        assert type(observer.failure) is Error  # nothing that another name would help
        observer.observe(large)
        observer.secrets("LINE")
        observer.close()
    assert len(caplog.records) == 1


def test_a_closed_capture_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "seen.pcapng"
    observer = capture(path)
    observer.close()
    observer.close()
    observer.observe(DatagramSeen(0, Direction.SENT, "::1", 7, b"late"))
    observer.secrets("LATE")
    assert [kind for kind, _ in blocks(path.read_bytes())] == [SECTION, INTERFACE]
    assert observer.failure is None
