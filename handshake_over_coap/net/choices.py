"""The options of a handshake, each declared once, and what they are for the carriers.

Names and defaults are those of the command line.  The options of timers and encodings stand with
their members, and are collected here (:mod:`.strategies`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final

from handshake_over_coap.carriers.coap import CoapParameters
from handshake_over_coap.carriers.coap.parameters import BLOCK_SIZES
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.encodings import Encoding
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers import Rfc6347, Rfc7252, Rfc9147, TimerPolicy
from handshake_over_coap.tls.credentials import auth_names, kind_and_way
from handshake_over_coap.transfers import Transfer

from .checked import checked_encoding, checked_timer, checked_transfer
from .declared import DEFAULT, ByDefault, Deriving, declarations, derived, option
from .profiles import PROFILES, STANDARD
from .strategies import ENCODINGS, TIMERS, TRANSFERS, collecting, members_options, room_of

TRANSPORTS = ("coap", "udp")
VERSIONS = ("1.2", "1.3")
ADDRESS_CHECKS: Final = ("always", "adaptive", "never")
"""The first is what ``True`` stands for, the last what ``False`` does."""

SHORTEST_TIMEOUT: Final = 60.0
"""Seconds that a handshake may take by default, whatever it consists of."""

WAITS_A_PIECE: Final = 6
"""How many first waits of the timer each further piece adds to that."""

_BODIES_OF_ANY: Final = 1024
"""Bytes of all flights together, amply, where it is open how the sides prove themselves."""
_FREE_PIECES: Final = 2
_RECORD_OVERHEAD: Final = 41
"""Bytes of a datagram over UDP that are no message: headers of record and fragment, and a tag."""

_HANDSHAKE: Final = "handshake"
_EXCHANGE: Final = "exchange over CoAP"
_SESSION: Final = "session"
_TIMERS: Final = "timers"
_TRACES: Final = "traces"
_OVER_COAP: Final[dict[str, Any]] = {"group": _EXCHANGE, "needs": {"transport": ("coap",)}}
_OF_1_3: Final[dict[str, Any]] = {"group": _SESSION, "needs": {"dtls": ("1.3",)}}


@dataclass(frozen=True, slots=True, kw_only=True)
@collecting
class Choices(Deriving):
    """What :class:`~.options.Options` has; a field's declaration says what it is."""

    transport: str = option(
        "coap",
        "what carries the handshake",
        group=_HANDSHAKE,
        choices=TRANSPORTS,
        told="coap; the demo shows both",
    )
    profile: str = option(
        STANDARD,
        "a set of the choices below, which single options override: standard is RFC 7959 and RFC "
        "7252 by the book; lean is compact bodies in bursts, the adaptive timer and address check, "
        "and the path /d",
        group=_HANDSHAKE,
        choices=tuple(PROFILES),
        needs={"transport": ("coap",)},
    )
    dtls: str = option(
        "1.3",
        "version of DTLS, on a server the newest one: it speaks 1.2 to those who ask for that",
        group=_HANDSHAKE,
        choices=VERSIONS,
    )
    auth: str | None = option(
        None,
        "how the sides prove who they are: pre-shared key, the same with forward secrecy, raw "
        "public key, certificate; or module:Name of a kind of credential of your own",
        group=_HANDSHAKE,
        choices=auth_names,
        own=True,
        told="psk",
    )
    mutual: bool = option(
        False, "the server asks for a client's key (rpk and x509)", group=_HANDSHAKE
    )
    suite: str | Sequence[str] = option(
        (),
        "cipher suite by its IANA name, in order of preference",
        group=_HANDSHAKE,
        metavar="NAME",
        repeatable=True,
        told="all that fit --auth; names below",
    )
    group: str | Sequence[str] = option(
        (),
        "group of the key exchange by its IANA name",
        group=_HANDSHAKE,
        metavar="NAME",
        repeatable=True,
        told="all, but for a client X25519MLKEM768, whose share has 1.2 kB; names below",
    )
    server_name: str | None = option(
        None,
        "name or address that the server's certificate has to be for",
        group="credentials",
        metavar="NAME",
        told="H of hoc connect",
    )
    address_check: bool | str = option(
        True,
        "when a client proves its address with Echo: always, before anything is answered; "
        "adaptive, a burst is answered at once within three times what came, all else as with "
        "always; never",
        group=_EXCHANGE,
        choices=(*ADDRESS_CHECKS, True, False),
        told="always",
    )
    resource: str = option(
        "/.well-known/dtls", "path of the handshake resource", metavar="PATH", **_OVER_COAP
    )
    path_abbrev: bool = option(
        False,
        "a client's requests have a number in place of the path, 100 for /.well-known/dtls, until "
        "a server says that it does not know it; an experiment, as none is registered",
        **_OVER_COAP,
    )
    location: bool = option(True, "the server names a resource for each handshake", **_OVER_COAP)
    encoding: str | Encoding = option(
        "plain",
        f"encoding of the flights: {', '.join(ENCODINGS.members)}, or one of your own as "
        "module:Name",
        metavar="NAME",
        **_OVER_COAP,
    )
    transfer: str | Transfer = option(
        "blockwise",
        f"how flights cross: {', '.join(TRANSFERS.members)}, or one of your own as module:Name; a "
        "server takes every way that has a name",
        metavar="NAME",
        **_OVER_COAP,
    )
    block_size: int | None = option(
        None,
        "bytes of a block, a power of two",
        choices=BLOCK_SIZES,
        metavar="{16,...,1024}",
        told="the largest that fits --mtu",
        **_OVER_COAP,
    )
    token_length: int = option(
        4, "bytes of a CoAP token, 0 to 8", choices=tuple(range(9)), metavar="N", **_OVER_COAP
    )
    mtu: int = option(
        1152, "largest UDP payload, CoAP header included", unit="bytes", group=_EXCHANGE
    )
    cid: str | None = option(
        None,
        "connection ID, up to 32 bytes, that the peer puts into its records, so that the session "
        "outlives a change of address; both sides have to give one ('': to use the peer's alone); "
        "a server gives HEX to its first client and random ones to the others",
        group=_SESSION,
        metavar="HEX",
    )
    tickets: bool = option(
        False,
        "DTLS 1.3: as a server give tickets to resume with, as a client ask for one",
        **_OF_1_3,
    )
    derived_random: bool = option(
        False,
        "DTLS 1.3: the random of the hello follows from the key share, so that encoding compact "
        "leaves it out; an experiment, each side's own choice",
        **_OF_1_3,
    )
    seeded_random: bool = option(
        False,
        "DTLS 1.3, psk_ke alone: half of the hello's random follows from a seed of 16 bytes, which "
        "encoding compact sends in its place; an experiment, each side's own choice",
        **_OF_1_3,
    )
    early: bool = option(
        False,
        "DTLS 1.3: a client sends as soon as its last flight is on its way, without waiting for "
        "the server to confirm it; its figures end there",
        **_OF_1_3,
    )
    idle_timeout: float | None = option(
        None,
        "end a session in which nothing has come for so long",
        unit="s",
        group=_SESSION,
        told="an hour on a server, never on a client",
    )
    timer: str | TimerPolicy | None = option(
        None,
        f"when to send again: {', '.join(TIMERS.members)}, a preset "
        f"({', '.join(TIMERS.presets)}), or one of your own as module:Name",
        group=_TIMERS,
        metavar="NAME",
        told="rfc7252 over coap; over udp rfc9147, and rfc6347 in DTLS 1.2",
    )
    timeout: float | ByDefault = option(
        DEFAULT,
        "limit of the whole handshake",
        unit="s",
        group=_TIMERS,
        told=f"{SHORTEST_TIMEOUT:g}, and more for large flights in small pieces",
    )
    keylog: str | PathLike[str] | None = option(
        None,
        "append the session's secret in NSS format: whoever has it reads the traffic",
        group=_TRACES,
    )
    pcap: str | PathLike[str] | None = option(
        None, "write a capture (pcapng) of what was on the wire", group=_TRACES
    )
    pcap_dtls: str | PathLike[str] | None = option(
        None,
        "write the equivalent classic DTLS conversation (pcapng), with its secrets: tshark 4.0 "
        "decrypts DTLS 1.2 (but not ecdhe-psk), and reads the hellos of 1.3",
        group=_TRACES,
    )
    limits: Limits = field(default_factory=Limits)

    def check_choices(self) -> None:
        """Raise ConfigurationError for a value that is none of its option's."""
        for name, declared in declarations(type(self)).items():
            value = getattr(self, name)
            if not declared.allows(value):
                known = ", ".join(map(str, declared.values))
                raise ConfigurationError(f"{name} {value!r} is none of {known}")

    @derived
    def policies(self) -> tuple[TimerPolicy, TimerPolicy]:
        """The timer, and the one where DTLS 1.2 is chosen, with the options that are given."""
        return self._policies_over(self.transport)

    def _policies_over(self, transport: str) -> tuple[TimerPolicy, TimerPolicy]:
        if self.timer is not None:
            one = TIMERS.choice(self.timer)
            chosen: tuple[TimerPolicy, TimerPolicy] = (one, one)
        elif transport == "coap":
            chosen = (Rfc7252(), Rfc7252())
        else:
            chosen = (Rfc9147(), Rfc6347())
        values = self.of_members
        first, second = (TIMERS.with_options(each, values) for each in chosen)
        return first, second

    def member_with(self, name: str) -> Any:
        """The member in use of the room whose members have the option ``name``."""
        room = room_of(name)
        if room is TIMERS:
            return self.policies[self.dtls == "1.2"]
        return room.with_options(room.choice(getattr(self, room.option)), self.of_members)

    @derived
    def of_members(self) -> dict[str, Any]:
        """The options of members, ``"default"`` where they are left to those."""
        return {each.name: getattr(self, each.name) for each in members_options()}

    @derived
    def time_limit(self) -> float:
        """Seconds that the handshake may take: ``timeout``, or what it is by default.

        That is 60 s and, for each piece of its flights beyond two, six times the longest first
        wait of the timer: with blocks every piece is confirmed by itself, which at a loss of 20 %
        takes about one such wait in the mean, but now and then many.  How large the flights are is
        taken from ``auth``, since a client cannot know it.
        """
        if self.timeout != DEFAULT:
            return self.timeout
        bodies = _BODIES_OF_ANY if self.auth is None else kind_and_way(self.auth)[1].bodies
        if self.transport == "coap":
            fitting = (size for size in BLOCK_SIZES if size < self.mtu)
            piece = self.block_size or max(fitting, default=1)
        else:
            piece = max(1, self.mtu - _RECORD_OVERHEAD)
        further = max(0, math.ceil(bodies / piece) - _FREE_PIECES)
        return SHORTEST_TIMEOUT + WAITS_A_PIECE * further * self._first_wait

    @property
    def _first_wait(self) -> float:
        """The longest wait before something is sent a second time."""
        timer = checked_timer(self.policies[0]).start(lambda: 1.0)
        timer.sent(0.0)
        return timer.value

    @derived
    def udp(self) -> UdpParameters:
        """The parameters of the classic carrier over UDP, and of sessions, whose records it has."""
        timer, timer12 = self._policies_over("udp")
        return UdpParameters(
            mtu=self.mtu,
            timer=checked_timer(timer),
            timer12=checked_timer(timer12),
            timeout=self.time_limit,
            address_check=self.address_check not in (False, "never"),
            limits=self.limits,
        )

    @derived
    def coap(self) -> CoapParameters:
        """The parameters of the carrier over CoAP."""
        timer, _ = self.policies
        # What follows from the wait for an acknowledgement goes by the default of other timers.
        waits = timer if isinstance(timer, Rfc7252) else Rfc7252()
        encoding = ENCODINGS.with_options(ENCODINGS.choice(self.encoding), self.of_members)
        transfer = TRANSFERS.with_options(TRANSFERS.choice(self.transfer), self.of_members)
        return CoapParameters(
            resource=self.resource,
            path_abbrev=self.path_abbrev,
            location=self.location,
            encoding=checked_encoding(encoding),
            transfer=checked_transfer(transfer),
            timer=checked_timer(timer),
            block_size=self.block_size,
            token_length=self.token_length,
            mtu=self.mtu,
            ack_timeout=waits.ack_timeout,
            ack_random_factor=waits.ack_random_factor,
            max_interval=waits.max_interval,
            max_retransmit=waits.max_retransmit,
            timeout=self.time_limit,
            address_check=self.address_check not in (False, "never"),
            answer_unproven=self.address_check == "adaptive",
            adapt_timer=waits.adapt,
            limits=self.limits,
        )
