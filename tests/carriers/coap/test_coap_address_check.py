"""Strangers: nothing is kept for them, and they get at most three times what they sent."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.coap.gate import Stateless
from handshake_over_coap.carriers.conversation import begin_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.message import Content, Message, encode_options
from handshake_over_coap.coap.options import Block
from handshake_over_coap.encodings.plain import write_body
from tests.support.exchange import (
    ACCEPT,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    DELETE,
    ECHO,
    GET,
    NON,
    POST,
    PSK,
    PUT,
    REQUEST_TAG,
    RESOURCE,
    RST,
    SIZE1,
    URI_PATH,
    Exchange,
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


def send_as_stranger(here: Exchange, data: bytes, source: Address = STRANGER) -> list[bytes]:
    """What the server sends to ``source`` at once for ``data``."""
    before = len(here.network.sent)
    here.server.receive(data, source)
    sent = here.network.sent[before:]
    assert all(s.destination == source for s in sent)
    return [s.data for s in sent]


@pytest.mark.parametrize("kind", [CON, NON])
@pytest.mark.parametrize("token", [b"", b"1234", b"12345678"])
@virtual
async def test_no_request_of_a_stranger_draws_more_than_three_times_its_bytes(
    kind: int, token: bytes
) -> None:
    async with exchange() as here:
        answered = 0
        for path, options, code, payload in product(
            PATHS.values(), OPTIONS.values(), CODES.values(), (b"", b"x", HELLO)
        ):
            data = request(*path, *options, payload=payload, code=code, token=token, kind=kind)
            replies = send_as_stranger(here, data)
            assert sum(map(len, replies)) <= 3 * len(data)
            assert len(replies) <= 1
            for reply in replies:
                answered += 1
                assert Message.decode(reply).token == token
        assert answered > 1000
        assert here.residue() == {}


@virtual
async def test_discovery_answers_in_full_only_what_was_asked_with_enough_bytes() -> None:
    async with exchange() as here:
        short = Message.decode(send_as_stranger(here, request((URI_PATH, b"core"), code=GET))[0])
        assert short.code == 0x84  # another path
        for padding in (0, 60):
            token = b"12345678" if padding else b""
            data = request(*CORE, (15, b"rt=core.dtls"), code=GET, token=token)
            reply = Message.decode(send_as_stranger(here, data)[0])
            assert reply.code == 0x45
            assert b"</.well-known/dtls>" in reply.payload
            assert b"rt=core.dtls" in reply.payload
            assert b'ct="65000 65002 65256 65258"' in reply.payload
    async with exchange(resource="/" + "/".join(["long-segment"] * 6)) as here:
        reply = Message.decode(send_as_stranger(here, request(*CORE, code=GET))[0])
        assert reply.code == 0x81
        echo = reply.get(ECHO)
        assert echo is not None
        proven = request(*CORE, (ECHO, echo), code=GET)
        assert b"long-segment" in Message.decode(send_as_stranger(here, proven)[0]).payload
        assert here.residue() == {}


@pytest.mark.parametrize("asked", [16, 32, 64, 1024])
@virtual
async def test_discovery_comes_in_blocks_where_it_is_asked_to(asked: int) -> None:
    async with exchange(mtu=100, resource="/a-long/name-of-the/handshake-resource") as here:
        links, more = b"", True
        while more:
            wanted = (BLOCK2, block(len(links) // asked, False, asked))
            (datagram,) = send_as_stranger(here, request(*CORE, wanted, code=GET))
            assert len(datagram) <= 100
            reply = Message.decode(datagram)
            got = Block.decode(reply.get(BLOCK2) or b"")
            assert got.offset == len(links)
            assert got.size <= asked
            links, more, asked = links + reply.payload, got.more, got.size
        assert links.startswith(b"</a-long/name-of-the/handshake-resource>;rt=core.dtls;ct=")
        assert links.endswith(b'ct="65000 65002 65256 65258"')
        beyond = request(*CORE, (BLOCK2, block(9, False, 64)), code=GET)
        assert Message.decode(send_as_stranger(here, beyond)[0]).code == 0x80


@pytest.mark.parametrize(("accept", "code"), [(40, 0x45), (50, 0x86)])
@virtual
async def test_discovery_is_in_link_format_and_in_no_other(accept: int, code: int) -> None:
    async with exchange() as here:
        option = (ACCEPT, uint(accept))
        response = await here.raw().ask(*CORE, option, code=GET, payload=bytes(60))
        assert response.code == code


@virtual
async def test_a_filter_that_matches_nothing_lists_nothing() -> None:
    async with exchange() as here:
        for query, found in ((b"rt=core.*", True), (b"rt=core.rd", False), (b"if=x", False)):
            data = request(*CORE, (15, query), code=GET, token=b"12345678")
            reply = Message.decode(send_as_stranger(here, data)[0])
            assert bool(reply.payload) is found


@virtual
async def test_a_ping_gets_a_reset_and_all_that_is_out_of_place_gets_nothing() -> None:
    async with exchange() as here:
        assert send_as_stranger(here, bytes([0x40, 0, 0x12, 0x34])) == [
            bytes([0x70, 0, 0x12, 0x34])
        ]
        silent = [
            request(*RESOURCE, kind=RST),
            request(*RESOURCE, kind=2),
            request(code=0x45, kind=NON),
            request(code=0x84, kind=2),
            bytes([0x50, 0, 1, 2]),
            bytes([0x60, 0, 1, 2]),
            bytes([0x70, 0, 1, 2]),
            bytes([0x59, 1, 1, 2]) + bytes(9),
            bytes([0x80, 1, 1, 2]),
            b"\x40",
            b"",
        ]
        for data in silent:
            assert send_as_stranger(here, data) == []
        rejected = [  # confirmable and malformed: a reset (RFC 7252 section 4.2)
            bytes([0x49, 1, 1, 2]) + bytes(9),
            bytes([0x40, 1, 1, 2, 0xFF]),
            bytes([0x40, 1, 1, 2, 0xF0]),
            bytes([0x40, 0, 1, 2, 0]),
        ]
        for data in rejected:
            assert send_as_stranger(here, data) == [bytes([0x70, 0, 1, 2])]
        dropped = sum(n for k, n in here.server.counters.items() if "dropped" in k)
        assert dropped == len(silent) + len(rejected)
        assert here.residue() == {}


_BEGINNINGS = [
    b"",
    b"\x40\x02\x00\x01",
    b"\x50\x02\x00\x01",
    b"\x44\x01\x00\x01tokn",
    b"\x40\x02\x00\x01\xbb.well-known\x04dtls",
]


@given(
    st.lists(
        st.builds(lambda h, t: h + t, st.sampled_from(_BEGINNINGS), st.binary(max_size=60)),
        min_size=1,
        max_size=8,
    )
)
def test_garbage_never_raises_is_never_amplified_and_leaves_nothing(datagrams: list[bytes]) -> None:
    @virtual
    async def main() -> None:
        async with exchange() as here:
            for data in datagrams:
                replies = send_as_stranger(here, data)
                assert sum(map(len, replies)) <= 3 * len(data)
            assert here.residue() == {}

    main()


@given(
    st.integers(0, 3),
    st.sampled_from([GET, POST, 0, 0x45, 5]),
    st.binary(max_size=8),
    st.lists(
        st.tuples(
            st.sampled_from([1, 3, 4, 6, 7, 8, 9, 11, 12, 14, 15, 17, 23, 27, 28, 35, 39, 60, 252])
            | st.integers(0, 65000),
            st.binary(max_size=12),
        ),
        max_size=6,
    ),
    st.booleans(),
    st.binary(max_size=40),
)
def test_odd_requests_of_a_proven_peer_never_raise(
    kind: int,
    code: int,
    token: bytes,
    options: list[tuple[int, bytes]],
    at_session: bool,
    payload: bytes,
) -> None:
    @virtual
    async def main() -> None:
        async with exchange() as here:
            raw = here.raw()
            hello = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=HELLO)
            assert hello.code == 0x41
            name = hello.values(8)[-1]
            path = ((URI_PATH, b".well-known"), (URI_PATH, name)) if at_session else RESOURCE
            odd = request(
                *path, *options, payload=payload, code=code, mid=77, token=token, kind=kind
            )
            assert len(await raw.send(odd)) <= 1
            # It still works for the genuine client.
            again = await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=HELLO)
            assert again.code == 0x41

    main()


@virtual
async def test_ten_thousand_forged_first_blocks_leave_no_state_and_draw_little() -> None:
    async with exchange() as here:
        # An honest block 0 of 64 bytes, with an Echo that somebody made up, each from elsewhere.
        options = (*RESOURCE, (BLOCK1, block(0, True, 64)), (REQUEST_TAG, b"aa"))
        received = 0
        sizes = {}
        for i in range(10_000):
            source = Address(f"198.51.{i >> 8}.{i & 255}", 1024 + i)
            echo = ((ECHO, i.to_bytes(8, "big")),) if i % 2 else ()
            data = request(*options, *echo, payload=HELLO[:64], mid=i)
            received += len(data)
            replies = send_as_stranger(here, data, source)
            assert len(replies) == 1
            assert Message.decode(replies[0]).code == 0x81
            assert len(replies[0]) <= 3 * len(data)
            if i in {1000, 9999}:
                gc.collect()
                sizes[i] = here.residue()
        assert sizes == {1000: {}, 9999: {}}
        assert sum(len(s.data) for s in here.network.sent) <= 3 * received
        assert here.begun == 0
        assert not here.server.counters["refused: too many handshakes"]


@virtual
async def test_hostile_numbers_do_not_grow_memory() -> None:
    async with exchange() as here:
        for warm_up in range(300):
            _hostile(here, warm_up)
        here.network.verdict = lambda _: ()
        here.network.sent.clear()
        kept = here.residue()
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for i in range(300, 2000):
                _hostile(here, i)
            here.network.sent.clear()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 50_000
        assert here.residue().keys() == kept.keys()
        assert here.residue().get("recent", 0) <= 16
        assert here.residue() == {}


def _hostile(here: Exchange, i: int) -> None:
    number = 2 * (1000 + i)
    requests = (
        request(*RESOURCE, (CONTENT_FORMAT, uint(1000 + i)), payload=b"x"),
        request(*RESOURCE, (ACCEPT, uint(1000 + i)), payload=b"x"),
        request(*RESOURCE, (number, b"x"), payload=b"x"),
        request(*RESOURCE, (number + 1, b"x"), payload=b"x"),
        request(*RESOURCE, code=1 + i % 255),
        request(*RESOURCE, code=0x40 + i % 128, kind=2),
    )
    for data in requests:
        send_as_stranger(here, data, Address(f"198.51.{i >> 8}.{i & 255}", 1024 + i))


@virtual
async def test_hostile_numbers_of_a_proven_peer_do_not_grow_memory() -> None:
    async with exchange() as here:
        raw = here.raw()
        await raw.ask(*RESOURCE, (ECHO, await raw.echo()), payload=HELLO)
        echo = await raw.echo()
        await raw.ask(*RESOURCE, (ECHO, echo), payload=b"x")  # draws an alert, a format of ours
        kept = here.residue()
        for i in range(300):
            for option in (
                (CONTENT_FORMAT, uint(2000 + i)),
                (ACCEPT, uint(2000 + i)),
                (2 * i + 2000, b""),
            ):
                data = request(*RESOURCE, (ECHO, echo), option, payload=b"x", mid=i)
                await raw.send(data, 0.001)
        assert here.residue().keys() == kept.keys()
        assert here.residue().get("recent", 0) <= 16


@virtual
async def test_what_would_be_too_much_for_a_stranger_is_cut_down_or_dropped() -> None:
    async with exchange() as here:
        asked = Message.decode(request(*RESOURCE))
        long = Stateless(Content(0x84, ((ECHO, bytes(8)),), bytes(50)))
        render = here.server._gate.render
        size = 4 + 2 + 10 + 51
        assert list(map(len, render(asked, 30, long, proven=False))) == [size]
        assert render(asked, 20, long, proven=False) == [b"\x62\x84\0\1tk"]
        assert render(asked, 1, long, proven=False) == []
        assert list(map(len, render(asked, 1, long, proven=True))) == [size]
        assert list(map(len, render(asked, 1, replace(long, proven=True), proven=False))) == [size]
        several = replace(long, copies=5)
        assert list(map(len, render(asked, 50, several, proven=False))) == [size, size]
        assert list(map(len, render(asked, 5, several, proven=False))) == [6, 6]


def test_the_options_of_a_request_are_read_as_they_were_written() -> None:
    options = ((3, b"h"), (11, b"a" * 13), (11, b""), (60, b"\1\2"), (252, b"e" * 8), (292, b"tt"))
    read = Message.decode(b"\x40\x02\0\1" + encode_options(options) + b"\xffp")
    assert read.options == options
    assert read.payload == b"p"
    assert read.unrecognised == ()
