"""The network of a scenario: whether its options go together, and what they become in ``sim``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.declared import declarations
from handshake_over_coap.sim import LinkOptions, device

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import Scenario
    from handshake_over_coap.sim.radio import RadioOptions

SERVER_HOST: Final = "2001:db8::1"
CLIENT_HOST: Final = "2001:db8::2"
SERVER_PORT: Final = 5684
CLIENT_PORT: Final = 40000

LARGEST_OVER_FRAMES: Final = 1280 - 40 - 8
"""Bytes of UDP payload in the largest packet that 6LoWPAN carries (RFC 4944 section 4)."""

LINKS: Final = ("udp", "802154")
LOSS_UNITS: Final = ("datagram", "frame")


def check_network(scenario: Scenario) -> None:
    """Raise ConfigurationError, naming the option and the remedy, for what cannot be."""
    scenario.check_choices()
    for name in ("device", "server_device", "client_device"):
        kind = getattr(scenario, name)
        if kind is not None:
            _check_device(name, kind)
    if scenario.hops < 1 or scenario.link_retries < 0:
        raise ConfigurationError("hops is 1 or more, and link_retries 0 or more")
    if scenario.link == "udp":
        _check_plain(scenario)
    elif scenario.mtu > LARGEST_OVER_FRAMES:
        raise ConfigurationError(
            f"mtu {scenario.mtu} with link 802154: 6LoWPAN carries IPv6 packets of 1280 bytes, so "
            f"give {LARGEST_OVER_FRAMES} or less"
        )
    if scenario.burst is not None and not scenario.loss:
        raise ConfigurationError(
            f"burst {scenario.burst:g} without loss: give a loss above 0, or leave burst out"
        )
    link_options(scenario)
    radio_options(scenario)


def link_options(scenario: Scenario) -> LinkOptions:
    """The link that datagrams cross; what belongs to frames is not in it."""
    framed = scenario.loss_unit == "frame"
    return LinkOptions(
        delay=scenario.delay,
        jitter=scenario.jitter,
        loss=0.0 if framed else scenario.loss,
        burst=None if framed else scenario.burst,
        drop=frozenset(scenario.drop),
        duplicate=scenario.duplicate,
        reorder=scenario.reorder,
        rate=scenario.rate,
    )


def radio_options(scenario: Scenario) -> RadioOptions | None:
    """The frames below it, None on a plain link."""
    if scenario.link == "udp":
        return None
    from handshake_over_coap.sim.radio import RadioOptions

    framed = scenario.loss_unit == "frame"
    return RadioOptions(
        hops=scenario.hops,
        retries=scenario.link_retries,
        loss=scenario.loss if framed else 0.0,
        burst=scenario.burst if framed else None,
        reassembly_timeout=scenario.reassembly_timeout,
        reassembly_buffers=scenario.reassembly_buffers,
    )


def _check_device(name: str, kind: str) -> None:
    try:
        device(kind)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None


def _check_plain(scenario: Scenario) -> None:
    known = declarations(type(scenario))
    for name, value in scenario.changed().items():
        if "link" in known[name].needs:
            raise ConfigurationError(
                f"{name} {value} with link udp: {known[name].why}; leave {name} out, or choose "
                "link 802154"
            )
