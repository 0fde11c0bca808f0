"""What the tests of sessions share: they hold over either carrier, in bursts, for both versions."""

from __future__ import annotations

from typing import Any, Final

import pytest

_WAYS: Final[dict[str, dict[str, Any]]] = {
    "coap": {"transport": "coap"},
    "burst": {
        "transport": "coap",
        "transfer": "burst",
        "timer": "adaptive",
        "address_check": "adaptive",
    },
    "udp": {"transport": "udp"},
}


@pytest.fixture(params=[(way, dtls) for way in _WAYS for dtls in ("1.2", "1.3")], ids="-".join)
def over(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Keyword arguments that choose the carrier, the way of its bodies, and the version."""
    way, dtls = request.param
    return _WAYS[way] | {"dtls": dtls}


@pytest.fixture(params=_WAYS)
def over12(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same with DTLS 1.2."""
    return _WAYS[request.param] | {"dtls": "1.2"}


@pytest.fixture(params=_WAYS)
def over13(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same with DTLS 1.3."""
    return _WAYS[request.param] | {"dtls": "1.3"}
