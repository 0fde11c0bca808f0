"""How long the messages of DTLS 1.3 are: each byte has its reason, so that none comes unseen."""

from __future__ import annotations

from typing import Any

import pytest

from handshake_over_coap.tls.dtls13.retry import retry_for
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.negotiation import start_client
from tests.support.memory_pair13 import Items, run
from tests.support.parties13 import CCM_8, P256, X25519, Scenario13

LEAN: dict[str, Any] = {"ask_for_tickets": False, "server_name": None, "groups": (P256,)}


def sizes(items: Items) -> tuple[int, ...]:
    return tuple(len(item.body) for item in items if isinstance(item, HandshakeMessage))


def test_messages_of_a_handshake_with_raw_public_keys() -> None:
    scenario = Scenario13(CCM_8, P256, "rpk-p256", "rpk-p256")
    point = run(scenario.client(**LEAN), scenario.server())
    hello, (server_hello, encrypted, request, certificate, verify, finished), last, *_ = map(
        sizes, point.flights
    )
    assert hello == (154,)
    assert (server_hello, encrypted, request, certificate, finished) == (119, 12, 11, 100, 32)
    assert 4 + 68 <= verify <= 4 + 72  # in DER an integer may have fewer bytes, and rarely has
    assert (last[0], last[2]) == (100, 32)


@pytest.mark.parametrize(("group", "hello", "answer"), [(P256, 154, 119), (X25519, 121, 86)])
def test_hellos_by_the_group(group: object, hello: int, answer: int) -> None:
    scenario = Scenario13(CCM_8, P256 if group == P256 else X25519, "rpk-p256", "rpk-p256")
    client = scenario.client(**(LEAN | {"groups": (group,)}))
    point = run(client, scenario.server())
    assert sizes(point.flights[0]) == (hello,)
    assert sizes(point.flights[1])[0] == answer


def test_a_hello_says_only_what_the_credentials_call_for() -> None:
    """8 bytes of signature_algorithms and 6 of each certificate type are left out."""
    signed = Scenario13(CCM_8, P256, "rpk-p256", "rpk-p256").client(**LEAN)
    unasked = Scenario13(CCM_8, P256, "rpk-p256").client(**LEAN)
    chains = Scenario13(CCM_8, P256, "x509").client(**(LEAN | {"server_name": "server.example"}))
    hellos = [sizes(start_client(each).flight)[0] for each in (signed, unasked, chains)]
    name = 4 + 2 + 1 + 2 + len("server.example")
    both_schemes = 2
    schemes_of_certificates = 4 + 2 + 9 * 2
    assert hellos == [154, 154 - 6, 154 - 12 + name + both_schemes + schemes_of_certificates]


@pytest.mark.parametrize(("shares", "length"), [((P256,), 32), ((), 34)])
def test_a_stateless_retry_carries_a_hash_and_the_group_it_asks_for(
    shares: tuple[object, ...], length: int
) -> None:
    scenario = Scenario13(CCM_8, P256, "rpk-p256")
    (hello,) = start_client(scenario.client(key_shares=shares)).flight
    assert isinstance(hello, HandshakeMessage)
    given: list[tuple[int, int]] = []

    def protect(content: bytes, context: bytes) -> bytes:
        given.append((len(content), len(context)))
        return content

    retry = retry_for(scenario.server(), hello, protect)
    assert given == [(length, 34)]
    asks = 0 if shares else 6
    assert len(retry.body) == 40 + 6 + asks + 6 + length
