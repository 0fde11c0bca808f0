"""Endpoints on a simulated network: what arrives, in which order, and what is told of the rest."""

from __future__ import annotations

import asyncio

import pytest

from handshake_over_coap.carriers.datagram import Address, DatagramEndpoint
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.sim import (
    Draws,
    Endpoint,
    LinkOptions,
    Network,
    Outcome,
    Passage,
    PassageRecorder,
    RadioOptions,
    Side,
    run,
    view,
)
from handshake_over_coap.sim.network import EARLY_DATAGRAMS
from handshake_over_coap.trace import Direction, Fate, ladder
from tests.support.inbox import Inbox

PLAIN = LinkOptions(delay=0.25)


class World:
    """A client and a server, started, and everything that happened between them."""

    def __init__(self, options: LinkOptions = PLAIN, seed: int = 1) -> None:
        self.network = Network(options, Draws(seed))
        self.recorder = PassageRecorder()
        self.network.observe(self.recorder)
        self.client = self.network.endpoint(Side.CLIENT, "client", 40000)
        self.server = self.network.endpoint(Side.SERVER, "server")
        self.at_client, self.at_server = Inbox(), Inbox()
        self.client.start(self.at_client)
        self.server.start(self.at_server)

    def up(self, data: bytes) -> None:
        self.client.send(data, self.server.local_address)

    def down(self, data: bytes) -> None:
        self.server.send(data, self.client.seen_as)

    @property
    def outcomes(self) -> list[Outcome]:
        return [passage.outcome for passage in self.recorder.passages]


def test_an_endpoint_is_what_carriers_stand_on() -> None:
    async def main() -> None:
        endpoint: DatagramEndpoint = World().client
        assert endpoint.local_address == Address("client", 40000)
        assert (endpoint.send_errors, endpoint.kernel_drops) == (0, 0)

    run(main())


def test_datagrams_arrive_both_ways_with_the_senders_address() -> None:
    async def main() -> None:
        world = World()
        world.up(b"question")
        await asyncio.sleep(1)
        world.down(b"answer")
        await asyncio.sleep(1)
        assert world.at_server.arrived == [(0.25, b"question", Address("client", 40000))]
        assert world.at_client.arrived == [(1.25, b"answer", Address("server", 5684))]
        assert world.network.sent[Side.CLIENT].datagrams == 1
        assert world.network.sent[Side.SERVER].bytes == len(b"answer")

    run(main())


def test_datagrams_of_one_instant_arrive_in_the_order_of_sending() -> None:
    async def main() -> None:
        world = World(LinkOptions(delay=0.0))
        sent = [bytes((n,)) for n in range(200)]
        for data in sent:
            world.up(data)
        assert world.at_server.payloads == [], "delivered within the sender's call"
        await asyncio.sleep(0.1)
        assert world.at_server.payloads == sent

    run(main())


class Echo(Inbox):
    """Sends what it receives back to where it is from, a few times, and sees how it is called."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.depth = 0
        self.depths: list[int] = []

    def on_datagram(self, data: bytes, address: Address) -> None:
        self.depths.append(self.depth)
        self.depth += 1
        if len(self.depths) < 4:
            self.endpoint.send(data, address)
        self.depth -= 1


def test_a_receiver_may_answer_from_within_a_delivery_and_is_not_called_within_that() -> None:
    async def main() -> list[int]:
        network = Network(LinkOptions(delay=0.0), Draws(1))
        endpoint = network.endpoint(Side.SERVER, "server")
        echo = Echo(endpoint)
        endpoint.start(echo)
        endpoint.send(b"to itself", endpoint.local_address)
        await asyncio.sleep(1)
        return echo.depths

    assert run(main()) == [0, 0, 0, 0]


def test_the_drop_list_counts_both_directions_together() -> None:
    async def main() -> None:
        world = World(LinkOptions(drop=frozenset({2, 5})))
        for n in range(3):
            world.up(b"up%d" % n)
            world.down(b"down%d" % n)
        await asyncio.sleep(1)
        assert world.at_server.payloads == [b"up0", b"up1"]
        assert world.at_client.payloads == [b"down1", b"down2"]
        dropped = [
            p.datagram.number for p in world.recorder.passages if p.outcome.fate is Fate.LOST
        ]
        assert dropped == [2, 5]

    run(main())


def test_what_comes_before_the_start_is_kept_up_to_a_bound() -> None:
    async def main() -> None:
        network = Network(LinkOptions(delay=0.0), Draws(1))
        client = network.endpoint(Side.CLIENT, "client")
        server = network.endpoint(Side.SERVER, "server")
        for n in range(EARLY_DATAGRAMS + 3):
            client.send(b"%d" % n, server.local_address)
        await asyncio.sleep(1)
        inbox = Inbox()
        server.start(inbox)
        assert inbox.payloads == [], "delivered within start()"
        client.send(b"late", server.local_address)
        await asyncio.sleep(1)
        assert inbox.payloads == [b"%d" % n for n in range(EARLY_DATAGRAMS)] + [b"late"]
        assert server.kernel_drops == 3
        with pytest.raises(Error, match="started before"):
            server.start(Inbox())

    run(main())


def test_a_closed_endpoint_sends_and_receives_nothing() -> None:
    async def main() -> None:
        world = World()
        world.up(b"under way")
        world.server.close()
        world.server.close()
        world.down(b"from the closed one")
        await asyncio.sleep(1)
        assert world.at_server.payloads == []
        assert world.at_client.payloads == []
        assert world.server.send_errors == 1
        assert world.server.local_address == Address("server", 5684)
        assert world.outcomes == [Outcome.UNREACHABLE]
        world.network.endpoint(Side.SERVER, "server")

    run(main())


def test_a_datagram_above_the_limit_is_refused_and_counted() -> None:
    async def main() -> None:
        world = World(LinkOptions(max_datagram=4))
        world.up(b"12345")
        world.up(b"1234")
        await asyncio.sleep(1)
        assert world.at_server.payloads == [b"1234"]
        assert world.outcomes == [Outcome.TOO_LARGE, Outcome.DELIVERED]
        assert world.client.send_errors == 1
        sent = world.network.sent[Side.CLIENT]
        assert (sent.datagrams, sent.bytes, sent.refused) == (1, 4, 1)

    run(main())


def test_a_rebinding_in_mid_session_changes_what_others_see_and_nothing_else() -> None:
    async def main() -> None:
        world = World()
        world.up(b"before")
        await asyncio.sleep(1)
        world.down(b"under way to the old address")
        world.network.rebind(world.client, "nat", 6000)
        world.up(b"after")
        await asyncio.sleep(1)
        old, new = Address("client", 40000), Address("nat", 6000)
        assert [address for _, _, address in world.at_server.arrived] == [old, new]
        assert world.at_client.payloads == []
        assert world.client.local_address == old
        world.server.send(b"lost", old)
        world.server.send(b"found", new)
        await asyncio.sleep(1)
        assert world.at_client.payloads == [b"found"]
        unreachable = [p.outcome is Outcome.UNREACHABLE for p in world.recorder.passages]
        assert unreachable == [False, True, False, True, False]
        with pytest.raises(ConfigurationError, match="taken"):
            world.network.rebind(world.client, "server", 5684)
        world.network.rebind(world.client, "nat", 6000)  # it has this address
        world.up(b"still there")
        await asyncio.sleep(1)
        assert world.at_server.payloads[-1] == b"still there"

    run(main())


def test_an_address_is_given_once() -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="client:40000 is taken"):
            World().network.endpoint(Side.SERVER, "client", 40000)

    run(main())


def test_every_datagram_is_told_of_once_with_its_outcome_and_arrivals() -> None:
    async def main() -> None:
        options = LinkOptions(delay=0.1, loss=0.2, duplicate=0.3, reorder=0.2, jitter=0.05)
        world = World(options)
        for n in range(300):
            world.up(b"up%d" % n)
            world.down(b"down%d" % n)
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        passages = world.recorder.passages
        assert [each.datagram.number for each in passages] == list(range(1, 601))
        assert {each.outcome for each in passages} == {Outcome.LOST, Outcome.DELIVERED}
        assert all(bool(each.arrivals) is (each.outcome is Outcome.DELIVERED) for each in passages)
        for side, inbox in ((Side.CLIENT, world.at_server), (Side.SERVER, world.at_client)):
            told = sorted(
                (time, each.datagram.data)
                for each in passages
                if each.datagram.sender is side
                for time in each.arrivals
            )
            assert told == sorted((time, data) for time, data, _ in inbox.arrived)

    run(main())


def test_what_is_under_way_at_the_end_is_told_of_as_such() -> None:
    async def main() -> list[Passage]:
        world = World(LinkOptions(delay=1.0))
        world.up(b"arrives")
        await asyncio.sleep(2)
        world.up(b"does not")
        world.network.finish()
        world.network.finish()
        return list(world.recorder.passages)

    arrived, under_way = run(main())
    assert (arrived.outcome, under_way.outcome) == (Outcome.DELIVERED, Outcome.UNDER_WAY)
    assert under_way.outcome.fate is Fate.UNKNOWN


def test_nothing_arrives_after_the_end() -> None:
    async def main() -> None:
        world = World()
        world.up(b"late")
        world.network.finish()
        await asyncio.sleep(1)
        assert world.at_server.payloads == []
        assert world.outcomes == [Outcome.UNDER_WAY]

    run(main())


def test_a_side_sees_what_it_sent_and_what_came_or_was_to_come() -> None:
    async def main() -> tuple[Passage, ...]:
        world = World(LinkOptions(delay=0.25, drop=frozenset({1, 4})))
        world.up(b"lost")
        await asyncio.sleep(1)
        world.up(b"found")
        await asyncio.sleep(1)
        world.down(b"answer")
        await asyncio.sleep(1)
        world.down(b"lost too")
        return world.recorder.passages

    passages = run(main())
    client = view(passages, Side.CLIENT)
    assert [(seen.time, seen.data, seen.fate) for seen in client] == [
        (0.0, b"lost", Fate.LOST),
        (1.0, b"found", Fate.DELIVERED),
        (2.25, b"answer", Fate.DELIVERED),
        (3.0, b"lost too", Fate.LOST),
    ]
    assert [seen.direction for seen in client] == [Direction.SENT] * 2 + [Direction.RECEIVED] * 2
    assert {(seen.host, seen.port, seen.local_host) for seen in client} == {
        ("server", 5684, "client")
    }
    server = view(passages, Side.SERVER)
    assert [seen.time for seen in server] == [0.0, 1.25, 2.0, 3.0]
    drawn = ladder(client)
    assert drawn.count("X ") + drawn.count(" X") == 2


def test_a_doubled_datagram_is_seen_twice_by_its_receiver() -> None:
    async def main() -> tuple[Passage, ...]:
        world = World(LinkOptions(duplicate=1.0))
        world.up(b"twice")
        await asyncio.sleep(1)
        assert world.at_server.payloads == [b"twice"] * 2
        return world.recorder.passages

    passages = run(main())
    assert len(view(passages, Side.CLIENT)) == 1
    assert len(view(passages, Side.SERVER)) == 2


def test_a_recorder_keeps_the_beginning_and_counts_the_rest() -> None:
    async def main() -> None:
        world = World()
        few, small = PassageRecorder(max_datagrams=2), PassageRecorder(max_bytes=5)
        world.network.observe(few)
        world.network.observe(small)
        for data in (b"123", b"456", b"7"):
            world.up(data)
        await asyncio.sleep(1)
        assert [each.datagram.data for each in few.passages] == [b"123", b"456"]
        assert [each.datagram.data for each in small.passages] == [b"123"]
        assert (few.left_out, small.left_out) == (1, 2)

    run(main())
    with pytest.raises(ConfigurationError):
        PassageRecorder(max_datagrams=-1)


def test_a_radio_refuses_what_is_above_its_mtu() -> None:
    async def main() -> None:
        network = Network(PLAIN, Draws(1), RadioOptions())
        assert (network.fits(1232), network.fits(1233)) == (True, False)
        client = network.endpoint(Side.CLIENT, "client")
        client.send(bytes(1233), Address("server", 5684))
        assert client.send_errors == 1

    run(main())
