"""A server over UDP that starts again in mid-handshake, or that sees its client move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.udp.client import BEGINNINGS
from handshake_over_coap.net.server import Server
from tests.support import parties13
from tests.support.both_carriers import SERVER, Place, echo, place
from tests.support.exchange import virtual
from tests.support.network import Delivery, Sent
from tests.support.parties import TYPICAL, seeded

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "1.2 psk": (TYPICAL[0], {"dtls": "1.2"}),
    "1.2 rpk": (TYPICAL[3], {"dtls": "1.2"}),
    "1.3 psk": (parties13.PSK_ONLY, {"dtls": "1.3"}),
    "1.3 rpk": (parties13.RPK, {"dtls": "1.3"}),
}


class Disturbed:
    """Does something after the datagram of a number has been sent."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.disturb: Callable[[], object] = lambda: None
        self.here: Place | None = None

    def __call__(self, sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.index == self.after:
            asyncio.get_running_loop().call_later(0.01, self.disturb)
        return [sent.data]


def void(_: object) -> None:
    """Nothing more."""


def restart(here: Place) -> None:
    """Another server at the same address, which knows of nothing."""
    asyncio.ensure_future(here.server.close())  # noqa: RUF006 - it has nothing to wait for
    here.server = Server(
        here.network.endpoint(SERVER.host, SERVER.port),
        here.options,
        here.scenario.server(),
        echo,
        seeded("the server once more"),
    )


@virtual
@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("name", CASES)
async def test_a_client_whose_server_starts_again_completes(name: str, after: int) -> None:
    case, options = CASES[name]
    verdict = Disturbed(after)
    async with place(case, verdict=verdict, transport="udp", **options) as here:
        verdict.disturb = lambda: restart(here)
        began = asyncio.get_running_loop().time()
        await here.connect()
        assert asyncio.get_running_loop().time() - began < 20


@virtual
@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("name", CASES)
async def test_a_client_that_a_nat_moves_in_mid_handshake_completes(name: str, after: int) -> None:
    case, options = CASES[name]
    verdict = Disturbed(after)
    async with place(case, verdict=verdict, transport="udp", **options) as here:
        client = here.client()
        endpoint = here.network._endpoints[Address("192.0.2.7", 40000)]
        verdict.disturb = lambda: void(here.network.rebind(endpoint, "192.0.2.8", 4444))
        await client.handshake(case.client())


@virtual
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("profile", ["standard", "lean"])
@pytest.mark.parametrize("name", CASES)
async def test_over_coap_too_either_may_happen_at_any_datagram(
    name: str, profile: str, moves: bool
) -> None:
    case, options = CASES[name]
    for after in range(6):
        verdict = Disturbed(after)
        async with place(case, verdict=verdict, profile=profile, **options) as here:
            client = here.client()
            if moves:
                endpoint = here.network._endpoints[Address("192.0.2.7", 40000)]
                verdict.disturb = partial(here.network.rebind, endpoint, "192.0.2.8", 4444)
            else:
                verdict.disturb = partial(restart, here)
            began = asyncio.get_running_loop().time()
            await client.handshake(case.client())
            assert asyncio.get_running_loop().time() - began < 20


@virtual
async def test_a_server_that_is_gone_ends_a_handshake_at_its_time_and_not_later() -> None:
    case, options = CASES["1.2 psk"]
    verdict = Disturbed(3)
    async with place(case, verdict=verdict, transport="udp", **options) as here:
        endpoint = here.network._endpoints[SERVER]
        verdict.disturb = lambda: here.network.detach(endpoint)
        began = asyncio.get_running_loop().time()
        with pytest.raises(hoc.HandshakeTimeout):
            await here.connect()
        assert asyncio.get_running_loop().time() - began == pytest.approx(60.0, abs=0.5)
        assert here.clients[0].counters["handshakes begun again"] == 1


@virtual
async def test_refused_cookies_have_it_begin_a_bounded_number_of_times() -> None:
    case, options = CASES["1.3 psk"]
    refusal = b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x2f"

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        # The second hello, which has the cookie, is refused each time that it comes.
        if sent.source == SERVER or sent.data[13:14] != b"\x01" or sent.data[17:19] != b"\0\1":
            return [sent.data]
        here.network.inject(refusal, SERVER, sent.source, 0.1)
        return []

    async with place(case, verdict=verdict, transport="udp", **options) as here:
        with pytest.raises(hoc.AlertError) as caught:
            await here.connect()
        assert caught.value.name == "illegal_parameter"
        assert here.clients[0].counters["handshakes begun again"] == BEGINNINGS - 1
