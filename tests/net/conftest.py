"""What the tests of sessions share: they hold over either carrier."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["coap", "udp"])
def over(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Keyword arguments that choose the carrier."""
    return {"transport": request.param}
