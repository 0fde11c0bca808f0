"""Options that have no part in what was chosen, so that nobody believes that they work."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from handshake_over_coap.net.options import Options, OptionValues

_log = logging.getLogger(__name__)

_OF_COAP = ("resource", "location", "encoding", "block_size", "token_length")
_TIMERS_OF_COAP = ("ack_timeout", "ack_random_factor")
_DEFAULTS = {each.name: each.default for each in dataclasses.fields(Options)}


def without_effect(options: Options) -> Iterator[tuple[str, str]]:
    """Names of options that are not at their defaults and change nothing, and by which choice."""
    idle: list[tuple[str, str]] = []
    if options.transport == "udp":
        idle += [(name, "--transport udp") for name in (*_OF_COAP, *_TIMERS_OF_COAP)]
    else:
        idle += [("initial_timeout", "--transport coap")]
    if options.dtls == "1.2":
        idle += [(name, "--dtls 1.2") for name in ("tickets", "early")]
        if options.transport == "udp" and options.adapt_timer:
            idle += [("adapt_timer", "--dtls 1.2 over udp")]
    for name, choice in idle:
        if getattr(options, name) != _DEFAULTS[name]:
            yield name, choice


def warn_of_no_effect(values: OptionValues) -> None:
    """Say which of the options that were given are not used."""
    for name, choice in without_effect(Options(**values)):
        spelt = "--no-location" if name == "location" else "--" + name.replace("_", "-")
        _log.warning("%s has no part in %s and is not used", spelt, choice)
