"""The presentation language: numbers, vectors, alerts and message headers."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.tls import alerts, wire
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel
from handshake_over_coap.tls.flight import HandshakeMessage
from tests.support import strategies

NUMBERS = [("u8", 1), ("u16", 2), ("u24", 3), ("u48", 6), ("u64", 8)]
VECTORS = [("vec8", 1), ("vec16", 2), ("vec24", 3)]


@pytest.mark.parametrize(("name", "width"), NUMBERS)
@given(data=st.data())
def test_numbers_are_big_endian_and_come_back(name: str, width: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << 8 * width) - 1))
    encoded = getattr(wire, name)(value)
    assert encoded == value.to_bytes(width, "big")
    reader = wire.Reader(encoded)
    assert getattr(reader, name)() == value
    reader.done()


@pytest.mark.parametrize(("name", "width"), NUMBERS)
def test_numbers_that_do_not_fit_are_refused(name: str, width: int) -> None:
    for value in (-1, 1 << 8 * width):
        with pytest.raises(ConfigurationError):
            getattr(wire, name)(value)


@pytest.mark.parametrize(("name", "width"), NUMBERS)
def test_truncated_numbers_are_decode_errors(name: str, width: int) -> None:
    with pytest.raises(alerts.DecodeError):
        getattr(wire.Reader(bytes(width - 1)), name)()


@pytest.mark.parametrize(("name", "width"), VECTORS)
@given(content=st.binary(max_size=255))
def test_vectors_are_length_and_content(name: str, width: int, content: bytes) -> None:
    encoded = getattr(wire, name)(content)
    assert encoded == len(content).to_bytes(width, "big") + content
    assert getattr(wire.Reader(encoded), name)() == content


@pytest.mark.parametrize(("name", "width"), VECTORS)
@pytest.mark.parametrize("length", [1, 5])
def test_vectors_keep_their_bounds_in_both_directions(name: str, width: int, length: int) -> None:
    content = bytes(length)
    with pytest.raises(ConfigurationError):
        getattr(wire, name)(content, 2, 4)
    with pytest.raises(alerts.DecodeError):
        getattr(wire.Reader(length.to_bytes(width, "big") + content), name)(2, 4)


@pytest.mark.parametrize(("name", "width"), VECTORS)
def test_a_vector_longer_than_its_input_is_a_decode_error(name: str, width: int) -> None:
    with pytest.raises(alerts.DecodeError):
        getattr(wire.Reader((3).to_bytes(width, "big") + b"ab"), name)()


def test_a_vector_too_long_for_its_length_is_refused() -> None:
    assert len(wire.vec16(bytes(65535))) == 65537
    with pytest.raises(ConfigurationError):
        wire.vec16(bytes(65536))


def test_done_is_a_decode_error_while_bytes_are_left() -> None:
    reader = wire.Reader(b"abc")
    assert reader.take(1) == b"a"
    with pytest.raises(alerts.DecodeError):
        reader.done()
    assert reader.rest() == b"bc"
    reader.done()
    assert reader.remaining == 0


@given(values=st.lists(strategies.u16s))
def test_lists_of_16_bit_numbers_come_back(values: list[int]) -> None:
    assert wire.u16_items(wire.join_u16(values)) == tuple(values)


def test_half_a_16_bit_number_is_a_decode_error() -> None:
    with pytest.raises(alerts.DecodeError):
        wire.u16_items(b"\x00\x01\x02")


def test_headers_of_an_unfragmented_message() -> None:
    message = HandshakeMessage(type=16, body=b"\x00\x02me", message_seq=0x0102, epoch=0)
    assert message.dtls_bytes().hex(" ", 4) == "10000004 01020000 00000004 00026d65"
    assert message.tls_bytes().hex(" ", 4) == "10000004 00026d65"


@given(message=strategies.handshake_messages)
def test_headers_hold_type_length_and_sequence(message: HandshakeMessage) -> None:
    reader = wire.Reader(message.dtls_bytes())
    length = len(message.body)
    header = (reader.u8(), reader.u24(), reader.u16(), reader.u24(), reader.u24())
    assert header == (message.type, length, message.message_seq, 0, length)
    assert reader.rest() == message.body


@pytest.mark.parametrize("change", [{"type": 256}, {"message_seq": 65536}])
def test_headers_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    message = HandshakeMessage(**{"type": 1, "body": b"", **change})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        message.dtls_bytes()


@pytest.mark.parametrize("description", AlertDescription)
def test_every_alert_has_a_class_of_its_name(description: AlertDescription) -> None:
    error = alerts.alert_error(description, received=True, detail="why")
    assert type(error).__name__ == description.name.title().replace("_", "")
    assert type(error).description is description
    assert error.code == description
    assert str(error) == f"the peer sent {description.name}: why"
    assert isinstance(error, Error)


def test_an_unknown_alert_keeps_its_number() -> None:
    error = alerts.alert_error(200, received=True, level=7, authenticated=True)
    assert type(error) is alerts.AlertError
    assert (error.code, error.level, error.description) == (200, 7, None)
    assert error.authenticated
    assert error.alert == alerts.Alert(7, 200)


def test_levels_follow_the_alert_unless_given() -> None:
    assert alerts.DecodeError("x").alert == alerts.Alert(AlertLevel.fatal, 50)
    assert alerts.CloseNotify().alert == alerts.Alert(AlertLevel.warning, 0)
    assert alerts.NoRenegotiation(level=AlertLevel.fatal).level == AlertLevel.fatal
    assert not alerts.DecodeError("x").received


@pytest.mark.parametrize("description", [50, 115, 200])
def test_alerts_survive_pickling(description: int) -> None:
    error = alerts.alert_error(description, received=True, level=1, authenticated=True, detail="d")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


@given(level=strategies.u8s, description=strategies.u8s)
def test_alerts_are_two_bytes(level: int, description: int) -> None:
    alert = alerts.Alert(level, description)
    assert alert.encode() == bytes((level, description))
    assert alerts.Alert.decode(alert.encode()) == alert


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x02\x28\x00"])
def test_alerts_of_another_length_are_decode_errors(data: bytes) -> None:
    with pytest.raises(alerts.DecodeError):
        alerts.Alert.decode(data)


def test_an_alert_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        alerts.Alert(2, 256).encode()
