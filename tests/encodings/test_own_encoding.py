"""An encoding from outside the package: one object, which goes wherever a name goes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.cli import main
from handshake_over_coap.encodings import Encoding, FlightContext, FlightItem, encoding_named
from handshake_over_coap.encodings.plain import PLAIN
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import HandshakeMessage


@dataclass(frozen=True)
class Padded:
    """The plain encoding with zeros before it, as many as ``zeros``."""

    zeros: int = 1
    name: str = "padded"
    content_format: int = 65_100

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        return bytes(self.zeros) + PLAIN.encode(flight, context)

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        if body[: self.zeros] != bytes(self.zeros):
            raise DecodeError("no zeros")
        yield from PLAIN.decode(body[self.zeros :], context)

    def hello(self, body: bytes) -> HandshakeMessage | None:
        return PLAIN.hello(body[self.zeros :])


def test_it_is_an_encoding() -> None:
    assert isinstance(Padded(), Encoding)
    assert encoding_named(Padded(2)) == Padded(2)
    assert encoding_named("tests.encodings.test_own_encoding:Padded") == Padded()


def test_simulations_take_it_as_it_is() -> None:
    plain = hoc.simulate(hoc.Scenario(), trials=2, seed=1)
    padded = hoc.simulate(hoc.Scenario(encoding=Padded(3)), trials=2, seed=1)
    assert padded.completed == 2
    assert padded.encoding == "padded"
    assert plain.body_bytes is not None
    assert padded.body_bytes == tuple(size + 3 for size in plain.body_bytes)


def test_the_command_line_takes_it_by_module_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    name = "tests.encodings.test_own_encoding:Padded"
    assert main(["simulate", "--trials", "1", "--encoding", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encoding"] == "padded"


@pytest.mark.parametrize(
    "text",
    [
        "no.such.module:Name",
        "tests.encodings.test_own_encoding:Missing",
        "tests.encodings.test_own_encoding:PLAIN.no",
        "collections:Counter",
        ":Name",
    ],
)
def test_what_is_no_encoding_is_refused(text: str) -> None:
    with pytest.raises(hoc.ConfigurationError, match=text):
        encoding_named(text)


def test_a_content_format_that_pieces_have_is_refused_with_the_remedy() -> None:
    with pytest.raises(hoc.ConfigurationError, match="65000 to 65255"):
        hoc.Scenario(encoding=Padded(content_format=65_300))
