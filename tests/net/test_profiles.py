"""Profiles set several options at once, and single ones override them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.profiles import PROFILES
from tests.support.exchange import virtual
from tests.support.session_world import world


def test_standard_is_what_is_there_without_a_profile() -> None:
    assert Options(profile="standard") == Options()
    assert not PROFILES["standard"]


@pytest.mark.parametrize("kind", [Options, hoc.Scenario])
def test_lean_sets_what_it_is_said_to_set(kind: type[Options]) -> None:
    lean = kind(profile="lean")
    assert {name: getattr(lean, name) for name in PROFILES["lean"]} == PROFILES["lean"]
    assert lean.coap.transfer.name == "burst"


def test_a_single_option_overrides_its_profile_even_by_the_default_value() -> None:
    options = Options(profile="lean", encoding="plain", resource="/x")
    assert (options.encoding, options.resource, options.transfer) == ("plain", "/x", "burst")
    again = dataclasses.replace(options, mtu=100)
    assert (again.encoding, again.resource, again.mtu) == ("plain", "/x", 100)


def test_over_udp_a_profile_has_no_part() -> None:
    options = Options(profile="lean", transport="udp")
    assert options.timer is None


def test_a_profile_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(hoc.ConfigurationError, match="standard, lean"):
        Options(profile="fast")


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("auth", ["psk", "ecdhe-psk", "rpk", "x509"])
def test_a_lean_handshake_completes_through_loss(auth: str, dtls: str) -> None:
    scenario = hoc.Scenario(profile="lean", auth=auth, dtls=dtls, mtu=65, loss=0.2)
    report = hoc.simulate(scenario, trials=5, seed=1)
    assert report.completed == 5
    assert report.encoding == "compact"


@pytest.mark.parametrize("client", [{}, {"encoding": "compact"}, {"profile": "lean"}])
@virtual
async def test_a_lean_server_takes_standard_clients_at_its_path(client: dict[str, Any]) -> None:
    async with world(server={"profile": "lean"}, resource="/d", **client) as here:
        party = await here.connect()
        await party.session.send(b"hello")
        assert await party.session.receive() == b"hello"


def test_lean_with_an_abbreviated_path_is_at_the_well_known_one() -> None:
    options = Options(profile="lean", path_abbrev=True)
    assert options.resource == "/.well-known/dtls"
    assert options.coap.path_abbrev
    with pytest.raises(hoc.ConfigurationError, match="no number stands for the path /d"):
        _ = Options(profile="lean", path_abbrev=True, resource="/d").coap


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
@pytest.mark.parametrize("mtu", [65, 1152])
def test_an_abbreviated_path_costs_what_a_path_of_one_letter_does(dtls: str, mtu: int) -> None:
    lean: dict[str, Any] = {"profile": "lean", "dtls": dtls, "auth": "rpk", "mtu": mtu}
    shortened: dict[str, Any] = {"path_abbrev": True}
    short, abbreviated = (
        hoc.simulate(hoc.Scenario(**lean, **more), trials=1, seed=1) for more in ({}, shortened)
    )
    assert abbreviated.bytes.mean == short.bytes.mean
    assert abbreviated.datagrams.mean == short.datagrams.mean


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ({"profile": "lean", "path_abbrev": True}, {"profile": "lean", "path_abbrev": True}),
        ({"profile": "lean", "path_abbrev": True}, {}),
        ({"profile": "lean", "resource": "/.well-known/dtls"}, {}),
        ({"path_abbrev": True}, {}),
    ],
)
@virtual
async def test_a_server_takes_the_number_of_its_path_whatever_its_profile(
    client: dict[str, Any], server: dict[str, Any]
) -> None:
    async with world(server=server, **client) as here:
        party = await here.connect()
        await party.session.send(b"hello")
        assert await party.session.receive() == b"hello"
