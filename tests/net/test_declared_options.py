"""Every option is declared once, and whatever repeats its name has it right."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from handshake_over_coap.cli.arguments import handshake_options
from handshake_over_coap.cli.parser import build_parser
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.keywords import ScenarioValues
from handshake_over_coap.lab.scenario import Scenario, option_types
from handshake_over_coap.net.declared import declarations
from handshake_over_coap.net.keywords import OptionValues
from handshake_over_coap.net.options import Options
from handshake_over_coap.net.strategies import ROOMS, options_of
from handshake_over_coap.timers import Rfc7925, Rfc9147


@pytest.mark.parametrize(("values", "owner"), [(OptionValues, Options), (ScenarioValues, Scenario)])
def test_the_typed_keywords_are_those_that_are_declared(values: type, owner: type) -> None:
    hints = {**typing.get_type_hints(owner)}
    fields = {each.name for each in dataclasses.fields(owner)}
    typed = typing.get_type_hints(values)
    if owner is Scenario:
        hints["auth"] = typed["auth"]  # a scenario always has one
    assert set(typed) == fields
    assert {name: typed[name] for name in fields} == {name: hints[name] for name in fields}


def test_every_option_has_its_documentation_and_its_heading() -> None:
    without_a_flag = {"limits"}
    names = {each.name for each in dataclasses.fields(Options)} - without_a_flag
    assert names == set(handshake_options())
    assert all(each.doc and each.group for each in declarations(Scenario).values())


def test_the_command_line_has_every_option_of_a_scenario() -> None:
    given = build_parser().parse_args(["simulate"])
    assert set(option_types()) <= set(vars(given))
    assert given.given == frozenset()


def test_the_options_of_members_are_collected_from_the_members() -> None:
    members = (member for room in ROOMS for member in room.members.values())
    own = {name for member in members for name in options_of(member)}
    assert {"ack_timeout", "initial_timeout", "max_retransmit", "adapt_timer", "quick"} <= own
    assert own == set(Options().of_members)
    assert own <= set(declarations(Options))


def test_an_option_of_a_timer_holds_for_the_timer_that_is_chosen() -> None:
    assert Options(transport="udp", timer="9s").udp.timer == Rfc9147(initial_timeout=9.0)
    changed = Options(transport="udp", timer="9s", max_interval=20.0).udp.timer
    assert changed == Rfc9147(initial_timeout=9.0, max_interval=20.0)
    own = Rfc7925(initial_timeout=5.0)
    assert Options(transport="udp", timer=own, max_retransmit=3).udp.timer == Rfc7925(
        initial_timeout=5.0, max_retransmit=3
    )
    assert dataclasses.replace(Options(timer="9s"), timer="2s", transport="udp").udp.timer == (
        Rfc9147(initial_timeout=2.0)
    )


def test_the_limit_of_a_handshake_grows_with_its_pieces_unless_it_is_given() -> None:
    assert Options().time_limit == 60
    limits = [Options(auth="rpk", block_size=size).time_limit for size in (16, 32, 64, 256)]
    assert limits == [1176, 600, 312, 96]
    assert Options(auth="rpk", block_size=16, timeout=5.0).time_limit == 5
    assert Options(auth="rpk", block_size=16, ack_timeout=1.0).time_limit == 618
    assert Options(auth="rpk", transport="udp", mtu=65).time_limit > 60
    assert Options(auth="x509", block_size=64).time_limit > limits[2]


def test_an_unknown_timer_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no timer is called 'nope'.*rfc7252"):
        _ = Options(timer="nope").coap


def test_what_a_profile_decides_is_what_arguments_have_that_were_left_out() -> None:
    given = build_parser().parse_args(["connect", "h", "1", "--profile", "lean", "--timer", "9s"])
    assert (given.encoding, given.timer, given.address_check) == ("compact", "9s", "adaptive")
    assert given.given == {"profile", "timer"}


def test_a_session_has_the_timer_of_its_records_whatever_made_it() -> None:
    assert Options(transport="coap").udp.timer == Rfc9147()
    assert Options(transport="coap", timer="9s").udp.timer == Rfc9147(initial_timeout=9.0)
