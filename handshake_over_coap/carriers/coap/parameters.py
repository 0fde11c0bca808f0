"""Choices that the exchange over CoAP leaves open.

Comparing these choices is the point of the project, so every one is a parameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.coap.options import BLOCK_SIZES
from handshake_over_coap.coap.paths import can_be_abbreviated
from handshake_over_coap.encodings import EncodingChoice, encoding_named
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.timers.base import Draw, TimerPolicy
from handshake_over_coap.timers.rfc7252 import Rfc7252
from handshake_over_coap.tls.config import Rng
from handshake_over_coap.transfers import BY_NAME, Transfer
from handshake_over_coap.transfers.base import Terms
from handshake_over_coap.transfers.blockwise import BLOCKWISE
from handshake_over_coap.transfers.wrapping import unwrapped

__all__ = ["BLOCK_SIZES", "CoapParameters", "option_size"]

SEPARATE_RETRANSMIT = 4
"""How often a separate response is sent again where ``max_retransmit`` sets no limit.

A client that misses it asks anew; one that has vanished must not be written to for ever.
"""

_BLOCK_0_OVERHEAD = 4 + 3 + 10 + 4 + 1
"""Bytes of header, Block1, Echo, Request-Tag and payload marker in the first block of a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoapParameters:
    """How the handshake is carried over CoAP, on either side.

    ``resource`` is the path of the handshake resource; ``location`` whether the server names a
    resource of its own for each handshake (2.01 and Location-Path); ``encoding`` the name of the
    body encoding, or one of one's own, that costs no Content-Format option; ``block_size`` in bytes
    (``None``: the largest that fits ``mtu``); ``token_length`` in bytes; ``mtu`` the largest UDP
    payload in bytes, CoAP header included.  ``ack_timeout``, ``ack_random_factor`` and
    ``max_retransmit`` are those of RFC 7252 section 4.8 (``None``: never gives up);
    ``max_interval`` caps the back-off and ``timeout`` the whole handshake, in seconds.
    ``empty_ack_delay`` is when a server whose answer is not ready sends an empty acknowledgement,
    ``None``: a quarter of ``ack_timeout``; ``repost_after`` when a client that has only such an
    acknowledgement asks again, ``None``: four times ``ack_timeout``, doubling. With ``adapt_timer``
    a client takes one and a half round trips for ``ack_timeout`` as soon as it has measured one, as
    DTLS 1.3 does over UDP (RFC 9147 section 5.8.2; RFC 7252 section 4.7 leaves room for it).
    ``path_abbrev``: a client's requests have a number for the path, as in
    draft-ietf-core-uri-path-abbrev, until a server says that it does not know it.
    ``timer`` is another policy for when to send again, in place of what these five say;
    ``transfer`` is how a client's bodies cross: a server takes every way that there is.
    ``address_check``: addresses are proven by Echo, before anything is answered, or with
    ``answer_unproven`` only where answers would pass three times what came, or there are too many
    of them.
    """

    resource: str = "/.well-known/dtls"
    path_abbrev: bool = False
    location: bool = True
    encoding: EncodingChoice = "plain"
    block_size: int | None = None
    token_length: int = 4
    mtu: int = 1152
    ack_timeout: float = 2.0
    ack_random_factor: float = 1.5
    max_interval: float = 60.0
    max_retransmit: int | None = None
    timeout: float = 60.0
    address_check: bool = True
    answer_unproven: bool = False
    empty_ack_delay: float | None = None
    repost_after: float | None = None
    adapt_timer: bool = False
    timer: TimerPolicy | None = None
    transfer: Transfer = BLOCKWISE
    restarts: int = 4
    hint_retries: int = 2
    limits: Limits = field(default_factory=Limits)
    path_segments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """``resource`` as the values of Uri-Path options."""
    served_transfers: tuple[Transfer, ...] = field(init=False, repr=False, compare=False)
    """The ways in which a server takes bodies, in the order in which they are asked."""
    timing: TimerPolicy = field(init=False, repr=False, compare=False)
    """When to send again."""
    largest_block: int = field(init=False, repr=False, compare=False)
    """The largest block size in bytes that is ever used; each message may have to use less."""

    def __post_init__(self) -> None:
        # Asked for with every datagram.
        object.__setattr__(self, "path_segments", _segments(self.resource))
        object.__setattr__(self, "served_transfers", _served(self.transfer))
        number = encoding_named(self.encoding).content_format
        if unwrapped(number) is not None:
            raise ConfigurationError(
                f"content format {number} is for pieces of bodies in format {unwrapped(number)}: "
                "give your encoding one from 65000 to 65255"
            )
        if not self.path_segments or any(len(s.encode()) > 255 for s in self.path_segments):
            raise ConfigurationError(
                f"resource {self.resource!r} is no path: give one such as /.well-known/dtls or /d"
            )
        if self.path_abbrev and not can_be_abbreviated(self.path_segments):
            raise ConfigurationError(
                f"no number stands for the path {self.resource}: leave path-abbrev out, or take "
                "/.well-known/dtls"
            )
        if self.block_size is not None and self.block_size not in BLOCK_SIZES:
            sizes = ", ".join(map(str, BLOCK_SIZES))
            raise ConfigurationError(f"block size {self.block_size} is none of {sizes} bytes")
        if not 0 <= self.token_length <= 8:
            raise ConfigurationError("a CoAP token has 0 to 8 bytes (RFC 7252 section 3)")
        self._check_sizes()
        self._check_times()
        own = self._timing(self.max_retransmit) if self.timer is None else self.timer
        object.__setattr__(self, "timing", own)
        largest = self.block_size or max(size for size in BLOCK_SIZES if size < self.mtu)
        object.__setattr__(self, "largest_block", largest)

    def _check_sizes(self) -> None:
        path = sum(option_size(segment) for segment in self.path_segments)
        least = _BLOCK_0_OVERHEAD + self.token_length + path + BLOCK_SIZES[0]
        if not least <= self.mtu <= 65507:
            raise ConfigurationError(
                f"mtu {self.mtu} is outside {least}..65507 bytes: with this path and token length, "
                f"a request with a block of {BLOCK_SIZES[0]} bytes takes {least}; raise the mtu or "
                "shorten the path"
            )
        if self.block_size is not None and self.block_size > self.mtu - 8:
            raise ConfigurationError(
                f"a block of {self.block_size} bytes does not fit an mtu of {self.mtu}: "
                "choose a smaller block size or a larger mtu"
            )

    def _check_times(self) -> None:
        for name in ("ack_timeout", "max_interval", "timeout"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} has to be a positive number of seconds")
        if not 1 <= self.ack_random_factor < math.inf:
            raise ConfigurationError("ack_random_factor is at least 1 (RFC 7252 section 4.8.1)")
        if self.max_retransmit is not None and self.max_retransmit < 0:
            raise ConfigurationError("max_retransmit is a count, or none for no limit")
        if self.restarts < 0 or self.hint_retries < 0:
            raise ConfigurationError("restarts and hint_retries are counts")
        if any(t is not None and t <= 0 for t in (self.empty_ack_delay, self.repost_after)):
            raise ConfigurationError("empty_ack_delay and repost_after are positive, or none")

    @property
    def separate_timing(self) -> TimerPolicy:
        """When to send a separate response again."""
        limited = self.max_retransmit is not None
        return self._timing(self.max_retransmit if limited else SEPARATE_RETRANSMIT)

    def _timing(self, max_retransmit: int | None) -> Rfc7252:
        return Rfc7252(
            ack_timeout=self.ack_timeout,
            ack_random_factor=self.ack_random_factor,
            max_interval=self.max_interval,
            max_retransmit=max_retransmit,
            adapt=self.adapt_timer,
        )

    @property
    def repost_interval(self) -> float:
        """Seconds after which a request is made anew that is acknowledged and not answered."""
        return self.repost_after or 4 * self.ack_timeout

    def terms(self, rng: Rng, draw: Draw) -> Terms:
        """What a transfer has to keep to."""
        return Terms(
            mtu=self.mtu,
            token_length=self.token_length,
            largest_block=self.largest_block,
            largest_whole=self.block_size,
            body_limit=self.limits.body,
            bodies=self.limits.bodies_per_peer,
            timer=self.timing,
            rng=rng,
            draw=draw,
            probe=self.address_check and not self.answer_unproven,
        )

    @property
    def retry_after(self) -> int:
        """Seconds after which a client that was refused for want of room may try again.

        Most handshakes are over long before their state would expire.
        """
        return max(1, int(self.state_lifetime / 8))

    @property
    def separate_after(self) -> float:
        """Seconds after which an answer that is not ready is sent separately."""
        return self.ack_timeout / 4 if self.empty_ack_delay is None else self.empty_ack_delay

    @property
    def state_lifetime(self) -> float:
        """How long unfinished state is kept: as long as a client's timers can still come back."""
        return max(self.limits.lifetime, self.timeout)


def _served(own: Transfer) -> tuple[Transfer, ...]:
    every = {**BY_NAME, own.name: own}
    if own.name in BY_NAME:
        return tuple(every.values())  # blocks first, as most requests are blocks
    return tuple(sorted(every.values(), key=lambda each: each.name == BLOCKWISE.name))


@lru_cache(maxsize=64)
def _segments(path: str) -> tuple[str, ...]:
    return tuple(segment for segment in path.split("/") if segment)


def option_size(value: str) -> int:
    """Bytes of a Uri-Path option with ``value`` on the wire, at least."""
    length = len(value.encode())
    return 1 + (length >= 13) + length
