"""What the tests of sessions share: they hold over either carrier, for either version."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(
    params=[(transport, dtls) for transport in ("coap", "udp") for dtls in ("1.2", "1.3")],
    ids="-".join,
)
def over(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Keyword arguments that choose the carrier and the version."""
    transport, dtls = request.param
    return {"transport": transport, "dtls": dtls}


@pytest.fixture(params=["coap", "udp"])
def over12(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same with DTLS 1.2."""
    return {"transport": request.param, "dtls": "1.2"}


@pytest.fixture(params=["coap", "udp"])
def over13(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same with DTLS 1.3."""
    return {"transport": request.param, "dtls": "1.3"}
