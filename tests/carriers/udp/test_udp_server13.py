"""Server and clients of DTLS 1.3 over plain UDP, as asyncio runs them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.carriers.delivery import GRACE
from handshake_over_coap.carriers.established import AnyEstablished, Established13
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.udp import UdpClient, UdpParameters, UdpServer
from handshake_over_coap.errors import HandshakeTimeout
from handshake_over_coap.sim import run
from handshake_over_coap.tls.alerts import DecryptError, HandshakeFailure
from handshake_over_coap.tls.codepoints import NamedGroup, ProtocolVersion
from handshake_over_coap.tls.credentials import PSK
from handshake_over_coap.tls.negotiation import start_client
from handshake_over_coap.trace.report import TrialFigures
from tests.support.exchange import virtual
from tests.support.network import Network, Verdict, deliver_all, dropping
from tests.support.parties import IDENTITY, seeded
from tests.support.pumped import PumpedClient, PumpedServer
from tests.support.udp_pair13 import BOTH, PSK_DHE, PSK_KE, RPK, Case

SERVER = Address("192.0.2.1", 5684)


class Receiver:
    """Hands what comes to one carrier."""

    def __init__(self, carrier: PumpedClient | PumpedServer, endpoint: DatagramEndpoint) -> None:
        self._carrier = carrier
        endpoint.start(self)

    def on_datagram(self, data: bytes, address: Address) -> None:
        self._carrier.receive(data, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)


class Place:
    """A server and the network around it."""

    def __init__(
        self,
        case: Case,
        verdict: Verdict = deliver_all,
        server: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        self.network = Network(0.05, verdict)
        self.case = case
        self.parameters = UdpParameters(**parameters)
        self.established: dict[Address, tuple[AnyEstablished, TrialFigures]] = {}
        self.counters = Counter[str]()
        endpoint = self.network.endpoint(SERVER.host, SERVER.port)
        self.server = UdpServer(
            self.parameters, case.server(**(server or {})), seeded("server"), self.counters
        )
        Receiver(PumpedServer(endpoint, self.server, self._on_completed), endpoint)

    def _on_completed(self, done: HandshakeCompleted) -> None:
        self.established[done.address] = done.established, done.figures

    async def connect(self, port: int = 40000, **changes: Any) -> AnyEstablished:
        """A client's handshake, and time for what follows it."""
        endpoint = self.network.endpoint("192.0.2.7", port)
        client = PumpedClient(endpoint, SERVER)
        Receiver(client, endpoint)
        config = self.case.client(**changes)
        carrier = UdpClient(SERVER, self.parameters, lambda: start_client(config), self.counters)
        established: AnyEstablished = await client.run(carrier)
        await asyncio.sleep(1)
        return established


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("case", [PSK_KE, PSK_DHE, RPK], ids=str)
def test_a_handshake_completes_on_both_sides(case: Case, check: bool) -> None:
    async def go() -> None:
        place = Place(case, address_check=check)
        ours = await place.connect()
        ((theirs, figures),) = place.established.values()
        assert isinstance(ours, Established13)
        assert isinstance(theirs, Established13)
        assert ours.connected.export("EXPORTER-x", 8) == theirs.connected.export("EXPORTER-x", 8)
        assert figures.retransmissions == 0
        assert place.server.unfinished == 0
        assert place.counters["challenged"] == check

    run(go())


@pytest.mark.parametrize("mtu", [1152, 200])
@virtual
async def test_the_second_hello_after_a_retry_with_state_goes_on_with_its_handshake(
    mtu: int,
) -> None:
    # The last flight is the session's to send again, and there is none here.
    for lost in range(-1, 4):
        place = Place(
            RPK, dropping(lost), {"groups": (NamedGroup.x25519,)}, address_check=False, mtu=mtu
        )
        await place.connect()
        await asyncio.sleep(3)
        assert len(place.established) == 1
        assert place.server.known_peers == 1


@virtual
async def test_a_repeated_hello_repeats_the_flight_and_begins_nothing() -> None:
    # The server's flight is lost twice.
    place = Place(PSK_DHE, dropping(3, 5))
    await place.connect()
    assert len(place.established) == 1
    assert place.counters["challenged"] == 1


@virtual
async def test_many_clients_at_once_have_a_handshake_each() -> None:
    place = Place(PSK_KE)
    await asyncio.gather(*(place.connect(port) for port in range(40000, 40050)))
    assert len(place.established) == 50


@virtual
async def test_more_handshakes_than_the_limits_allow_are_refused() -> None:
    place = Place(PSK_KE, limits=Limits(half_open=3), timeout=10.0)
    clients = [place.connect(port) for port in range(40000, 40005)]
    results = await asyncio.gather(*clients, return_exceptions=True)
    # Whoever comes too early tries again, when its timer runs out.
    assert sum(isinstance(result, Established13) for result in results) == 5
    assert place.counters["refused: too many handshakes"] == 2


@virtual
async def test_a_wrong_key_is_told_to_the_client() -> None:
    place = Place(PSK_DHE)
    with pytest.raises(DecryptError) as raised:
        await place.connect(psk=PSK(IDENTITY, bytes(16)))
    assert raised.value.received
    assert place.server.known_peers == 0


@virtual
async def test_nothing_in_common_is_told_without_keeping_anything() -> None:
    first, second, *_ = RPK.client().suites13
    place = Place(RPK, server={"suites13": (first,)})
    with pytest.raises(HandshakeFailure):
        await place.connect(suites13=(second,))
    assert place.server.known_peers == 0


@virtual
async def test_a_server_that_is_silent_is_given_up() -> None:
    place = Place(PSK_KE, lambda sent: (), timeout=20.0)
    with pytest.raises(HandshakeTimeout):
        await place.connect()


@virtual
async def test_a_client_of_both_versions_is_served_by_a_server_of_1_2() -> None:
    place = Place(PSK_DHE, server={"versions": (ProtocolVersion.DTLS_1_2,)})
    established = await place.connect(versions=BOTH)
    assert established.connected.version == ProtocolVersion.DTLS_1_2
    assert len(place.established) == 1


def hellos(place: Place, seq: int) -> list[int]:
    """Which datagrams hold parts of the client's hello of that message_seq."""
    return [
        index
        for index, sent in enumerate(place.network.sent)
        if sent.data[:1] == b"\x16" and sent.data[13:14] == b"\1" and sent.data[18] == seq
    ]


async def undisturbed() -> Place:
    place = Place(RPK, mtu=65)
    await place.connect()
    return place


@pytest.mark.parametrize("lost", range(5))
@virtual
async def test_of_a_second_hello_only_what_the_server_lacks_is_sent_again(lost: int) -> None:
    before = await undisturbed()
    second = hellos(before, 1)
    assert len(second) > 4
    place = Place(RPK, dropping(second[lost]), mtu=65)
    ours = await place.connect()
    again = hellos(place, 1)
    # A gap is acknowledged at once; behind the last part that came none shows.
    repeated = [place.network.sent[index] for index in again[len(second) :]]
    assert len(repeated) == 1
    assert repeated[0].data[13:] == place.network.sent[second[lost]].data[13:]
    waited = 0.35 if lost == len(second) - 1 else 0.1
    since = place.network.sent[second[0]].time
    assert repeated[0].time - since == pytest.approx(waited, abs=1.1 * GRACE)
    assert isinstance(ours, Established13)


@virtual
async def test_one_part_of_a_repeated_first_hello_draws_the_retry_again() -> None:
    before = await undisturbed()
    first, second = hellos(before, 0), hellos(before, 1)
    retry = list(range(first[-1] + 1, second[0]))
    assert len(retry) > 1
    repeated = range(retry[-1] + 1, retry[-1] + 1 + len(first))
    place = Place(RPK, dropping(retry[-1], *repeated[1:]), mtu=65)
    await place.connect()
    assert place.counters["challenged"] == 2
    second_sent = place.network.sent[hellos(place, 1)[0]]
    assert second_sent.time - place.network.sent[0].time == pytest.approx(1.1)


@virtual
async def test_one_part_of_a_repeated_second_hello_draws_the_flight_again() -> None:
    before = await undisturbed()
    second = hellos(before, 1)
    flight = range(second[-1] + 1, second[-1] + 11)
    repeated = range(flight[-1] + 1, flight[-1] + 1 + len(second))
    place = Place(RPK, dropping(*flight, *repeated[1:]), mtu=65)
    await place.connect()
    # The client has measured a round trip and is the first to repeat; the server's timer is 1 s.
    answer = place.network.sent[repeated[-1] + 1]
    assert answer.source == SERVER
    assert answer.time - place.network.sent[0].time == pytest.approx(0.4)
