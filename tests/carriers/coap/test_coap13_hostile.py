"""DTLS 1.3 over CoAP among forgers: what they send in the clear costs time, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.encodings.alert import CONTENT_FORMAT as ALERT
from handshake_over_coap.errors import CarrierError, Error
from handshake_over_coap.tls import credentials
from handshake_over_coap.tls.alerts import (
    AlertError,
    DecryptError,
    HandshakeFailure,
    UnknownCa,
)
from handshake_over_coap.tls.codepoints import AlertDescription
from handshake_over_coap.tls.credentials import Trust
from tests.support import pki
from tests.support.by_hand import asked, hello, session_path
from tests.support.exchange import (
    CONTENT_FORMAT,
    ECHO,
    RESOURCE,
    SERVER,
    Exchange,
    agree13,
    exchange,
    request,
    uint,
    virtual,
)
from tests.support.forgeries import FATAL, FORGERIES, forging
from tests.support.network import Sent
from tests.support.parties import KEY
from tests.support.parties13 import CCM, P256, X25519, Scenario13

PSK = Scenario13(CCM, P256)
RETRY = Scenario13(CCM, X25519, "rpk-p256", retry=True)

both = pytest.mark.parametrize("scenario", [PSK, RETRY], ids=str)
located = pytest.mark.parametrize("location", [True, False], ids=["location", "no location"])


@both
@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("what", FORGERIES)
@virtual
async def test_one_forged_answer_to_a_later_flight_is_a_hint_and_no_more(
    what: str, blocked: bool, scenario: Scenario13
) -> None:
    async with exchange(scenario) as here:
        here.network.verdict = forging(here, FORGERIES[what], block_genuine=blocked)
        established = await here.client().handshake13()
        assert agree13(established, here.completed[0].established13)
        assert here.begun == 1


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("reset", CarrierError),
        ("4.00", CarrierError),
        ("4.00 alert", HandshakeFailure),
        ("4.08", CarrierError),
        ("5.03", CarrierError),
        ("2.04 empty", AlertError),
        ("2.04 garbage", AlertError),
        ("2.01", CarrierError),
    ],
)
@both
@virtual
async def test_what_stays_wrong_ends_with_an_error_of_ours(
    what: str, error: type[Error], scenario: Scenario13
) -> None:
    async with exchange(scenario) as here:
        here.network.verdict = forging(here, FORGERIES[what], times=10**6, block_genuine=True)
        with pytest.raises(error) as caught:
            await here.client().handshake13()
        assert not getattr(caught.value, "authenticated", False)
        assert here.completed == []


@located
@both
@virtual
async def test_a_server_may_restart_before_any_datagram(
    scenario: Scenario13, location: bool
) -> None:
    async with exchange(scenario, location=location) as here:
        await here.client().handshake13()
        total = len(here.network.sent)
    for at in range(total):
        async with exchange(scenario, location=location, timeout=300.0) as here:
            await restarted_at(here, at)


async def restarted_at(here: Exchange, at: int) -> None:
    """A handshake with a server that forgets everything when datagram ``at`` is sent."""
    old = here.server

    def verdict(sent: Sent) -> Iterable[bytes]:
        if sent.index == at:
            here.new_server()
        return (sent.data,)

    here.network.verdict = verdict
    established = await here.client().handshake13()
    assert agree13(established, here.completed[-1].established13)
    assert here.server is not old
    old.close()


@both
@virtual
async def test_a_damaged_last_flight_is_refused_and_the_genuine_one_still_completes(
    scenario: Scenario13,
) -> None:
    async with exchange(scenario, limits=Limits(failures=6)) as here:
        raw = here.raw()
        name, conversation = await asked(raw, scenario)
        _, flight3 = conversation
        for number in range(5):
            at = -1 - number
            damaged = flight3[:at] + bytes([flight3[at] ^ 1]) + flight3[len(flight3) + at + 1 :]
            refused = await raw.ask(*session_path(name), payload=damaged)
            assert (refused.code, refused.uint(CONTENT_FORMAT)) == (0x80, ALERT)
            assert refused.payload == bytes((2, AlertDescription.bad_record_mac))
        first = await raw.ask(*session_path(name), payload=flight3)
        again = await raw.ask(*session_path(name), payload=flight3)
        assert (first.code, again.code) == (0x44, 0x44)
        assert first.payload == again.payload
        assert len(here.completed) == 1


@both
@located
@virtual
async def test_unsealed_alerts_and_empty_acks_do_not_end_a_handshake_under_way(
    scenario: Scenario13, location: bool
) -> None:
    async with exchange(scenario, location=location, timeout=300.0) as here:
        client = here.client()

        def verdict(sent: Sent) -> Iterable[bytes]:
            if sent.source == SERVER and not here.completed and sent.time < 60:
                names = [name for peer in here.server.peers for name in peer.handshakes]
                path = session_path(names[-1].encode()) if location and names else RESOURCE
                form = (CONTENT_FORMAT, uint(ALERT))
                alert = request(*path, form, payload=FATAL, token=b"forgery", mid=0x7777)
                here.network.inject(alert, client.address, SERVER, 0.001)
                here.network.inject(b"\x60\0" + sent.data[2:4], SERVER, client.address, 0.0)
            return (sent.data,)

        here.network.verdict = verdict
        established = await client.handshake13()
        assert agree13(established, here.completed[-1].established13)
        assert here.begun == 1


@pytest.mark.parametrize(
    ("psk", "alert"),
    [
        (credentials.PSK(b"Client_identity", b"another key....."), DecryptError),
        (credentials.PSK(b"nobody", KEY), DecryptError),
    ],
    ids=["wrong key", "unknown identity"],
)
@pytest.mark.parametrize("scenario", [PSK, Scenario13(CCM, None)], ids=str)
@virtual
async def test_a_client_with_the_wrong_key_is_told_so_and_nothing_stays_of_it(
    psk: credentials.PSK, alert: type[AlertError], scenario: Scenario13
) -> None:
    # One alert for both, or anybody could ask which identities there are.
    async with exchange(scenario) as here:
        with pytest.raises(alert) as caught:
            await here.client(psk=psk).handshake13()
        assert caught.value.received
        assert here.server.counters["rejected flight 1: decrypt_error"] == 1
        assert here.completed == []
        await asyncio.sleep(100)
        assert here.residue() == {}


@pytest.mark.parametrize("retry", [False, True])
@virtual
async def test_a_client_that_distrusts_the_server_tells_it_by_an_alert(retry: bool) -> None:
    async with exchange(Scenario13(CCM, P256, "x509", retry=retry)) as here:
        foreign = pki.CertificateAuthority("Somebody else's root")
        client = here.client(trust=Trust(foreign.certificate))
        with pytest.raises(UnknownCa) as caught:
            await client.handshake13()
        assert not caught.value.received
        assert here.server.counters["unsealed alerts"] == 1
        assert here.completed == []
        # The second hello was posted again, in case the answer was a forger's.
        posts = here.network.between(client.address, SERVER)
        assert len(posts) == (6 if retry else 3)


@both
@virtual
async def test_hundreds_of_half_open_handshakes_of_one_endpoint_leave_a_few(
    scenario: Scenario13,
) -> None:
    async with exchange(scenario) as here:
        raw = here.raw()
        echo = await raw.echo()
        for number in range(100):
            _, flight1 = hello(f"number {number}", scenario)
            answer = await raw.ask(*RESOURCE, (ECHO, echo), payload=flight1, wait=0.11)
            assert answer.code == 0x41
        (peer,) = here.server.peers
        assert len(peer.handshakes) <= 8
        assert here.server.peers.unfinished == 1
        await asyncio.sleep(61)
        assert here.residue() == {}
