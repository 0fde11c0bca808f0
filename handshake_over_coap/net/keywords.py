"""The options as typed keywords: the one place that repeats their names, for type checkers.

A test holds that it has what is declared, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TypedDict

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.encodings import Encoding
from handshake_over_coap.timers import TimerPolicy
from handshake_over_coap.transfers import Transfer

from .declared import ByDefault


class OptionValues(TypedDict, total=False):
    """Keyword arguments of ``connect`` and ``serve``: see :class:`~.options.Options`."""

    transport: str
    profile: str
    dtls: str
    auth: str | None
    mutual: bool
    suite: str | Sequence[str]
    group: str | Sequence[str]
    server_name: str | None
    address_check: bool | str
    resource: str
    path_abbrev: bool
    location: bool
    encoding: str | Encoding
    transfer: str | Transfer
    block_size: int | None
    token_length: int
    cid: str | None
    tickets: bool
    derived_random: bool
    seeded_random: bool
    early: bool
    mtu: int
    timer: str | TimerPolicy | None
    timeout: float | ByDefault
    keylog: str | PathLike[str] | None
    pcap: str | PathLike[str] | None
    pcap_dtls: str | PathLike[str] | None
    idle_timeout: float | None
    limits: Limits
    # Of the transfers:
    quick: bool | ByDefault
    answer_bytes: int | ByDefault
    non_timeout: float | ByDefault
    non_receive_timeout: float | ByDefault
    non_max_retransmit: int | ByDefault
    max_payloads: int | ByDefault
    # Of the timers:
    ack_timeout: float | ByDefault
    ack_random_factor: float | ByDefault
    max_interval: float | ByDefault
    max_retransmit: int | ByDefault | None
    adapt_timer: bool | ByDefault
    initial_timeout: float | ByDefault
    keep_timer: bool | ByDefault
    first_timeout: float | ByDefault
    first_random_factor: float | ByDefault
    round_trips: float | ByDefault
    min_interval: float | ByDefault
