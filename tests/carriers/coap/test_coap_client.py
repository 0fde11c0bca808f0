"""What a client believes and what it does not: forged, wrong and endless answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.coap.message import Content, Message, encode_options
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import CarrierError, Error, HandshakeTimeout
from handshake_over_coap.tls.alerts import (
    AlertError,
)
from tests.support.exchange import (
    ACK,
    BLOCK2,
    CON,
    CONTENT_FORMAT,
    ECHO,
    ETAG,
    LOCATION_PATH,
    MAX_AGE,
    NON,
    RST,
    SERVER,
    agree,
    block,
    exchange,
    response,
    uint,
    virtual,
)
from tests.support.network import Delivery, Network, Sent
from tests.support.parties import ECDSA_CCM, Scenario

LOCATIONS: list[tuple[bytes, ...]] = [
    (b"elsewhere",),
    (b".well-known", b"dtls", b"x"),
    (b"other", b"x"),
    (b".well-known", b""),
    (b"..", b"admin"),
]

BAD_FORMAT = 65123


@pytest.mark.parametrize("location", LOCATIONS, ids=str)
@virtual
async def test_a_location_that_is_no_sibling_is_refused(location: tuple[bytes, ...]) -> None:
    async with exchange() as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.source == SERVER and sent.data[1] == 0x41:
                genuine = Message.decode(sent.data)
                others = [o for o in genuine.options if o[0] != LOCATION_PATH]
                return (_rebuilt(genuine, (*((LOCATION_PATH, p) for p in location), *others)),)
            return (sent.data,)

        here.network.verdict = verdict
        with pytest.raises(CarrierError, match="sibling"):
            await here.client().handshake()
        assert here.codes() == ["0.02", "4.01", "0.02", "2.01"]


def _rebuilt(
    message: Message, options: Iterable[tuple[int, bytes]], payload: bytes | None = None
) -> bytes:
    data = message.payload if payload is None else payload
    content = Content(message.code, tuple(sorted(options, key=lambda o: o[0])), data)
    return content.encode(message.type, message.message_id, message.token)


class FakeServer:
    """Answers every request with what ``answer`` gives; ``None`` is silence."""

    def __init__(self, network: Network, answer: Callable[[Message, bytes], bytes | None]) -> None:
        self._answer = answer
        self._endpoint = network.endpoint(SERVER.host, SERVER.port)
        self._endpoint.start(self)
        self.requests: list[Message] = []

    def on_datagram(self, data: bytes, address: Address) -> None:
        message = Message.decode(data)
        if message.is_request:
            self.requests.append(message)
            answer = self._answer(message, data)
            if answer is not None:
                self._endpoint.send(answer, address)

    def on_error(self, error: OSError, address: Address | None) -> None:
        raise AssertionError(error)


async def against(
    answer: Callable[[Message, bytes], bytes | None], **parameters: Any
) -> tuple[FakeServer, BaseException, float]:
    """What the client raises against a server that behaves like that, and when."""
    async with exchange(**parameters) as here:
        fake = FakeServer(here.network, answer)
        try:
            await here.client().handshake()
        except Error as error:
            return fake, error, asyncio.get_running_loop().time()
    raise AssertionError("the handshake completed")


@pytest.mark.parametrize(
    ("code", "dots", "words"),
    [
        (0x84, "4.04", "no handshake resource"),
        (0x85, "4.05", "no handshakes"),
        (0x8F, "4.15", "encoding"),
        (0x8D, "4.13", "larger"),
        (0xA3, "5.03", "busy"),
        (0xA5, "5.05", "proxy"),
        (0x82, "4.02", "option"),
        (0x45, "2.05", "no answer"),
        (0x5F, "2.31", "no answer"),
        (0x81, "4.01", "no answer"),
    ],
)
@virtual
async def test_a_refusal_of_flight_1_says_what_it_means(code: int, dots: str, words: str) -> None:
    fake, error, when = await against(lambda _, data: response(data, code))
    assert isinstance(error, CarrierError)
    assert error.code == dots
    assert words in str(error)
    assert len(fake.requests) == 1
    assert when < 1


@virtual
async def test_a_server_that_always_asks_for_an_echo_is_given_up() -> None:
    def answer(_: Message, data: bytes) -> bytes:
        return response(data, 0x81, (ECHO, b"again"))

    fake, error, _ = await against(answer)
    assert isinstance(error, CarrierError)
    assert len(fake.requests) == 6
    assert [r.get(ECHO) for r in fake.requests] == [None] + [b"again"] * 5


@pytest.mark.parametrize("payload", [b"", b"garbage", bytes(500), b"\2\0\0"])
@virtual
async def test_a_flight_2_of_garbage_is_an_alert_of_ours_and_told_to_the_server(
    payload: bytes,
) -> None:
    def answer(request: Message, data: bytes) -> bytes:
        path = ((LOCATION_PATH, b".well-known"), (LOCATION_PATH, b"s"))
        return response(data, 0x41, *path, payload=payload)

    fake, error, _ = await against(answer)
    assert isinstance(error, AlertError)
    assert not error.received
    alert = fake.requests[1]
    assert len(fake.requests) == 2
    assert alert.path == (b".well-known", b"s")
    assert (alert.uint(CONTENT_FORMAT), alert.payload) == (ALERT, error.alert.encode())


@virtual
async def test_a_rejected_flight_2_ends_soon_even_if_nobody_listens() -> None:
    def answer(request: Message, data: bytes) -> bytes | None:
        return response(data, 0x41, payload=b"garbage") if len(request.payload) > 2 else None

    _, error, when = await against(answer)
    assert isinstance(error, AlertError)
    assert when < 6


@virtual
async def test_a_flight_2_in_an_unknown_format_is_an_error() -> None:
    def answer(_: Message, data: bytes) -> bytes:
        return response(data, 0x41, (CONTENT_FORMAT, uint(BAD_FORMAT)), payload=b"x")

    _, error, _ = await against(answer)
    assert isinstance(error, CarrierError)
    assert str(BAD_FORMAT) in str(error)


@pytest.mark.parametrize("size", [16, 64, 1024])
@virtual
async def test_an_endless_reply_is_cut_off_at_the_limit(size: int) -> None:
    def answer(request: Message, data: bytes) -> bytes:
        asked = request.uint(BLOCK2) or 0
        options = ((BLOCK2, block(asked >> 4, True, size)), (ETAG, b"e"))
        return response(data, 0x41, *options, payload=bytes(size))

    fake, error, _ = await against(answer, timeout=1e5, delay=0.001)
    assert isinstance(error, CarrierError)
    assert len(fake.requests) <= 2 + 16 * 1024 // size


@pytest.mark.parametrize("payload", [b"", b"short", bytes(17)])
@virtual
async def test_blocks_of_the_wrong_length_do_not_go_on_for_ever(payload: bytes) -> None:
    def answer(request: Message, data: bytes) -> bytes:
        asked = request.uint(BLOCK2) or 0
        options = ((BLOCK2, block(asked >> 4, True, 16)), (ETAG, b"e"))
        return response(data, 0x41, *options, payload=payload)

    fake, error, _ = await against(answer)
    assert isinstance(error, CarrierError)
    assert len(fake.requests) <= 5


@virtual
async def test_blocks_out_of_their_order_are_not_joined() -> None:
    def answer(request: Message, data: bytes) -> bytes:
        asked = request.uint(BLOCK2)
        number = 0 if asked is None else (asked >> 4) + 1
        options = ((BLOCK2, block(number, number < 3, 16)), (ETAG, b"e"))
        return response(data, 0x41, *options, payload=bytes(16))

    fake, error, _ = await against(answer)
    assert isinstance(error, CarrierError)
    assert len(fake.requests) == 2 * 5


@pytest.mark.parametrize("age", [61, 3600, 2**32 - 1])
@virtual
async def test_a_client_does_not_wait_longer_than_it_has(age: int) -> None:
    _, error, when = await against(lambda _, d: response(d, 0xA3, (MAX_AGE, uint(age))))
    assert isinstance(error, CarrierError)
    assert error.code == "5.03"
    assert when < 1


@virtual
async def test_a_server_that_is_busy_for_no_time_is_not_hammered() -> None:
    fake, error, when = await against(lambda _, d: response(d, 0xA3, (MAX_AGE, b"")))
    assert isinstance(error, CarrierError)
    assert 55 < when <= 60
    assert len(fake.requests) <= 60


@virtual
async def test_the_whole_handshake_has_a_timeout() -> None:
    def never(_: Message, data: bytes) -> bytes:
        return bytes([0x60, 0]) + data[2:4]  # always acknowledged, never answered

    fake, error, when = await against(never, timeout=100.0)
    assert isinstance(error, HandshakeTimeout)
    assert isinstance(error, TimeoutError)
    assert when == 100
    assert len(fake.requests) < 8


@pytest.mark.parametrize(
    "source", [Address(SERVER.host, 5683), Address("192.0.2.77", SERVER.port)], ids=str
)
@virtual
async def test_an_answer_from_another_address_is_ignored(source: Address) -> None:
    async with exchange() as here:

        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.destination == SERVER:
                for forged in (response(sent.data, 0x84), bytes([0x70, 0]) + sent.data[2:4]):
                    here.network.inject(forged, source, sent.source, 0.001)
            return (sent.data,)

        here.network.verdict = verdict
        client = here.client()
        established = await client.handshake()
        assert agree(established, here.completed[0].established)
        assert len(client.ignored) == 6
        assert len(here.network.sent) == 6


@virtual
async def test_a_network_error_ends_the_handshake_only_while_nobody_has_answered() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    async with exchange(verdict=lambda _: ()) as here:
        client = here.client()
        here.network.inject(b"", SERVER, SERVER)
        asyncio.get_running_loop().call_later(0.5, client.on_error, refused, None)
        with pytest.raises(CarrierError, match="refused"):
            await client.handshake()
        assert asyncio.get_running_loop().time() == 0.5
    async with exchange() as here:
        client = here.client()
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, client.on_error, refused, None)
        assert agree(await client.handshake(), here.completed[0].established)


@virtual
async def test_a_client_that_is_cancelled_sends_nothing_more() -> None:
    async with exchange(verdict=lambda _: ()) as here:
        client = here.client()
        task = asyncio.create_task(client.handshake())
        await asyncio.sleep(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()
        await client.close()
        sent = len(here.network.sent)
        client.coap.receive(b"\x60\0\0\1", SERVER)
        client.coap.on_error(OSError("late"))
        await asyncio.sleep(200)
        assert len(here.network.sent) == sent


@virtual
async def test_an_unexpected_confirmable_response_gets_a_reset_and_nothing_is_kept() -> None:
    async with exchange() as here:
        client = here.client()
        await client.handshake()
        sent = len(here.network.sent)
        for number in range(300):
            options = ((CONTENT_FORMAT, uint(3000 + number)), (2 * number + 3000, b"x"))
            header = bytes([0x44, 0x45]) + number.to_bytes(2, "big") + b"none"
            here.network.inject(header + encode_options(options), SERVER, client.address)
        await asyncio.sleep(1)
        resets = [s.data for s in here.network.sent[sent:]]
        assert resets == [bytes([0x70, 0]) + n.to_bytes(2, "big") for n in range(300)]


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.sampled_from([CON, NON, ACK, RST]),
    st.sampled_from([0.01, 0.2]),
)
def test_garbage_from_the_server_never_raises_at_the_client(
    data: list[bytes], kind: int, after: float
) -> None:
    @virtual
    async def main() -> None:
        async with exchange() as here:

            def verdict(sent: Sent) -> Iterable[Delivery | bytes]:
                if sent.destination == SERVER and sent.data[1]:  # not for our resets
                    first = bytes([0x44 | kind << 4])
                    for each in data:
                        garbage = first + each[:1] + sent.data[2:4] + sent.data[4:8] + each[1:]
                        for wrong in (garbage, each, b"\x40" + each):
                            if wrong:
                                here.network.inject(wrong, SERVER, sent.source, after)
                return (sent.data,)

            here.network.verdict = verdict
            try:
                established = await here.client().handshake()
            except Error:
                assert after == 0.01  # before the genuine answer: it may have been an answer
            else:
                assert agree(established, here.completed[0].established)

    main()


@virtual
async def test_client_authentication_that_is_refused_is_an_alert() -> None:
    scenario = Scenario(ECDSA_CCM, server_key="rpk-p256", client_key="rpk-p256")
    async with exchange(scenario) as here:
        with pytest.raises(AlertError) as caught:
            await here.client(credential=None).handshake()
        assert caught.value.received
        assert here.completed == []
