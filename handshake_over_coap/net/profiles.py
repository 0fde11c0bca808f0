"""Profiles: sets of options under one name, which single options override.

``standard`` is CoAP by the book: RFC 7959, confirmable messages, plain bodies, the timers of RFC
7252.  ``lean`` is what costs least on a lossy link with small datagrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, Final, TypeVar

from handshake_over_coap.errors import ConfigurationError

_T = TypeVar("_T")

STANDARD: Final = "standard"

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        STANDARD: MappingProxyType({}),
        "lean": MappingProxyType(
            {
                "encoding": "compact",
                "transfer": "burst",
                "timer": "adaptive",
                "address_check": "adaptive",
                "resource": "/d",
            }
        ),
    }
)
"""The options that each profile sets, by name; all others stay at their defaults."""


def profiled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that ``values`` are, with those of their profile; given ones come first.

    Over UDP a profile has no part.  Raises ConfigurationError for a profile that there is not.
    """
    name = values.get("profile", STANDARD)
    if name not in PROFILES:
        raise ConfigurationError(f"profile {name!r} is none of {', '.join(PROFILES)}")
    chosen = dict(PROFILES[name]) if values.get("transport", "coap") == "coap" else {}
    if values.get("path_abbrev"):
        chosen.pop("resource", None)  # a number stands for the well-known path, and for no other
    return {**chosen, **values}


def with_profiles(cls: type[_T]) -> type[_T]:
    """Have a dataclass of options look its profile up before anything else."""
    original = cls.__init__

    @wraps(original)
    def __init__(self: Any, **values: Any) -> None:  # noqa: N807 - it takes that one's place
        original(self, **profiled(values))

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls
