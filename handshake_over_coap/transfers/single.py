"""A body that is one confirmable request (an alert), and replies of one message."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.coap.codes import Code
from handshake_over_coap.coap.message import Content, Message
from handshake_over_coap.coap.options import Option

from .base import Outgoing, Reply, Upload

_MAX_AGE = 60
"""Seconds of a response without Max-Age (RFC 7252 section 5.10.5)."""


def reply_of(response: Message, code: int | None = None, payload: bytes | None = None) -> Reply:
    """A response as the reply to a body; ``code`` and ``payload`` take the place of its own."""
    location: list[str] = []
    content_format, echo, max_age = None, None, _MAX_AGE
    for number, value in response.options:
        if number == Option.LOCATION_PATH:
            location.append(value.decode())
        elif number == Option.CONTENT_FORMAT:
            content_format = int.from_bytes(value, "big")
        elif number == Option.ECHO:
            echo = value
        elif number == Option.MAX_AGE:
            max_age = int.from_bytes(value, "big")
    return Reply(
        code=response.code if code is None else code,
        payload=response.payload if payload is None else payload,
        location=tuple(location),
        content_format=content_format,
        echo=echo,
        max_age=max_age,
    )


class SinglePosting:
    """One request, one response."""

    several = False
    deadline: None = None
    repetitions = 0

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self.reply: Reply | None = None

    def start(self, now: float) -> Sequence[Outgoing]:
        """The request."""
        upload = self._upload
        return (Outgoing(Content(Code.POST, upload.head, upload.body)),)

    def answered(self, response: Message, asked: Outgoing, now: float) -> Sequence[Outgoing]:
        """The response is the reply."""
        self.reply = reply_of(response)
        return ()

    def acknowledged(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the answer follows."""
        return ()

    def on_timer(self, now: float) -> Sequence[Outgoing]:
        """Nothing: the message layer repeats the request."""
        return ()
