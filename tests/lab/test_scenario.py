from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.cast import NOW, cast
from handshake_over_coap.lab.scenario import NOT_OF_SCENARIOS, Scenario, option_types
from handshake_over_coap.lab.trial import prepared
from handshake_over_coap.net.options import Options
from tests.cli.hoc_process import run_hoc


def test_every_option_of_a_handshake_is_one_of_scenarios() -> None:
    of_handshake = {each.name for each in dataclasses.fields(Options)} - NOT_OF_SCENARIOS
    assert of_handshake <= set(option_types())
    defaults = Scenario()
    for name in of_handshake - {"auth"}:
        assert getattr(defaults, name) == getattr(Options(), name)


def test_the_options_of_the_network_are_those_of_the_contract() -> None:
    names = "link hops link_retries delay jitter rate loss loss_unit burst drop duplicate reorder"
    devices = "device server_device client_device"
    assert {*names.split(), *devices.split()} <= set(option_types())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": 1.5}, "loss is a probability: give a number from 0 to 1"),
        ({"loss": -0.1}, "loss is a probability"),
        ({"duplicate": 2.0}, "duplicate is a probability"),
        ({"reorder": -1.0}, "reorder is a probability"),
        ({"loss": float("nan")}, "loss: nan is not a number"),
        ({"loss": "much"}, "loss: 'much' is not a number"),
        ({"loss": True}, "loss: True is not a number"),
        ({"mtu": 65, "block_size": 1024}, "block of 1024 bytes does not fit an mtu of 65: choose"),
        ({"block_size": 65}, "block_size 65 is none of 16"),
        ({"mtu": 64.5}, "mtu: 64.5 is not a whole number"),
        ({"burst": 3.0}, "burst 3 without loss: give a loss above 0, or leave burst out"),
        ({"burst": 0.5, "loss": 0.1}, "burst is a mean length: give 1 or more"),
        ({"burst": 1.0, "loss": 0.9}, "burst 1 is too short for a loss of 0.9: give 9 or more"),
        ({"link_retries": 3}, "link_retries 3 with link udp: a plain link repeats nothing; leave"),
        ({"hops": 2}, "hops 2 with link udp"),
        ({"loss_unit": "frame", "loss": 0.1}, "loss_unit frame with link udp"),
        ({"reassembly_timeout": 2.0}, "reassembly_timeout 2.0 with link udp: a plain link puts"),
        ({"reassembly_buffers": 1}, "reassembly_buffers 1 with link udp: a plain link puts"),
        ({"link": "802154", "reassembly_timeout": 61.0}, "RFC 4944 allows up to 60 s, not 61"),
        ({"link": "802154", "reassembly_buffers": 0}, "reassembly buffers is a count"),
        ({"loss_unit": "byte"}, "loss_unit 'byte' is none of datagram, frame"),
        ({"link": "ethernet"}, "link 'ethernet' is none of udp, 802154"),
        ({"link": "802154", "hops": 0}, "hops is 1 or more"),
        ({"link": "802154", "mtu": 1300}, "mtu 1300 with link 802154"),
        ({"drop": [0]}, "drop counts datagrams from 1"),
        ({"drop": 3}, "drop: 3 is not a list of whole numbers"),
        ({"delay": -1}, "delay is a time in seconds"),
        ({"jitter": float("inf")}, "jitter: inf is not a number"),
        ({"rate": 0}, "rate is in bits per second, above 0"),
        ({"device": "supercomputer"}, "device: there is no device 'supercomputer': choose one of"),
        ({"client_device": "abacus"}, "client_device: there is no device 'abacus'"),
        ({"mutual": True}, "mutual goes with rpk and x509"),
        ({"suite": "TLS_NULL"}, "TLS_NULL"),
        ({"suite": [7]}, "suite: [7] is not text or a list of texts"),
        ({"transport": "tcp"}, "transport 'tcp' is none of coap, udp"),
        ({"max_retransmit": "many"}, "max_retransmit: 'many' is not"),
        ({"pcap": "c.pcapng"}, "pcap is no part of a scenario: hoc simulate writes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name_and_the_remedy(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Scenario(**options)
    assert said in str(refused.value)


def test_lists_and_whole_numbers_become_what_equal_scenarios_share() -> None:
    listed = Scenario(drop=[3, 7], loss=0, group=["x25519"], auth="ecdhe-psk")
    assert listed == Scenario(drop=(3, 7), loss=0.0, group=("x25519",), auth="ecdhe-psk")
    assert hash(listed) == hash(pickle.loads(pickle.dumps(listed)))  # noqa: S301 - our own


def test_a_scenario_tells_what_is_not_at_its_default_and_no_secret() -> None:
    scenario = Scenario(psk=hoc.PSK("me", b"very secret key!"), loss=0.25, mtu=127)
    assert scenario.described() == "mtu 127, loss 0.25"
    assert "secret" not in repr(scenario)
    assert Scenario().described() == "defaults"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"auth": "ecdhe-psk"},
        {"auth": "rpk"},
        {"auth": "rpk", "mutual": True, "group": "x25519"},
        {"auth": "x509"},
        {"auth": "x509", "mutual": True, "server_name": "server.example"},
        {"auth": "x509", "insecure": True},
        {"psk": "device:1:00112233445566778899aabbccddeeff"},
    ],
)
@pytest.mark.parametrize("transport", ["coap", "udp"])
def test_credentials_derive_from_the_seed(options: dict[str, Any], transport: str) -> None:
    report = hoc.simulate(Scenario(transport=transport, **options), trials=2, seed=5)
    assert (report.completed, report.failures) == (2, {})
    assert report.auth == options.get("auth", "psk")


def test_another_seed_gives_other_credentials() -> None:
    one, other = (cast(Scenario(), seed).client for seed in (1, 2))
    assert one != other
    assert cast(Scenario(), 1).client == one


def _generated(folder: Path, kind: str = "p256") -> Path:
    key = folder / "key.pem"
    assert run_hoc("keygen", "--kind", kind, "--out", key).returncode == 0
    return key


def test_given_keys_are_used_and_wrong_pins_end_in_an_alert(tmp_path: Path) -> None:
    key = _generated(tmp_path)
    right = Scenario(auth="rpk", key=key, peer_key=f"{key}.pub")
    assert hoc.simulate(right, trials=1).completed == 1
    wrong = Scenario(auth="rpk", peer_key=f"{key}.pub")
    report = hoc.simulate(wrong, trials=2)
    assert (report.completed, report.failures) == (0, {"alert certificate_unknown": 2})
    assert report.datagrams.mean is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auth": "rpk", "key": "nowhere.pem"}, "key nowhere.pem"),
        ({"auth": "rpk", "ca": "ca.pem"}, "ca goes with auth x509"),
        ({"auth": "x509", "ca": "ca.pem"}, "key or ca without cert"),
        ({"auth": "x509", "cert": "c.pem"}, "cert without key"),
        ({"psk": "no-colon"}, "IDENTITY:HEXKEY"),
        ({"psk": "identity:nohex"}, "IDENTITY:HEXKEY"),
    ],
)
def test_credentials_that_cannot_work_are_named_before_any_work(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        prepared(Scenario(**options), 1)
    assert said in str(refused.value)
    assert "nohex" not in str(refused.value)


def test_time_of_day_stands_still() -> None:
    assert cast(Scenario(auth="x509"), 1).now == NOW


def test_importing_the_library_loads_neither_simulation_nor_laboratory() -> None:
    program = (
        "import sys, handshake_over_coap as hoc\n"
        "loaded = [n for n in sys.modules if n.startswith(('handshake_over_coap.sim', "
        "'handshake_over_coap.lab', 'polars', 'numpy', 'scipy'))]\n"
        "assert not loaded, loaded\n"
        "hoc.simulate(hoc.Scenario(), trials=1)\n"
        "assert 'polars' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert 'Scenario' in dir(hoc)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_does_not_exist_is_still_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulation'"):
        _ = hoc.simulation  # type: ignore[attr-defined]
