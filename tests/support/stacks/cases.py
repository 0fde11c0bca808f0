"""What is tried with each stack: one case is one handshake and the data echoed after it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["their client", "their server"]
Version = Literal["1.2", "1.3"]

DIRECTIONS: Final[tuple[Direction, ...]] = ("their client", "their server")
SUITES: Final = {
    ("psk", "CCM_8"): "TLS_PSK_WITH_AES_128_CCM_8",
    ("psk", "GCM"): "TLS_PSK_WITH_AES_128_GCM_SHA256",
    ("ecdsa", "CCM_8"): "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    ("ecdsa", "GCM"): "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ("1.3", "CCM_8"): "TLS_AES_128_CCM_8_SHA256",
    ("1.3", "GCM"): "TLS_AES_128_GCM_SHA256",
}
LOSSY: Final = "20 %"
"""The column of the runs through a relay that loses a fifth, doubles and re-orders."""


@dataclass(frozen=True)
class Stack:
    """What a stack can do.

    ``mtus`` are pairs of ours and theirs in bytes of UDP payload; theirs is None where it cannot be
    set.  ``server_cookies`` says for its server whether it can ask for a cookie and do without, and
    ``whole_hello`` that it puts no ClientHello together, so that ours has to fit in a datagram.
    ``dtls`` is the version; ``psk`` is psk_ke there and ``ecdhe-psk`` psk_dhe_ke, where it is 1.3.
    """

    name: str
    credentials: tuple[str, ...]
    ciphers: tuple[str, ...]
    mtus: tuple[tuple[int, int | None], ...]
    server_cookies: tuple[bool, ...]
    lossy: bool = False
    whole_hello: bool = False
    dtls: Version = "1.2"

    def pairs(self, direction: Direction, credential: str) -> tuple[tuple[int, int | None], ...]:
        """The MTUs, ours and theirs, that a direction and a credential can be tried with."""
        if direction == "their server" and self.whole_hello and credential != "psk":
            # Two pairs may become one.
            return tuple(dict.fromkeys((max(ours, 256), theirs) for ours, theirs in self.mtus))
        return self.mtus


WOLFSSL_13: Final = Stack(
    "wolfSSL",
    ("psk", "ecdhe-psk", "x509", "x509-mutual", "rpk", "rpk-mutual"),
    ("CCM_8", "GCM"),
    ((1280, 1280), (512, 512), (256, 256)),
    (True, False),
    lossy=True,
    dtls="1.3",
)
"""The one stack that speaks DTLS 1.3 with all of these."""

STACKS: Final = (
    Stack(
        "OpenSSL",
        ("psk", "x509", "x509-mutual"),
        ("CCM_8", "GCM"),
        # OpenSSL takes no MTU below 256; we may still send less.
        ((1280, 1280), (512, 512), (256, 256), (128, 256)),
        (True,),
        lossy=True,
    ),
    Stack(
        "GnuTLS",
        ("psk", "x509", "x509-mutual", "rpk", "rpk-mutual"),
        ("CCM_8", "GCM"),
        ((1280, 1280), (512, 512), (256, 256), (128, 128)),
        (True, False),
        lossy=True,
    ),
    Stack(
        "mbedTLS",
        ("psk", "x509", "x509-mutual"),
        ("CCM_8", "GCM"),
        ((1280, 1280), (512, 512), (256, 256), (128, 128)),
        (True,),
        whole_hello=True,  # Mbed-TLS/mbedtls#7549
    ),
    # tinydtls puts no fragments together: each of our messages has to fit in one datagram.
    Stack("tinydtls", ("psk",), ("CCM_8",), ((1280, None), (512, None), (256, None)), (True,)),
    Stack(
        "wolfSSL",
        ("psk", "x509", "x509-mutual", "rpk", "rpk-mutual"),
        ("CCM_8", "GCM"),
        # wolfSSL cannot do with 128 bytes; we may still send less.
        ((1280, 1280), (512, 512), (256, 256), (128, 256)),
        (True,),
        lossy=True,
        whole_hello=True,
    ),
    WOLFSSL_13,
)


@dataclass(frozen=True)
class Case:
    """One handshake with a stack; ``mtu`` and ``their_mtu`` in bytes of UDP payload."""

    stack: str
    direction: Direction
    credential: str
    cipher: str
    cookie: bool
    mtu: int
    their_mtu: int | None
    lossy: bool = False
    dtls: Version = "1.2"

    def __str__(self) -> str:
        # The name of a 1.2 case does without the version, as most are.
        name = self.stack if self.dtls == "1.2" else f"{self.stack} (DTLS {self.dtls})"
        parts = (name, self.direction, self.credential, self.cipher)
        cookie = "cookie" if self.cookie else "no cookie"
        return ", ".join((*parts, cookie, self.column))

    @property
    def row(self) -> tuple[str, ...]:
        """Which row of the table: all but the MTU and the relay."""
        cookie = "yes" if self.cookie else "no"
        return (self.stack, self.dtls, self.direction, self.credential, self.cipher, cookie)

    @property
    def column(self) -> str:
        """Which column of the table."""
        smaller = self.mtu if self.their_mtu is None else min(self.mtu, self.their_mtu)
        return LOSSY if self.lossy else str(smaller)

    @property
    def remark(self) -> str:
        """What the verdict has to say beside the column, where the MTUs differ."""
        if self.their_mtu in (None, self.mtu):
            return ""
        return f" ({self.mtu}/{self.their_mtu})"

    @property
    def suite(self) -> str:
        """The IANA name of the cipher suite."""
        if self.dtls == "1.3":
            return SUITES[self.dtls, self.cipher]
        return SUITES["psk" if self.credential == "psk" else "ecdsa", self.cipher]

    @property
    def auth(self) -> str:
        """What ``--auth`` calls the credential."""
        return self.credential.removesuffix("-mutual")

    @property
    def shares_a_key(self) -> bool:
        """Whether both sides have the same pre-shared key, and nothing else."""
        return self.auth in ("psk", "ecdhe-psk")

    @property
    def mutual(self) -> bool:
        """Whether the client proves a key too."""
        return self.credential.endswith("-mutual")


def _clean(stack: Stack) -> list[Case]:
    return [
        Case(stack.name, direction, credential, cipher, cookie, mtu, theirs, dtls=stack.dtls)
        for direction, credential, cipher in itertools.product(
            DIRECTIONS, stack.credentials, stack.ciphers
        )
        for cookie in ((True, False) if direction == "their client" else stack.server_cookies)
        for mtu, theirs in stack.pairs(direction, credential)
    ]


def _can(case: Case) -> bool:
    """Without a cookie wolfSSL's client leaves a share that makes its ClientHello too long out.

    Even out of the second one, where it was asked for it.
    """
    return (case.dtls, case.direction, case.credential, case.cookie, case.column) != (
        *("1.3", "their client", "ecdhe-psk", False, "256"),
    )


def _lossy(stack: Stack) -> list[Case]:
    return [
        Case(stack.name, direction, credential, "CCM_8", True, 512, 512, True, stack.dtls)
        for direction in DIRECTIONS
        for credential in stack.credentials
        if stack.lossy
    ]


CLEAN: Final = tuple(case for stack in STACKS for case in _clean(stack) if _can(case))
"""Every case on an undisturbed network."""

THROUGH_THE_RELAY: Final = tuple(case for stack in STACKS for case in _lossy(stack))
"""Those through the relay."""
