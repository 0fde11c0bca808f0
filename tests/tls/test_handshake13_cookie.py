"""A server of DTLS 1.3 that keeps nothing until a cookie has come back."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.tls.alerts import (
    AlertError,
    DecryptError,
    HandshakeFailure,
    IllegalParameter,
    UnexpectedMessage,
)
from handshake_over_coap.tls.codepoints import ExtensionType
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.credentials import PSK, psk_lookup
from handshake_over_coap.tls.dtls13 import state_after_retry
from handshake_over_coap.tls.dtls13.retry import has_cookie, retry_for
from handshake_over_coap.tls.effort import LISTENER, Primitive
from handshake_over_coap.tls.extensions import Cookie, Extensions, KeyShares, RequestedGroup
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import ClientHello, ServerHello, is_hello_retry_request
from handshake_over_coap.tls.negotiation import start_client
from tests.support import parties, parties13
from tests.support.hellos13 import client_omits, client_says
from tests.support.memory_pair13 import Items, Point, Side, agreed, resume, run
from tests.support.parties13 import CCM, GCM, KE, P256, X25519, Scenario13
from tests.support.strategies import damaged


@dataclass(frozen=True)
class Jar:
    """Authenticates cookies for one address, as a carrier does; 16 bytes of tag stand in front."""

    address: bytes = b"192.0.2.1"

    def protect(self, content: bytes, context: bytes) -> bytes:
        return self._tag(content, context) + content

    def open(self, cookie: bytes, context: bytes) -> bytes | None:
        tag, content = cookie[:16], cookie[16:]
        return content if hmac.compare_digest(tag, self._tag(content, context)) else None

    def _tag(self, content: bytes, context: bytes) -> bytes:
        text = self.address + len(context).to_bytes(2, "big") + context + content
        return hmac.digest(b"secret of the server", text, "sha256")[:16]


@dataclass(frozen=True)
class OpenJar(Jar):
    """Takes whatever comes, to see what is made of it."""

    def open(self, cookie: bytes, context: bytes) -> bytes:
        return cookie[16:]


def hello_of(items: Items) -> HandshakeMessage:
    (hello,) = items
    assert isinstance(hello, HandshakeMessage)
    return hello


def asked(client: ClientConfig, server: ServerConfig) -> tuple[Side, Items]:
    """The client and its second hello, after a retry of which the server keeps nothing."""
    step = start_client(client)
    retry = retry_for(server, hello_of(step.flight), Jar().protect)
    return Side(step.state).take((retry,))


def answered(client: Side, second: Items, server: ServerConfig, jar: Jar | None = None) -> Point:
    """The point at which the second hello, the third flight, is on its way."""
    state = state_after_retry(server, hello_of(second), (jar or Jar()).open)
    return Point(client, Side(state), ((), (), second))


@pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)
def test_the_handshake_completes_and_asks_for_the_group_on_the_way(scenario: Scenario13) -> None:
    server = scenario.server()
    client, second = asked(scenario.client(), server)
    point = answered(client, second, server).finish()
    assert agreed(point)[0].group == scenario.group
    numbers = [i.message_seq for i in point.flights[3] if isinstance(i, HandshakeMessage)]
    assert hello_of(second).message_seq == 1
    assert numbers == list(range(1, len(numbers) + 1))
    resumed, again = asked(scenario.client("later", ticket=resume(point)), server)
    assert agreed(answered(resumed, again, server).finish())[0].resumed


def test_what_the_retry_says() -> None:
    scenario = Scenario13(CCM, P256, "rpk-p256")
    for shares, group in (((P256,), None), ((X25519,), P256), ((), P256)):
        hello = hello_of(start_client(scenario.client(key_shares=shares)).flight)
        retry = retry_for(scenario.server(), hello, Jar().protect)
        assert (retry.message_seq, retry.epoch) == (0, 0)
        decoded = ServerHello.decode(retry.body)
        assert is_hello_retry_request(decoded)
        requested = decoded.extensions.find(RequestedGroup)
        assert (None if requested is None else requested.group) == group
        cookie = decoded.extensions.find(Cookie)
        assert cookie is not None
        assert len(cookie.cookie) == 16 + (32 if group is None else 34)


def test_hellos_with_and_without_a_cookie_are_told_apart() -> None:
    scenario = Scenario13()
    hello = hello_of(start_client(scenario.client()).flight)
    _, second = asked(scenario.client(), scenario.server())
    assert (has_cookie(hello), has_cookie(hello_of(second))) == (False, True)
    with pytest.raises(IllegalParameter):
        retry_for(scenario.server(), hello_of(second), Jar().protect)


def test_a_hello_that_could_not_be_answered_gets_no_cookie() -> None:
    scenario = Scenario13(CCM, P256)
    hello = hello_of(start_client(scenario.client()).flight)
    with pytest.raises(HandshakeFailure):
        retry_for(scenario.server(suites13=(GCM,)), hello, Jar().protect)
    other = replace(hello, type=11)
    with pytest.raises(UnexpectedMessage):
        retry_for(scenario.server(), other, Jar().protect)


def test_a_key_is_looked_up_once_and_not_before_the_cookie_has_come_back() -> None:
    """The look-up may be somebody's database, and a first hello may be from anybody."""
    asked_for: list[bytes] = []

    def look_up(identity: bytes) -> bytes:
        asked_for.append(identity)
        return parties.KEY

    for scenario in (
        Scenario13(CCM, None),
        Scenario13(CCM, P256),
        Scenario13(CCM, P256, retry=True),
    ):
        server = scenario.server(psk=psk_lookup(look_up, parties.SECRET))
        client, second = asked(scenario.client(), server)
        assert asked_for == []
        assert answered(client, second, server).finish().complete
        assert asked_for == [parties.IDENTITY]
        asked_for.clear()
        assert run(scenario.client(), server).complete
        assert asked_for == [parties.IDENTITY]
        asked_for.clear()


def test_the_chain_in_a_ticket_is_verified_once_and_not_before_the_cookie_has_come_back() -> None:
    """A ticket travels in the clear: anybody may send one that was seen."""
    scenario = Scenario13(CCM, P256, "x509-intermediate", "x509-intermediate")
    server = scenario.server()
    ticket = resume(run(scenario.client(), server))
    verified: list[int] = []

    def hear(primitive: Primitive, count: int) -> None:
        if primitive is Primitive.VERIFY:
            verified.append(count)

    token = LISTENER.set(hear)
    try:
        client, second = asked(scenario.client("later", ticket=ticket), server)
        assert verified == []
        assert agreed(answered(client, second, server).finish())[1].resumed
        assert verified == [2]  # leaf and intermediate
    finally:
        LISTENER.reset(token)


@pytest.mark.parametrize(("identity", "auth"), [(parties.IDENTITY, "psk"), (b"unknown", "rpk")])
@pytest.mark.parametrize("retry", [False, True])
def test_a_retry_asks_for_the_share_that_a_certificate_would_need(
    identity: bytes, auth: str, retry: bool
) -> None:
    """Which of the two it will be is not known yet, and there is one retry only."""
    scenario = Scenario13(CCM, P256, "rpk-p256", retry=retry)
    known = psk_lookup({parties.IDENTITY: parties.KEY}, parties.SECRET)
    server = scenario.server(psk=known, psk_modes=(KE,))
    client, second = asked(scenario.client(psk=PSK(identity, parties.KEY)), server)
    assert agreed(answered(client, second, server).finish())[1].auth == auth


def test_cookies_of_another_address_or_none_are_refused() -> None:
    scenario = Scenario13(CCM, P256)
    server = scenario.server()
    client, second = asked(scenario.client(), server)
    with pytest.raises(IllegalParameter):
        answered(client, second, server, Jar(b"198.51.100.1"))
    without = client_omits(ExtensionType.cookie)(second)
    with pytest.raises(IllegalParameter):
        state_after_retry(server, hello_of(without), Jar().open)
    for content in (b"", bytes(31), bytes(33), bytes(35), bytes(32) + b"\xff\xff"):
        forged = client_says(Cookie(bytes(16) + content))(second)
        with pytest.raises(IllegalParameter, match="another content"):
            state_after_retry(server, hello_of(forged), OpenJar().open)
    assert answered(client, second, server).finish().complete


@given(st.data())
def test_a_forged_cookie_is_refused(data: st.DataObject) -> None:
    scenario = Scenario13(CCM, P256)
    server = scenario.server()
    _, second = asked(scenario.client(), server)
    cookie = ClientHello.decode(hello_of(second).body).extensions.find(Cookie)
    assert cookie is not None
    forged = Cookie(data.draw(damaged(cookie.cookie).filter(lambda each: len(each) > 0)))
    if forged != cookie:
        changed = client_says(forged)(second)
        with pytest.raises(IllegalParameter):
            state_after_retry(server, hello_of(changed), Jar().open)


def test_the_second_hello_has_to_be_the_first_but_for_what_may_change() -> None:
    scenario = Scenario13(CCM, P256)
    server = scenario.server()
    client, second = asked(scenario.client(), server)
    other = start_client(scenario.client("another")).flight
    stolen = ClientHello.decode(hello_of(second).body).extensions.find(Cookie)
    assert stolen is not None
    mixed = client_says(stolen)(other)
    with pytest.raises(IllegalParameter, match="of another ClientHello"):
        state_after_retry(server, hello_of(mixed), Jar().open)
    with pytest.raises(IllegalParameter):
        answered(client, client_says(KeyShares(()))(second), server).deliver()
    assert answered(client, second, server).finish().complete


def test_a_first_hello_changed_on_its_way_does_not_pass() -> None:
    """The hash in the cookie is that of the hello that came, not of the one that was sent."""
    scenario = Scenario13(CCM, P256, "rpk-p256")
    server = scenario.server()
    step = start_client(scenario.client(key_shares=()))
    padded = _padded(step.flight)
    retry = retry_for(server, hello_of(padded), Jar().protect)
    client, second = Side(step.state).take((retry,))
    point = answered(client, second, server).deliver()
    with pytest.raises(DecryptError):
        point.deliver()


def _padded(items: Items) -> Items:
    """With a padding extension, which may change from one hello to the next."""
    hello = ClientHello.decode(hello_of(items).body)
    padding = type(next(iter(hello.extensions)))(ExtensionType.padding, bytes(4))
    extensions = Extensions((*hello.extensions, padding))
    body = replace(hello, extensions=extensions).encode()
    return (replace(hello_of(items), body=body),)


def test_a_server_with_other_settings_than_when_it_asked() -> None:
    """A cookie outlives a change of the configuration; the handshake fails cleanly."""
    scenario = Scenario13(CCM, P256)
    client, second = asked(
        scenario.client(suites13=(CCM, GCM)), scenario.server(suites13=(CCM, GCM))
    )
    with pytest.raises(IllegalParameter):
        answered(client, second, scenario.server(suites13=(GCM,))).deliver()
    with pytest.raises(AlertError):
        answered(client, second, scenario.server(groups=(X25519,))).deliver()
