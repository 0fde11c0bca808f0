"""HelloRetryRequest with state on the server: what either side refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handshake_over_coap.tls.alerts import (
    AlertError,
    IllegalParameter,
    UnexpectedMessage,
    UnsupportedExtension,
)
from handshake_over_coap.tls.codepoints import ExtensionType, NamedGroup
from handshake_over_coap.tls.extensions import (
    ConnectionId,
    Cookie,
    Extension,
    Extensions,
    KeyShareEntry,
    KeyShares,
    RecordSizeLimit,
    RequestedGroup,
    ServerName,
    SupportedGroups,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.groups import offer
from handshake_over_coap.tls.messages import HELLO_RETRY_RANDOM, ClientHello, ServerHello
from tests.support import parties
from tests.support.hellos13 import (
    client_hello,
    client_omits,
    client_says,
    damaged,
    server_omits,
    server_says,
)
from tests.support.memory_pair13 import Damage, Point, refused, set_fields
from tests.support.parties13 import CCM, ECDHE_PSK, GCM, P256, X25519, Scenario13

RETRY = Scenario13(CCM, P256, "rpk-p256", retry=True)


def test_a_second_retry() -> None:
    point = Point.start(RETRY.client(), RETRY.server()).until(4)
    with pytest.raises(UnexpectedMessage, match="second HelloRetryRequest"):
        point.deliver(point.flights[1])
    assert point.finish().complete


def test_a_cookie_that_fills_a_hello_and_one_that_does_not_fit() -> None:
    point = Point.start(RETRY.client(), RETRY.server()).until(2)
    (hello,) = point.flights[0]
    assert isinstance(hello, HandshakeMessage)
    free = 0xFFFF - len(ClientHello.decode(hello.body).extensions.encode_block()) + 2
    longest = free - 4 - 2 - len(KeyShareEntry(P256, bytes(65)).encode())
    answer = point.deliver(server_says(Cookie(bytes(longest)))(point.pending)).pending
    (second,) = answer
    assert isinstance(second, HandshakeMessage)
    found = ClientHello.decode(second.body).extensions
    assert found.find(Cookie) == Cookie(bytes(longest))
    assert len(found.encode_block()) == 2 + 0xFFFF
    for length in (longest + 1, 0xFFFF - 50):
        with pytest.raises(IllegalParameter, match="no room"):
            point.deliver(server_says(Cookie(bytes(length)))(point.pending))


@pytest.mark.parametrize("group", [NamedGroup.secp384r1, 0x1234])
def test_a_retry_for_a_group_that_is_not_offered(group: int) -> None:
    damaged("client", IllegalParameter, RETRY, 2, server_says(RequestedGroup(group)))


def test_a_retry_for_a_share_that_was_sent() -> None:
    first = Point.start(RETRY.client(key_shares=(X25519,)), RETRY.server()).until(2)
    with pytest.raises(IllegalParameter):
        first.deliver(server_says(RequestedGroup(X25519))(first.pending))


def test_a_retry_that_asks_for_nothing() -> None:
    damaged("client", IllegalParameter, RETRY, 2, server_omits(ExtensionType.key_share))


def test_a_retry_with_other_extensions() -> None:
    damaged("client", UnsupportedExtension, RETRY, 2, server_says(ConnectionId(b"")))
    damaged("client", IllegalParameter, RETRY, 2, server_says(SupportedGroups((P256,))))


def test_another_version_than_that_of_the_retry() -> None:
    damage = server_omits(ExtensionType.supported_versions)
    damaged("client", IllegalParameter, RETRY, 4, damage)


def test_another_suite_than_that_of_the_retry() -> None:
    client = RETRY.client(suites13=(CCM, GCM))
    damage = {4: set_fields(ServerHello, cipher_suite=GCM.id)}
    refused("client", IllegalParameter, client, RETRY.server(), damage)


@pytest.mark.parametrize(
    "damage",
    [
        set_fields(ClientHello, random=bytes(32)),
        set_fields(ClientHello, cipher_suites=(CCM.id, GCM.id)),
        set_fields(ClientHello, session_id=b"x"),
        client_says(ServerName("other.example")),
        client_says(SupportedGroups((P256,))),
        client_says(RecordSizeLimit(1000)),
        client_says(Cookie(b"that nobody sent")),
        client_omits(ExtensionType.server_name),
        client_says(KeyShares(())),
        client_says(KeyShares((KeyShareEntry(X25519, bytes(32)),))),
    ],
)
def test_a_second_hello_that_is_not_the_first(damage: Damage) -> None:
    damaged("server", IllegalParameter, RETRY, 3, damage)


def test_a_share_of_a_group_that_both_have_and_that_was_not_asked_for() -> None:
    server = RETRY.server(groups=(P256, X25519))
    share = offer(X25519, parties.seeded("another share"))
    damage = client_says(KeyShares((KeyShareEntry(X25519, share.public),)))
    text = refused("server", IllegalParameter, RETRY.client(), server, {3: damage})
    assert "another group" in text


def test_early_data_after_a_retry() -> None:
    def announced(hello: ClientHello) -> ClientHello:
        early = Extension(ExtensionType.early_data, b"")
        return replace(hello, extensions=Extensions((*hello.extensions, early)))

    damaged("server", IllegalParameter, RETRY, 3, client_hello(announced))


def test_the_random_of_a_retry_marks_it() -> None:
    """A ServerHello with that random is read as a retry, with what a retry may hold."""
    damage = set_fields(ServerHello, random=HELLO_RETRY_RANDOM)
    with pytest.raises(AlertError):
        Point.start(ECDHE_PSK.client(), ECDHE_PSK.server()).finish({2: damage})
