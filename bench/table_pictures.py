"""A picture of each simulated table, from what `hoc tables --json` prints.

hoc tables 5 --full --json > table5.json
python bench/table_pictures.py table5.json docs/figures/table5-lean.png

The same for keoh and claeys; which of them a file holds stands in it.  A second run of claeys, with
`--limit 65`, adds what datagrams that fit a frame do on the worst link.  Needs matplotlib, which is
in the extra `notebooks`.  Lines differ in marker and dash and are named where they end, so that
they tell without colour, too.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


class Style(NamedTuple):
    """How a column is drawn."""

    label: str
    colour: str
    marker: str
    dash: str
    width: float = 1.5


# Colours of Okabe and Ito, from light to dark by how well a column does.
STYLES: Final = {
    "best": Style("best published", "#000000", "", "-", 3.0),
    "coap-1.3-plain": Style("CoAP by the book", "#777777", "s", "-"),
    "udp-1.2": Style("DTLS 1.2 over UDP", "#E69F00", "^", ":"),
    "udp-1.3": Style("DTLS 1.3 over UDP", "#D55E00", "v", "--"),
    "udp-1.3-compact": Style("compact over UDP", "#CC79A7", "D", "-."),
    "coap-1.3-lean-echo": Style("lean, Echo first", "#56B4E9", "o", "--"),
    "coap-1.3-lean": Style("lean", "#0072B2", "o", "-", 2.2),
    "framed": Style("lean, a datagram\nin one frame", "#0072B2", "*", "", 2.2),
    "coap-1.3-lean-quick": Style("lean, quick", "#009E73", "P", "-"),
    "coap-1.3-lean-derived-pinned": Style("lean, key pinned,\nderived random", "#004D40", "X", ":"),
}

FRAMED: Final = ("coap-1.3-plain", "udp-1.2", "udp-1.3", "coap-1.3-lean-echo", "coap-1.3-lean")
"""What is drawn of the bad link."""

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})


def line(
    axis: Axes, name: str, points: Iterable[tuple[float, float | None]], every: int = 1
) -> None:
    """One column, without the points that there are not, named at its end."""
    style = STYLES[name]
    at, values = zip(*((100 * loss, y) for loss, y in points if y is not None), strict=True)
    axis.plot(
        at,
        values,
        style.dash,
        marker=style.marker or None,
        markevery=every,
        color=style.colour,
        linewidth=style.width,
        markersize=5,
        gid=name,
    )


def name_ends(axis: Axes) -> None:
    """Write the name of each line beside its end, moved apart where they would meet."""
    axis.figure.canvas.draw()
    names, ends = [], []
    for each in axis.get_lines():
        if (name := str(each.get_gid())) in STYLES:
            names.append(STYLES[name])
            ends.append(each.get_xydata()[-1])
    heights = [
        axis.transAxes.inverted().transform(axis.transData.transform(end))[1] for end in ends
    ]
    sizes = [0.03 + 0.025 * style.label.count("\n") for style in names]
    for style, end, height in zip(names, ends, moved_apart(heights, sizes), strict=True):
        axis.annotate(
            style.label,
            end,
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            color=style.colour,
            fontweight="bold" if style.width > 2 else "normal",
            arrowprops={"arrowstyle": "-", "color": style.colour, "linewidth": 0.6, "alpha": 0.6},
            annotation_clip=False,
        )


def moved_apart(places: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places, moved as little as it takes that labels of half these sizes do not meet."""
    order = sorted(range(len(places)), key=places.__getitem__)
    at = list(places)
    for _ in range(200):
        for lower, upper in itertools.pairwise(order):
            short = sizes[lower] + sizes[upper] - (at[upper] - at[lower])
            if short > 0:
                at[lower] -= short / 2
                at[upper] += short / 2
    return at


def plain_ticks(axis: Axes, ticks: Sequence[float]) -> None:
    """Ticks of a logarithmic axis as plain numbers."""
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_yticks([], minor=True)


def said_below(figure: Figure, text: str) -> None:
    """How it was made."""
    figure.text(0.01, -0.015, text, size=7, color="#666666", va="top")


def trials_of(rows: Rows) -> str:
    """How many handshakes are behind a point."""
    trials = sorted({each["trials"] for row in rows for each in entries_of(row)})
    return f"{' or '.join(map(str, trials))} handshakes"


def entries_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is drawn of a row."""
    return [row["ours"][name] for name in STYLES if name in row["ours"]]


def table5(rows: Rows, conditions: Mapping[str, Any], _: Rows = ()) -> Figure:
    """Datagrams and seconds by loss."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 5.2), layout="constrained")
    best = [(row["loss"], min(row["published"].values())) for row in rows]
    line(left, "best", best)
    left.fill_between(
        [100 * loss for loss, _ in best],
        [value / 2 for _, value in best],
        [5] * len(best),
        color="#0072B2",
        alpha=0.07,
        linewidth=0,
    )
    left.text(26, 5.6, "less than half of the best published column", color="#0072B2", size=8)
    names = [name for name in STYLES if name in rows[0]["ours"]]
    for name in names:
        entries = [(row["loss"], row["ours"][name]) for row in rows]
        if name not in {"coap-1.3-lean-quick", "udp-1.2"}:
            line(left, name, [(loss, each["mean"]) for loss, each in entries], every=2)
        if name not in {"coap-1.3-lean-derived-pinned", "udp-1.2"}:
            line(right, name, [(loss, each["seconds"]) for loss, each in entries], every=2)
    left.set(yscale="log", ylim=(5, 2500), xlabel="datagrams lost (%)")
    left.set_title("Datagrams until both sides are complete (mean)", loc="left", size=10)
    plain_ticks(left, (6, 10, 20, 50, 100, 200, 500, 1000, 2000))
    right.set(yscale="log", ylim=(0.1, 2e5), xlabel="datagrams lost (%)")
    right.set_title("Seconds (mean)", loc="left", size=10)
    plain_ticks(right, (0.1, 1, 10, 60, 600, 3600, 86400))
    right.set_yticklabels(["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h", "1 day"])
    for axis in (left, right):
        axis.set_xticks(range(0, 81, 10))
        name_ends(axis)
    said_below(
        figure,
        f"Raw public key of the server, CCM_8, P-256, at most {conditions['limit']} bytes a "
        f"datagram, 50 ms one way, nobody gives up; {trials_of(rows)} a point.\n"
        "Best published: the lowest of the three strategies in table 5 of "
        "draft-hartke-dice-practical-issues-01 at each loss.",
    )
    return figure


def keoh(rows: Rows, _: Mapping[str, Any], __: Rows = ()) -> Figure:
    """Success within 15 s by loss, with its interval."""
    figure, axis = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    for name in STYLES:
        if name not in rows[0]["ours"]:
            continue
        entries = [(row["loss"], row["ours"][name]) for row in rows]
        line(axis, name, [(loss, 100 * each["success"]) for loss, each in entries])
        low, high = zip(*(each["interval"] for _, each in entries), strict=True)
        axis.fill_between(
            [100 * loss for loss, _ in entries],
            [100 * each for each in low],
            [100 * each for each in high],
            color=STYLES[name].colour,
            alpha=0.12,
            linewidth=0,
        )
    ends = [
        (row["loss"], 100 * row["published"]["success"])
        for row in rows
        if row["published"]["success"] is not None
    ]
    axis.plot(
        [100 * loss for loss, _ in ends],
        [success for _, success in ends],
        "o",
        color="#000000",
        markersize=9,
        markerfacecolor="none",
        markeredgewidth=1.8,
        clip_on=False,
        zorder=5,
    )
    (last, success) = ends[-1]
    axis.annotate(
        "published: about none",
        (100 * last, success),
        xytext=(-10, 6),
        textcoords="offset points",
        ha="right",
        fontweight="bold",
    )
    axis.set(xlabel="datagrams lost (%)", ylim=(-3, 103), xlim=(0, 50.5))
    axis.set_title("Handshakes complete within 15 s (%), pre-shared key", loc="left", size=10)
    name_ends(axis)
    said_below(
        figure,
        f"DTLS 1.3 unless named; no address check, 50 ms one way; {trials_of(rows)} a point, bands "
        "are 95 % intervals.\n"
        "Circles: what is at hand of the curve of draft-keoh-lwig-dtls-iot-02, its two ends.",
    )
    return figure


def claeys(rows: Rows, _: Mapping[str, Any], framed: Rows = ()) -> Figure:
    """Bytes and median time over those of a quiet link, by the loss of frames."""
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 4.6), layout="constrained")
    figures: Sequence[tuple[str, Callable[[Any], float | None]]] = (
        ("bytes", lambda each: each["bytes"]["mean"]),
        ("time", lambda each: each["time"]["median"]),
    )
    for axis, (figure_of, value) in zip(axes, figures, strict=True):
        for name in FRAMED:
            if name in rows[0]["ours"]:
                points = [(row["loss"], value(row["ours"][name])) for row in rows]
                line(axis, name, [(0.0, 1.0), *points])
        for row in framed[-1:]:
            line(axis, "framed", [(row["loss"], value(row["ours"]["coap-1.3-lean"]))])
            axis.lines[-1].set_markersize(13)
        for who, said in (("dtls", "DTLS over UDP, published"), ("tls", "TLS over TCP, published")):
            level = rows[0]["published"][who][figure_of]
            axis.axhline(level, color="#000000", linewidth=1, dashes=(1, 2))
            axis.text(0.3, level * 1.01, f"{said}: {level:g}", size=8, va="bottom")
        axis.set(xlabel="frames lost (%) before the link layer repeats them", xlim=(0, 40.5))
        axis.set_ylim(top=1.05 * axis.get_ylim()[1])
        axis.set_xticks(range(0, 41, 10))
    axes[0].set_title("Bytes, over those of a quiet link", loc="left", size=10)
    highest = max(each.get_ydata().max() for each in axes[1].get_lines() if each.get_gid())
    axes[1].set(yscale="log", ylim=(0.9, 1.3 * highest))
    axes[1].set_title("Median time, over that of a quiet link", loc="left", size=10)
    plain_ticks(axes[1], [each for each in (1, 1.5, 2, 3, 4, 6, 10, 20) if each <= highest])
    for axis in axes:
        name_ends(axis)
    said_below(
        figure,
        "One IEEE 802.15.4 hop whose link layer repeats a frame up to three times; raw public key, "
        f"DTLS 1.3 unless named; {trials_of(rows)} a point.\n"
        "Published: Claeys et al., Sensors 2021, 21(6):2192, on a bad link of 6TiSCH.",
    )
    return figure


PICTURES: Final = {5: table5, "keoh": keoh, "claeys": claeys}


def main(source: Path, picture: Path, *more: Path) -> None:
    """Draw what is in ``source``, and in a second run."""
    said, *others = (json.loads(path.read_text(encoding="utf-8")) for path in (source, *more))
    draw = PICTURES[said["table"]]
    framed = [row for other in others for row in other["rows"]]
    figure = draw(said["rows"], said.get("conditions", {}), framed)
    figure.savefig(picture, dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    source, picture, *more = map(Path, sys.argv[1:])
    main(source, picture, *more)
