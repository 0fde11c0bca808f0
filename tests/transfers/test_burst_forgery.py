"""Pieces and notes that the peer never sent: bounded work and memory, and all still completes."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers import erasure
from handshake_over_coap.transfers.burst_arriving import (
    CUTS,
    REJECTIONS,
    SURPLUS,
    WORK,
    Arriving,
)
from handshake_over_coap.transfers.burst_server import Allowance, ServerHalf
from handshake_over_coap.transfers.erasure import LARGEST_GROUP
from handshake_over_coap.transfers.pieces import Note, Part, Piece, Saying, Source
from tests.support.burst_world import BODIES, ONE_WAY, World

LIMIT = 16384


def _arrived(genuine: bytes, arriving: Arriving) -> bool:
    """Whether the genuine body comes out, all others being rejected."""
    while (body := arriving.body()) is not None:
        if body == genuine:
            return True
        arriving.reject()
    return False


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("forged", range(4))
def test_the_body_is_found_among_forged_pieces_of_its_cut(k: int, forged: int) -> None:
    rng = random.Random(f"{k}/{forged}")
    for _ in range(20):
        body = rng.randbytes(20 * k - 1)
        source = Source(2, body, 22)
        length = source.size - 2
        pieces = [Piece(2, k, rng.randrange(12), rng.randbytes(length)) for _ in range(forged)]
        pieces += [source.piece(0, number) for number in rng.sample(range(12), k)]
        rng.shuffle(pieces)
        arriving = Arriving(2, LIMIT)
        found = False
        for piece in pieces + [source.piece(0, 12 + more) for more in range(3)]:
            arriving.add(piece, 0.0)
            found = found or _arrived(body, arriving)
        assert found


def test_another_k_or_length_does_not_mix_with_what_is_there() -> None:
    genuine = Source(2, bytes(range(100)), 40)
    other = Source(2, bytes(200), 30)
    arriving = Arriving(2, LIMIT)
    for number in range(genuine.k):
        arriving.add(other.piece(0, number), 0.0)
        assert arriving.body() is None
        arriving.add(genuine.piece(0, number), 0.0)
    assert arriving.body() == bytes(range(100))


@given(st.randoms(use_true_random=False), st.integers(50, 400))
def test_a_flood_of_forged_pieces_takes_bounded_memory_and_attempts(
    rng: random.Random, count: int
) -> None:
    arriving, attempts = Arriving(2, LIMIT), 0
    for _ in range(count):
        k = rng.choice((1, 2, 3, 3, 3, 40))
        group = rng.randrange(2) if k == 40 else 0
        data = rng.randbytes(rng.choice((5, 5, 6))) + b"\x80"
        arriving.add(Piece(2, k, rng.randrange(256), data, group), 0.0)
        while arriving.body() is not None:
            attempts += 1
            arriving.reject()
        kept = sum(cut.count for cut in arriving._cuts.values())
        assert kept <= CUTS * (40 + 2 * SURPLUS)
    assert attempts <= REJECTIONS


@pytest.mark.parametrize(("k", "groups"), [(3, 1), (8, 1), (16, 1), (31, 1), (1000, 32)])
def test_a_forged_piece_costs_no_more_than_so_many_multiplications(
    k: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A datagram of ten bytes once took half a second, and another one as long again."""
    count, combined = 0, erasure._combined

    def counted(pieces: Mapping[int, bytes], wanted: int) -> bytes:
        nonlocal count
        count += len(pieces)
        return combined(pieces, wanted)

    monkeypatch.setattr(erasure, "_combined", counted)
    arriving, rng = Arriving(1, LIMIT), random.Random(k)
    # The least that is possible: one choice, compared and tried.
    most = max(WORK, 31 * (31 + SURPLUS)) * 2
    sent = [(number, group) for number in range(100, 200) for group in range(groups)]
    for number, group in sent[: k + 60]:
        complete, count = not any(arriving.missing), 0
        arriving.add(Piece(1, k, number, rng.randbytes(3) + b"\x80", group), 0.0)
        while arriving.body() is not None:
            arriving.reject()
        if complete or groups == 1:
            assert count <= most
        else:
            assert count <= most + k * LARGEST_GROUP  # all groups are put together once


def test_a_piece_of_a_body_above_the_limit_is_not_kept() -> None:
    arriving = Arriving(2, 1000)
    assert not arriving.add(Piece(2, 30, 0, bytes(60)), 0.0)
    assert not arriving.begun


@pytest.mark.parametrize("echo", [True, False])
def test_a_handshake_completes_beside_forged_pieces_to_either_side(echo: bool) -> None:
    for seed in range(60):
        rng = random.Random(f"{seed}/{echo}")
        forged = []
        for _ in range(6):
            to_server = rng.random() < 0.5
            flight = rng.choice((1, 3)) if to_server else rng.choice((2, 4))
            k = rng.choice((1, 2, 4))
            data = rng.randbytes({1: 36, 2: 48, 3: 44, 4: 12}[flight])
            tag = b"tg" if to_server else b""
            payload = Piece(flight, k, rng.randrange(5), data, tag=tag).encode()
            forged.append((rng.random() * 0.4, to_server, payload))
        world = World(lambda *_: [ONE_WAY], rng, echo=echo, forged=forged).run()
        assert set(world.completed) == {"client", "server"}


@pytest.mark.parametrize("k", [1, 2])
def test_a_forged_piece_of_the_next_flight_does_not_silence_ours_for_good(k: int) -> None:
    """The client's last flight is lost, and somebody answers it in the server's name."""
    forged = Piece(4, k, 0, bytes(12)).encode()

    def fate(number: int, _: bool) -> list[float]:
        return [] if number == 6 else [ONE_WAY]

    world = World(fate, random.Random(1), echo=False, limit=120.0)
    world.forged = [(0.12, False, forged)]
    world.run()
    assert set(world.completed) == {"client", "server"}


def test_whoever_says_again_and_again_that_he_computes_does_not_stop_repetitions() -> None:
    """The second half of flight 1 is lost, and somebody says that all of it is there."""

    def fate(number: int, _: bool) -> list[float]:
        return [] if number == 1 else [ONE_WAY]

    note = Note(Saying.WHOLE, 1).encode()
    world = World(fate, random.Random(1), echo=False, limit=120.0)
    world.forged = [(0.1 + 4 * turn, False, note) for turn in range(30)]
    world.run()
    assert set(world.completed) == {"client", "server"}
    assert max(world.completed.values()) < 40


def test_notes_that_quote_nothing_that_was_sent_are_ignored() -> None:
    allowance = Allowance(proven=False)
    server = _answering(allowance)
    allowance.received(1000)
    for rest in (b"", b"\0", bytes(10), bytes([0, 200]) + bytes(8)):
        for saying in (Saying.NEED, Saying.WHOLE):
            before = server.deadline
            assert server.take(Note(saying, 2, 9, 0, rest, b"tg"), 0.3) == []
            assert server.deadline == before
    assert not allowance.proven


def test_a_note_that_quotes_proves_the_address_and_draws_what_is_needed() -> None:
    allowance = Allowance(proven=False)
    server = _answering(allowance)
    quotation = Source(2, bytes(BODIES[1]), 56).piece(0, 5).quotation()
    out = server.take(Note(Saying.NEED, 2, 3, 0, quotation, b"tg"), 0.3)
    assert len(out) == 3
    assert allowance.proven


def test_a_report_that_is_replayed_draws_its_answer_twenty_times_a_second_at_most() -> None:
    allowance = Allowance(proven=False)
    server = _answering(allowance)
    quotation = Source(2, bytes(BODIES[1]), 56).piece(0, 5).quotation()
    report = Note(Saying.NEED, 2, 3, 0, quotation, b"tg")
    drawn = [len(server.take(report, 0.3 + 0.001 * turn)) for turn in range(1000)]
    # One that comes again after a while is answered, as the pieces may have got lost.
    assert 2 <= sum(map(bool, drawn)) <= 20
    assert server.round_trip == pytest.approx(0.2)


def _answering(allowance: Allowance) -> ServerHalf:
    """A server that has answered flight 1, to an address that is not proven."""
    server = ServerHalf(Adaptive().start(lambda: 0.5), LIMIT, allowance, 9, probed=False)
    source = Source(1, bytes(BODIES[0]), 40)
    for number in range(2):
        allowance.received(60)
        server.take(source.piece(0, number, b"tg"), 0.1)
    assert server.body(0.1) == bytes(BODIES[0])
    server.answer(bytes(BODIES[1]), 56, 0.1, last=False)
    return server


_PARTS = st.one_of(
    st.builds(
        Piece,
        st.integers(1, 7),
        st.integers(1, 5),
        st.integers(0, 255),
        st.binary(min_size=1, max_size=50),
        st.just(0),
        st.just(b"tg"),
    ),
    st.builds(
        Note,
        st.sampled_from([Saying.NEED, Saying.WHOLE]),
        st.integers(1, 7),
        st.integers(0, 255),
        st.integers(0, 255),
        st.binary(max_size=12),
        st.just(b"tg"),
    ),
)


@given(st.lists(st.tuples(_PARTS, st.floats(0, 3), st.integers(0, 60)), max_size=40))
def test_no_schedule_draws_more_than_three_times_what_came(
    arrivals: list[tuple[Part, float, int]],
) -> None:
    """Whatever comes, in any order and with any pauses, and whatever the server makes of it."""
    allowance = Allowance(proven=False)
    server = ServerHalf(Adaptive().start(lambda: 0.5), LIMIT, allowance, 9, probed=False)
    now, came, went = 0.0, 0, 0
    for part, pause, padding in arrivals:
        until = now + pause
        while server.deadline is not None and server.deadline <= until:
            now = server.deadline
            went += sum(len(each.payload) + 9 for each in server.on_timer(now))
            assert went <= 3 * came
        now = until
        size = len(part.encode()) + padding
        came += size
        allowance.received(size)
        went += sum(len(each.payload) + 9 for each in server.take(part, now))
        assert went <= 3 * came
        if server.body(now) is not None:
            went += sum(
                len(each.payload) + 9 for each in server.answer(bytes(300), 56, now, last=False)
            )
        assert went <= 3 * came
        assert not allowance.proven
