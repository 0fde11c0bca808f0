"""Bodies in blocks: holes, limits, and changes in mid-transfer."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Block
from handshake_over_coap.encodings.plain import write_body
from tests.support.exchange import (
    BLOCK1,
    BLOCK2,
    ECHO,
    ETAG,
    PSK,
    REQUEST_TAG,
    RESOURCE,
    SERVER,
    SIZE1,
    Raw,
    agree,
    block,
    exchange,
    uint,
    virtual,
)
from tests.support.network import Sent
from tests.support.parties import ECDSA_CCM, Scenario

RPK = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
HELLO = write_body(begin_client(PSK.client())[1])
OTHER = write_body(begin_client(PSK.client("another client"))[1])


async def put(
    raw: Raw,
    body: bytes,
    number: int,
    size: int,
    *,
    tag: bytes | None = b"tg",
    echo: bytes | None = None,
    more: bool | None = None,
) -> Message:
    """Send one block of ``body`` to the resource."""
    rest = len(body) > (number + 1) * size
    options = [(BLOCK1, block(number, rest if more is None else more, size))]
    if tag is not None:
        options.append((REQUEST_TAG, tag))
    if echo is not None:
        options.append((ECHO, echo))
    payload = body[number * size : (number + 1) * size]
    return await raw.ask(*RESOURCE, *options, payload=payload)


@virtual
async def test_a_body_in_blocks_is_continued_and_then_answered() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        codes = []
        for number in range(5):
            reply = await put(raw, HELLO, number, 16, echo=echo if number == 0 else None)
            codes.append(reply.code)
            acknowledged = Block.decode(reply.get(BLOCK1) or b"")
            assert (acknowledged.num, acknowledged.size) == (number, 16)
        assert codes == [0x5F] * 4 + [0x41]


@pytest.mark.parametrize("skip_to", [2, 3, 4])
@virtual
async def test_a_hole_is_incomplete(skip_to: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        assert (await put(raw, HELLO, 0, 16, echo=await raw.echo())).code == 0x5F
        assert (await put(raw, HELLO, skip_to, 16)).code == 0x88
        # The body is begun again, with block 0.
        assert (await put(raw, HELLO, 1, 16)).code == 0x88
        assert (await put(raw, HELLO, 0, 16, echo=await raw.echo())).code == 0x5F
        assert here.begun == 0


@virtual
async def test_a_later_block_without_a_first_is_incomplete_for_strangers_and_others() -> None:
    async with exchange() as here:
        raw, stranger = here.raw(), here.raw("192.0.2.9")
        assert (await put(stranger, HELLO, 1, 16)).code == 0x88
        assert here.residue() == {}
        assert (await put(raw, HELLO, 0, 16, echo=await raw.echo())).code == 0x5F
        assert (await put(stranger, HELLO, 1, 16)).code == 0x88
        assert (await put(raw, HELLO, 1, 16, tag=b"zz")).code == 0x88
        assert (await put(raw, HELLO, 1, 16, tag=None)).code == 0x88
        assert (await put(raw, HELLO, 1, 16)).code == 0x5F


@virtual
async def test_an_echo_on_a_later_block_does_not_stand_in_for_the_first() -> None:
    async with exchange() as here:
        raw = here.raw()
        assert (await put(raw, HELLO, 1, 16, echo=await raw.echo())).code == 0x88
        assert here.residue() == {}


@virtual
async def test_a_body_that_says_it_is_too_large_is_refused_with_the_limit() -> None:
    async with exchange() as here:
        raw = here.raw()
        for declared, code in ((16384, 0x81), (16385, 0x8D), (2**32 - 1, 0x8D)):
            options = ((SIZE1, uint(declared)), (BLOCK1, block(0, True, 16)))
            reply = await raw.ask(*RESOURCE, *options, payload=HELLO[:16])
            assert reply.code == code
            assert reply.uint(SIZE1) == (16384 if code == 0x8D else None)
        assert here.residue() == {}


@pytest.mark.parametrize("limit", [300, 1024])
@virtual
async def test_a_body_that_becomes_too_large_is_refused_with_the_limit(limit: int) -> None:
    async with exchange(limits=Limits(body=limit)) as here:
        raw = here.raw()
        body = bytes(limit + 100)
        reply = await put(raw, body, 0, 64, echo=await raw.echo())
        for number in range(1, limit // 64 + 1):
            assert reply.code == 0x5F
            reply = await put(raw, body, number, 64)
        assert reply.code == 0x8D
        assert reply.uint(SIZE1) == limit
        (peer,) = here.server.peers
        assert len(peer.sides["blockwise"].assemblies) == 0
        jump = await put(raw, body, 0, 64, echo=await raw.echo())
        assert jump.code == 0x5F
        far = ((BLOCK1, block(2**20 - 1, False, 1024)), (REQUEST_TAG, b"tg"))
        assert (await raw.ask(*RESOURCE, *far, payload=b"x")).code == 0x8D


@pytest.mark.parametrize(("before", "after"), [(64, 16), (64, 32), (16, 64), (32, 64), (16, 32)])
@virtual
async def test_the_block_size_may_change_in_mid_transfer(before: int, after: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        reply = await put(raw, HELLO, 0, before, echo=await raw.echo())
        offset = before
        while offset % after:
            reply = await put(raw, HELLO, offset // before, before)
            offset += before
        while offset < len(HELLO):
            assert reply.code == 0x5F
            reply = await put(raw, HELLO, offset // after, after)
            offset += after
        assert reply.code == 0x41
        assert here.begun == 1


@virtual
async def test_a_server_that_prefers_smaller_blocks_says_so_and_gets_them() -> None:
    async with exchange(RPK, block_size=32) as here:
        client = here.client(parameters=CoapParameters(block_size=128))
        established = await client.handshake()
        assert agree(established, here.completed[0].established)
        sizes = {
            Block.decode(Message.decode(s.data).get(BLOCK1) or b"").size
            for s in here.network.between(client.address, SERVER)
            if Message.decode(s.data).get(BLOCK1) is not None
        }
        assert sizes == {128, 32}
        large = [
            s
            for s in here.network.between(SERVER, None)
            if len(Message.decode(s.data).payload) > 32
        ]
        assert large == []


@virtual
async def test_repeated_blocks_are_fine() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in (0, 0, 1, 1, 0, 1, 2, 3, 2, 3):
            first = echo if number == 0 else None
            assert (await put(raw, HELLO, number, 16, echo=first)).code == 0x5F
        answers = [await put(raw, HELLO, 4, 16) for _ in range(3)]
        assert {a.code for a in answers} == {0x41}
        assert len({a.payload for a in answers}) == 1
        assert here.begun == 1


@virtual
async def test_block_0_with_other_content_begins_another_body() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(3):
            await put(raw, OTHER, number, 16, echo=echo if number == 0 else None)
        for number in range(5):
            reply = await put(raw, HELLO, number, 16, echo=echo if number == 0 else None)
        assert reply.code == 0x41
        assert here.server.counters["repeated flights"] == 0
        again = await raw.ask(*RESOURCE, (ECHO, echo), payload=HELLO)
        assert again.code == 0x41
        assert here.server.counters["repeated flights"] == 1


@virtual
async def test_a_later_block_with_other_content_is_incomplete() -> None:
    async with exchange() as here:
        raw = here.raw()
        await put(raw, HELLO, 0, 16, echo=await raw.echo())
        await put(raw, HELLO, 1, 16)
        assert (await put(raw, OTHER, 1, 16)).code == 0x88


@virtual
async def test_two_bodies_of_one_endpoint_do_not_mix() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(5):
            first = echo if number == 0 else None
            one = await put(raw, HELLO, number, 16, tag=b"one", echo=first)
            two = await put(raw, OTHER, number, 16, tag=b"two", echo=first)
        assert (one.code, two.code) == (0x41, 0x41)
        assert one.payload != two.payload
        whole = await raw.ask(*RESOURCE, (ECHO, echo), payload=OTHER)
        assert whole.payload == two.payload
        assert here.begun == 2


@virtual
async def test_what_one_endpoint_may_have_in_assembly_is_bounded() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(50):
            tag = bytes([number])
            assert (await put(raw, bytes(99), 0, 64, tag=tag, echo=echo)).code == 0x5F
        (peer,) = here.server.peers
        assert len(peer.sides["blockwise"].assemblies) == 4
        assert (await put(raw, bytes(99), 1, 64, tag=b"\0")).code == 0x88
        assert (await put(raw, bytes(99), 1, 64, tag=bytes([49]))).code == 0x80


@pytest.mark.parametrize("option", [BLOCK1, BLOCK2])
@virtual
async def test_the_reserved_block_size_is_a_bad_request(option: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        reply = await raw.ask(*RESOURCE, (option, b"\x0f"), (ECHO, await raw.echo()), payload=HELLO)
        assert reply.code == 0x80
        assert here.residue() == {}


@pytest.mark.parametrize("length", [0, 1, 15, 17])
@virtual
async def test_a_block_that_is_not_the_last_has_its_full_length(length: int) -> None:
    async with exchange() as here:
        raw = here.raw()
        options = ((BLOCK1, block(0, True, 16)), (ECHO, await raw.echo()))
        assert (await raw.ask(*RESOURCE, *options, payload=bytes(length))).code == 0x80
        assert here.server.counters["refused: BadPart"] == 1


@virtual
async def test_the_answer_comes_in_blocks_of_any_size_with_one_etag() -> None:
    async with exchange(RPK) as here:
        raw = here.raw()
        body = write_body(begin_client(RPK.client())[1])
        echo = await raw.echo()
        whole = await raw.ask(*RESOURCE, (ECHO, echo), payload=body)
        assert whole.code == 0x41
        for size in (16, 32, 64, 128):
            options = ((BLOCK2, block(0, False, size)), (ECHO, echo))
            reply = await raw.ask(*RESOURCE, *options, payload=body)
            got, etag = reply.payload, reply.get(ETAG)
            assert etag
            for number in range(1, -(-len(whole.payload) // size)):
                reply = await raw.ask(*RESOURCE, (BLOCK2, block(number, False, size)))
                assert (reply.code, reply.get(ETAG)) == (0x41, etag)
                got += reply.payload
            assert got == whole.payload
            beyond = await raw.ask(*RESOURCE, (BLOCK2, block(number + 1, False, size)))
            assert beyond.code == 0x80


@pytest.mark.parametrize("what", ["etag", "code", "forgotten"])
@virtual
async def test_an_answer_that_changes_between_its_blocks_is_fetched_anew(what: str) -> None:
    async with exchange(RPK, block_size=64) as here:
        done: list[Sent] = []

        def verdict(sent: Sent) -> Iterable[bytes]:
            message = Message.decode(sent.data)
            value = message.get(BLOCK2)
            answer = sent.source == SERVER and message.code in {0x41, 0x44}
            if not done and answer and value and Block.decode(value).num == 2:
                done.append(sent)
                return (_changed(message, what),)
            return (sent.data,)

        here.network.verdict = verdict
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)
        assert len(done) == 1
        assert here.begun == 1


def _changed(message: Message, what: str) -> bytes:
    options = [
        (number, b"other" if number == ETAG and what == "etag" else value)
        for number, value in message.options
    ]
    data = bytearray(
        Content(message.code, tuple(options), message.payload).encode(
            message.type, message.message_id, message.token
        )
    )
    if what != "etag":
        data[1] = {"code": 0x45, "forgotten": 0x88}[what]
    return bytes(data)


@virtual
async def test_state_that_is_lost_while_the_answer_is_fetched_begins_the_handshake_anew() -> None:
    async with exchange(RPK, block_size=32) as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            value = Message.decode(sent.data).get(BLOCK2)
            if sent.destination == SERVER and value and Block.decode(value).num == 3:
                here.network.verdict = lambda s: (s.data,)
                here.new_server()
            return (sent.data,)

        here.network.verdict = verdict
        established = await here.client().handshake()
        assert agree(established, here.completed[0].established)
