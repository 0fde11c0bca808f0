"""Resumption: what a ticket carries, how long it is good, and when it is passed over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import (
    CertificateRequired,
    DecodeError,
    DecryptError,
    IllegalParameter,
    UnexpectedMessage,
    UnknownPskIdentity,
    UnsupportedCertificate,
)
from handshake_over_coap.tls.codepoints import CertificateType, ExtensionType
from handshake_over_coap.tls.credentials import Certificate, Trust, psk_lookup
from handshake_over_coap.tls.dtls13.server_tickets import (
    TicketContent,
    is_ticket,
    open_ticket,
    seal_ticket,
)
from handshake_over_coap.tls.extensions import Extension, Extensions, OfferedPsks
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import PeerIdentity
from handshake_over_coap.tls.messages import ClientHello, NewSessionTicket
from handshake_over_coap.tls.tickets import MAX_TICKET_LENGTH, Ticket
from tests.support import parties, pki
from tests.support.memory_pair13 import Point, Side, agreed, connected13, refused, resume, run
from tests.support.parties import NOW
from tests.support.parties13 import CCM, GCM, KE, P256, Scenario13
from tests.support.strategies import damaged

RPK = Scenario13(CCM, P256, "rpk-p256")
MUTUAL = Scenario13(CCM, P256, "rpk-p256", "rpk-ed25519")
ECDHE_PSK = Scenario13(CCM, P256)


def at(seconds: float) -> Callable[[], datetime]:
    moment = NOW + timedelta(seconds=seconds)
    return lambda: moment


def offered(point: Point) -> OfferedPsks | None:
    (hello,) = point.flights[0]
    assert isinstance(hello, HandshakeMessage)
    return ClientHello.decode(hello.body).extensions.find(OfferedPsks)


def test_a_ticket_tells_where_it_comes_from() -> None:
    for scenario in (RPK, MUTUAL, ECDHE_PSK):
        point = run(scenario.client(), scenario.server(ticket_lifetime=1000))
        ticket, client = resume(point), connected13(point.client)
        assert (ticket.suite, ticket.lifetime, ticket.received_at) == (CCM, 1000, NOW)
        assert (ticket.server_name, ticket.peer) == (parties.NAME, client.peer)
        assert is_ticket(ticket.ticket)
        assert len(ticket.psk) == 32


def test_each_of_several_tickets_resumes_by_itself() -> None:
    server = RPK.server(tickets=3)
    tickets = run(RPK.client(), server).deliver().client.tickets
    assert len({ticket.ticket for ticket in tickets}) == 3
    assert len({ticket.psk for ticket in tickets}) == 3
    for ticket in tickets:
        assert agreed(run(RPK.client("later", ticket=ticket), server))[0].resumed


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ({"ask_for_tickets": False}, {}),
        ({}, {"tickets": 0}),
        ({"psk_modes": (KE,)}, {"psk_modes": (), "psk": None}),
    ],
    ids=str,
)
def test_no_ticket_where_it_is_of_no_use(client: dict[str, Any], server: dict[str, Any]) -> None:
    point = run(RPK.client(**client), RPK.server(**server))
    assert point.pending == ()


def test_the_age_on_the_wire_is_hidden_and_in_milliseconds() -> None:
    server = RPK.server()
    ticket = resume(run(RPK.client(), server))
    client = RPK.client(ticket=ticket, now=at(2.5))
    psks = offered(Point.start(client, server))
    assert psks is not None
    age = (psks.identities[0].obfuscated_ticket_age - ticket.age_add) % 2**32
    assert age == 2500


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (100, True), (101, False), (-1, False)])
def test_a_client_offers_a_ticket_only_while_it_is_good(seconds: int, good: bool) -> None:
    server = RPK.server(ticket_lifetime=100)
    ticket = resume(run(RPK.client(), server))
    client = RPK.client("later", ticket=ticket, now=at(seconds))
    point = run(client, server)
    assert (offered(point) is not None) == good
    assert agreed(point)[0].resumed == good


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (100, True), (101, False), (-1, False)])
def test_a_server_passes_over_a_ticket_by_its_own_clock(seconds: int, good: bool) -> None:
    server = RPK.server(ticket_lifetime=100)
    ticket = resume(run(RPK.client(), server))
    later = replace(server, now=at(seconds))
    point = run(RPK.client("later", ticket=ticket), later)
    assert offered(point) is not None
    assert agreed(point)[0].resumed == good


def test_a_ticket_for_another_name_is_not_offered() -> None:
    server = RPK.server()
    ticket = resume(run(RPK.client(), server))
    point = run(RPK.client("later", ticket=ticket, server_name="other.example"), server)
    assert offered(point) is None


def test_a_ticket_for_another_name_is_passed_over() -> None:
    server = RPK.server()
    ticket = resume(run(RPK.client(), server))
    moved = replace(ticket, server_name="other.example")
    point = run(RPK.client("later", ticket=moved, server_name="other.example"), server)
    assert offered(point) is not None
    assert not agreed(point)[0].resumed


def test_a_ticket_is_bound_to_its_suite() -> None:
    server = RPK.server(suites13=(CCM, GCM))
    ticket = resume(run(RPK.client(suites13=(CCM, GCM)), server))
    assert ticket.suite is CCM
    point = run(RPK.client("later", ticket=ticket, suites13=(GCM, CCM)), server)
    assert offered(point) is not None
    assert agreed(point)[0].suite is GCM
    assert not agreed(point)[0].resumed
    point = run(RPK.client("later", ticket=ticket, suites13=(GCM,)), server)
    assert offered(point) is None


def test_a_server_that_asks_for_keys_passes_over_a_ticket_without_one() -> None:
    server = MUTUAL.server()
    open_to_all = replace(server, request_client_certificate=False)
    ticket = resume(run(MUTUAL.client(), open_to_all))
    connected = agreed(run(MUTUAL.client("later", ticket=ticket), server))[1]
    assert not connected.resumed
    assert connected.peer.raw_public_key is not None
    ticket = resume(run(MUTUAL.client(), server))
    connected = agreed(run(MUTUAL.client("later", ticket=ticket), server))[1]
    assert connected.resumed
    assert connected.peer.raw_public_key is not None


def test_a_ticket_does_not_outlive_the_trust_in_its_client() -> None:
    server = MUTUAL.server()
    ticket = resume(run(MUTUAL.client(), server))
    assert agreed(run(MUTUAL.client("later", ticket=ticket), server))[1].resumed
    struck_off = replace(server, trust=parties.trust_in(parties.CLIENT_KEYS["rpk-p256"]))
    refused("server", CertificateRequired, MUTUAL.client("later", ticket=ticket), struck_off)
    mutual = Scenario13(CCM, P256, "x509", "x509")
    server = mutual.server()
    ticket = resume(run(mutual.client(), server))
    assert agreed(run(mutual.client("later", ticket=ticket), server))[1].resumed
    other = replace(server, trust=parties.trust_in(parties.CLIENT_KEYS["rpk-p256"]))
    refused("server", UnsupportedCertificate, mutual.client("later", ticket=ticket), other)


def test_a_ticket_does_not_outlive_the_pre_shared_key_that_it_stands_on() -> None:
    known = {parties.IDENTITY: parties.KEY}
    server = ECDHE_PSK.server(psk=psk_lookup(known.get, parties.SECRET))
    ticket = resume(run(ECDHE_PSK.client(), server))
    alone = ECDHE_PSK.client("later", ticket=ticket, psk=None)
    assert agreed(run(alone, server))[1].resumed
    known.clear()
    refused("server", UnknownPskIdentity, alone, server)
    both = ECDHE_PSK.client("later", ticket=ticket)
    refused("server", DecryptError, both, server)


def test_a_server_that_takes_no_pre_shared_keys_any_more_takes_no_ticket_of_one() -> None:
    server = ECDHE_PSK.server()
    ticket = resume(run(ECDHE_PSK.client(), server))
    for scenario in (RPK, MUTUAL):
        later = scenario.server(ticket_key=server.ticket_key)
        connected = agreed(run(scenario.client("later", ticket=ticket), later))[1]
        assert not connected.resumed
        assert connected.peer.psk_identity is None


def test_another_ticket_key_leads_to_a_full_handshake() -> None:
    ticket = resume(run(RPK.client(), RPK.server("before the restart")))
    other = RPK.server("after it")
    assert not agreed(run(RPK.client("later", ticket=ticket), other))[0].resumed
    kept = RPK.server("before the restart")
    assert agreed(run(RPK.client("later", ticket=ticket), kept))[0].resumed


def test_an_external_key_serves_where_its_ticket_does_not() -> None:
    ticket = resume(run(ECDHE_PSK.client(), ECDHE_PSK.server("one")))
    client = ECDHE_PSK.client("later", ticket=ticket)
    connected = agreed(run(client, ECDHE_PSK.server("two")))[0]
    assert not connected.resumed
    assert connected.peer == PeerIdentity(psk_identity=parties.IDENTITY)


def test_nothing_else_than_a_ticket_that_is_not_good() -> None:
    ticket = resume(run(ECDHE_PSK.client(), ECDHE_PSK.server("one")))
    client = ECDHE_PSK.client("later", ticket=ticket, psk=None)
    refused("server", UnknownPskIdentity, client, ECDHE_PSK.server("two"))
    expired = ECDHE_PSK.client("later", ticket=ticket, psk=None, now=at(100_000))
    with pytest.raises(ConfigurationError, match="expired"):
        Point.start(expired, ECDHE_PSK.server())


def test_a_ticket_without_its_key_is_of_no_use() -> None:
    server = RPK.server()
    ticket = replace(resume(run(RPK.client(), server)), psk=bytes(32))
    refused("server", DecryptError, RPK.client("thief", ticket=ticket), server)


def test_resumption_chains_end_seven_days_after_the_proof() -> None:
    """A new ticket comes with each resumption, but no session outlives the keys it stands on."""
    week = 604_800
    server = RPK.server(ticket_lifetime=week)
    ticket = resume(run(RPK.client(), server))
    for day in (2, 4, 6):
        now = at(day * 86_400)
        later = replace(server, now=now)
        client = RPK.client(f"day {day}", ticket=ticket, now=now)
        point = run(client, later)
        assert agreed(point)[0].resumed
        ticket = resume(point)
        assert ticket.lifetime == week - day * 86_400
    end = at(week)
    last = run(RPK.client("last", ticket=ticket, now=end), replace(server, now=end))
    assert agreed(last)[0].resumed
    assert last.pending == ()


def test_the_same_name_in_the_same_letters() -> None:
    config = RPK.server()
    content = _content(server_name="Some.Example")
    ticket = seal_ticket(config, content)
    assert ticket is not None
    assert open_ticket(config, ticket) == content


def _content(**changes: Any) -> TicketContent:
    fields: dict[str, Any] = {
        "suite": int(CCM.id),
        "psk": bytes(range(32)),
        "issued_at": int(NOW.timestamp() * 1000),
        "authenticated_at": int(NOW.timestamp() * 1000),
        "lifetime": 100,
        "server_name": None,
        "peer": PeerIdentity(),
        "server_certificate_type": CertificateType.X509,
    }
    return TicketContent(**{**fields, **changes})


identities = st.one_of(
    st.builds(PeerIdentity, psk_identity=st.binary(min_size=1, max_size=100)),
    st.builds(PeerIdentity, raw_public_key=st.binary(min_size=1, max_size=100)),
    st.builds(
        PeerIdentity,
        certificates=st.lists(st.binary(min_size=1, max_size=50), max_size=4).map(tuple),
    ),
)


@given(
    identities,
    st.none() | st.text("abc.", min_size=1, max_size=50),
    st.sampled_from([CertificateType.X509, CertificateType.RawPublicKey]),
)
def test_what_is_sealed_into_a_ticket_comes_out_again(
    peer: PeerIdentity, name: str | None, form: CertificateType
) -> None:
    config = RPK.server()
    content = _content(peer=peer, server_name=name, server_certificate_type=form)
    ticket = seal_ticket(config, content)
    assert ticket is not None
    assert open_ticket(config, ticket) == content
    assert TicketContent.decode(content.encode()) == content


@given(st.data())
def test_no_other_bytes_pass_for_a_ticket(data: st.DataObject) -> None:
    config = RPK.server()
    ticket = seal_ticket(config, _content())
    assert ticket is not None
    changed = data.draw(damaged(ticket))
    assert (open_ticket(config, changed) is None) == (changed != ticket)
    with contextlib.suppress(DecodeError):
        TicketContent.decode(data.draw(damaged(_content().encode())))


def test_an_identity_too_long_to_carry_about_gets_no_ticket(client: Side) -> None:
    """What a server gives, a client keeps."""
    config = RPK.server()
    least = seal_ticket(config, _content(peer=PeerIdentity(certificates=(bytes(1),))))
    assert least is not None
    longest = 1 + MAX_TICKET_LENGTH - len(least)
    ticket = seal_ticket(config, _content(peer=PeerIdentity(certificates=(bytes(longest),))))
    assert ticket is not None
    assert len(taken(client, ticket=ticket)) == 1
    too_long = PeerIdentity(certificates=(bytes(longest + 1),))
    assert seal_ticket(config, _content(peer=too_long)) is None


def test_a_client_with_a_long_chain_completes_without_a_ticket() -> None:
    root = pki.CertificateAuthority("Root of long certificates")
    ballast = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), bytes(4100))
    issued = root.issue(subject="a client", extensions=[(ballast, False)])
    credential = Certificate(issued.chain, pki.private_pem(issued.private_key))
    assert sum(map(len, credential.chain_der)) > 4096
    scenario = Scenario13(CCM, P256, "rpk-p256", "x509")
    server = scenario.server(tickets=2, trust=Trust(root.certificate))
    point = run(scenario.client(credential=credential), server)
    assert agreed(point)[1].peer.certificates == credential.chain_der
    assert point.pending == ()


# What a client takes


def ticket_message(**changes: Any) -> HandshakeMessage:
    fields = {"lifetime": 100, "age_add": 7, "nonce": b"", "ticket": b"t", **changes}
    message = NewSessionTicket(**fields)
    return HandshakeMessage(message.msg_type, message.encode(), 5, 3)


@pytest.fixture
def client() -> Side:
    return run(RPK.client(), RPK.server()).client


def taken(client: Side, **changes: Any) -> tuple[Ticket, ...]:
    return client.take((ticket_message(**changes),))[0].tickets


def test_bounds_of_a_lifetime(client: Side) -> None:
    assert [ticket.lifetime for ticket in taken(client, lifetime=604_800)] == [604_800]
    assert taken(client, lifetime=0) == ()
    with pytest.raises(IllegalParameter):
        taken(client, lifetime=604_801)


def test_bounds_of_a_ticket(client: Side) -> None:
    """Longer ones are thrown away: what cannot be said in a hello is not worth keeping."""
    longest = bytes(MAX_TICKET_LENGTH)
    assert [t.ticket for t in taken(client, ticket=longest)] == [longest]
    assert taken(client, ticket=longest + b"t") == ()
    assert taken(client, ticket=bytes(65_535)) == ()
    message = ticket_message()
    empty = replace(message, body=message.body[:9] + bytes(4))
    with pytest.raises(DecodeError):
        client.take((empty,))


def test_nonces_of_any_length_make_different_keys(client: Side) -> None:
    keys = {taken(client, nonce=bytes(length))[0].psk for length in (0, 1, 255)}
    assert len(keys) == 3


def test_early_data_and_unknown_extensions_of_a_ticket_are_passed_over(client: Side) -> None:
    for number in (ExtensionType.early_data, 0xFAFA):
        found = Extensions((Extension(number, bytes(4)),))
        assert len(taken(client, extensions=found)) == 1


def test_a_ticket_with_an_extension_that_belongs_elsewhere(client: Side) -> None:
    for number in (ExtensionType.key_share, ExtensionType.supported_versions):
        with pytest.raises(IllegalParameter, match="does not belong"):
            taken(client, extensions=Extensions((Extension(number, bytes(2)),)))


def test_a_server_takes_no_ticket() -> None:
    server = run(RPK.client(), RPK.server()).server
    with pytest.raises(UnexpectedMessage):
        server.take((ticket_message(),))
