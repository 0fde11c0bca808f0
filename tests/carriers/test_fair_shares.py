"""Who gets a place at a full server: nobody is locked out by those who take many."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.limits import FairShare, TooManyHandshakes, prefix


def endpoints(host: str, count: int) -> list[Address]:
    return [Address(host, port) for port in range(1, count + 1)]


def filled(share: FairShare, hosts: list[str], each: int) -> None:
    for host in hosts:
        for address in endpoints(host, each):
            share.begin(address)


@pytest.mark.parametrize(
    "hosts",
    [
        [f"198.51.100.{n}" for n in range(1, 5)],
        [f"198.51.{n}.1" for n in range(1, 17)],
        [f"2001:db8:0:{n:x}::1" for n in range(16)],
        [f"2001:db8:{n:x}::1" for n in range(16)],
        [f"::ffff:198.51.100.{n}" for n in range(1, 17)],
    ],
    ids=lambda hosts: hosts[0],
)
def test_whoever_comes_from_elsewhere_takes_the_oldest_place_of_the_greediest(
    hosts: list[str],
) -> None:
    share = FairShare(16 * len(hosts), 256)
    filled(share, hosts, 16)
    honest = Address("192.0.2.1", 5000)
    assert share.begin(honest) == Address(hosts[0], 1)
    assert share.total == 16 * len(hosts)
    # However many come after it, it keeps its place.
    rng = random.Random(1)
    for port in range(1000, 3000):
        with suppress(TooManyHandshakes):
            assert share.begin(Address(rng.choice(hosts), port)) != honest
        if rng.random() < 0.5:
            share.end(Address(rng.choice(hosts), rng.randint(1, port)))
        assert share.begin(honest) is None


def test_the_greediest_network_pays_before_the_greediest_address() -> None:
    share = FairShare(10, 256)
    filled(share, [f"198.51.100.{n}" for n in range(1, 7)], 1)
    filled(share, ["203.0.113.1"], 4)
    assert share.begin(Address("192.0.2.1", 1)) == Address("198.51.100.1", 1)


def test_whoever_has_the_most_is_refused() -> None:
    share = FairShare(5, 256)
    filled(share, ["198.51.100.1"], 3)
    filled(share, ["192.0.2.1"], 2)
    with pytest.raises(TooManyHandshakes):
        share.begin(Address("198.51.100.1", 99))
    with pytest.raises(TooManyHandshakes):  # it would have the most then
        share.begin(Address("192.0.2.1", 99))


def test_one_address_has_a_bound_of_its_own() -> None:
    share = FairShare(100, 2)
    filled(share, ["2001:db8::1"], 2)
    with pytest.raises(TooManyHandshakes, match="2001:db8::/64"):
        share.begin(Address("2001:db8::2", 1))
    share.end(Address("2001:db8::1", 1))
    assert share.begin(Address("2001:db8::2", 1)) is None


def test_a_place_that_was_never_taken_cannot_be_given_back() -> None:
    share = FairShare(2, 2)
    share.end(Address("192.0.2.1", 1))
    share.begin(Address("192.0.2.1", 1))
    share.end(Address("192.0.2.1", 2))
    assert share.total == 1


hosts = st.sampled_from(
    ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8:0:1::1", "fe80::1%eth0"]
)


@given(st.lists(st.tuples(st.booleans(), hosts, st.integers(1, 6)), max_size=80), st.integers(1, 8))
def test_it_counts_as_a_naive_model_does(moves: list[tuple[bool, str, int]], most: int) -> None:
    share, held = FairShare(most, 4), dict[Address, None]()
    for begins, host, port in moves:
        address = Address(host, port)
        if not begins:
            share.end(address)
            held.pop(address, None)
            continue
        try:
            victim = share.begin(address)
        except TooManyHandshakes:
            assert len(held) == most or _of(held)[prefix(address)] == 4
        else:
            if victim is not None:
                assert len(held) == most
                del held[victim]
            held[address] = None
        assert share.total == len(held) <= most
        assert max(_of(held).values(), default=0) <= 4


def _of(held: dict[Address, None]) -> Counter[str]:
    return Counter(map(prefix, held))
