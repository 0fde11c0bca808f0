"""A client and a server with a radio network between them, and all that was in the air."""

from __future__ import annotations

from handshake_over_coap.sim import (
    Draws,
    FrameSeen,
    LinkOptions,
    Network,
    Outcome,
    PassageRecorder,
    Radio,
    RadioOptions,
    Side,
)
from tests.support.inbox import Inbox


class RadioWorld:
    def __init__(self, radio: RadioOptions, seed: int = 1, wire: LinkOptions | None = None) -> None:
        self.network = Network(wire or LinkOptions(delay=0.0), Draws(seed), radio)
        self.recorder = PassageRecorder(max_datagrams=1_000_000)
        self.network.observe(self.recorder)
        assert self.network.radio is not None
        self.radio: Radio = self.network.radio
        self.radio.observe(self)
        self.frames: list[FrameSeen] = []
        self.client = self.network.endpoint(Side.CLIENT, "client", 40000)
        self.server = self.network.endpoint(Side.SERVER, "server", 5683)
        self.at_client, self.at_server = Inbox(), Inbox()
        self.client.start(self.at_client)
        self.server.start(self.at_server)

    def seen(self, frame: FrameSeen) -> None:
        self.frames.append(frame)

    def up(self, data: bytes) -> None:
        self.client.send(data, self.server.local_address)

    def down(self, data: bytes) -> None:
        self.server.send(data, self.client.local_address)

    @property
    def outcomes(self) -> list[Outcome]:
        return [passage.outcome for passage in self.recorder.passages]
