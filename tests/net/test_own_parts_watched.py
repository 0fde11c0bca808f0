"""A part of a user's own that breaks its protocol is named, with the method, at the first trial."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.encodings import FlightContext, FlightItem
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.net.checked import PartError
from handshake_over_coap.timers.base import Backoff
from handshake_over_coap.transfers.blockwise import Blockwise
from tests.support.sockets import LOOPBACK, echo


@dataclass(frozen=True)
class Encoded:
    """Gives ``made`` for a body, or what is ``turned`` round."""

    made: object = None
    turned: bool = False
    read: object = True
    name: str = "mine"
    content_format: int = 65010

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> Any:
        body = PLAIN.encode(flight, context)
        return body[::-1] if self.turned else body if self.read is not True else self.made

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        return PLAIN.decode(body, context)

    def hello(self, body: bytes) -> Any:
        return PLAIN.hello(body) if self.read is True else self.read


class _Wait(Backoff):
    def __init__(self, value: Any) -> None:
        super().__init__(1.0, 60.0, None)
        self._value = value


@dataclass(frozen=True)
class Waiting:
    wait: Any = 1.0
    name: str = "mine"

    def start(self, draw: hoc.Draw) -> Any:
        return _Wait(self.wait) if self.wait is not None else None


class _Part:
    """Passes on what it does not replace."""

    def __init__(self, part: Any, **replaced: Any) -> None:
        self.__dict__.update(replaced, _part=part)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


@dataclass(frozen=True)
class Crossing(Blockwise):
    how: str = ""
    name: str = field(default="mine", init=False)

    def client(self, terms: Any) -> Any:
        side = super().client(terms)
        if self.how == "post":
            return _Part(side, post=lambda _: None)
        wrong: dict[str, dict[str, Any]] = {
            "start": {"start": lambda _: None},
            "deadline": {"deadline": -5.0, "on_timer": lambda _: ()},
            "when": {"deadline": "soon"},
        }
        replaced = wrong.get(self.how, {})
        return _Part(side, post=lambda upload: _Part(side.post(upload), **replaced))

    def server(self, terms: Any) -> Any:
        side = super().server(terms)
        return _Part(side, receive=lambda *_: 7) if self.how == "receive" else side


ENCODINGS = [
    (Encoded("x"), "encoding mine: encode gave 'x', where bytes belongs"),
    (Encoded(), "encoding mine: encode gave None"),
    (Encoded(turned=True), "encoding mine: hello (refused|gave)"),
    (Encoded(read=None), "hello gave None, where the ClientHello that encode was given belongs"),
    (Encoded(read=b""), "hello gave b'', where a HandshakeMessage or None belongs"),
]
TIMERS = [
    (Waiting(wait), "timer mine: value gave .*, where a number of seconds above 0 belongs")
    for wait in ("x", -1.0, 0.0, float("nan"), float("inf"), True)
] + [(Waiting(None), "timer mine: start gave None, where an object with value, exhausted")]
TRANSFERS = [
    (Crossing("post"), "transfer mine: post gave None"),
    (Crossing("start"), "transfer mine: start gave None, where a sequence of Outgoing"),
    (Crossing("deadline"), "deadline gave -5.0, where a time after 0"),
    (Crossing("when"), "transfer mine: deadline gave 'soon', where a time in seconds or None"),
]


@pytest.mark.parametrize(
    ("option", "part", "said"),
    [
        *(("encoding", *case) for case in ENCODINGS),
        *(("timer", *case) for case in TIMERS),
        *(("transfer", *case) for case in TRANSFERS),
    ],
)
def test_a_simulation_names_the_part_and_its_method(option: str, part: Any, said: str) -> None:
    with pytest.raises(PartError, match=said):
        hoc.simulate(hoc.Scenario.of({option: part, "loss": 0.3}), 1)


def test_a_server_s_part_is_told_apart_from_a_mistake_of_the_library() -> None:
    with pytest.raises((PartError, RuntimeError), match=r"receive gave 7|see the log"):
        hoc.simulate(hoc.Scenario(transfer=Crossing("receive")), 1)


def test_a_client_on_a_real_socket_is_told_the_same() -> None:
    key = hoc.PSK("me", bytes(16))

    async def scenario() -> None:
        async with hoc.serve(LOOPBACK, key, handler=echo) as server:
            with pytest.raises(PartError, match="encode gave 'x'"):
                async with hoc.connect(server.address, key, encoding=Encoded("x")):
                    pass

    asyncio.run(scenario())


def test_a_part_that_keeps_to_its_protocol_gives_the_figures_it_gave_unwatched() -> None:
    usual = hoc.simulate(hoc.Scenario(loss=0.2, block_size=32), 10)
    mine = hoc.simulate(hoc.Scenario(loss=0.2, block_size=32, transfer=Crossing()), 10)
    assert mine.to_dict() == usual.to_dict()


def test_a_sweep_in_which_nothing_completed_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lost = hoc.Scenario(loss=1.0, max_retransmit=0)
    with caplog.at_level(logging.WARNING):
        hoc.sweep([lost], trials=2, workers=1)
    assert "none of the 2 handshakes completed: the column failure says why" in caplog.text
    caplog.clear()
    hoc.sweep([lost, hoc.Scenario()], trials=2, workers=1)
    assert "handshakes completed" not in caplog.text
