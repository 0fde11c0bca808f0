from __future__ import annotations

from pathlib import Path

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.grid import MOST_SCENARIOS, parse_grid, read_grid
from handshake_over_coap.lab.scenario import Scenario


def test_lists_are_axes_and_the_last_one_changes_fastest() -> None:
    grid = parse_grid(
        'trials = 7\nseed = 3\ntransport = ["coap", "udp"]\nloss = [0, 0.1]\nblock-size = 64\n'
    )
    assert (grid.trials, grid.seed) == (7, 3)
    assert grid.scenarios == tuple(
        Scenario(transport=transport, loss=loss, block_size=64)
        for transport in ("coap", "udp")
        for loss in (0.0, 0.1)
    )


def test_options_that_take_a_list_take_a_list_of_lists_for_an_axis() -> None:
    one = parse_grid('dtls = "1.2"\ndrop = [1, 2]\nsuite = ["TLS_PSK_WITH_AES_128_CCM_8"]\n')
    assert [s.drop for s in one.scenarios] == [(1, 2)]
    assert one.scenarios[0].suite == ("TLS_PSK_WITH_AES_128_CCM_8",)
    several = parse_grid("drop = [[], [1], [2, 3]]\n")
    assert [s.drop for s in several.scenarios] == [(), (1,), (2, 3)]


def test_an_empty_list_of_a_list_option_is_one_value() -> None:
    assert parse_grid("drop = []\n").scenarios == (Scenario(),)


def test_none_is_written_as_on_the_command_line() -> None:
    grid = parse_grid('max-retransmit = ["none", 2, "default"]\nrate = "none"\n')
    assert [s.of_members["max_retransmit"] for s in grid.scenarios] == [None, 2, "default"]
    assert {s.rate for s in grid.scenarios} == {None}


def test_further_grids_stand_on_what_is_above_them() -> None:
    grid = parse_grid(
        'loss = 0.1\n[[grid]]\nlink = "802154"\nlink-retries = [0, 3]\n[[grid]]\nloss = 0.2\n'
    )
    assert grid.scenarios == (
        Scenario(loss=0.1, link="802154", link_retries=0),
        Scenario(loss=0.1, link="802154", link_retries=3),
        Scenario(loss=0.2),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("los = 0.1", "unknown option 'los': did you mean loss"),
        ("blocksize = 64", "did you mean block-size?"),
        ("trial = 3", "did you mean trials"),
        ("zzz = 3", "unknown option 'zzz'; known are "),
        ("pcap = 'x'", "pcap is no part of a scenario: hoc simulate writes"),
        ("keylog = 'x'", "keylog is no part of a scenario"),
        ("dtls = 1.2", "dtls: 1.2 is not text: put it in quotes, '1.2'"),
        ("loss = '0.1'", "loss: '0.1' is not a number: leave the quotes out, 0.1"),
        ("loss = [0.1, 2]", "loss is a probability: give a number from 0 to 1, not 2.0 (with loss"),
        ("mtu = 65\nblock-size = [32, 1024]", "does not fit an mtu of 65"),
        ("trials = 0", "trials is a count: give 1 or more, not 0"),
        ("trials = 1.5", "trials: 1.5 is not a whole number"),
        ("seed = 'a'", "seed: 'a' is not a whole number"),
        ("loss = []", "no scenario is left"),
        ("loss = [0.1, 0.1]", "loss: a value stands there twice"),
        ("mtu = 65\nblock-size = 64\nblock_size = 32", "block_size is there twice"),
        ("[loss]\na = 1", "loss: give a value or a list of values, not a table"),
        ("grid = 3", "headed [[grid]]"),
        ("[[grid]]\ntrials = 3", "trials in a [[grid]]: trials and seed hold for all grids; put"),
        ("[[grid]]\nseed = 3", "put them above the first [[grid]]"),
        ("loss 0.1", "not TOML"),
        (
            "token-length = [0,1,2,3,4,5,6,7,8]\n"
            + "\n".join(
                f"{name} = {list(range(1, 60))}" for name in ("delay", "jitter", "timeout")
            ),
            f"more than {MOST_SCENARIOS:,} scenarios",
        ),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_grid(text)
    assert said in str(refused.value)


def test_a_mistake_in_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("los = 1", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"grid\.toml: unknown option 'los'"):
        read_grid(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "grid.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot read .*grid\.toml"):
        read_grid(path)


def test_keywords_make_the_grid_that_a_file_makes() -> None:
    text = 'transport = ["coap", "udp"]\nloss = [0.0, 0.1]\ndrop = [[1], [2, 3]]\nblock-size = 64\n'
    made = hoc.grid(transport=["coap", "udp"], loss=(0, 0.1), drop=[[1], [2, 3]], block_size=64)
    assert made == parse_grid(text).scenarios


def test_arrays_and_ranges_are_axes_and_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    losses = numpy.linspace(0, 0.5, 3)
    made = hoc.grid(loss=losses, token_length=range(2), delay=numpy.float32(0.5))
    assert [(each.loss, each.token_length) for each in made] == [
        (loss, length) for loss in (0.0, 0.25, 0.5) for length in (0, 1)
    ]
    assert {type(each.loss) for each in made} == {float}
    assert hoc.Scenario(block_size=numpy.int64(64)) == hoc.Scenario(block_size=64)
    with pytest.raises(hoc.ConfigurationError, match=r"loss: .* is not a number"):
        hoc.Scenario(loss=losses)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"los": [0.1]}, "los"),
        ({"loss": []}, "0 scenarios: a grid has 1 to 100,000"),
        ({"loss": [0.1, 2.0]}, "with loss 2"),
        ({"loss": [0.1, 0.1]}, "loss: a value stands there twice"),
    ],
)
def test_keywords_that_make_no_grid_are_refused(options: dict[str, list[float]], said: str) -> None:
    with pytest.raises(hoc.ConfigurationError, match=said):
        hoc.grid(**options)
