"""What RFC 7252 and RFC 7959 say of messages that come twice, too late, or as nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from handshake_over_coap.coap.message import Message
from handshake_over_coap.coap.options import Block
from handshake_over_coap.transfers.qblock import QBLOCK
from tests.support.by_hand import hello
from tests.support.exchange import (
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ECHO,
    GET,
    NON,
    POST,
    PUT,
    Q_BLOCK1,
    Q_BLOCK2,
    REQUEST_TAG,
    RESOURCE,
    RST,
    SERVER,
    SIZE1,
    URI_PATH,
    agree,
    block,
    exchange,
    request,
    response,
    virtual,
)
from tests.support.network import Delivery, Sent

NONSENSE = {
    "a response": bytes([0x40, 0x45, 0x12, 0x34]),
    "class 1": bytes([0x40, 0x21, 0x12, 0x34]),
    "class 3": bytes([0x40, 0x61, 0x12, 0x34]),
    "class 6": bytes([0x40, 0xC1, 0x12, 0x34]),
    "class 7": bytes([0x40, 0xE1, 0x12, 0x34]),
    "a token of 9 bytes": bytes([0x49, 0x02, 0x12, 0x34]) + bytes(9),
    "an empty message with more": bytes([0x40, 0x00, 0x12, 0x34, 0xFF]),
    "a marker without payload": bytes([0x40, 0x02, 0x12, 0x34, 0xFF]),
    "a reserved option header": bytes([0x40, 0x02, 0x12, 0x34, 0xF0]),
    "a ping": bytes([0x40, 0x00, 0x12, 0x34]),
}
REJECTED = bytes([0x70, 0, 0x12, 0x34])
CRITICAL = (9, b"?")


def of_type(data: bytes, kind: int) -> bytes:
    """The message with another type."""
    return bytes([data[0] & 0xCF | kind << 4]) + data[1:]


@pytest.mark.parametrize("name", NONSENSE)
@virtual
async def test_a_server_rejects_what_it_cannot_take_if_it_is_confirmable(name: str) -> None:
    async with exchange() as here:
        known, stranger = here.raw(), here.raw("192.0.2.7")
        await known.ask(*RESOURCE, (ECHO, await known.echo()), payload=hello()[1])
        for raw in (known, stranger):
            for _ in range(2):
                assert await raw.send(NONSENSE[name]) == [REJECTED]
            for kind in (NON, ACK, RST):
                assert await raw.send(of_type(NONSENSE[name], kind)) == []


@pytest.mark.parametrize("sender", ["the server", "somebody"])
@pytest.mark.parametrize("name", [*NONSENSE, "a request"])
@virtual
async def test_a_client_rejects_what_it_cannot_take_if_it_is_confirmable(
    name: str, sender: str
) -> None:
    data = NONSENSE.get(name, bytes([0x40, POST, 0x12, 0x34]))
    if name == "a ping" and sender == "somebody":
        data = bytes([0x40, 0x41, 0x12, 0x34])
    source = SERVER
    async with exchange() as here:
        client = here.client()
        if sender == "somebody":
            source = here.raw("192.0.2.7").address
        handshake = asyncio.ensure_future(client.handshake())
        for moment in (0.07, 1.0):  # in mid-handshake, and when it is over
            await asyncio.sleep(moment)
            before = len(here.network.between(client.address, source))
            for kind in (CON, NON, ACK, CON):
                here.network.inject(of_type(data, kind), source, client.address)
                await asyncio.sleep(0.001)
            drawn = here.network.between(client.address, source)[before:]
            assert [each.data for each in drawn if each.data[0] == 0x70] == [REJECTED] * 2
        assert agree(await handshake, here.completed[0].established)


@virtual
async def test_an_unknown_critical_option_is_answered_only_where_it_is_confirmable() -> None:
    async with exchange() as here:
        raw = here.raw()
        for options in (RESOURCE, ()):
            data = request(*options, CRITICAL, payload=b"x")
            assert [Message.decode(each).code for each in await raw.send(data)] == [0x82]
            assert await raw.send(of_type(data, NON)) == []
        assert here.server.counters["dropped: unknown critical option"] == 2


@virtual
async def test_what_was_taken_once_draws_the_same_when_its_echo_has_become_too_old() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = (ECHO, await raw.echo())
        await asyncio.sleep(40)
        data = request(*RESOURCE, echo, payload=hello()[1], mid=77)
        first = await raw.send(data)
        await asyncio.sleep(25)  # the handshake is there, and the Echo value is not valid any more
        fresh = request(*RESOURCE, echo, payload=hello()[1], mid=78)
        assert Message.decode((await raw.send(fresh))[0]).code == 0x81
        assert await raw.send(data) == first
        assert Message.decode(first[0]).code == 0x41


@virtual
async def test_a_client_that_restarts_and_comes_by_the_same_message_id_is_not_mistaken() -> None:
    async with exchange() as here:
        raw = here.raw()
        echo = (ECHO, await raw.echo())
        first = await raw.send(request(*RESOURCE, echo, payload=hello()[1], mid=77))
        other = await raw.send(
            request(*RESOURCE, echo, payload=hello("again")[1], mid=77, token=b"other")
        )
        assert Message.decode(first[0]).token == b"tk"
        assert Message.decode(other[0]).token == b"other"
        assert here.begun == 2


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (((BLOCK1, block(0, True, 16)),), 15),
        (((BLOCK1, block(0, True, 16)),), 17),
        (((BLOCK1, block(0, False, 16)),), 17),
        (((BLOCK1, block(3, True, 32)),), 16),
        (((BLOCK1, b"\x0f"),), 16),
        (((BLOCK2, b"\x07"),), 16),
        (((BLOCK1, block(0, True, 16)), (BLOCK2, block(1, False, 16))), 16),
        (((BLOCK1, block(1, False, 16)), (BLOCK2, block(1, False, 16))), 16),
        (((Q_BLOCK1, block(0, True, 16)), (SIZE1, b"\x20")), 15),
        (((Q_BLOCK1, block(0, False, 16)), (SIZE1, b"\x20")), 16),
        (((Q_BLOCK1, block(1, True, 16)), (SIZE1, b"\x20")), 16),
        (((Q_BLOCK1, block(2, False, 16)), (SIZE1, b"\x20")), 16),
        (((Q_BLOCK1, block(1, False, 16)), (SIZE1, b"\x1f")), 16),
        (((Q_BLOCK1, b"\x0f"), (SIZE1, b"\x20")), 16),
        (((Q_BLOCK1, block(0, True, 16)),), 16),
    ],
)
@virtual
async def test_block_options_that_contradict_are_told_so_with_and_without_echo(
    options: tuple[tuple[int, bytes], ...], size: int
) -> None:
    async with exchange() as here:
        raw, tag = here.raw(), (REQUEST_TAG, b"tg")
        echo = (ECHO, await raw.echo())
        drawn = [
            await raw.ask(*RESOURCE, *options, tag, *proof, payload=bytes(size))
            for proof in ((), (echo,), ())
        ]
        assert [(each.code, each.options, each.payload) for each in drawn] == [(0x80, (), b"")] * 3
        assert here.residue() == {}
        first = (BLOCK1, block(0, True, 16)), tag
        assert (await raw.ask(*RESOURCE, *first, echo, payload=hello()[1][:16])).code == 0x5F
        again = await raw.ask(*RESOURCE, *options, tag, payload=bytes(size))
        assert again.code == 0x80
        rest = (BLOCK1, block(1, True, 16)), tag  # what is there already is left alone
        assert (await raw.ask(*RESOURCE, *rest, payload=hello()[1][16:32])).code == 0x5F


@pytest.mark.parametrize("one", [(BLOCK1, block(0, True, 16)), (BLOCK2, block(0, False, 16))])
@pytest.mark.parametrize(
    "other", [((Q_BLOCK1, block(0, True, 16)), (SIZE1, b"\x20")), ((Q_BLOCK2, b""),)]
)
@virtual
async def test_options_of_both_kinds_of_blocks_are_refused_with_and_without_echo(
    one: tuple[int, bytes], other: tuple[tuple[int, bytes], ...]
) -> None:
    """RFC 9177 section 4.1: a message has one kind or the other."""
    async with exchange() as here:
        raw, tag = here.raw(), (REQUEST_TAG, b"tg")
        echo = (ECHO, await raw.echo())
        for proof in ((), (echo,), ()):
            answer = await raw.ask(*RESOURCE, one, *other, tag, *proof, payload=bytes(16))
            assert answer.code == 0x82
        assert here.residue() == {}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (((BLOCK1, b"\x07"),), 0x80),
        (((BLOCK2, b"\x0f"),), 0x80),
        (((Q_BLOCK2, b"\x17"),), 0x80),
        (((BLOCK2, b""), (Q_BLOCK2, b"")), 0x82),
        (((BLOCK1, b""), (Q_BLOCK2, b"")), 0x82),
    ],
)
@virtual
async def test_discovery_reads_block_options_as_the_other_resources_do(
    options: tuple[tuple[int, bytes], ...], code: int
) -> None:
    async with exchange() as here:
        core = (URI_PATH, b".well-known"), (URI_PATH, b"core")
        assert (await here.raw().ask(*core, *options, code=GET)).code == code


@pytest.mark.parametrize(("limit", "size"), [(32, None), (64, None), (16, 64), (32, 64)])
@virtual
async def test_a_4_13_with_a_smaller_block_is_a_hint_to_cut_smaller(
    limit: int, size: int | None
) -> None:
    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.destination != SERVER or sent.data[0] >> 6 != 1:
            return (sent.data,)
        value = (message := Message.decode(sent.data)).get(BLOCK1)
        cut = None if value is None else Block.decode(value)
        if (len(message.payload) if cut is None else cut.size) <= limit:
            return (sent.data,)
        hint = (BLOCK1, block(0 if cut is None else cut.num, False, limit))
        refusals.append(sent.data)
        here.network.inject(response(sent.data, 0x8D, hint), SERVER, sent.source, 0.1)
        return ()

    refusals: list[bytes] = []
    async with exchange(verdict=verdict, block_size=size) as here:
        client = here.client()
        assert agree(await client.handshake(), here.completed[0].established)
        assert len(refusals) == 1  # flight 3 is cut as the server takes it


@pytest.mark.parametrize(("limit", "size"), [(32, 1024), (16, 64), (32, 64)])
@virtual
async def test_a_4_13_with_a_smaller_quick_block_is_a_hint_to_cut_smaller_too(
    limit: int, size: int
) -> None:
    """RFC 9177 section 4.3: under the conditions of RFC 7959 section 2.9.3."""

    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.destination != SERVER or sent.data[0] >> 6 != 1:
            return (sent.data,)
        value = (message := Message.decode(sent.data)).get(Q_BLOCK1)
        cut = None if value is None else Block.decode(value)
        if (len(message.payload) if cut is None else cut.size) <= limit:
            return (sent.data,)
        kind, mid = (ACK, None) if message.type == CON else (NON, len(refusals))
        hint = (Q_BLOCK1, block(0 if cut is None else cut.num, False, limit))
        refusals.append(sent.data)  # each of a set draws one
        here.network.inject(
            response(sent.data, 0x8D, hint, kind=kind, mid=mid), SERVER, sent.source, 0.1
        )
        return ()

    refusals: list[bytes] = []
    async with exchange(verdict=verdict, block_size=size, transfer=QBLOCK) as here:
        client = here.client()
        assert agree(await client.handshake(), here.completed[0].established)
        assert 1 <= len(refusals) <= 5
        assert here.begun == 1


@virtual
async def test_a_4_13_that_asks_for_nothing_smaller_is_a_refusal() -> None:
    def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
        if sent.destination == SERVER:
            refusals.append(sent.data)
            value = Message.decode(sent.data).get(BLOCK1) or block(0, False, 1024)
            answer = response(sent.data, 0x8D, (BLOCK1, value))
            here.network.inject(answer, SERVER, sent.source, 0.1)
        return ()

    refusals: list[bytes] = []
    async with exchange(verdict=verdict, block_size=64) as here:
        with pytest.raises(Exception, match=r"4\.13"):
            await here.client().handshake()
        assert len(refusals) == 1


def distinct_from(hello1: bytes, tag: bytes) -> dict[str, bytes]:
    """Confirmable messages whose answer depends on what else has come before them."""
    first, later = (BLOCK1, block(0, True, 16)), (BLOCK1, block(1, True, 16))
    name = ((URI_PATH, b".well-known"), (URI_PATH, b"?"))
    return {
        "a later block without a first": request(
            *RESOURCE, later, (REQUEST_TAG, tag), payload=hello1[16:32], mid=901
        ),
        "a first block without Echo": request(
            *RESOURCE, first, (REQUEST_TAG, tag), payload=hello1[:16], mid=902
        ),
        "a session that is not there": request(*name, payload=b"x", mid=903),
        "another method": request(*RESOURCE, code=PUT, mid=904),
        "another format": request(*RESOURCE, (CONTENT_FORMAT, b"\0"), payload=b"x", mid=905),
        "a critical option": request(*RESOURCE, CRITICAL, payload=b"x", mid=906),
        "block options that contradict": request(*RESOURCE, first, payload=b"x", mid=907),
        "too large": request(*RESOURCE, (SIZE1, b"\xff\xff"), payload=b"x", mid=908),
        "a later block of no answer": request(*RESOURCE, (BLOCK2, block(1, False, 16)), mid=909),
    }


@virtual
async def test_what_was_refused_once_is_refused_again_whatever_has_come_since() -> None:
    """RFC 7252 section 4.5: a message ID and a token stand for one message."""
    async with exchange() as here:
        raw, flight1 = here.raw(), hello()[1]
        echo = (ECHO, await raw.echo())
        await raw.ask(*RESOURCE, echo, payload=hello("another")[1])  # known from here on
        messages = distinct_from(flight1, b"tg")
        drawn = {name: await raw.send(data) for name, data in messages.items()}
        assert all(len(each) == 1 for each in drawn.values())
        first = (BLOCK1, block(0, True, 16)), (REQUEST_TAG, b"tg")
        assert (await raw.ask(*RESOURCE, *first, echo, payload=flight1[:16])).code == 0x5F
        for name, data in messages.items():
            challenged = Message.decode(drawn[name][0]).code == 0x81
            (again,) = await raw.send(data)
            if challenged:  # of no use when it is old, so each time there is a fresh one
                assert Message.decode(again).code == 0x81, name
            else:
                assert [again] == drawn[name], name
                assert await raw.send(of_type(data, NON)) == [], name
        # Nothing of it has touched the body that goes on.
        rest = (BLOCK1, block(1, True, 16)), (REQUEST_TAG, b"tg")
        assert (await raw.ask(*RESOURCE, *rest, payload=flight1[16:32])).code == 0x5F


@virtual
async def test_a_confirmable_message_is_acknowledged_whatever_its_number_stood_for() -> None:
    async with exchange() as here:
        raw, flight1 = here.raw(), hello()[1]
        echo = (ECHO, await raw.echo())
        await raw.ask(*RESOURCE, echo, payload=hello("another")[1])  # known from here on
        messages = distinct_from(flight1, b"tg")
        del messages["a critical option"]  # which draws nothing where it is not confirmable
        for data in (*messages.values(), request(*RESOURCE, echo, payload=flight1, mid=999)):
            (answer,) = await raw.send(of_type(data, NON))
            (again,) = await raw.send(data)
            assert Message.decode(answer).type == NON
            assert Message.decode(again).type == ACK
            assert again[1] == answer[1]
            assert await raw.send(of_type(data, NON)) == [] or again[1] == 0x81


@pytest.mark.parametrize("stays", [True, False])
@virtual
async def test_a_confirmable_request_that_gives_its_token_away_is_acknowledged_all_the_same(
    stays: bool,
) -> None:
    """RFC 7252 section 4.2: a recipient acknowledges it, or rejects it."""
    async with exchange(think=lambda body: 0.5) as here:
        raw = here.raw()
        echo, one, two = (ECHO, await raw.echo()), hello()[1], hello("other")[1]
        first = request(*RESOURCE, echo, payload=one, mid=70)
        second = request(*RESOURCE, echo, payload=two, mid=71, token=b"tk" if stays else b"ot")
        raw.endpoint.send(first, SERVER)
        raw.endpoint.send(second, SERVER)
        await asyncio.sleep(3)
        acknowledged = [each for each in raw.received if each[0] >> 4 & 3 == ACK]
        assert {each[2:4] for each in acknowledged} >= {b"\0\x46", b"\0\x47"}
