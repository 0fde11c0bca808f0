"""The options by which the sides prove who they are: files and keys, declared once.

``connect`` and ``serve`` take objects instead; the command line and scenarios have these.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.credentials import PSK

from .declared import Declared

File: TypeAlias = str | PathLike[str]


def psk_of(text: str) -> PSK:
    """A key written as IDENTITY:HEXKEY; the identity may have colons, and be any bytes.

    Raises ConfigurationError, which never repeats the text: it holds a secret.
    """
    identity, colon, key = text.rpartition(":")
    if not colon:
        raise ConfigurationError(
            "a key is given as IDENTITY:HEXKEY, such as device-1:00112233445566778899aabbccddeeff"
        )
    try:
        secret = bytes.fromhex(key)
    except ValueError:
        raise ConfigurationError(
            f"the key of identity {identity!r}, after the last colon, is not hexadecimal: "
            "two digits for each byte (IDENTITY:HEXKEY)"
        ) from None
    return PSK(os.fsencode(identity), secret)


def _declared(name: str, hint: Any, default: Any, doc: str, **more: Any) -> Declared:
    return Declared(name=name, hint=hint, default=default, doc=doc, group="credentials", **more)


_FILES: Final = File | Sequence[File]

PROOFS: Final[Mapping[str, Declared]] = MappingProxyType(
    {
        each.name: each
        for each in (
            _declared(
                "psk",
                PSK | str | Sequence[PSK | str],
                (),
                "pre-shared key of 1 to 64 bytes; a client uses the first",
                metavar="IDENTITY:HEXKEY",
                parse=psk_of,
                repeatable=True,
            ),
            _declared(
                "key", File | None, None, "own private key, PEM: P-256 or Ed25519 (see hoc keygen)"
            ),
            _declared("cert", File | None, None, "own certificate and its chain, PEM, leaf first"),
            _declared(
                "ca", _FILES, (), "trust anchors for the peer's certificate, PEM", repeatable=True
            ),
            _declared(
                "peer_key", _FILES, (), "raw public key that is the peer's, PEM", repeatable=True
            ),
            _declared(
                "insecure",
                bool,
                False,
                "accept any key and certificate of the peer: no security against an active "
                "attacker",
            ),
        )
    }
)
