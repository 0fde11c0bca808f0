from __future__ import annotations

import logging

import pytest

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.rejections import MOST_LINES, Rejections
from handshake_over_coap.tls.alerts import HandshakeFailure

ADDRESS = Address("192.0.2.1", 5684)


def test_a_rejected_handshake_is_logged_with_its_endpoint_and_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        Rejections().say(ADDRESS, HandshakeFailure("no group in common"), 1.5)
    assert [each.getMessage() for each in caplog.records] == [
        "rejected handshake of 192.0.2.1:5684: handshake_failure: no group in common"
    ]


def test_a_flood_of_rejected_handshakes_is_no_flood_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rejections = Rejections()
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            rejections.say(ADDRESS, HandshakeFailure(), 7 + number / 1000)
        assert len(caplog.records) == MOST_LINES
        rejections.say(ADDRESS, HandshakeFailure(), 8.0)
    assert len(caplog.records) == MOST_LINES + 2
    assert caplog.records[-2].getMessage() == f"and {1000 - MOST_LINES} rejected handshakes more"
