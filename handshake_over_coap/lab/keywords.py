"""The options of a scenario as typed keywords, beside those of a handshake."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_over_coap.net.keywords import OptionValues
from handshake_over_coap.net.proofs import File
from handshake_over_coap.sim.loss_trace import LossTrace
from handshake_over_coap.tls.credentials import PSK


class ScenarioValues(OptionValues, total=False):
    """Keyword arguments of :class:`~.scenario.Scenario`; a test holds that none is missing."""

    psk: PSK | str | Sequence[PSK | str]
    key: File | None
    cert: File | None
    ca: File | Sequence[File]
    peer_key: File | Sequence[File]
    insecure: bool
    link: str
    hops: int
    link_retries: int
    reassembly_timeout: float
    reassembly_buffers: int
    delay: float
    jitter: float
    rate: float | None
    loss: float
    loss_unit: str
    burst: float | None
    loss_trace: File | LossTrace | None
    drop: Sequence[int]
    duplicate: float
    reorder: float
    device: str
    server_device: str | None
    client_device: str | None
