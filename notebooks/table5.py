# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Table 5, with our carriers in it
#
# How many datagrams does a handshake take if the link loses some? Table 5 of
# draft-hartke-dice-practical-issues-01 gives simulated means for three ways to carry the flights
# of one handshake (DTLS 1.2, a raw public key, CCM_8) in datagrams of at most 65 bytes:
#
# - *bulk, no ACK*: a flight is sent as a whole; what comes next acknowledges it;
# - *stop-and-wait*: each fragment is acknowledged before the next is sent;
# - *bulk, one ACK*: a flight is sent as a whole, and one acknowledgement says what arrived.
#
# Here the published points stand beside models of the three with exact means
# ([`docs/tables.md`](../docs/tables.md) says how), and beside what the carriers of this library
# take, real code on virtual time: CoAP with plain bodies, and the classic way over UDP, each in
# DTLS 1.2 and 1.3. Address check on, nobody gives up, back-off capped at 60 s, 50 ms one way.

# %%
import math
import os
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

import handshake_over_coap as hoc

TRIALS = int(os.environ.get("HOC_NOTEBOOK_TRIALS", "120"))
"""Handshakes behind each point."""

CONDITIONS = "Raw public key, CCM_8, secp256r1, address check on, 50 ms one way, nobody gives up"
"""What all our carriers in here have in common."""

# Colours that one tells apart without seeing red or green (Okabe and Ito), markers for print.
STYLES = {
    "coap-1.2-plain": ("CoAP, DTLS 1.2", "#0072B2", "o", "-"),
    "coap-1.3-plain": ("CoAP, DTLS 1.3", "#56B4E9", "s", "--"),
    "udp-1.2": ("UDP, DTLS 1.2", "#D55E00", "^", "-"),
    "udp-1.3": ("UDP, DTLS 1.3", "#E69F00", "v", "--"),
}
MODELS = {
    "bulk": ("bulk, no ACK", "#009E73", "D", "-"),
    "stop_and_wait": ("stop-and-wait", "#CC79A7", "X", "--"),
    "cumulative": ("bulk, one ACK", "#000000", "P", ":"),
}
pl.Config.set_tbl_rows(40)
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False})
plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})
plt.rcParams.update({"legend.frameon": False, "legend.fontsize": 9})


def keep(figure, name, conditions):
    """Say below a figure how it was made; save it where HOC_NOTEBOOK_FIGURES says, if so."""
    figure.text(0.01, -0.02, conditions, size=7, color="#666666", va="top")
    folder = os.environ.get("HOC_NOTEBOOK_FIGURES")
    if folder:
        figure.savefig(Path(folder, f"{name}.png"), dpi=130, bbox_inches="tight")


# %% [markdown]
# ## As in the table: 65 bytes
#
# Of the models only their exact means are wanted here, so two trials will do. Our carriers go up to
# 50 %: that is what takes time.

# %%
models = hoc.table(5, trials=2, carriers=False)
LOSSES = [row["loss"] for row in models if row["loss"] <= 0.5]
rows = hoc.table(5, trials=TRIALS, seed=1, losses=LOSSES, columns=list(STYLES))


def draw(axis, name, points):
    """A carrier's points (loss, mean, half the interval, whether all completed), hollow if not."""
    label, colour, marker, style = STYLES[name]
    at, means, halves, _ = zip(*((100 * loss, *rest) for loss, *rest in points), strict=True)
    axis.errorbar(
        at, means, halves, fmt=marker + style, color=colour, capsize=3, markersize=5, label=label
    )
    partly = [(100 * loss, mean) for loss, mean, _, complete in points if not complete]
    if partly:
        at, means = zip(*partly, strict=True)
        axis.plot(at, means, marker, color=colour, mfc="white", zorder=4, markersize=5)


def cell(entry):
    """Mean and half its interval as text, and how many did not complete."""
    failed = entry["trials"] - entry["completed"]
    said = f"{entry['mean']:.1f} ± {entry['ci95']:.1f}"
    return f"{said} ({failed} of {entry['trials']} failed)" if failed else said


# %%
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10.5, 5), sharey=True, layout="constrained", width_ratios=(1, 1)
)
losses = [100 * row["loss"] for row in models]
for name, (label, colour, marker, style) in MODELS.items():
    exact = [row["ours"][name]["exact"] for row in models]
    left.plot(losses, exact, style, color=colour, label=f"{label}: model, exact")
    # Of some rows only the best of the three is at hand.
    published = [row["published"].get(name, math.nan) for row in models]
    left.plot(
        losses,
        published,
        marker,
        color=colour,
        markersize=5,
        mfc="none",
        label=f"{label}: published",
    )
    here = [100 * loss for loss in LOSSES]
    right.plot(here, exact[: len(here)], style, color="#999999", linewidth=1)
    right.annotate(
        label,
        (here[-1], exact[len(here) - 1]),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        size=8,
        color="#666666",
    )
for name in STYLES:
    entries = [(row["loss"], row["ours"][name]) for row in rows]
    draw(
        right,
        name,
        [(loss, it["mean"], it["ci95"], it["completed"] == it["trials"]) for loss, it in entries],
    )
left.set(yscale="log", xlabel="datagrams lost (%)", ylabel="datagrams sent until it completes")
left.set_title("The draft's three strategies", size=10)
right.set(xlabel="datagrams lost (%)", xlim=(-2, 60))
right.set_title(f"Our carriers (means with 95 % intervals, {TRIALS} handshakes each)", size=10)
left.set_yticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1000"])
left.set_yticks([], minor=True)
left.legend(loc="upper left")
right.legend(loc="upper left")
keep(
    figure,
    "table5",
    f"Our carriers. {CONDITIONS}, default path, datagrams of at most 65 bytes;\n"
    f"{TRIALS} handshakes each, seed 1. Bars: 95 % intervals of means. Hollow: not all completed.",
)

# %%
pl.DataFrame(
    {
        "loss %": round(100 * row["loss"]),
        "one ACK, exact": round(row["ours"]["cumulative"]["exact"], 1),
    }
    | {label: cell(entry) for name, (label, *_) in STYLES.items() for entry in [row["ours"][name]]}
    for row in rows
)

# %% [markdown]
# **CoAP loses every row**, against the classic carrier as against all three strategies. How much:

# %%
pl.DataFrame(
    {
        "loss %": round(100 * row["loss"]),
        "CoAP / UDP, DTLS 1.2": round(ours["coap-1.2-plain"]["mean"] / ours["udp-1.2"]["mean"], 2),
        "CoAP 1.2 / bulk, no ACK": round(ours["coap-1.2-plain"]["mean"] / ours["bulk"]["exact"], 2),
        "CoAP 1.2 / stop-and-wait": round(
            ours["coap-1.2-plain"]["mean"] / ours["stop_and_wait"]["exact"], 2
        ),
    }
    for row in rows
    for ours in [row["ours"]]
)

# %% [markdown]
# Without loss it takes almost three times the datagrams of the classic carrier; around a third
# lost 1.8 times, since the classic one repeats whole flights; with more loss the ratio grows again
# (3.3 at 85 %, in `docs/tables.md`), since every one of its many exchanges has to succeed in both
# directions. Every handshake completes: nobody gives up, and both sides keep what they need for as
# long as the other may come back.
#
# ## What causes what
#
# Over CoAP each block costs two datagrams, so it behaves like stop-and-wait: 1.7 times as many
# datagrams as that, at every loss. How many blocks there are depends on what is left of 65 bytes.
# The default path, `/.well-known/dtls`, takes 17 of them in every request, the token 4, and block
# sizes are powers of two: 16 bytes are left for the block. Neither is a law. With the path `/d`
# and a token of one byte a block of 32 fits. And few links stop at 65 bytes: two frames of IEEE
# 802.15.4 hold 127, and other links a thousand.
#
# So the same handshake at 20 % loss, over the limit on datagrams: dotted by default, solid with a
# short path and token, and for the time also (black) with CoAP's timer adapted to the measured
# round trip, which RFC 7252 does not do.

# %%
LIMITS = (65, 80, 127, 256, 512, 1152)
SHORT = {"resource": "/d", "token_length": 1}
ADAPTED = {**SHORT, "adapt_timer": True}
SUITES = {"1.2": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "1.3": "TLS_AES_128_CCM_8_SHA256"}


def scenario(transport, dtls, limit, loss, **more):
    """The handshake of the table, by one of our carriers."""
    return hoc.Scenario(
        transport=transport,
        dtls=dtls,
        auth="rpk",
        suite=SUITES[dtls],
        group="secp256r1",
        mtu=limit,
        loss=loss,
        max_retransmit=None,
        timeout=1e5,
        **more,
    )


def summed_up(scenarios):
    """Means with half their 95 % interval, and medians, over what completed in each scenario."""
    trials = hoc.sweep(scenarios, trials=TRIALS, seed=1, workers=1)
    half = 1.96 / math.sqrt(TRIALS)
    return (
        trials.group_by("scenario", maintain_order=True)
        .agg(
            pl.col("completed").all(),
            pl.col("datagrams", "bytes").filter(pl.col("completed")).mean(),
            datagrams_ci=pl.col("datagrams").filter(pl.col("completed")).std() * half,
            bytes_ci=pl.col("bytes").filter(pl.col("completed")).std() * half,
            seconds=pl.col("duration_s").filter(pl.col("completed")).median(),
        )
        .to_dicts()
    )


cases = [
    (transport, dtls, path)
    for transport in ("coap", "udp")
    for dtls in ("1.2", "1.3")
    for path in ((SHORT, {}) if transport == "coap" else ({},))
]
found = summed_up(
    [
        scenario(transport, dtls, limit, 0.2, **path)
        for transport, dtls, path in cases
        for limit in LIMITS
    ]
)
adapted = summed_up([scenario("coap", "1.2", limit, 0.2, **ADAPTED) for limit in LIMITS])

# %%
figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.2), layout="constrained")
for number, (transport, dtls, path) in enumerate(cases):
    mine = found[number * len(LIMITS) : (number + 1) * len(LIMITS)]
    name = "-".join((transport, dtls, *(("plain",) if transport == "coap" else ())))
    label, colour, marker, _ = STYLES[name]
    style = "-" if path or transport == "udp" else ":"
    if transport == "coap":
        label += ", short path" if path else ", default path"
    for axis, metric in zip(axes, ("datagrams", "bytes", "seconds"), strict=True):
        axis.errorbar(
            LIMITS,
            [each[metric] for each in mine],
            None if metric == "seconds" else [each[f"{metric}_ci"] for each in mine],
            fmt=marker + style,
            color=colour,
            capsize=3,
            markersize=5,
            label=label,
        )
axes[2].plot(
    LIMITS,
    [each["seconds"] for each in adapted],
    "o:",
    color="#000000",
    mfc="none",
    label="CoAP, DTLS 1.2, short path, timer adapted",
)
for axis, title in zip(
    axes, ("datagrams (mean)", "bytes of UDP payload (mean)", "seconds (median)"), strict=True
):
    axis.set(xscale="log", yscale="log", xlabel="limit on datagrams (bytes)", ylabel=title)
    axis.set_xticks(LIMITS, [str(limit) for limit in LIMITS], size=8)
    axis.set_xticks([], minor=True)
for axis, ticks in zip(
    axes, ((8, 15, 30, 60, 100), (1000, 2000, 4000), (1, 3, 10, 30, 100)), strict=True
):
    axis.set_yticks(ticks, [str(tick) for tick in ticks])
    axis.set_yticks([], minor=True)
handles, labels = axes[2].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=3)
keep(
    figure,
    "table5-limits",
    f"{CONDITIONS}, 20 % of datagrams lost; short path: /d and a token of one byte;\n"
    f"{TRIALS} handshakes each, seed 1. Bars: 95 % intervals of means; medians are without.",
)

# %%
by_case = {
    (transport, dtls, bool(path), limit): found[number * len(LIMITS) + place]
    for number, (transport, dtls, path) in enumerate(cases)
    for place, limit in enumerate(LIMITS)
}
pl.DataFrame(
    {"limit": limit, "DTLS": dtls}
    | {
        f"{metric}, {'short' if short else 'default'}": round(
            by_case["coap", dtls, short, limit][metric]
            / by_case["udp", dtls, False, limit][metric],
            2,
        )
        for metric in ("datagrams", "bytes", "seconds")
        for short in (False, True)
    }
    for dtls in ("1.2", "1.3")
    for limit in LIMITS
)

# %% [markdown]
# CoAP over UDP, below 1 where CoAP wins. What one sees:
#
# - **Path**: at 65 bytes the default one costs CoAP 42 % of its datagrams (DTLS 1.3: 49 %) and
#   half of its bytes. Where the block size stays the same without it, it costs bytes alone.
# - **Bytes**: with the short path CoAP takes fewer than the classic carrier at every limit, by
#   half at 65 bytes in DTLS 1.2 and by 38 % in 1.3: it repeats a block where the other repeats a
#   flight, and its bodies leave out headers. With the default path DTLS 1.2 takes as many at 65
#   bytes and 14 to 20 % fewer beyond; DTLS 1.3 takes 35 % more at 65 bytes and about as many
#   beyond.
# - **Datagrams**: with the short path they are equal at 65 bytes in 1.2, a fifth more in 1.3, and
#   about equal where nothing is cut. In between CoAP takes more, up to twice as many: each block
#   has an acknowledgement of its own, and block sizes are powers of two, so that half of a
#   datagram of 127 bytes may stay empty.
# - **Time**: CoAP loses everywhere: in DTLS 1.2 13 times as long at 65 bytes with the defaults, 7
#   times with the short path, 2.5 times where nothing is cut; in 1.3, whose classic carrier sets
#   its timer by the round trip, 45, 21 and 3 times. A lost block waits 2 to 3 s and more, and
#   blocks go one after the other. Most of it is the timer of RFC 7252: adapted to the round trip,
#   what remains in 1.2 is less than twice the time, and nothing where nothing is cut.
#
# ## With loss, at a short path and larger limits
#
# The first figure again, for a short path at 65 bytes, at 127, and where nothing is cut:

# %%
PANELS = ((65, "65 bytes"), (127, "127 bytes"), (1152, "1152 bytes: nothing is cut"))
FEWER = LOSSES[::2]
by_carrier = [
    (transport, dtls, limit)
    for limit, _ in PANELS
    for transport in ("coap", "udp")
    for dtls in ("1.2", "1.3")
]
found = summed_up(
    [
        scenario(transport, dtls, limit, loss, **(SHORT if transport == "coap" else {}))
        for transport, dtls, limit in by_carrier
        for loss in FEWER
    ]
)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11.5, 4), sharey=True, layout="constrained")
for number, (transport, dtls, limit) in enumerate(by_carrier):
    axis = axes[[each for each, _ in PANELS].index(limit)]
    mine = found[number * len(FEWER) : (number + 1) * len(FEWER)]
    name = "-".join((transport, dtls, *(("plain",) if transport == "coap" else ())))
    draw(
        axis,
        name,
        [
            (loss, each["datagrams"], each["datagrams_ci"], each["completed"])
            for loss, each in zip(FEWER, mine, strict=True)
        ],
    )
for axis, (_, title) in zip(axes, PANELS, strict=True):
    axis.set(yscale="log", xlabel="datagrams lost (%)")
    axis.set_title(title, size=10)
axes[0].set_ylabel("datagrams sent until it completes")
ticks = (6, 10, 20, 50, 100, 200)
axes[0].set_yticks(ticks, [str(tick) for tick in ticks])
axes[0].set_yticks([], minor=True)
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=4)
keep(
    figure,
    "table5-short-path",
    f"{CONDITIONS}, over CoAP the path /d and a token of one byte;\n"
    f"{TRIALS} handshakes each, seed 1. Bars: 95 % intervals of means. Hollow: not all completed.",
)

# %% [markdown]
# At 65 bytes with a short path, CoAP takes more datagrams where little is lost and about as many
# where much is; at 127 bytes it takes more at every loss, and where nothing is cut there is no
# difference. So what Table 5 shows of CoAP by default is the price of a long path in small
# datagrams; what remains is the price of one acknowledgement for each block, and of block sizes
# that are powers of two. The profile `lean` does without both, and with its own address check takes
# less than half of the best published column in every row: [`docs/tables.md`](../docs/tables.md)
# has it beside all others.
