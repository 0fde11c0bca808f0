"""Servers that know no pieces, or no abbreviated path: clients go back to what all of them take."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.codes import Code, MessageType
from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Option
from handshake_over_coap.errors import CarrierError, ConfigurationError
from handshake_over_coap.timers import Adaptive
from handshake_over_coap.transfers.blockwise import BLOCKWISE
from handshake_over_coap.transfers.burst import Burst
from handshake_over_coap.transfers.qblock import QBLOCK
from handshake_over_coap.transfers.wrapping import unwrapped
from tests.support import parties, parties13
from tests.support.exchange import (
    ACK,
    GET,
    NON,
    RESOURCE,
    SERVER,
    URI_PATH,
    Exchange,
    complete,
    exchange,
    request,
    response,
    virtual,
)
from tests.support.network import Sent, dropping
from tests.support.parties import Scenario
from tests.support.parties13 import Scenario13

ABBREVIATED = (int(Option.URI_PATH_ABBREV), b"\x64")
LEAN: dict[str, Any] = {
    "mtu": 65,
    "timer": Adaptive(),
    "transfer": Burst(),
    "timeout": 600.0,
    "path_abbrev": True,
}
CHECKS: dict[str, dict[str, Any]] = {
    "always": {},
    "adaptive": {"answer_unproven": True},
    "never": {"address_check": False},
}
ONE_OF_EACH: list[Scenario | Scenario13] = [parties13.TYPICAL[0], parties.TYPICAL[0]]

checks = pytest.mark.parametrize("check", CHECKS)
scenarios = pytest.mark.parametrize("scenario", ONE_OF_EACH, ids=str)


def without_pieces(here: Exchange) -> None:
    """The server becomes one from before bursts: to it, pieces are bodies in an unknown format."""
    receive = here.server.receive

    def old(data: bytes, address: Address) -> None:
        message = Message.decode(data)
        if unwrapped(message.uint(Option.CONTENT_FORMAT) or 0) is None:
            receive(data, address)
        else:
            here.endpoint.send(_refusal(message, data, Code.UNSUPPORTED_CONTENT_FORMAT), address)

    here.server.receive = old  # type: ignore[method-assign]


def _refusal(message: Message, data: bytes, code: int) -> bytes:
    kind = ACK if message.type == MessageType.CON else NON
    return response(data, code, kind=kind)


def without_abbreviations(here: Exchange, *, silent: bool = True) -> None:
    """The server becomes one that does not know the option.

    ``silent``: it drops what is not confirmable and has it (RFC 7252 section 5.4.1); else it says
    4.02, as the draft of the option asks for.
    """
    receive = here.server.receive

    def old(data: bytes, address: Address) -> None:
        message = Message.decode(data)
        if message.get(Option.URI_PATH_ABBREV) is None:
            receive(data, address)
        elif message.type == MessageType.CON or not silent:
            here.endpoint.send(_refusal(message, data, Code.BAD_OPTION), address)

    here.server.receive = old  # type: ignore[method-assign]


async def complete_once(here: Exchange, scenario: Scenario | Scenario13) -> None:
    """One handshake, and both sides agree."""
    await complete(here, scenario)
    assert len(here.completed) == 1


def _paths(here: Exchange) -> set[tuple[bool, int]]:
    """Of all requests so far: whether the path is abbreviated, and how many bytes it takes."""
    asked = [Message.decode(sent.data) for sent in here.network.between(None, SERVER)]
    requests = [each for each in asked if each.is_request]
    return {(each.get(Option.URI_PATH_ABBREV) is not None, len(each.path)) for each in requests}


@checks
@scenarios
@pytest.mark.parametrize("location", [True, False])
@virtual
async def test_a_server_from_before_bursts_gets_blocks(
    scenario: Scenario | Scenario13, check: str, location: bool
) -> None:
    parameters = LEAN | CHECKS[check] | {"location": location}
    async with exchange(scenario, **parameters) as here:
        without_pieces(here)
        await complete_once(here, scenario)
        assert "4.15" in here.codes(source=SERVER)
        assert max(len(sent.data) for sent in here.network.sent) <= 65


@checks
@virtual
async def test_any_two_datagrams_may_be_lost_on_the_way_back_to_blocks(check: str) -> None:
    scenario = ONE_OF_EACH[0]
    async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
        without_pieces(here)
        await complete_once(here, scenario)
        first = min(12, len(here.network.sent))
    for lost in combinations(range(first), 2):
        async with exchange(scenario, verdict=dropping(*lost), **LEAN, **CHECKS[check]) as here:
            without_pieces(here)
            await complete_once(here, scenario)


@checks
@scenarios
@virtual
async def test_a_number_stands_for_the_path_where_both_sides_know_it(
    scenario: Scenario | Scenario13, check: str
) -> None:
    async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
        await complete_once(here, scenario)
        assert _paths(here) == {(True, 2)}
        assert not any(b".well-known" in sent.data for sent in here.network.sent)


@checks
@scenarios
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("pieces", [True, False])
@virtual
async def test_a_server_that_does_not_know_the_number_gets_the_path(
    scenario: Scenario | Scenario13, check: str, silent: bool, pieces: bool
) -> None:
    async with exchange(scenario, **LEAN, **CHECKS[check]) as here:
        if not pieces:
            without_pieces(here)
        without_abbreviations(here, silent=silent)
        await complete_once(here, scenario)
        assert here.network.between(None, SERVER)[-1].time < 10
        assert max(len(sent.data) for sent in here.network.sent) <= 65


@scenarios
@pytest.mark.parametrize("transfer", [BLOCKWISE, QBLOCK], ids=lambda each: each.name)
@pytest.mark.parametrize("known", [True, False])
@virtual
async def test_blocks_of_both_kinds_abbreviate_the_path_and_spell_it_out_after_4_02(
    scenario: Scenario | Scenario13, transfer: Any, known: bool
) -> None:
    parameters: dict[str, Any] = {"transfer": transfer, "mtu": 100, "path_abbrev": True}
    async with exchange(scenario, **parameters) as here:
        if not known:
            without_abbreviations(here)
        await complete_once(here, scenario)
        refused = [code for code in here.codes(source=SERVER) if code == "4.02"]
        assert len(refused) == (0 if known else 1)
        used = {Message.decode(s.data).get(Option.Q_BLOCK1) for s in here.network.sent}
        assert (used != {None}) is (transfer is QBLOCK)


@virtual
async def test_heavy_loss_on_the_way_back_is_survived() -> None:
    scenario = ONE_OF_EACH[0]
    for seed in range(12):
        draw = random.Random(seed)

        def verdict(sent: Sent, draw: random.Random = draw) -> Iterable[bytes]:
            return [] if draw.random() < 0.4 else [sent.data]

        check = draw.choice(list(CHECKS.values()))
        patient = LEAN | check | {"timeout": 10_000.0}
        async with exchange(scenario, verdict=verdict, **patient) as here:
            if draw.random() < 0.5:
                without_pieces(here)
            without_abbreviations(here, silent=draw.random() < 0.5)
            await complete_once(here, scenario)


@pytest.mark.parametrize("kind", [MessageType.CON, MessageType.NON])
@virtual
async def test_numbers_that_nobody_knows_and_numbers_beside_a_path_are_4_02(kind: int) -> None:
    async with exchange() as here:
        for options in (
            ((ABBREVIATED[0], b"\x65"),),
            (ABBREVIATED, ABBREVIATED),
            (ABBREVIATED, (URI_PATH, b".well-known"), (URI_PATH, b"dtls")),
            ((ABBREVIATED[0], bytes(5)),),
        ):
            (answer,) = await here.raw().send(request(*options, payload=b"x", kind=kind))
            assert Message.decode(answer).code == Code.BAD_OPTION
        core = request((ABBREVIATED[0], b""), code=GET, payload=bytes(60), kind=kind)
        (answer,) = await here.raw().send(core)
        assert b"core.dtls" in Message.decode(answer).payload
        assert here.residue() == {}


@virtual
async def test_a_number_and_the_path_lead_to_one_resource() -> None:
    async with exchange() as here:
        for options in ((ABBREVIATED,), RESOURCE):
            assert (await here.raw().ask(*options, payload=b"x")).code == Code.UNAUTHORIZED


def test_only_the_well_known_path_has_a_number() -> None:
    with pytest.raises(ConfigurationError, match="no number stands for the path /d"):
        CoapParameters(resource="/d", path_abbrev=True)


@virtual
async def test_a_path_that_is_not_there_is_told_and_no_other_is_tried() -> None:
    async with exchange(ONE_OF_EACH[0], resource="/d", **{**LEAN, "path_abbrev": False}) as here:
        elsewhere = CoapParameters(resource="/e", **{**LEAN, "path_abbrev": False})
        with pytest.raises(CarrierError, match="no handshake resource at this path"):
            await here.client(parameters=elsewhere).handshake13()
