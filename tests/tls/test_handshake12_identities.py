"""Wrong keys and unknown identities of PSK suites look the same from outside, and cost the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import aead

from handshake_over_coap.tls.alerts import AlertError, BadRecordMac
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import PSK, PskLookup, PskSource, psk_lookup
from tests.support import parties
from tests.support.memory_pair import Point, agreed
from tests.support.parties import IDENTITY, KEY, SECRET, Scenario

UNKNOWN = b"unknown_identit"
WRONG_KEY = b"a wrong key, 16B"

with_psk = pytest.mark.parametrize(
    "scenario",
    [
        Scenario(parties.PSK_CCM),
        Scenario(parties.PSK_GCM, hint=b"hint"),
        Scenario(parties.ECDHE_PSK_CCM, NamedGroup.secp256r1),
        Scenario(parties.ECDHE_PSK_CCM, NamedGroup.x25519),
    ],
    ids=str,
)
OTHERS = {bytes([number]) * 15: bytes([number]) * 16 for number in range(8)}
SOURCES: dict[str, PskSource] = {
    "one key": PSK(IDENTITY, KEY),
    "mapping": {IDENTITY: KEY, **OTHERS},
    "callable": {IDENTITY: KEY, **OTHERS}.get,
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


@dataclass
class Work:
    """What the primitives were asked to do, in order, with the lengths of what they were given."""

    done: list[tuple[object, ...]] = field(default_factory=list)

    def counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            sizes = [len(each) for each in arguments if isinstance(each, bytes)]
            self.done.append((name, *sizes))
            return method(*arguments, **keywords)

        return call


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Counts HMACs, hashes and ciphers for as long as it lasts."""
    work = Work()

    class Counted:
        def __init__(self, inner: Any, name: str) -> None:
            self._inner, self._name = inner, name
            for method in ("update", "finalize"):
                setattr(self, method, work.counted(f"{name}.{method}", getattr(inner, method)))

        def copy(self) -> Counted:
            work.done.append((f"{self._name}.copy",))
            return Counted(self._inner.copy(), self._name)

    def counting(kind: Callable[..., Any], name: str) -> Callable[..., Counted]:
        made = work.counted(name, kind)
        return lambda *arguments, **keywords: Counted(made(*arguments, **keywords), name)

    with patch.context() as local:
        local.setattr(hmac, "HMAC", counting(hmac.HMAC, "HMAC"))
        local.setattr(hashes, "Hash", counting(hashes.Hash, "Hash"))
        yield work


def flight_3(scenario: Scenario, server: ServerConfig, identity: bytes, key: bytes) -> Point:
    return Point.start(scenario.client(psk=PSK(identity, key)), server).until(3)


def refusal(point: Point) -> AlertError:
    with pytest.raises(AlertError) as caught:
        point.deliver()
    return caught.value


@with_psk
@every_source
def test_wrong_key_and_unknown_identity_get_the_same_answers(
    scenario: Scenario, source: PskSource
) -> None:
    def server() -> ServerConfig:
        return scenario.server(psk=psk_lookup(source, SECRET))

    assert len(UNKNOWN) == len(IDENTITY)
    wrong = flight_3(scenario, server(), IDENTITY, WRONG_KEY)
    unknown = flight_3(scenario, server(), UNKNOWN, KEY)
    assert wrong.flights[:2] == unknown.flights[:2]
    one, other = refusal(wrong), refusal(unknown)
    assert type(one) is type(other) is BadRecordMac
    assert (str(one), one.alert) == (str(other), other.alert)
    agreed(flight_3(scenario, server(), IDENTITY, KEY).finish())


@with_psk
@every_source
def test_wrong_key_and_unknown_identity_cost_the_same(
    scenario: Scenario, source: PskSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scenario.server(psk=psk_lookup(source, SECRET))
    done = []
    for identity, key in ((IDENTITY, WRONG_KEY), (UNKNOWN, KEY), (UNKNOWN[::-1], WRONG_KEY)):
        point = flight_3(scenario, server, identity, key)
        with watched(monkeypatch) as work:
            refusal(point)
        done.append(work.done)
    assert done[0] == done[1] == done[2]
    assert sum(name == "HMAC" for name, *_ in done[0]) >= 3  # dummy key, master secret, key block


@with_psk
def test_the_work_that_is_counted_depends_on_the_key(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The comparison above could tell a difference: a longer key shows.
    done = []
    for length in (16, 17):
        server = scenario.server(psk=psk_lookup({IDENTITY: bytes(length)}, SECRET))
        point = flight_3(scenario, server, IDENTITY, KEY)
        with watched(monkeypatch) as work:
            refusal(point)
        done.append(work.done)
    assert done[0] != done[1]


@with_psk
def test_an_unknown_identity_is_opened_once_and_no_more(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    for identity, key in ((IDENTITY, WRONG_KEY), (UNKNOWN, KEY)):
        point = flight_3(scenario, scenario.server(), identity, key)
        work = Work()
        with monkeypatch.context() as local:
            for name in ("AESCCM", "AESGCM"):
                kind = getattr(aead, name)
                module = "handshake_over_coap.tls.suites"
                local.setattr(f"{module}.{name}", _counting_cipher(kind, work))
            refusal(point)
        tried.append(work.done)
    assert tried[0] == tried[1]
    assert [name for name, *_ in tried[0]].count("decrypt") == 1


def _counting_cipher(kind: Callable[..., Any], work: Work) -> Callable[..., Any]:
    class Counting:
        def __init__(self, *arguments: Any, **keywords: Any) -> None:
            work.done.append(("new",))
            inner = kind(*arguments, **keywords)
            self.encrypt = work.counted("encrypt", inner.encrypt)
            self.decrypt = work.counted("decrypt", inner.decrypt)

    return Counting


@with_psk
def test_nobody_has_the_key_of_an_unknown_identity(scenario: Scenario) -> None:
    lookup: PskLookup = psk_lookup({IDENTITY: KEY}, SECRET)
    server = scenario.server(psk=lookup)
    for guess in (KEY, bytes(16), UNKNOWN + b"\x00", b"\x00"):
        assert lookup(UNKNOWN) != guess
        assert type(refusal(flight_3(scenario, server, UNKNOWN, guess))) is BadRecordMac


@with_psk
def test_a_refused_client_may_try_again_at_the_same_server_state(scenario: Scenario) -> None:
    server = scenario.server()
    right = Point.start(scenario.client(), server).until(3)
    for key in (WRONG_KEY, b"another"):
        client = Point.start(scenario.client(psk=PSK(IDENTITY, key)), server).client
        _, flight = client.receive(right.flights[1])
        with pytest.raises(BadRecordMac):
            right.deliver(flight)
    agreed(right.finish())
