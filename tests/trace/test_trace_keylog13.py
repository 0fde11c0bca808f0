from __future__ import annotations

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.negotiation import Connected
from handshake_over_coap.trace import KeyLogLabel, key_log_line, key_log_lines
from tests.support import parties13
from tests.support.memory_pair13 import agreed, run
from tests.support.parties import ECDHE_PSK_CCM, Scenario
from tests.support.parties13 import Scenario13

LABELS_OF_1_3 = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
]


@pytest.mark.parametrize("scenario", parties13.TYPICAL, ids=str)
def test_both_sides_of_a_session_of_1_3_log_the_same_five_lines(scenario: Scenario13) -> None:
    client, server = agreed(run(scenario.client(), scenario.server()))
    lines = key_log_lines(client)
    assert lines == key_log_lines(server)
    parts = [line.split(" ") for line in lines]
    assert [label for label, _, _ in parts] == LABELS_OF_1_3
    assert {random for _, random, _ in parts} == {client.client_random.hex()}
    secrets = client.secrets
    assert [bytes.fromhex(secret) for _, _, secret in parts] == [
        secrets.client_handshake,
        secrets.server_handshake,
        secrets.client_application,
        secrets.server_application,
        secrets.exporter,
    ]
    assert len(set(lines)) == 5


def test_a_session_of_1_2_has_one_line() -> None:
    scenario = Scenario(ECDHE_PSK_CCM)
    state = run(scenario.client(), scenario.server()).client.state
    assert isinstance(state, Connected)
    expected = key_log_line(KeyLogLabel.CLIENT_RANDOM, state.client_random, state.master_secret)
    assert key_log_lines(state) == (expected,)


@pytest.mark.parametrize("label", [label for label in KeyLogLabel if label in LABELS_OF_1_3])
@pytest.mark.parametrize("length", [0, 31, 33, 48])
def test_secrets_of_1_3_have_32_bytes(label: KeyLogLabel, length: int) -> None:
    with pytest.raises(ConfigurationError):
        key_log_line(label, bytes(32), bytes(length))
    assert key_log_line(label, bytes(32), bytes(32)).startswith(f"{label} ")
