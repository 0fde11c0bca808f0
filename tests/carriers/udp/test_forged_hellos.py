"""A hello in the server's name, well formed, from another handshake: anybody can send one.

The client takes it, and the handshake with the server itself goes on all the same, or begins again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from handshake_over_coap.carriers.base import HandshakeFailed
from handshake_over_coap.carriers.established import Established13
from handshake_over_coap.carriers.udp.client import BEGINNINGS, SILENCE, UdpClient
from handshake_over_coap.carriers.udp.fragments import plain_record
from handshake_over_coap.carriers.udp.parameters import UdpParameters
from handshake_over_coap.records.dtls12 import PlaintextRecord
from handshake_over_coap.records.dtls13 import split13
from handshake_over_coap.sim import run
from handshake_over_coap.tls.codepoints import ContentType, ProtocolVersion
from handshake_over_coap.tls.negotiation import start_client
from tests.carriers.udp.test_udp_server13 import SERVER, Place
from tests.support.network import Sent
from tests.support.parties import seeded
from tests.support.udp_pair13 import BOTH, PSK_DHE, RPK, Case

ONLY_1_2: dict[str, Any] = {"versions": (ProtocolVersion.DTLS_1_2,)}


def said_elsewhere(case: Case, *, check: bool = False, versions: Any = None) -> bytes:
    """The first record of a server in another handshake, which is in the clear."""

    async def go() -> bytes:
        changes = {} if versions is None else {"versions": versions}
        place = Place(case, server={"rng": seeded("another"), **changes}, address_check=check)
        await place.connect(rng=seeded("another one"), **changes)
        sent = next(each.data for each in place.network.sent if each.source == SERVER)
        first = next(iter(split13(sent)))
        assert isinstance(first, PlaintextRecord)
        return plain_record(ContentType.handshake, 0, first.fragment)

    return run(go())


def seconds_with(
    forged: bytes, case: Case, *, check: bool, lost: tuple[int, ...] = (), versions: Any = None
) -> tuple[float, Place]:
    """How long a handshake takes where ``forged`` is the first thing that a client gets."""

    async def go() -> tuple[float, Place]:
        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.index == 0:
                place.network.inject(forged, SERVER, sent.source, 0.01)
            return () if sent.index in lost else (sent.data,)

        changes = {} if versions is None else {"versions": versions}
        place = Place(case, verdict, server=changes, address_check=check)
        began = asyncio.get_running_loop().time()
        established = await place.connect(**changes)
        assert isinstance(established, Established13)
        ((theirs, _),) = place.established.values()
        assert isinstance(theirs, Established13)
        assert theirs.connected.secrets == established.connected.secrets
        return asyncio.get_running_loop().time() - began - 1, place

    return run(go())


@pytest.mark.parametrize("case", [PSK_DHE, RPK], ids=str)
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("lost", [(), (0,), (1,)])
def test_a_forged_serverhello_delays_a_handshake(
    case: Case, check: bool, lost: tuple[int, ...]
) -> None:
    """At the worst until the server, which knows nothing of it, has been silent for a while."""
    seconds, _ = seconds_with(said_elsewhere(case), case, check=check, lost=lost)
    assert seconds < SILENCE * UdpParameters().timeout + 2


@pytest.mark.parametrize("case", [PSK_DHE, RPK], ids=str)
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("lost", [(), (0,), (1,)])
def test_a_forged_request_for_another_hello_delays_a_handshake(
    case: Case, check: bool, lost: tuple[int, ...]
) -> None:
    forged = said_elsewhere(case, check=True)
    assert seconds_with(forged, case, check=check, lost=lost)[0] < 4


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("lost", [(), (0,), (1,)])
@pytest.mark.parametrize("cookie", [False, True])
def test_a_forged_answer_of_1_2_keeps_no_client_from_1_3(
    check: bool, lost: tuple[int, ...], cookie: bool
) -> None:
    """ServerHello, or HelloVerifyRequest: a client of both versions goes on with 1.2."""
    forged = said_elsewhere(PSK_DHE, check=cookie, **ONLY_1_2)
    seconds, place = seconds_with(forged, PSK_DHE, check=check, lost=lost, versions=BOTH)
    assert seconds < 8
    assert place.counters["handshakes begun again"] == 1


def test_a_client_begins_again_a_bounded_number_of_times() -> None:
    forged = said_elsewhere(PSK_DHE)
    config, counters = PSK_DHE.client(), Counter[str]()
    client = UdpClient(SERVER, UdpParameters(), lambda: start_client(config), counters)
    output = client.start(0.0)
    now, hellos = 0.0, 0
    while not any(isinstance(each, HandshakeFailed) for each in output.events):
        if any(data[0] == ContentType.handshake for data, _ in output.datagrams):
            hellos += 1
            client.receive(forged, SERVER, now + 0.01)
        assert client.deadline is not None
        assert client.deadline > now
        now = client.deadline
        output = client.on_timer(now)
    assert now == UdpParameters().timeout
    assert hellos == BEGINNINGS
