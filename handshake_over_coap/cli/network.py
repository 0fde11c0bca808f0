"""The options of a simulated network as arguments of a command, and the scenario they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.cli.arguments import add_options
from handshake_over_coap.cli.options import as_typed, option_values
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.declared import Declared, declarations
from handshake_over_coap.net.proofs import PROOFS

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import Scenario

_FILES: Final = ("keylog", "pcap", "pcap_dtls")


def network_options() -> dict[str, Declared]:
    """The options of the network."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab.network import NETWORK
    from handshake_over_coap.lab.scenario import Scenario

    return {name: each for name, each in declarations(Scenario).items() if each.group == NETWORK}


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of the network."""
    add_options(parser, network_options().values())


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """The scenario that ``arguments`` stand for.

    Raises ConfigurationError in the words of the command line.
    """
    from handshake_over_coap.lab.scenario import Scenario

    values: dict[str, Any] = dict(option_values(arguments))
    for name in _FILES:
        values.pop(name, None)
    for name in (*PROOFS, *network_options()):
        if name in arguments.given:
            value = getattr(arguments, name)
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return Scenario(**values)
    except ConfigurationError as error:
        raise ConfigurationError(of_simulations(str(error))) from None


def of_simulations(text: str) -> str:
    """An error's text with the names of options as the command line spells them."""
    return as_typed(text, network_options())


def traces_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The files that were asked for, by the names of their options."""
    return {name: value for name in _FILES if (value := getattr(arguments, name)) is not None}
