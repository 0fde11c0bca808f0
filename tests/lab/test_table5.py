"""Table 5 with our real carriers in it, on virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.encodings import BY_NAME
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab import claeys, keoh, table5
from handshake_over_coap.lab.contestants import contestants, versions
from handshake_over_coap.lab.published import CLAEYS, KEOH, LOSSES_5, TABLE_5, BestAlone
from handshake_over_coap.lab.selection import Selection
from handshake_over_coap.lab.simulate import simulate
from handshake_over_coap.lab.strategies import LIMIT
from handshake_over_coap.trace.report import Summary


def test_the_contestants_differ_in_carrier_version_and_encoding_alone() -> None:
    found = contestants(mtu=65, loss=0.2)
    assert {"coap-1.2-plain", "udp-1.2"} <= set(found)
    derived = {"coap-1.3-lean-derived", "coap-1.3-lean-derived-pinned"}
    of_the_laboratory = {"udp-1.3-compact"}
    more = derived | of_the_laboratory
    assert len(found) == (4 + len(BY_NAME)) * len(versions()) + len(more)
    assert more < set(found)
    for name, scenario in found.items():
        carrier, version = name.split("-")[:2]
        assert (scenario.transport, scenario.dtls) == (carrier, version)
        assert (scenario.mtu, scenario.loss, scenario.auth) == (65, 0.2, "rpk")
        assert scenario.used("max_retransmit") is None
        assert scenario.used("max_interval") == 60
        adaptive = "lean" in name and not name.endswith("echo")
        assert scenario.address_check == (
            "adaptive" if adaptive else "always" if "lean" in name else True
        )
        assert "CCM_8" in str(scenario.suite)


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="loss"):
        contestants(loss=1.5)


@pytest.mark.parametrize("name", ["coap-1.2-plain", "udp-1.2"])
def test_the_classic_example_completes_within_the_limit_at_every_loss_of_the_table(
    name: str,
) -> None:
    for loss in (0.0, 0.5, 0.85):
        report = simulate(contestants(mtu=LIMIT, loss=loss)[name], 2, 1)
        assert report.completed == 2


def test_table_5_holds_published_replicated_and_measured_figures() -> None:
    (row,) = table5.rows(trials=3, selection=Selection(losses=[0.05]))
    said = row.to_json()
    assert said["loss"] == 0.05
    assert said["published"] == {"bulk": 22.2, "stop_and_wait": 39.7, "cumulative": 20.5}
    ours = said["ours"]
    assert isinstance(ours, dict)
    assert set(ours) == {"bulk", "stop_and_wait", "cumulative", *contestants()}
    for entry in ours.values():
        assert entry["mean"] > 0
        assert entry["ci95"] >= 0
        assert entry["trials"] == 3


def test_table_5_repeats_and_says_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    lossless = Selection(losses=[0.0])
    one = list(table5.rows(trials=2, selection=lossless, progress=lambda *at: told.append(at)))
    assert one == list(table5.rows(trials=2, selection=lossless))
    assert told[-1][0] == told[-1][1] == 2 * len(contestants())
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_losses_go_in_steps_of_five_and_of_three_the_best_figure_alone_is_published() -> None:
    found = list(table5.rows(trials=2, carriers=False))
    assert [row.loss for row in found] == [step / 20 for step in range(18)]
    alone = {row.loss: row.published for row in found if row.loss not in TABLE_5}
    assert alone == {0.55: BestAlone(62.3), 0.65: BestAlone(86.4), 0.75: BestAlone(141.5)}
    assert found[11].to_json()["published"] == {"best": 62.3}
    assert found[10].published.best == 57.2


def test_with_keys_pinned_and_derived_randoms_the_lean_handshake_is_shorter() -> None:
    names = ("coap-1.3-lean", "coap-1.3-lean-derived", "coap-1.3-lean-derived-pinned")
    lossless = Selection(losses=[0.0], columns=names)
    (row,) = table5.rows(trials=2, selection=lossless)
    assert list(row.carriers) == list(names)
    carried, derived, pinned = (row.carriers[name].bytes for name in names)
    assert carried is not None
    assert derived is not None
    assert pinned is not None
    assert carried > derived + 50
    assert derived > pinned + 30


def test_the_floor_is_what_goes_without_loss_over_what_arrives() -> None:
    names = ("coap-1.3-lean-echo", "coap-1.3-lean-quick")
    (row,) = table5.rows(trials=2, selection=Selection(losses=[0.5], columns=names))
    echo, quick = row.carriers.values()
    assert echo.floor == 20
    assert quick.floor == 16  # of the pieces that are needed, without the spare ones


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"limit": 1152}, {"mtu": 1152}),
        ({"authentication": "mutual"}, {"mutual": True}),
        ({"loss_model": "bursty"}, {"burst": 4.0}),
        ({"loss_model": "jitter"}, {"jitter": 0.05}),
        ({"loss_model": "bursty-jitter"}, {"burst": 4.0, "jitter": 0.05}),
    ],
)
def test_conditions_become_options_of_every_contestant(
    chosen: dict[str, Any], expected: dict[str, Any]
) -> None:
    for scenario in contestants(**Selection(**chosen).options(0.2)).values():
        assert {name: getattr(scenario, name) for name in expected} == expected


def test_without_loss_nothing_is_late() -> None:
    assert Selection(loss_model="bursty-jitter").options(0.0) == Selection().options(0.0)


def test_bursts_leave_out_the_losses_that_they_cannot_have() -> None:
    bursty = Selection(loss_model="bursty")
    assert bursty.losses_of("table 5", LOSSES_5) == LOSSES_5[:-1]
    with pytest.raises(ConfigurationError, match="burst 4 is too short"):
        Selection(loss_model="bursty", losses=[0.85]).losses_of("table 5", LOSSES_5)


@pytest.mark.slow
def test_keoh_has_all_handshakes_in_time_without_loss_and_fewer_the_more_is_lost() -> None:
    found = list(keoh.rows(trials=20))
    assert found[0].published == KEOH[0.0].success
    assert found[-1].published == KEOH[0.5].success
    assert [row.approximate for row in found] == [False] * 5 + [True]
    for name, first in found[0].carriers.items():
        assert first.success == 1
        assert found[-1].carriers[name].success < (1 if "lean" in name else 0.9)
        low, high = found[-1].carriers[name].interval
        assert low <= found[-1].carriers[name].success <= high


def test_keoh_and_claeys_come_in_part() -> None:
    part = Selection(losses=[0.4], columns=["coap-1.3-lean"])
    (one,) = keoh.rows(trials=3, selection=part)
    assert (one.loss, list(one.carriers)) == (0.4, ["coap-1.3-lean"])
    (other,) = claeys.rows(trials=3, selection=part)
    assert (other.loss, list(other.carriers)) == (0.4, ["coap-1.3-lean"])


def test_a_datagram_that_fits_a_frame_seldom_has_to_be_repeated_on_a_bad_link() -> None:
    lean = ["coap-1.3-lean"]
    ratios = [
        entry.bytes.mean
        for limit in (65, 1152)
        for row in claeys.rows(30, selection=Selection(losses=[0.4], columns=lean, limit=limit))
        for entry in row.carriers.values()
    ]
    framed, cut = ratios
    assert framed is not None
    assert cut is not None
    assert framed < 1.1 < cut


@pytest.mark.slow
def test_a_bad_link_costs_time_and_bytes() -> None:
    *_, worst = claeys.rows(trials=30)
    assert worst.published == CLAEYS
    for name, entry in worst.carriers.items():
        time, size, frames = (each.mean for each in (entry.time, entry.bytes, entry.frame_bytes))
        assert time is not None
        assert size is not None
        assert frames is not None
        assert time > 1
        # What sends a spare piece with every flight has paid for the losses on the good link, too.
        assert size > 1 or name.endswith("-quick")
        # The link layer repeats frames that the carrier never sees.
        assert frames > size


def test_a_ratio_of_what_never_completed_is_none_in_json_as_in_text() -> None:
    never = hoc.simulate(hoc.Scenario(loss=1.0, timeout=1.0), trials=2)
    entry = claeys._degraded(never, hoc.simulate(hoc.Scenario(), trials=2))
    row = claeys.Row(0.4, CLAEYS, {"coap-1.2-plain": entry})
    nothing = dict.fromkeys(("mean", "ci95", "median", "median_ci95"))
    assert json.loads(json.dumps(row.to_json(), allow_nan=False))["ours"]["coap-1.2-plain"] == {
        **dict.fromkeys(("time", "bytes", "frame_bytes"), nothing),
        "trials": 2,
        "completed": 0,
    }


def test_the_ratio_of_medians_has_an_interval_by_those_of_both_links() -> None:
    bad, good = Summary.of(range(10, 20)), Summary.of([2.0, *[4.0] * 7, 8.0, 8.0])
    ratio = claeys._ratio(bad, good)
    assert ratio.median == 14.5 / 4
    assert bad.median_ci95 == pytest.approx((11, 18))
    assert good.median_ci95 == pytest.approx((4, 8))
    assert ratio.median_ci95 == (11 / 8, 18 / 4)
    assert ratio.to_json()["median_ci95"] == [11 / 8, 18 / 4]
