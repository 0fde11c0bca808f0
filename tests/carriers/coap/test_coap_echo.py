"""Echo values: whose they are, how long they are good for, and what a replay opens."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.address_check import PROOF_LENGTH, AddressProof
from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.message import Message
from handshake_over_coap.encodings.plain import write_body
from tests.support.exchange import (
    ACCEPT,
    BLOCK1,
    BLOCK2,
    CONTENT_FORMAT,
    DELETE,
    ECHO,
    GET,
    POST,
    PSK,
    PUT,
    REQUEST_TAG,
    RESOURCE,
    SERVER,
    SIZE1,
    URI_PATH,
    block,
    exchange,
    request,
    uint,
    virtual,
)

HELLO = write_body(begin_client(PSK.client())[1])
STRANGER = Address("198.51.100.7", 61616)
CORE = ((URI_PATH, b".well-known"), (URI_PATH, b"core"))

PATHS = {
    "resource": RESOURCE,
    "core": CORE,
    "root": (),
    "unknown": ((URI_PATH, b"x"),),
    "session": ((URI_PATH, b".well-known"), (URI_PATH, b"7")),
}
OPTIONS = {
    "none": (),
    "block": ((BLOCK1, block(0, True, 64)), (REQUEST_TAG, b"aa")),
    "later block": ((BLOCK1, block(3, True, 64)), (REQUEST_TAG, b"aa")),
    "later answer": ((BLOCK2, block(2, False, 64)),),
    "bad block": ((BLOCK1, b"\x07"),),
    "large": ((SIZE1, uint(1 << 20)),),
    "format": ((CONTENT_FORMAT, uint(65123)),),
    "accept": ((ACCEPT, uint(50)),),
    "critical": ((9, b""),),
    "elective": ((6, b""), (258, b"\x02")),
    "proxy": ((35, b"coap://[2001:db8::1]/"),),
    "forged echo": ((ECHO, bytes(8)),),
    "query": ((15, b"rt=core.dtls"),),
    "no text": ((15, b"\xff\xfe"), (3, b"\xc0")),
}
CODES = {"GET": GET, "POST": POST, "PUT": PUT, "DELETE": DELETE, "FETCH": 5, "31": 31}


@virtual
async def test_a_stale_a_forged_and_anothers_echo_are_challenged_again() -> None:
    async with exchange() as here:
        raw, other = here.raw(), here.raw("192.0.2.4")
        same_host = here.raw("192.0.2.3", 50001)
        echo = await raw.echo()
        forged = bytes([echo[0], *(b ^ 1 for b in echo[1:])])
        flipped = echo[:-1] + bytes([echo[-1] ^ 1])
        for value in (
            forged,
            flipped,
            echo[:-1],
            echo + b"\0",
            bytes(8),
            bytes([echo[0] + 1]) + echo[1:],
        ):
            response = await raw.ask(*RESOURCE, (ECHO, value), payload=HELLO)
            assert (response.code, len(response.get(ECHO) or b"")) == (0x81, PROOF_LENGTH)
        for endpoint in (other, same_host):
            assert (await endpoint.ask(*RESOURCE, (ECHO, echo), payload=HELLO)).code == 0x81
        assert here.residue() == {}
        assert (await raw.ask(*RESOURCE, (ECHO, echo), payload=HELLO)).code == 0x41


@pytest.mark.parametrize(("age", "code"), [(44.0, 0x41), (61.0, 0x81), (59.9 * 256, 0x81)])
@virtual
async def test_an_echo_value_is_good_for_three_quarters_of_a_lifetime_at_least(
    age: float, code: int
) -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        await asyncio.sleep(age)
        assert (await raw.ask(*RESOURCE, (ECHO, echo), payload=HELLO)).code == code


@given(st.floats(0, 1e9), st.floats(0, 200), st.floats(5, 600))
def test_an_echo_value_never_outlives_the_lifetime(
    made: float, age: float, lifetime: float
) -> None:
    authority = AddressProof(bytes(32), lifetime)
    value = authority.make(STRANGER, made)
    valid = authority.verify(value, STRANGER, made + age)
    if age < 0.74 * lifetime:
        assert valid
    if age > 1.001 * lifetime:
        assert not valid


@virtual
async def test_a_replayed_echo_opens_nothing_once_the_state_it_opened_is_gone() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        flight = request(*RESOURCE, (ECHO, echo), payload=HELLO, mid=900)
        assert [Message.decode(r).code for r in await raw.send(flight)] == [0x41]
        first = raw.received[-1]
        for _ in range(200):
            await asyncio.sleep(0.5)
            await raw.send(flight)
        # While the state was there the same answer came; afterwards the address is asked again.
        codes = [Message.decode(r).code for r in raw.received[1:]]
        change = codes.index(0x81)
        assert set(codes[:change]) == {0x41}
        assert set(codes[change:]) == {0x81}
        assert set(raw.received[1 : 1 + change]) == {first}
        assert here.begun == 1
        assert here.residue() == {}


@virtual
async def test_a_replayed_first_flight_of_an_ended_session_opens_nothing() -> None:
    async with exchange() as here:
        client = here.client()
        await client.handshake()
        posts = here.network.between(client.address, SERVER)
        (done,) = here.completed
        here.server.release(done.address, done.name)
        for number in range(100):
            await asyncio.sleep(1)
            replayed = posts[1].data[:2] + number.to_bytes(2, "big") + posts[1].data[4:]
            here.network.send(replayed, client.address, SERVER)
        assert here.begun == 1
        await asyncio.sleep(61)
        assert here.residue() == {}


@virtual
async def test_without_the_address_check_a_first_flight_is_answered_at_once() -> None:
    async with exchange(address_check=False) as here:
        raw = here.raw()
        assert (await raw.ask(*RESOURCE, payload=HELLO)).code == 0x41
        established = await here.client().handshake()
        assert (
            established.connected.master_secret
            == here.completed[0].established.connected.master_secret
        )
        assert here.codes(here.clients[0].address) == ["0.02", "0.02"]
