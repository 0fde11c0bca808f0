"""Slow devices: what they compute takes its time, and what arrives meanwhile waits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.computing import efforts
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.trial import prepared, run_trial
from handshake_over_coap.sim import Device, Operation, PassageRecorder, device
from handshake_over_coap.tls.codepoints import NamedGroup
from handshake_over_coap.tls.effort import Primitive
from handshake_over_coap.tls.groups import GROUPS13

TRANSPORTS = ("coap", "udp")
SLOW = device("m0plus")
PRF_32, PRF_64 = 8, 16  # blocks: two HMACs of four for each 32 bytes
DERIVATION = PRF_64 + PRF_64  # master secret of 48 bytes, key block of 40
PATIENT: dict[str, Any] = {
    "dtls": "1.2",
    "ack_timeout": 100.0,
    "initial_timeout": 100.0,
    "timeout": 1000.0,
}


def seconds(kind: Device, blocks: int = 0, **count: int) -> float:
    asymmetric = sum(kind.time_of(Operation[name.upper()], n) for name, n in count.items())
    return asymmetric + kind.time_of(Operation.HASH_BLOCK, blocks)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("auth", ["psk", "ecdhe-psk", "rpk"])
def test_a_handshake_takes_as_long_as_its_primitives(transport: str, auth: str) -> None:
    """Nobody repeats anything here: three round trips, and the work of both sides in turn."""
    scenario = Scenario(transport=transport, auth=auth, device="m0plus", **PATIENT)
    trial = run_trial(scenario, 1, 0)
    exchange = {"keygen": 1, "ecdh": 1} if auth != "psk" else {}
    signing = {"sign": 1} if auth == "rpk" else {}
    verifying = {"verify": 1} if auth == "rpk" else {}
    # Each side makes keys, one Finished and the check of the other.
    work = seconds(SLOW, DERIVATION + 2 * PRF_32, **exchange, **signing)
    work += seconds(SLOW, DERIVATION + 2 * PRF_32, **exchange, **verifying)
    assert (trial.datagrams, trial.retransmissions) == (6, 0)
    assert trial.duration_s == pytest.approx(0.3 + work, abs=1e-3)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_keys_that_a_client_makes_before_its_first_datagram_take_time_too(
    transport: str,
) -> None:
    options = {**PATIENT, "dtls": "1.3", "transport": transport}
    trial = run_trial(Scenario(auth="rpk", device="m0plus", **options), 1, 0)
    work = seconds(SLOW, keygen=2, ecdh=2, sign=1, verify=1)
    # The hashes of 1.3 are not counted here one by one: a few hundredths of a second.
    assert trial.duration_s == pytest.approx(0.3 + work, abs=0.05)
    assert trial.duration_s > 0.3 + work


def test_what_the_server_computes_is_measured_by_flight() -> None:
    it = efforts(Scenario(auth="rpk", dtls="1.2"), 1, run_trial)
    assert it.flight_1 == {Primitive.KEYGEN: 1, Primitive.SIGN: 1}
    assert it.later == {Primitive.ECDH: 1, Primitive.HASH_BLOCK: DERIVATION + 2 * PRF_32}
    it = efforts(Scenario(auth="x509", mutual=True, dtls="1.2"), 1, run_trial)
    assert it.flight_1 == {Primitive.KEYGEN: 1, Primitive.SIGN: 1}
    assert it.later[Primitive.VERIFY] == 2  # the certificate, and the signature of the client
    assert efforts(Scenario(dtls="1.2"), 1, run_trial).flight_1 == {}
    it = efforts(Scenario(auth="rpk", dtls="1.3"), 1, run_trial)
    assert (
        it.flight_1[Primitive.KEYGEN],
        it.flight_1[Primitive.ECDH],
        it.flight_1[Primitive.SIGN],
    ) == (1, 1, 1)
    assert set(it.later) == {Primitive.HASH_BLOCK}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_x25519_takes_the_time_that_was_measured_for_it(transport: str) -> None:
    times = {}
    for group in ("secp256r1", "x25519"):
        scenario = Scenario(
            transport=transport, auth="ecdhe-psk", group=group, device="k64f", **PATIENT
        )
        times[group] = run_trial(scenario, 1, 0).duration_s
    # Each side makes a key (365 ms less 308) and agrees (365 ms less 303).
    assert times["secp256r1"] - times["x25519"] == pytest.approx(2 * (0.057 + 0.062), abs=1e-3)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"auth": "ecdhe-psk", "group": "x25519", "device": "m0plus"},
            "device m0plus has no figure for key generation of group x25519: choose group",
        ),
        (
            {"auth": "rpk", "group": "x25519", "server_device": "k64f"},
            "device k64f has no figure for signing by an Ed25519 key: use P-256 keys",
        ),
        (
            {"auth": "rpk", "group": "x25519", "client_device": "k64f"},
            "device k64f has no figure for verification by an Ed25519 key",
        ),
        (
            {"auth": "ecdhe-psk", "group": "X25519MLKEM768", "client_device": "k64f"},
            "device k64f has no figure for ML-KEM-768 (group X25519MLKEM768): choose group",
        ),
    ],
)
def test_what_nobody_has_measured_on_a_device_is_refused_before_any_work(
    options: dict[str, Any], said: str, transport: str
) -> None:
    if "MLKEM" in options.get("group", "") and NamedGroup.X25519MLKEM768 not in GROUPS13:
        pytest.skip("this version of cryptography has no ML-KEM")
    scenario = Scenario(transport=transport, **options)
    with pytest.raises(ConfigurationError) as refused:
        prepared(scenario, 1)
    assert said in str(refused.value)
    # The side that is fast does not mind.
    prepared(
        dataclasses.replace(scenario, device="fast", server_device=None, client_device=None), 1
    )


def test_a_separate_response_spares_the_storm_of_repetitions() -> None:
    """californium#1034, Mbed-TLS#2825: slow crypto against a short timer."""
    over_coap, over_udp = (
        hoc.simulate(
            Scenario(transport=transport, dtls="1.2", auth="rpk", device="m0plus"), trials=5
        )
        for transport in TRANSPORTS
    )
    assert over_coap.completed == over_udp.completed == 5
    assert over_coap.retransmissions.max == 0
    # Two answers come separately: an empty acknowledgement and an acknowledgement each.
    assert over_coap.datagrams.min == over_coap.datagrams.max == 6 + 4
    assert over_udp.retransmissions.min is not None
    assert over_udp.retransmissions.min > 5
    assert over_udp.datagrams.min is not None
    assert over_udp.datagrams.min > 12
    assert over_udp.server_buffer.min is not None
    assert over_udp.server_buffer.min > 0


def test_a_server_over_coap_says_nothing_while_it_computes() -> None:
    """It acknowledges first; that is lost here, and what the client repeats waits in the buffer."""
    scenario = Scenario(dtls="1.2", auth="rpk", server_device="m0plus", drop=[4])
    recorder = PassageRecorder()
    trial = run_trial(scenario, 1, 0, observers=[recorder])
    sent = [passage.datagram for passage in recorder.passages]
    acknowledged, *_ = (each for each in sent if each.data[:2] == b"\x60\0")
    request = sent[acknowledged.number - 2]
    assert acknowledged.time == pytest.approx(request.time + scenario.delay, abs=1e-4)
    work = seconds(SLOW, keygen=1, sign=1)
    after = [each for each in sent if acknowledged.time < each.time < acknowledged.time + work]
    assert [each.data for each in after] == [request.data] * 2
    assert trial.server_buffer == 2 * len(request.data)
    answer = next(each for each in sent if each.data[1] == 0x41)
    assert answer.time == pytest.approx(acknowledged.time + work, abs=1e-3)
    assert trial.completed


def test_an_answer_that_does_not_take_long_is_not_acknowledged_before() -> None:
    trial = run_trial(Scenario(dtls="1.2", server_device="m0plus"), 1, 0)
    assert (trial.completed, trial.datagrams) == (True, 6)


def test_each_side_has_its_own_device() -> None:
    times = {}
    for name in ("device", "server_device", "client_device"):
        options: dict[str, Any] = {name: "k64f"}
        times[name] = run_trial(Scenario(auth="rpk", **PATIENT, **options), 1, 0).duration_s
    work = sum(times[name] - 0.3 for name in ("server_device", "client_device"))
    assert times["device"] - 0.3 == pytest.approx(work, abs=1e-3)
    assert times["client_device"] != pytest.approx(times["server_device"], abs=0.01)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_trials_with_slow_devices_repeat(transport: str) -> None:
    scenario = Scenario(
        transport=transport, auth="x509", mutual=True, device="k64f", loss=0.2, jitter=0.1, mtu=300
    )
    rows = [[run_trial(scenario, 1, n).row(cpu=False) for n in range(5)] for _ in range(2)]
    assert rows[0] == rows[1]


def test_the_seconds_in_which_a_device_computed_are_told_by_side() -> None:
    scenario = Scenario(
        transport="udp", dtls="1.2", auth="rpk", device="m0plus", initial_timeout=100.0
    )
    trial = run_trial(scenario, 1, 0)
    hashes = DERIVATION + 2 * PRF_32
    assert trial.client_busy_s == pytest.approx(seconds(SLOW, hashes, keygen=1, ecdh=1, verify=1))
    assert trial.server_busy_s == pytest.approx(seconds(SLOW, hashes, keygen=1, ecdh=1, sign=1))
    fast = run_trial(Scenario(transport="udp", auth="rpk"), 1, 0)
    assert fast.client_busy_s == fast.server_busy_s == 0.0


def test_datagrams_for_which_a_buffer_had_no_room_are_counted() -> None:
    busy: dict[str, Any] = {"mtu": 128, "initial_timeout": 0.25, "timeout": 600.0}
    scenario = Scenario(transport="udp", dtls="1.2", auth="x509", mutual=True, **busy)
    none = run_trial(scenario, 1, 0)
    assert none.client_overflow == none.server_overflow == 0
    trial = run_trial(dataclasses.replace(scenario, server_device="m0plus"), 1, 0)
    assert trial.server_overflow > 0
    assert trial.client_overflow == 0
    report = hoc.simulate(dataclasses.replace(scenario, server_device="m0plus"), trials=1)
    assert report.server_overflow.mean == trial.server_overflow


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_waits_for_a_slow_device_has_a_bound(transport: str) -> None:
    scenario = Scenario(
        transport=transport,
        auth="x509",
        mutual=True,
        device="avr-wiselib",
        initial_timeout=0.05,
        max_interval=0.2,
        timeout=400.0,
    )
    trial = run_trial(scenario, 1, 0)
    limit = device("avr-wiselib").buffer
    assert limit is not None
    assert max(trial.client_buffer, trial.server_buffer) <= limit
    if transport == "udp":
        assert trial.server_buffer > limit - scenario.mtu


def test_a_timer_that_is_set_while_computing_counts_from_when_it_is_done() -> None:
    """The request after 14.6 s of work is lost: it is repeated 2 to 3 s after it was sent."""
    scenario = Scenario(auth="rpk", client_device="m0plus", drop=[5])
    undisturbed = Scenario(auth="rpk", client_device="m0plus")
    lost, smooth = (run_trial(each, 1, 0) for each in (scenario, undisturbed))
    assert lost.retransmissions == 1
    assert 2.0 <= lost.duration_s - smooth.duration_s <= 3.0
