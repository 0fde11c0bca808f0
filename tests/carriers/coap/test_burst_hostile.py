"""Somebody who sees all that is sent and adds to it: the genuine handshake completes all the same.

He knows tags, tokens and pieces, sends in the name of either side, and drops nothing; the network
does that.  What he cannot do is seal.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.errors import Error
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.burst import Burst
from handshake_over_coap.transfers.pieces import Note, Part, Piece, PieceError, Saying, decode
from tests.support import parties, parties13
from tests.support.exchange import SERVER, Exchange, complete, exchange, virtual
from tests.support.network import Sent
from tests.support.parties import Scenario
from tests.support.parties13 import CCM_8, P256, Scenario13

LEAN: dict[str, Any] = {
    "resource": "/d",
    "encoding": "compact",
    "mtu": 65,
    "timer": Adaptive(),
    "transfer": Burst(),
    "timeout": 600.0,
}
CHECKS: dict[str, dict[str, Any]] = {"always": {}, "adaptive": {"answer_unproven": True}}
RPK = Scenario13(CCM_8, P256, "rpk-p256", "rpk-p256")
SCENARIOS: list[Scenario | Scenario13] = [RPK, parties13.TYPICAL[0], parties.TYPICAL[0]]

SEEDS = 6
MOST = 5
"""Forged datagrams for a handshake: a server gives a half-open one up after eight failures."""

Forge = Callable[[Part, random.Random], Part]


def _other_bytes(part: Part, draw: random.Random) -> Part:
    """The number of a piece that is there, with other bytes."""
    data = draw.randbytes(len(part.data)) if isinstance(part, Piece) else b"x"
    return Piece(max(1, part.flight), _k(part), _number(part), data, tag=part.tag)


def _another_k(part: Part, draw: random.Random) -> Part:
    length = draw.choice((1, 20, 44))
    return Piece(
        max(1, part.flight),
        draw.choice((1, 2, 9, 31)),
        draw.randrange(9),
        draw.randbytes(length),
        tag=part.tag,
    )


def _another_flight(part: Part, draw: random.Random) -> Part:
    flight = draw.choice([n for n in range(1, 8) if n != part.flight])
    return Piece(flight, _k(part), _number(part), draw.randbytes(40), tag=part.tag)


def _next_flight(part: Part, draw: random.Random) -> Part:
    """A flight that is expected from that side soon."""
    flight = min(7, max(1, part.flight) + draw.choice((0, 2)))
    return Piece(flight, draw.choice((1, 2)), draw.randrange(4), draw.randbytes(44), tag=part.tag)


def _report(part: Part, draw: random.Random) -> Part:
    """Of what was never sent, or of what was."""
    flight = draw.choice((part.flight + 1, part.flight - 1, draw.randrange(1, 8))) % 8 or 2
    saying = draw.choice((Saying.NEED, Saying.WHOLE))
    rest = draw.choice((b"", draw.randbytes(10), bytes(3)))
    return Note(saying, flight, draw.choice((1, 3, 255)), draw.randrange(256), rest, part.tag)


def _computing(part: Part, draw: random.Random) -> Part:
    """Says of the peer's flight that it is here and takes time."""
    return Note(Saying.WHOLE, (part.flight + 1) % 8 or 1, 0, 0, b"", part.tag)


def _k(part: Part) -> int:
    return part.k if isinstance(part, Piece) else 2


def _number(part: Part) -> int:
    return part.number if isinstance(part, Piece) else 0


ATTACKS: dict[str, list[Forge]] = {
    "numbers that repeat with other bytes": [_other_bytes],
    "k that changes": [_another_k],
    "pieces of another flight": [_another_flight],
    "pieces of the flight that is expected": [_next_flight],
    "reports for what was never sent": [_report],
    "who says that he computes": [_computing],
}
ATTACKS["all of it"] = [forge for each in ATTACKS.values() for forge in each]


class Attacker:
    """Adds forged datagrams to the genuine ones, ``often`` for each of them on average."""

    def __init__(
        self,
        here: Exchange,
        forges: list[Forge],
        draw: random.Random,
        often: float,
        loss: float,
        most: int,
    ) -> None:
        self._here, self._forges, self._draw = here, forges, draw
        self._often, self._loss, self._most = often, loss, most
        self._tokens: list[bytes] = []
        self._tags: list[bytes] = []
        self._notes: list[Sent] = []
        self.added = 0

    def verdict(self, sent: Sent) -> Iterable[bytes]:
        message = Message.decode(sent.data)
        try:
            part = decode(message.payload, tagged=sent.destination == SERVER)
        except PieceError:
            return [sent.data]
        if sent.destination == SERVER:
            self._tokens.append(message.token)
            self._tags.append(part.tag)
            if isinstance(part, Note) and part.flight:
                self._notes.append(sent)
        while self.added < self._most and self._draw.random() < self._often / (1 + self._often):
            self._add(sent, message, part)
        return [] if self._draw.random() < self._loss else [sent.data]

    def _add(self, sent: Sent, message: Message, part: Part) -> None:
        self.added += 1
        draw, network = self._draw, self._here.network
        forged = draw.choice(self._forges)(part, draw)
        # As whoever sent this, or as the other one; a genuine report again now and then.
        source, destination = sent.source, sent.destination
        if self._notes and draw.random() < 0.2:
            network.inject(self._notes[-1].data, sent.source, SERVER, draw.random())
        token = draw.choice(self._tokens) if self._tokens else message.token
        try:
            if destination == SERVER:
                content = Content(Code.POST, message.options, forged.encode())
            else:
                content = Content(Code.CHANGED, (), forged.encode())
        except PieceError:
            return
        kind = draw.choice((MessageType.NON, MessageType.NON, MessageType.CON))
        data = content.encode(kind, draw.randrange(65536), token)
        network.inject(data, source, destination, draw.choice((0.0, 0.04, 0.06, 1.0)))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@virtual
async def test_forged_datagrams_stop_no_handshake(
    scenario: Scenario | Scenario13, check: str, attack: str
) -> None:
    for seed in range(SEEDS):
        draw = random.Random(f"{scenario} {check} {attack} {seed}")
        async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
            loss = draw.choice((0.0, 0.0, 0.2))
            attacker = Attacker(
                here, ATTACKS[attack], draw, draw.choice((0.3, 1.0, 3.0)), loss, MOST
            )
            here.network.verdict = attacker.verdict
            try:
                await complete(here, scenario)
            except Error as error:
                raise AssertionError(f"seed {seed}, {attacker.added} forged") from error
            assert len(here.completed) == 1
            assert len(here.network.sent) < 100 * (1 + attacker.added)


@pytest.mark.parametrize("endpoints", [1, 400])
@virtual
async def test_a_flood_of_pieces_and_reports_keeps_bounded_state_and_honest_clients_complete(
    endpoints: int,
) -> None:
    draw = random.Random(endpoints)
    limits = Limits(bodies=64 * 1024, unproven=32, unproven_per_address=8)
    adaptive = LEAN | CHECKS["adaptive"] | {"limits": limits}
    options = (
        (int(Option.URI_PATH), b"d"),
        (int(Option.CONTENT_FORMAT), (65258).to_bytes(2, "big")),
    )
    async with exchange(RPK, **adaptive) as here:
        peers, came = here.server.peers, dict.fromkeys(range(endpoints), 0)
        for number in range(2000):
            k = draw.choice((1, 2, 9, 31, 500))
            group = draw.randrange(k // 32 + 1) if k == 500 else 0
            flight = draw.choice((1, 1, 1, 3))
            data = draw.randbytes(draw.choice((1, 8, 30)))
            tag = bytes((0, draw.randrange(9)))
            part: Part = Piece(flight, k, draw.randrange(256), data, group, tag)
            if draw.random() < 0.2:
                saying = draw.choice((Saying.NEED, Saying.WHOLE))
                part = Note(saying, draw.randrange(1, 8), 255, 0, draw.randbytes(10), tag)
            who = draw.randrange(endpoints)
            content = Content(Code.POST, options, part.encode())
            datagram = content.encode(MessageType.NON, number % 65536, draw.randbytes(2))
            came[who] += len(datagram)
            here.server.receive(datagram, Address(f"198.51.100.{who % 250}", 1000 + who))
            assert peers.bodies.total <= 64 * 1024
            assert peers.unproven.count <= 32
            assert len(peers) <= 32
            assert all(each.unproven for each in peers)
        assert all(
            sum(len(sent.data) for sent in here.network.between(SERVER, address))
            <= 3 * came[address.port - 1000]
            for address in {sent.destination for sent in here.network.sent}
        )
        await complete(here, RPK)
        await asyncio.sleep(700)
        assert here.residue() == {"peers": 1}
