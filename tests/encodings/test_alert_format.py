from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.encodings import BY_CONTENT_FORMAT
from handshake_over_coap.encodings.alert import CONTENT_FORMAT, decode_alert, encode_alert
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import Alert, DecodeError
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel


def test_an_alert_is_level_and_description() -> None:
    alert = Alert(AlertLevel.fatal, AlertDescription.handshake_failure)
    assert encode_alert(alert) == b"\x02\x28"
    assert decode_alert(b"\x02\x28") == alert


@given(st.integers(0, 255), st.integers(0, 255))
def test_every_alert_survives_its_body(level: int, description: int) -> None:
    alert = Alert(level, description)
    assert decode_alert(encode_alert(alert)) == alert


@given(st.binary(max_size=6))
def test_other_lengths_are_decode_errors(body: bytes) -> None:
    try:
        alert = decode_alert(body)
    except DecodeError:
        assert len(body) != 2
    else:
        assert encode_alert(alert) == body


def test_a_number_over_a_byte_has_no_encoding() -> None:
    with pytest.raises(ConfigurationError):
        encode_alert(Alert(2, 256))


def test_alerts_have_a_content_format_of_their_own() -> None:
    assert CONTENT_FORMAT == 65001
    assert CONTENT_FORMAT not in BY_CONTENT_FORMAT
