"""DTLS 1.3 over UDP with wolfSSL, both ways; and wolfSSL with itself, so that the judge is judged.

Short lines would not do: wolfSSL 5.7.2 pads no record to the 16 bytes of ciphertext that RFC 9147
section 4.2.3 wants, so with CCM_8 it sends none of less than 7 bytes, hence no alert either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.tls.dtls13 import Connected13
from tests.support.parties import SERVER_KEYS, trust_in
from tests.support.pki import CertificateAuthority
from tests.support.relay import Direction
from tests.support.sockets import until
from tests.support.stacks import wolfssl
from tests.support.stacks.cases import CLEAN, WOLFSSL_13, Case
from tests.support.stacks.material import Material
from tests.support.stacks.runs import our_client, send_until_echoed
from tests.support.stacks.wolfssl_talk import OPENS, PAIRINGS, Pairing, Talk, case_of

pytestmark = pytest.mark.peer

_EPOCH = 0x03
_CID = 0x10
_UNIFIED = 0x20
"""Bits of the first byte of a protected record (RFC 9147 section 4), and its fixed bits."""

CERTIFICATE_UNKNOWN, UNKNOWN_CA, DECRYPT_ERROR = 46, 48, 51
X25519 = ("--groups", "x25519")

both_ways = pytest.mark.parametrize("pairing", PAIRINGS)
ciphers = pytest.mark.parametrize("cipher", WOLFSSL_13.ciphers)
cookies = pytest.mark.parametrize("cookie", [True, False], ids=["cookie", "no cookie"])
credentials = pytest.mark.parametrize("credential", WOLFSSL_13.credentials)


@pytest.fixture
def wolf(require_stack: Callable[[str], str]) -> str:
    return require_stack("wolfSSL")


def _alone() -> list[Case]:
    """What wolfSSL can do with itself.

    Its server puts no ClientHello together unless it has asked for a cookie, and with a
    pre-shared key as well as a share that is too long for an MTU of 256.
    """
    here = ("1.3", "their server")
    cases = [case for case in CLEAN if (case.dtls, case.direction) == here]
    return [c for c in cases if (c.auth, c.mtu, c.cookie) != ("ecdhe-psk", 256, False)]


@pytest.mark.parametrize("control", _alone(), ids=str)
def test_wolfssl_alone_does_all_that_is_asked_of_it(
    control: Case, wolf: str, files: Material
) -> None:
    # So is a P-256 share with a name.
    theirs = X25519 if control.auth == "x509" and control.mtu == 256 else ()

    async def run() -> None:
        async with OPENS["wolfSSL alone"](control, wolf, files, theirs=theirs) as talk:
            for number in range(3):
                await talk.call(f"{number} {'.' * 20 * number}")
            told = await talk.told("connected")
            assert (told["version"], told["suite"]) == ("DTLSv1.3", control.suite)
            assert max(len(each.data) for each in talk.relay.deliveries) <= control.mtu

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_wolfssl_alone_completes_through_loss_with_every_credential(
    wolf: str, files: Material
) -> None:
    async def attempt(credential: str, seed: int) -> None:
        case = replace(case_of("wolfSSL alone", credential), mtu=512, their_mtu=512, lossy=True)
        opened = OPENS["wolfSSL alone"](case, wolf, files, seed)
        async with asyncio.timeout(100), opened as talk:
            for number in range(3):
                await talk.call(f"{number} {'.' * 20 * number}")

    async def run() -> list[BaseException | None]:
        runs = [attempt(kind, seed) for kind in WOLFSSL_13.credentials for seed in range(3)]
        return await asyncio.gather(*runs, return_exceptions=True)

    if failures := [each for each in asyncio.run(run()) if isinstance(each, Exception)]:
        raise ExceptionGroup("wolfSSL alone", failures)


@cookies
@both_ways
@credentials
def test_a_cookie_costs_a_second_client_hello_and_is_asked_for_only_if_wanted(
    pairing: Pairing, credential: str, cookie: bool, wolf: str, files: Material
) -> None:
    async def run() -> None:
        case = case_of(pairing, credential, cookie=cookie)
        async with OPENS[pairing](case, wolf, files) as talk:
            await talk.call("a line")
            await talk.check_secrets()
            assert talk.client_hellos() == 1 + cookie

    asyncio.run(run())


@cookies
@both_ways
@pytest.mark.parametrize("credential", ["ecdhe-psk", "rpk-mutual"])
def test_a_server_that_wants_another_group_asks_for_it(
    pairing: Pairing, credential: str, cookie: bool, wolf: str, files: Material
) -> None:
    client, server = "secp256r1,x25519", "x25519"

    async def run() -> None:
        case = case_of(pairing, credential, cookie=cookie)
        theirs = ("--groups", server if pairing == "their server" else client)
        ours = {"group": (server if pairing == "their client" else client).split(",")}
        opened = OPENS[pairing](case, wolf, files, theirs=theirs, server=X25519, ours=ours)
        async with opened as talk:
            await talk.call("a line")
            await talk.check_secrets()
            assert (await talk.told("connected"))["group"] == "X25519"
            assert talk.client_hellos() == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("client", "server"), [("0102030405060708", "aa"), ("01", ""), ("", "bbcc")], ids=str
)
@both_ways
@ciphers
def test_records_carry_the_connection_id_that_their_receiver_has_chosen(
    pairing: Pairing, cipher: str, client: str, server: str, wolf: str, files: Material
) -> None:
    their, our = (server, client) if pairing == "their server" else (client, server)

    async def run() -> None:
        case = case_of(pairing, cipher=cipher)
        opened = OPENS[pairing](
            case,
            wolf,
            files,
            theirs=("--cid", their),
            server=("--cid", server),
            ours={"cid": our},
        )
        async with opened as talk:
            await talk.call("a line")
            told = await talk.told("connected")
            assert (told.get("own_cid", ""), told.get("peer_cid", "")) == (their, our)
            assert _last_cid(talk, Direction.TO_SERVER, len(server) // 2) == server
            assert _last_cid(talk, Direction.TO_CLIENT, len(client) // 2) == client

    asyncio.run(run())


def _last_record(talk: Talk, direction: Direction) -> bytes:
    data = talk.relay.payloads(direction)[-1]
    assert data[0] & 0xE0 == _UNIFIED
    return data


def _last_cid(talk: Talk, direction: Direction, length: int) -> str:
    record = _last_record(talk, direction)
    assert bool(record[0] & _CID) == bool(length)
    return record[1 : 1 + length].hex()


@both_ways
@credentials
@ciphers
def test_keys_that_wolfssl_updates_are_used_from_then_on(
    pairing: Pairing, credential: str, cipher: str, wolf: str, files: Material
) -> None:
    own = Direction.TO_CLIENT if pairing == "their server" else Direction.TO_SERVER

    async def run() -> None:
        async with OPENS[pairing](case_of(pairing, credential, cipher), wolf, files) as talk:
            for updates in range(3):
                await talk.call(f"a line in epoch {3 + updates}")
                assert _last_record(talk, own)[0] & _EPOCH == (3 + updates) % 4
                talk.theirs.write("/keyupdate")
                # An update has to be acknowledged before the next.
                await talk.call(f"a line on the way to epoch {4 + updates}")
            assert "refused" not in talk.theirs.output

    asyncio.run(run())


@pytest.mark.parametrize("pairing", ["their client", "wolfSSL alone"])
@credentials
@ciphers
def test_wolfssl_resumes_with_the_ticket_it_was_given(
    pairing: Pairing, credential: str, cipher: str, wolf: str, files: Material
) -> None:
    ours = {"tickets": True}

    async def run() -> None:
        case = case_of(pairing, credential, cipher)
        async with OPENS[pairing](case, wolf, files, ours=ours) as talk:
            await talk.call("a line")
            first = await talk.told("connected")
            talk.theirs.write("/resume")
            if talk.beside is not None and cipher == "CCM_8":
                # It cannot be told of the end: an alert is too short for wolfSSL.
                await talk.told("closed")
                talk.beside.write("/next")
            again = await talk.told("connected", count=2)
            await talk.call("another line")
            assert (first["resumed"], again["resumed"]) == (False, True)
            assert first["exporter"] != again["exporter"]
            for session in talk.sessions()[-1:]:
                assert isinstance(session.connected, Connected13)
                assert session.connected.resumed
                assert session.export(wolfssl.LABEL, 32).hex() == again["exporter"]

    asyncio.run(run())


@credentials
@ciphers
def test_we_resume_with_the_ticket_that_wolfssl_gave_us(
    credential: str, cipher: str, wolf: str, files: Material
) -> None:
    case = case_of("their server", credential, cipher)

    async def run() -> None:
        async with OPENS["their server"](case, wolf, files) as talk:
            await talk.call("a line")
            (session,) = talk.sessions()
            await until(lambda: bool(session.tickets))
            await session.close()
            await talk.told("closed")
            options = our_client(case) | {"ticket": session.tickets[-1]}
            async with hoc.connect(talk.relay.address, **options) as resumed:
                await send_until_echoed(resumed, "another line", None)
                told = await talk.told("connected", count=2)
                assert told["resumed"]
                assert told["exporter"] == resumed.export(wolfssl.LABEL, 32).hex()

    asyncio.run(run())


@pytest.mark.parametrize("credential", ["psk", "ecdhe-psk"])
def test_a_wrong_key_of_theirs_is_refused_with_decrypt_error(
    credential: str, wolf: str, files: Material
) -> None:
    async def run() -> None:
        opened = OPENS["their client"](
            case_of("their client", credential), wolf, files, theirs=("--psk", "00" * 16)
        )
        async with opened as talk:
            assert (await talk.told("failed"))["alert_received"] == DECRYPT_ERROR

    asyncio.run(run())


def test_a_wrong_key_of_ours_is_refused_by_wolfssl(wolf: str, files: Material) -> None:
    async def run() -> None:
        opened = OPENS["their server"](
            case_of("their server"), wolf, files, theirs=("--psk", "00" * 16)
        )
        with pytest.raises(hoc.AlertError):
            async with opened:
                pass

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["rpk", "x509"])
def test_wolfssl_alone_refuses_a_key_or_a_name_that_is_not_the_one_it_knows(
    kind: str, wolf: str, files: Material
) -> None:
    async def run() -> None:
        wrong = ("--peer-key", files["client.spki"])
        wrong = wrong if kind == "rpk" else ("--name", "other.example")
        opened = OPENS["wolfSSL alone"](
            replace(case_of("wolfSSL alone", kind), cookie=False), wolf, files, theirs=wrong
        )
        async with opened as talk:
            assert (await talk.told("failed"))["alert_sent"] == 42
            assert not talk.sessions()

    asyncio.run(run())


@pytest.mark.parametrize("credential", ["rpk-mutual", "x509-mutual"])
def test_a_key_of_theirs_that_we_do_not_trust_is_refused_in_words_that_wolfssl_reads(
    credential: str, wolf: str, files: Material
) -> None:
    """It has completed by then: the alert is one of the session's epoch (RFC 8446 appendix A.1)."""
    stranger = trust_in(SERVER_KEYS["rpk-p256"])
    if credential == "x509-mutual":
        stranger = hoc.Trust(CertificateAuthority("a stranger").certificate)

    async def run() -> None:
        opened = OPENS["their client"](
            case_of("their client", credential), wolf, files, ours={"trust": stranger}
        )
        async with opened as talk:
            assert (await talk.told("failed"))["alert_received"] in (
                CERTIFICATE_UNKNOWN,
                UNKNOWN_CA,
            )

    asyncio.run(run())
