"""The radio: exact times and energies, losses as theory has them, retries, hops and buffers."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim import (
    FrameFate,
    FrameSeen,
    LinkOptions,
    Outcome,
    RadioOptions,
    Side,
    run,
)
from handshake_over_coap.sim.lowpan import AckFrame, DataFrame, decode_frame
from handshake_over_coap.sim.radio import CC2420, air_time
from tests.support.intervals import agrees, mean_agrees
from tests.support.radio_world import RadioWorld

ONE_FRAME = bytes(60)
THREE_FRAMES = bytes(250)
BARE = RadioOptions(csma=False)
LONG_SPACING = 640e-6


async def send_many(world: RadioWorld, count: int, data: bytes, interval: float = 1.0) -> None:
    for _ in range(count):
        world.up(data)
        await asyncio.sleep(interval)


def repeated(options: RadioOptions, count: int, data: bytes) -> RadioWorld:
    """One datagram after the other, each alone in the air."""

    async def main() -> RadioWorld:
        world = RadioWorld(options)
        await send_many(world, count, data)
        return world

    return run(main())


def test_a_frame_takes_its_time_in_the_air() -> None:
    """250 kbit/s, and six bytes before each frame: 127 bytes take 4.256 ms."""
    assert air_time(127) == pytest.approx(4.256e-3, abs=1e-12)
    assert air_time(5) == pytest.approx(352e-6, abs=1e-12)


def test_without_back_off_arrival_is_the_sum_of_air_times_and_spacings() -> None:
    world = repeated(BARE, 1, THREE_FRAMES)
    sizes = [len(frame.data) for frame in world.frames]
    assert len(sizes) == 3
    ((arrival,),) = [passage.arrivals for passage in world.recorder.passages]
    assert arrival == pytest.approx(sum(map(air_time, sizes)) + 2 * LONG_SPACING, abs=1e-9)
    starts = [frame.time for frame in world.frames]
    assert starts[1] == pytest.approx(air_time(sizes[0]) + LONG_SPACING, abs=1e-9)


def test_the_back_off_is_uniform_over_eight_units() -> None:
    world = repeated(RadioOptions(), 2000, ONE_FRAME)
    # Then come the channel assessment, 8 symbols, and the turnaround, 12.
    units = Counter(round((frame.time % 1.0 - 320e-6) / 320e-6, 6) for frame in world.frames)
    assert set(units) == {float(n) for n in range(8)}
    assert all(agrees(count, 2000, 1 / 8) for count in units.values())


def test_energy_is_time_by_current_by_voltage() -> None:
    world = repeated(RadioOptions(csma=False, currents=CC2420), 1, THREE_FRAMES)
    client, server = (node.figures for node in world.radio.nodes)
    seconds = sum(air_time(len(frame.data)) for frame in world.frames)
    assert client.energy == pytest.approx(3.0 * 0.0174 * seconds)
    assert server.energy == pytest.approx(3.0 * 0.0188 * seconds)
    assert client.time_sending == server.time_receiving == pytest.approx(seconds)
    assert client.frames_sent == server.frames_received == 3
    assert client.frame_bytes_sent == sum(len(frame.data) for frame in world.frames)


def test_an_acknowledgement_costs_time_and_energy_of_its_own() -> None:
    world = repeated(RadioOptions(csma=False, acks=True), 1, THREE_FRAMES)
    data, acks = world.frames[::2], world.frames[1::2]
    assert [frame.ack for frame in world.frames] == [False, True] * 3
    for frame, ack in zip(data, acks, strict=True):
        end = frame.time + air_time(len(frame.data))
        assert ack.time == pytest.approx(end + 192e-6, abs=1e-9)
        sent, answered = decode_frame(frame.data), decode_frame(ack.data)
        assert isinstance(sent, DataFrame)
        assert sent.ack_request
        assert answered == AckFrame(sent.sequence)
    assert data[1].time == pytest.approx(acks[0].time + 352e-6 + LONG_SPACING, abs=1e-9)
    client, server = (node.figures for node in world.radio.nodes)
    assert server.acks_sent == 3
    assert server.energy_sending == pytest.approx(3 * 0.024 * 3 * 352e-6)
    assert client.energy_receiving == pytest.approx(3 * 0.020 * 3 * 352e-6)


def test_a_missing_acknowledgement_is_waited_for() -> None:
    world = repeated(RadioOptions(csma=False, acks=True, retries=1, loss=1.0), 1, ONE_FRAME)
    first, second = world.frames
    gap = second.time - first.time - air_time(len(first.data))
    assert gap == pytest.approx(864e-6 + LONG_SPACING, abs=1e-9)
    client = world.radio.nodes[0].figures
    assert client.time_receiving == pytest.approx(2 * 864e-6)
    assert (client.repetitions, client.given_up) == (1, 1)
    assert first.data == second.data
    assert [first.attempt, second.attempt] == [0, 1]


def test_every_sequence_number_is_new_except_in_repetitions() -> None:
    world = repeated(RadioOptions(loss=0.3, retries=3), 100, THREE_FRAMES)
    frames = [frame for frame in world.frames if not frame.ack]
    for before, after in pairwise(frames):
        same = before.data[2] == after.data[2]
        assert same is (after.attempt > 0)
        assert after.attempt == (before.attempt + 1 if same else 0)
        assert same or after.data[2] == (before.data[2] + 1) % 256


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_a_datagram_survives_if_all_of_its_frames_do(loss: float) -> None:
    world = repeated(RadioOptions(loss=loss, reassembly_timeout=0.5), 3000, THREE_FRAMES)
    delivered = world.outcomes.count(Outcome.DELIVERED)
    assert agrees(delivered, 3000, (1 - loss) ** 3)
    assert set(world.outcomes) == {Outcome.DELIVERED, Outcome.RADIO}


def test_losses_of_frames_come_in_bursts_if_asked_for() -> None:
    loss, burst = 0.2, 4.0
    world = repeated(RadioOptions(loss=loss, burst=burst), 12_000, ONE_FRAME)
    lost = [frame.fate is FrameFate.LOST for frame in world.frames]
    after_loss = [second for first, second in pairwise(lost) if first]
    assert agrees(sum(after_loss), len(after_loss), 1 - 1 / burst)
    correlation = 1 - loss / ((1 - loss) * burst) - 1 / burst
    assert agrees(sum(lost), 12_000, loss, (1 + correlation) / (1 - correlation))


def test_with_retries_a_frame_arrives_unless_all_its_attempts_are_lost() -> None:
    loss, retries, count = 0.4, 2, 3000
    world = repeated(RadioOptions(loss=loss, retries=retries), count, ONE_FRAME)
    arrived = world.outcomes.count(Outcome.DELIVERED)
    assert agrees(arrived, count, 1 - loss ** (retries + 1))
    # An attempt succeeds, for its sender, if the frame and the acknowledgement get through.
    failure = 1 - (1 - loss) ** 2
    client, server = (node.figures for node in world.radio.nodes)
    assert agrees(client.given_up, count, failure ** (retries + 1))
    attempts = sum(failure**n for n in range(retries + 1))
    squares = sum((2 * n + 1) * failure**n for n in range(retries + 1))
    assert mean_agrees(client.frames_sent, count, attempts, squares - attempts**2)
    assert agrees(server.acks_sent, client.frames_sent, 1 - loss)


def test_a_repetition_is_recognised_and_delivered_once() -> None:
    world = repeated(RadioOptions(loss=0.3, retries=3), 500, ONE_FRAME)
    fates = Counter(frame.fate for frame in world.frames if not frame.ack)
    assert fates[FrameFate.REPEATED] > 50
    delivered = world.outcomes.count(Outcome.DELIVERED)
    assert len(world.at_server.arrived) == delivered == fates[FrameFate.RECEIVED]
    lost_acks = sum(frame.ack and frame.fate is FrameFate.LOST for frame in world.frames)
    assert lost_acks >= fates[FrameFate.REPEATED]


def test_a_sender_that_gives_a_frame_up_sends_no_more_of_that_packet() -> None:
    world = repeated(RadioOptions(loss=0.5, retries=1, reassembly_timeout=0.5), 300, THREE_FRAMES)
    by_datagram: dict[int, list[FrameSeen]] = {}
    for frame in world.frames:
        by_datagram.setdefault(frame.datagram, []).append(frame)
    for passage in world.recorder.passages:
        frames = by_datagram[passage.datagram.number]
        acknowledged = {
            frame.data[2] for frame in frames if frame.ack and frame.fate is FrameFate.RECEIVED
        }
        tried = list(dict.fromkeys(frame.data[2] for frame in frames if not frame.ack))
        assert set(tried[:-1]) <= acknowledged
        if passage.outcome is Outcome.DELIVERED:
            assert len(tried) == 3


def test_a_large_client_hello_is_always_lost_to_a_short_timeout_and_slow_frames() -> None:
    """openthread/ot-br-posix#561: 473 bytes, and two seconds to put them together."""
    slow = RadioOptions(interval=0.5, retries=3)
    for timeout, outcome in ((2.0, Outcome.RADIO), (60.0, Outcome.DELIVERED)):

        async def main(timeout: float = timeout) -> RadioWorld:
            world = RadioWorld(replace(slow, reassembly_timeout=timeout))
            await send_many(world, 5, bytes(473), 10.0)
            return world

        world = run(main())
        assert world.outcomes == [outcome] * 5
        starts = [frame.time for frame in world.frames if not frame.ack]
        assert min(after - before for before, after in pairwise(starts)) >= 0.49
        expired = world.radio.nodes[1].adaptation.reassembler.counters["expired"]
        assert bool(expired) is (outcome is Outcome.RADIO)


def test_small_datagrams_are_not_lost_to_a_short_timeout() -> None:
    async def main() -> RadioWorld:
        world = RadioWorld(RadioOptions(reassembly_timeout=2.0, interval=0.5))
        await send_many(world, 5, bytes(90), 5.0)
        return world

    assert run(main()).outcomes == [Outcome.DELIVERED] * 5


def test_an_incomplete_packet_keeps_no_other_one_out_of_the_only_buffer() -> None:
    """Whether a datagram arrives depends on its own frames and nothing else."""

    async def main() -> None:
        options = RadioOptions(loss=0.4, reassembly_buffers=1, reassembly_timeout=20.0)
        world = RadioWorld(options, seed=3)
        await send_many(world, 60, THREE_FRAMES)
        reassembler = world.radio.nodes[1].adaptation.reassembler
        assert reassembler.counters["made room"] > 10
        assert reassembler.peak == 48 + len(THREE_FRAMES)
        lost = {frame.datagram for frame in world.frames if frame.fate is FrameFate.LOST}
        assert len(world.recorder.passages) == 60
        for passage in world.recorder.passages:
            delivered = passage.outcome is Outcome.DELIVERED
            assert delivered is (passage.datagram.number not in lost)
        # Whole datagrams in one frame need no buffer.
        world.up(b"small")
        world.up(b"small")
        world.up(b"small")
        await asyncio.sleep(1)
        assert world.at_server.payloads.count(b"small") > 0

    run(main())


@pytest.mark.parametrize("hops", [2, 3])
def test_each_hop_loses_by_itself(hops: int) -> None:
    loss = 0.1
    world = repeated(RadioOptions(hops=hops, loss=loss), 3000, ONE_FRAME)
    assert agrees(world.outcomes.count(Outcome.DELIVERED), 3000, (1 - loss) ** hops)
    sent = [node.figures.frames_sent for node in world.radio.nodes]
    assert sent == sorted(sent, reverse=True)
    assert sent[0] == 3000
    assert sent[-1] == 0


def test_routers_put_packets_together_and_count_the_hop_limit_down() -> None:
    async def main() -> RadioWorld:
        world = RadioWorld(RadioOptions(hops=3, csma=False))
        world.up(bytes(200))
        await asyncio.sleep(1)
        world.down(b"answer")
        await asyncio.sleep(1)
        return world

    world = run(main())
    assert world.at_server.payloads == [bytes(200)]
    assert world.at_client.payloads == [b"answer"]
    path = [(frame.source, frame.destination) for frame in world.frames]
    assert path == [(n, n + 1) for n in range(3) for _ in range(3)] + [(3, 2), (2, 1), (1, 0)]
    # IPHC, after the MAC header of 21 bytes: the hop limit is elided while it is 64.
    answers = [frame.data[21:26] for frame in world.frames[-3:]]
    assert [answer[0] & 3 for answer in answers] == [2, 0, 0]
    assert [answer[2] for answer in answers[1:]] == [63, 62]


def test_one_frame_is_in_the_air_at_a_time() -> None:
    async def main() -> RadioWorld:
        world = RadioWorld(RadioOptions(hops=2, retries=2, loss=0.2, queue=40))
        for _ in range(20):
            world.up(THREE_FRAMES)
            world.down(THREE_FRAMES)
            await asyncio.sleep(0.02)
        await asyncio.sleep(20)
        return world

    world = run(main())
    assert len({frame.source for frame in world.frames}) == 3
    for before, after in pairwise(world.frames):
        assert after.time >= before.time + air_time(len(before.data)) - 1e-9


def test_nodes_that_have_something_to_send_take_turns() -> None:
    async def main() -> RadioWorld:
        world = RadioWorld(BARE)
        world.up(THREE_FRAMES)
        world.down(THREE_FRAMES)
        await asyncio.sleep(1)
        return world

    assert [frame.source for frame in run(main()).frames] == [0, 1, 0, 1, 0, 1]


def test_a_nodes_queue_is_bounded() -> None:
    async def main() -> None:
        world = RadioWorld(RadioOptions(queue=2))
        for n in range(5):
            world.up(b"%d" % n)
        await asyncio.sleep(1)
        assert world.at_server.payloads == [b"0", b"1"]
        assert Counter(world.outcomes) == {Outcome.DELIVERED: 2, Outcome.QUEUE_FULL: 3}

    run(main())


def test_the_wire_comes_after_the_radio_and_its_losses_cost_frames() -> None:
    async def main() -> RadioWorld:
        wire = LinkOptions(delay=0.25, drop=frozenset({1}))
        world = RadioWorld(BARE, wire=wire)
        world.up(ONE_FRAME)
        await asyncio.sleep(1)
        world.up(ONE_FRAME)
        await asyncio.sleep(1)
        return world

    world = run(main())
    assert world.outcomes == [Outcome.DROPPED, Outcome.DELIVERED]
    assert len(world.frames) == 2
    in_the_air = air_time(len(world.frames[1].data))
    (arrival,) = world.recorder.passages[1].arrivals
    assert arrival == pytest.approx(1.25 + in_the_air, abs=1e-9)


def test_losses_of_frames_are_not_shifted_by_acknowledgements_or_the_other_direction() -> None:
    def fates(options: RadioOptions, *, both: bool = False) -> list[FrameFate]:
        async def main() -> RadioWorld:
            world = RadioWorld(options)
            for _ in range(300):
                world.up(ONE_FRAME)
                if both:
                    world.down(ONE_FRAME)
                await asyncio.sleep(1)
            return world

        frames = run(main()).frames
        return [frame.fate for frame in frames if frame.source == 0 and not frame.ack]

    alone = fates(RadioOptions(loss=0.3))
    assert fates(RadioOptions(loss=0.3, acks=True)) == alone
    assert fates(RadioOptions(loss=0.3), both=True) == alone
    assert fates(RadioOptions(loss=0.3, csma=False)) == alone


def test_several_clients_share_the_radio() -> None:
    async def main() -> None:
        world = RadioWorld(RadioOptions())
        other = world.network.endpoint(Side.CLIENT, "another", 41000)
        world.up(b"one")
        other.send(b"two", world.server.local_address)
        await asyncio.sleep(1)
        assert world.at_server.payloads == [b"one", b"two"]

    run(main())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hops": 0}, "hops: give 1 to 32"),
        ({"hops": 33}, "hops: give 1 to 32"),
        ({"loss": 1.5}, "frame loss is a probability"),
        ({"loss": 0.9, "burst": 2.0}, "burst 2 is too short for a frame loss"),
        ({"retries": -1}, "link retries: give 0 to 7"),
        ({"retries": 8}, "link retries: give 0 to 7"),
        ({"interval": -1.0}, "interval is a time"),
        ({"reassembly_timeout": 61.0}, "RFC 4944 allows up to 60 s"),
        ({"reassembly_timeout": -1.0}, "reassembly timeout is a time"),
        ({"reassembly_buffers": 0}, "reassembly buffers is a count"),
        ({"queue": 0}, "queue is a count"),
        ({"max_frame": 128}, "frame size: give 80 to 127"),
        ({"max_frame": 79}, "frame size: give 80 to 127"),
        ({"pan": 65536}, "PAN: give 0 to 65535"),
        ({"hops": 2, "prefix": "fe80::"}, "one hop only"),
        ({"prefix": "nonsense"}, "prefix: "),
        ({"prefix": "192.0.2.1"}, "prefix: "),
        ({"prefix": "2001:db8::1"}, "one of 64 bits"),
        ({"prefix": "ff02::"}, "one of 64 bits"),
    ],
)
def test_an_impossible_radio_is_refused_by_the_name_of_what_is_wrong(
    wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        RadioOptions(**wrong)  # type: ignore[arg-type]


def test_the_smallest_frames_still_hold_fragments_without_any_context() -> None:
    options = RadioOptions(hops=2, context=False, max_frame=80)
    assert repeated(options, 1, bytes(1232)).outcomes == [Outcome.DELIVERED]
