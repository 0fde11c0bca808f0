"""What devices take to compute, and that every figure says where it is from."""

from __future__ import annotations

import pytest

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.sim import DEVICES, Device, Operation, device, think_time
from handshake_over_coap.sim.devices import blocks

MAY_BE_MISSING = {
    Operation.KEYGEN_X25519,
    Operation.ECDH_X25519,
    Operation.SIGN_ED25519,
    Operation.VERIFY_ED25519,
    Operation.MLKEM768,
}
ALL = [pytest.param(each, id=name) for name, each in DEVICES.items()]


@pytest.mark.parametrize("each", ALL)
def test_every_operation_has_a_time_and_a_source(each: Device) -> None:
    """Those on other curves, and ML-KEM, where somebody has measured them."""
    assert set(each.figures) >= set(Operation) - MAY_BE_MISSING
    for figure in each.figures.values():
        assert figure.seconds >= 0
        assert figure.source


@pytest.mark.parametrize("each", ALL)
def test_what_the_source_did_not_measure_is_said_to_be_derived(each: Device) -> None:
    """Each source measured signing; only some measured the rest."""
    signing = each.figures[Operation.SIGN]
    assert not signing.source.startswith("derived")
    measured = {
        operation
        for operation, figure in each.figures.items()
        if not figure.source.startswith("derived")
    }
    if each.figures[Operation.VERIFY].seconds == 2 * signing.seconds and signing.seconds:
        assert Operation.VERIFY not in measured


def test_the_figures_are_those_of_the_notes() -> None:
    assert device("m0plus").time_of(Operation.SIGN) == 3.65
    assert device("m0plus-optimised").time_of(Operation.SIGN) == 0.46
    assert device("avr-tinyecc").time_of(Operation.SIGN) == 3.6
    assert device("avr-wiselib").time_of(Operation.SIGN) == 34.6
    k64f = device("k64f")
    assert k64f.time_of(Operation.KEYGEN) + k64f.time_of(Operation.ECDH) == 0.730
    assert k64f.time_of(Operation.HASH_BLOCK, 1957 * 1024 / 64) == pytest.approx(1.0)
    assert k64f.time_of(Operation.AEAD_BLOCK, 542 * 1024 / 16) == pytest.approx(1.0)


def test_an_operation_without_a_figure_is_refused_with_the_remedy() -> None:
    k64f, m0plus = device("k64f"), device("m0plus")
    assert k64f.time_of(Operation.KEYGEN_X25519) + k64f.time_of(Operation.ECDH_X25519) == 0.611
    for operation in MAY_BE_MISSING:
        with pytest.raises(ConfigurationError, match=r"m0plus has no figure for .*: (choose|use) "):
            m0plus.time_of(operation)


def test_the_fast_device_takes_no_time() -> None:
    fast = device("fast")
    assert think_time(fast, dict.fromkeys(Operation, 1000)) == 0
    assert fast.buffer is None


def test_times_add_up() -> None:
    operations = {Operation.SIGN: 1, Operation.VERIFY: 2, Operation.HASH_BLOCK: blocks(65, 64)}
    k64f = device("k64f")
    expected = 0.387 + 2 * 0.751 + 2 * k64f.time_of(Operation.HASH_BLOCK)
    assert think_time(k64f, operations) == pytest.approx(expected)


def test_blocks_are_rounded_up() -> None:
    assert [blocks(size, 16) for size in (0, 1, 16, 17)] == [0, 1, 1, 2]


def test_an_unknown_device_is_refused_with_a_list_of_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no device 'toaster': choose one of fast, k64f"):
        device("toaster")


def test_nobody_changes_the_devices() -> None:
    with pytest.raises(TypeError):
        DEVICES["mine"] = device("fast")  # type: ignore[index]
