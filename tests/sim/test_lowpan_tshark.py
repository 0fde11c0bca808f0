"""tshark, which shares nothing with us, reads the frames: 802.15.4, 6LoWPAN, IPv6, UDP, CoAP."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from handshake_over_coap.sim import FrameCapture, RadioOptions, run
from tests.support.radio_world import RadioWorld

pytestmark = pytest.mark.peer

RequirePeer = Callable[[str], str]

GET = bytes.fromhex("44011234deadbeef bb") + b".well-known\x04core"
"""CoAP without a payload."""
SIZES = (0, 40, 64, 200, 473, 1150)
LATE = bytes.fromhex("6445aaaadeadbeef ff") + b"answer"


def numbered(number: int, size: int) -> bytes:
    """GET with a message ID of its own, and ``size`` bytes of payload."""
    payload = b"\xff" + bytes(n % 251 for n in range(size)) if size else b""
    return GET[:2] + bytes((0x50, number)) + GET[4:] + payload


def capture(path: Path, options: RadioOptions, ports: tuple[int, int]) -> RadioWorld:
    async def main() -> RadioWorld:
        world = RadioWorld(options)
        client_port, server_port = ports
        world.network.rebind(world.client, "client", client_port)
        world.network.rebind(world.server, "server", server_port)
        with path.open("wb") as file:
            world.radio.observe(FrameCapture(file, time_zero_ns=10**18))
            for number, size in enumerate(SIZES):
                world.client.send(numbered(number, size), world.server.seen_as)
                await asyncio.sleep(1)
            world.server.send(LATE, world.client.seen_as)
            await asyncio.sleep(1)
        return world

    return run(main())


def fields(program: str, path: Path, *names: str, show: str = "frame") -> list[list[str]]:
    """Of each frame that ``show`` selects, the fields ``names``."""
    command = [program, "-r", str(path), "-n", "-Y", show, "-T", "fields"]
    # Ports that tshark does not know to be CoAP's; context 0; and what to check.
    command += ["-d", f"udp.port=={0xF0B1},coap", "-o", "6lowpan.context0:2001:db8::/64"]
    command += ["-o", "udp.check_checksum:TRUE", "-o", "wpan.fcs_format:ITU-T CRC-16"]
    command += [word for name in names for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


DATAGRAM = (
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "udp.checksum.status",
    "coap.code",
    "coap.mid",
    "coap.payload_length",
)

NETWORKS = {
    "link-local": (RadioOptions(), (40000, 5683), "fe80::1", "fe80::2"),
    "context": (
        RadioOptions(prefix="2001:db8::"),
        (40000, 5683),
        "2001:db8::1",
        "2001:db8::2",
    ),
    "in full": (
        RadioOptions(prefix="2001:db8:7::", context=False),
        (40000, 5683),
        "2001:db8:7::1",
        "2001:db8:7::2",
    ),
    "16 bits": (
        RadioOptions(short_addresses=True),
        (40000, 5683),
        "fe80::ff:fe00:1",
        "fe80::ff:fe00:2",
    ),
    "short ports": (RadioOptions(), (0xF0B5, 0xF0B1), "fe80::1", "fe80::2"),
    "a short port": (RadioOptions(acks=True), (0xF022, 5683), "fe80::1", "fe80::2"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_hop_is_dissected_up_to_coap(
    require_peer: RequirePeer, tmp_path: Path, name: str
) -> None:
    options, ports, client, server = NETWORKS[name]
    program, path = require_peer("tshark"), tmp_path / "frames.pcapng"
    world = capture(path, options, ports)
    assert len(world.at_server.arrived) == len(SIZES)
    frames = fields(program, path, "wpan.fcs_ok", "frame.len", "frame.time_epoch")
    assert [row[0] for row in frames] == ["1"] * len(world.frames)
    assert [int(row[1]) for row in frames] == [len(frame.data) for frame in world.frames]
    assert float(frames[0][2]) == pytest.approx(1e9 + world.frames[0].time)
    expected = []
    for number, size in enumerate(SIZES):
        length = len(numbered(number, size))
        payload = str(size) if size else ""
        ends = [client, server, "64", str(ports[0]), str(ports[1])]
        expected.append([*ends, str(8 + length), "1", "1", str(0x5000 + number), payload])
    ends = [server, client, "64", str(ports[1]), str(ports[0])]
    expected.append([*ends, str(8 + len(LATE)), "1", "69", str(0xAAAA), "6"])
    rows = fields(program, path, *DATAGRAM, "6lowpan.reassembled.length", show="udp")
    assert [row[:-1] for row in rows] == expected
    whole = [row[-1] for row in rows]
    assert whole[0] == whole[-1] == ""
    assert whole[3:-1] == [str(40 + int(row[5])) for row in expected[3:-1]]


def test_nothing_in_the_air_is_called_malformed(require_peer: RequirePeer, tmp_path: Path) -> None:
    program, path = require_peer("tshark"), tmp_path / "frames.pcapng"
    capture(path, RadioOptions(acks=True), (40000, 5683))
    complaints = fields(program, path, "_ws.expert.message", show="_ws.expert")
    # The client asks several times with one token: the answer's match is tshark's to choose.
    assert {text for row in complaints for text in row} <= {"Retransmitted"}
    assert fields(program, path, "frame.number", show="_ws.malformed") == []


def test_several_hops_are_dissected_with_losses_repetitions_and_acknowledgements(
    require_peer: RequirePeer, tmp_path: Path
) -> None:
    program, path = require_peer("tshark"), tmp_path / "frames.pcapng"
    options = RadioOptions(hops=3, loss=0.15, retries=7)
    world = capture(path, options, (40000, 5683))
    assert len(world.at_server.arrived) == len(SIZES)
    frames = fields(program, path, "wpan.fcs_ok", "wpan.frame_type", "frame.comment")
    assert {row[0] for row in frames} == {"1"}
    assert [row[1] == "0x0002" for row in frames] == [frame.ack for frame in world.frames]
    marked = {row[2] for row in frames}
    assert marked == {"", "lost", "repeated"}
    rows = fields(program, path, "ipv6.hlim", "udp.checksum.status", "coap.mid", show="udp")
    assert {row[1] for row in rows} == {"1"}
    for number in range(len(SIZES)):
        limits = {row[0] for row in rows if row[2] == str(0x5000 + number)}
        assert limits == {"64", "63", "62"}
