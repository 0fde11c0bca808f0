"""How a body crosses: by the blocks of RFC 7959, or otherwise.

One transfer a file; :mod:`.base` says what each has to be.  A transfer of one's own goes wherever a
name goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from handshake_over_coap.errors import ConfigurationError

from .base import Transfer
from .blockwise import BLOCKWISE
from .burst import BURST
from .qblock import QBLOCK

__all__ = ["BY_NAME", "Transfer", "transfer_named"]

_ALL: tuple[Transfer, ...] = (BLOCKWISE, QBLOCK, BURST)

BY_NAME: Mapping[str, Transfer] = MappingProxyType({each.name: each for each in _ALL})
"""The transfers that come with the library, by name."""


def transfer_named(name: str) -> Transfer:
    """The transfer called ``name``; ConfigurationError, with the known names, if there is none."""
    try:
        return BY_NAME[name]
    except KeyError:
        known = ", ".join(BY_NAME)
        raise ConfigurationError(f"no transfer is called {name!r}; there is: {known}") from None
