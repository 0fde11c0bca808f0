"""Every block size, token length, path and mtu: the handshake completes, and datagrams fit."""

from __future__ import annotations

from typing import Any

import pytest

from handshake_over_coap.carriers.coap import BLOCK_SIZES, CoapParameters
from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Block
from handshake_over_coap.errors import ConfigurationError
from tests.support.exchange import (
    BLOCK1,
    BLOCK2,
    PSK,
    SERVER,
    Exchange,
    agree,
    exchange,
    virtual,
)
from tests.support.parties import ECDSA_CCM, Scenario

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
X509 = Scenario(ECDSA_CCM, server_key="x509-intermediate", client_key="x509-intermediate")


async def completed(
    scenario: Scenario, client: dict[str, Any] | None = None, **server: Any
) -> Exchange:
    """One handshake; gives the exchange, to look at what was sent."""
    async with exchange(scenario, **server) as here:
        parameters = None if client is None else CoapParameters(**client)
        established = await here.client(parameters=parameters).handshake()
        assert agree(established, here.completed[0].established)
        assert here.clients[0].coap.retransmissions == 0
        return here


def block_sizes(here: Exchange, option: int) -> set[int]:
    found = set()
    for sent in here.network.sent:
        value = Message.decode(sent.data).get(option)
        if value is not None:
            found.add(Block.decode(value).size)
    return found


def largest_payload(here: Exchange) -> int:
    return max(len(Message.decode(s.data).payload) for s in here.network.sent)


@pytest.mark.parametrize("location", [True, False])
@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("scenario", [PSK, RPK, X509], ids=["psk", "rpk", "x509"])
@virtual
async def test_every_block_size_on_both_sides(
    scenario: Scenario, size: int, location: bool
) -> None:
    here = await completed(scenario, block_size=size, location=location)
    assert largest_payload(here) <= size
    assert block_sizes(here, BLOCK1) | block_sizes(here, BLOCK2) <= {size}


@pytest.mark.parametrize("size", BLOCK_SIZES)
@virtual
async def test_every_block_size_chosen_by_the_client(size: int) -> None:
    here = await completed(RPK, {"block_size": size})
    assert largest_payload(here) <= size


@pytest.mark.parametrize("size", BLOCK_SIZES)
@virtual
async def test_every_block_size_chosen_by_the_server(size: int) -> None:
    here = await completed(RPK, {}, block_size=size)
    assert (
        max(len(Message.decode(s.data).payload) for s in here.network.between(SERVER, None)) <= size
    )


@pytest.mark.parametrize("client", BLOCK_SIZES)
@pytest.mark.parametrize("server", BLOCK_SIZES)
@virtual
async def test_every_pair_of_block_sizes(client: int, server: int) -> None:
    here = await completed(RPK, {"block_size": client}, block_size=server)
    for sent in here.network.between(SERVER, None):
        assert len(Message.decode(sent.data).payload) <= min(client, server)
    assert largest_payload(here) <= client


@pytest.mark.parametrize("length", range(9))
@virtual
async def test_every_token_length(length: int) -> None:
    here = await completed(RPK, token_length=length, block_size=64)
    assert {len(Message.decode(s.data).token) for s in here.network.sent} == {length}
    tokens = [Message.decode(s.data).token for s in here.network.between(None, SERVER)]
    if length > 3:
        assert len(set(tokens)) == len(tokens)


@virtual
async def test_the_cheapest_handshake_costs_as_few_bytes_as_it_says() -> None:
    here = await completed(PSK, resource="/d", location=False, token_length=0)
    sent = [s.data for s in here.network.sent]
    assert len(sent) == 6
    # Beside the bodies: 4 of header, 2 of path and 1 of marker; the Echo adds 10 once each way.
    bodies = [len(Message.decode(d).payload) for d in sent]
    overhead = [len(d) - b for d, b in zip(sent, bodies, strict=True)]
    assert overhead == [7, 14, 17, 5, 7, 5]


@pytest.mark.parametrize("resource", ["/d", "/dtls", "/a/b/c/d", "/.well-known/dtls", "/ü"])
@pytest.mark.parametrize("location", [True, False])
@virtual
async def test_any_path_works(resource: str, location: bool) -> None:
    here = await completed(PSK, resource=resource, location=location)
    codes = here.codes(SERVER)
    assert codes == ["4.01", "2.01" if location else "2.04", "2.04"]


@pytest.mark.parametrize("location", [True, False])
@pytest.mark.parametrize("token_length", [0, 4, 8])
@pytest.mark.parametrize("mtu", [65, 80, 100, 128, 256, 700, 1152, 1500])
@pytest.mark.parametrize("scenario", [PSK, RPK, X509], ids=["psk", "rpk", "x509"])
@virtual
async def test_no_datagram_of_either_side_exceeds_the_mtu(
    scenario: Scenario, mtu: int, token_length: int, location: bool
) -> None:
    here = await completed(scenario, mtu=mtu, token_length=token_length, location=location)
    assert max(len(s.data) for s in here.network.sent) <= mtu


@pytest.mark.parametrize("resource", ["/d", "/.well-known/dtls", "/quite-a-long-name-for-a-path"])
@pytest.mark.parametrize("token_length", [0, 4, 8])
@virtual
async def test_the_smallest_mtu_that_is_accepted_works(resource: str, token_length: int) -> None:
    options: dict[str, Any] = {"resource": resource, "token_length": token_length}
    accepted = []
    for mtu in range(20, 120):
        try:
            CoapParameters(mtu=mtu, **options)
        except ConfigurationError as error:
            assert "mtu" in str(error)
        else:
            accepted.append(mtu)
    assert accepted == list(range(accepted[0], 120))
    assert accepted[0] < 90
    for location in (True, False):
        here = await completed(RPK, mtu=accepted[0], location=location, **options)
        assert max(len(s.data) for s in here.network.sent) <= accepted[0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mtu": 20}, "mtu"),
        ({"mtu": 70_000}, "mtu"),
        ({"mtu": 60, "block_size": 64}, "mtu|block"),
        ({"block_size": 48}, "block size"),
        ({"token_length": 9}, "token"),
        ({"token_length": -1}, "token"),
        ({"resource": "/"}, "path"),
        ({"resource": "/" + 256 * "a"}, "path"),
        ({"resource": "/" + 128 * "ü"}, "path"),
        ({"encoding": "other"}, "encoding"),
        ({"ack_timeout": 0}, "ack_timeout"),
        ({"ack_timeout": float("nan")}, "ack_timeout"),
        ({"max_interval": float("inf")}, "max_interval"),
        ({"timeout": -1}, "timeout"),
        ({"ack_random_factor": 0.5}, "factor"),
        ({"ack_random_factor": float("nan")}, "factor"),
        ({"ack_random_factor": float("inf")}, "factor"),
        ({"max_retransmit": -1}, "max_retransmit"),
        ({"restarts": -1}, "counts"),
        ({"hint_retries": -1}, "counts"),
        ({"repost_after": 0.0}, "positive"),
        ({"empty_ack_delay": -1.0}, "positive"),
    ],
)
def test_choices_that_cannot_work_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        CoapParameters(**wrong)


@pytest.mark.parametrize("size", [16, 1024])
@virtual
async def test_the_figures_count_the_flights_and_datagrams(size: int) -> None:
    async with exchange(RPK, block_size=size) as here:
        client = here.client()
        await client.handshake()
        figures = here.completed[0].figures
        assert figures.body_bytes == tuple(client.coap.body_bytes)
        assert len(figures.body_bytes) == 4
        challenge = 2  # flight 1's first block without an Echo, and the 4.01
        final = 1 if size == 1024 else 5  # what goes on after the server is complete
        assert len(here.network.sent) - challenge - figures.datagrams == final


@pytest.mark.parametrize("encoding", ["plain", "compact"])
@pytest.mark.parametrize("mtu", [102, 200, 300, 700, 1152])
@virtual
async def test_a_body_that_fits_goes_without_block_options(encoding: str, mtu: int) -> None:
    chosen: dict[str, Any] = {"mtu": mtu, "encoding": encoding}
    async with exchange(RPK, **chosen) as here:
        await here.client().handshake()
        messages = [Message.decode(sent.data) for sent in here.network.sent]
    sizes = here.completed[0].figures.body_bytes
    bare = [each for each in messages if not (each.get(BLOCK1) or each.get(BLOCK2))]
    assert (sizes[0] in {len(each.payload) for each in bare}) is (sizes[0] + 40 < mtu)
    # Once a body needs blocks, their size is asked for, and holds for what follows.
    assert (len(bare) == len(messages)) is (max(sizes) + 60 < mtu)
