"""Errors of what builds messages, as errors of the body that was to be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecodeError


@contextmanager
def decoding() -> Iterator[None]:
    """A message that cannot be built, as its fields are out of range, raises DecodeError."""
    try:
        yield
    except ConfigurationError as error:
        raise DecodeError(str(error)) from None


@contextmanager
def encoding() -> Iterator[None]:
    """A flight that cannot be understood, as nobody makes such, raises ConfigurationError."""
    try:
        yield
    except DecodeError as error:
        raise ConfigurationError(f"a flight that has no encoding: {error}") from None
