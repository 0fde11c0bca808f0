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
# # One handshake
#
# Two devices share a key and want to talk privately over UDP. First they make a *handshake*: they
# agree on algorithms, prove to each other that they know the key, and derive fresh keys from it.
# DTLS says what is said. It also says how to get it across: its own fragments, its own timer.
#
# Many constrained devices speak CoAP already, which has all of that: confirmable messages are
# repeated until they are acknowledged, blockwise transfer cuts what is too long. Here the
# messages of the DTLS handshake travel as bodies of CoAP requests and responses. What follows
# looks at one such handshake, and at the classic one beside it. It takes about ten minutes to
# read.
#
# Nothing here touches a network: the client and the server are the real ones, but time is virtual
# and the link between them is simulated. Every run gives the same results.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

import handshake_over_coap as hoc

TRIALS = int(os.environ.get("HOC_NOTEBOOK_TRIALS", "400"))
"""Handshakes behind each curve."""

# Colours that one tells apart without seeing red or green (Okabe and Ito).
COLOURS = {
    ("coap", "1.2"): "#0072B2",
    ("coap", "1.3"): "#56B4E9",
    ("udp", "1.2"): "#D55E00",
    ("udp", "1.3"): "#E69F00",
}
CLIENT, SERVER, GREY = "#0072B2", "#D55E00", "#B0B0B0"
NAMES = {"coap": "CoAP", "udp": "UDP"}
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False})
plt.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True})


def keep(figure, name, conditions):
    """Say below a figure how it was made; save it where HOC_NOTEBOOK_FIGURES says, if so."""
    figure.text(0.01, -0.02, conditions, size=7, color="#666666", va="top")
    folder = os.environ.get("HOC_NOTEBOOK_FIGURES")
    if folder:
        figure.savefig(Path(folder, f"{name}.png"), dpi=130, bbox_inches="tight")


# %% [markdown]
# ## What travels
#
# DTLS 1.2 with a pre-shared key, 50 ms in each direction, nothing lost. Time runs down, the
# client is on the left:

# %%
first = hoc.watch(hoc.Scenario(dtls="1.2"))
first

# %% [markdown]
# Six datagrams, three round trips:
#
# 1. The client POSTs its ClientHello to a well-known path: the algorithms it knows, a random
#    number.
# 2. The server does not know who is asking, and keeps nothing for strangers. It answers 4.01 with
#    an *Echo* value, some bytes for the client to send back.
# 3. The same again, with the Echo: whoever sends it receives what goes to that address.
# 4. Now the server says 2.01, *Created*: there is a resource for this handshake, its path in
#    *Location*. The body is the server's flight, ServerHello and ServerHelloDone.
# 5. The client POSTs its second flight there: ClientKeyExchange (which key it means) and
#    Finished, the first message under the new keys. Finished is a digest of everything said so
#    far, so nothing on the way can have been altered.
# 6. The server's Finished. Done: from here on application data travels in DTLS records over plain
#    UDP on the same port, without CoAP.
#
# The same in figures; `body_bytes` are the four flights as CoAP bodies:

# %%
first.trial.figures

# %% [markdown]
# ## What each byte is for
#
# The first datagram, taken apart. A CoAP message has a header of four bytes, a token by which the
# client knows the answer, options that end with `ff`, and the body.


# %%
def parts_of_coap(data):
    """A CoAP message (RFC 7252 section 3) as header, token, options with the marker, and body."""
    token = data[0] & 0x0F
    at = 4 + token
    while at < len(data) and data[at] != 0xFF:
        delta, length = data[at] >> 4, data[at] & 0x0F
        at += 1 + (delta == 13) + 2 * (delta == 14)
        if length >= 13:
            size = 1 if length == 13 else 2
            length = int.from_bytes(data[at : at + size], "big") + (13 if size == 1 else 269)
            at += size
        at += length
    return data[:4], data[4 : 4 + token], data[4 + token : at + 1], data[at + 1 :]


for name, part in zip(
    ("header", "token", "options", "body"), parts_of_coap(first.datagrams[0].data), strict=True
):
    print(f"{name:8} {len(part):3} B  {part.hex()}")

# %% [markdown]
# The options are the path: `.well-known`, then `dtls`. The body is the ClientHello: its type, its
# length, its content. It has no record around it, and of the fields that each message of the
# classic handshake has (its number, and which part of it this is) none: CoAP numbers and cuts by
# itself. The standard digests are taken over the standard messages all the same.
#
# Now all four that this library speaks: DTLS 1.2 and 1.3, over CoAP and over UDP.

# %%
seen = {
    (dtls, transport): hoc.watch(hoc.Scenario(dtls=dtls, transport=transport))
    for dtls in ("1.2", "1.3")
    for transport in ("coap", "udp")
}

figure, axes = plt.subplots(2, 2, figsize=(9, 5.2), sharex=True, sharey=True, layout="constrained")
for (dtls, transport), axis in zip(seen, axes.flat, strict=True):
    watched = seen[dtls, transport]
    for number, datagram in enumerate(watched.datagrams, start=1):
        size = len(datagram.data)
        rest = len(parts_of_coap(datagram.data)[-1]) if transport == "coap" else size
        around = size - rest
        axis.barh(number, around, color=GREY, label="CoAP: header, token, options")
        axis.barh(
            number,
            rest,
            left=around,
            color=CLIENT if datagram.from_client else SERVER,
            label=f"DTLS, from the {'client' if datagram.from_client else 'server'}",
        )
        axis.text(size + 3, number, f"{size}", va="center", size=8)
    title = f"DTLS {dtls} over {NAMES[transport]}: {watched.trial.bytes} bytes"
    axis.set_title(title, size=10)
axes[0, 0].set_yticks(range(1, 7))
axes[0, 0].invert_yaxis()
axes[0, 0].set_xlim(0, 245)
figure.supxlabel("bytes of UDP payload", size=10)
figure.supylabel("datagram, in the order sent", size=10)
named = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
figure.legend(
    named.values(), named.keys(), loc="outside upper center", ncols=3, frameon=False, fontsize=9
)
keep(
    figure,
    "one-handshake-bytes",
    "Pre-shared key (psk), address check on, datagrams of at most 1152 bytes, 50 ms one way, "
    "nothing lost; one handshake each, seed 1.",
)

# %%
pl.DataFrame(
    {
        "DTLS": dtls,
        "carrier": transport,
        "datagrams": watched.trial.datagrams,
        "bytes": watched.trial.bytes,
        "of them in CoAP bodies": sum(watched.trial.body_bytes) or None,
        "seconds": round(watched.trial.duration_s, 3),
    }
    for (dtls, transport), watched in seen.items()
)

# %% [markdown]
# **Where CoAP wins, and why.** With a key as short as this and datagrams as large as here, all
# four take six datagrams and the same time. CoAP takes fewer bytes, although it has headers of
# its own: it spares most of the record headers (13 bytes each in 1.2) and of the headers of
# handshake messages (12 bytes each), ChangeCipherSpec, and the cookie, which takes a message of
# its own (in 1.3 a whole HelloRetryRequest). Echo does with ten bytes each way.
#
# **1.3 is larger than 1.2 here**, over either carrier: its hellos carry more extensions, among
# them the proof (the *binder*) that the client knows the key. What it gives for that: the server
# proves itself with its first flight, and all but the hellos is encrypted.

# %% [markdown]
# ## What a lost datagram does
#
# Let the fourth get lost, the server's answer:

# %%
lost = hoc.watch(hoc.Scenario(dtls="1.2", drop=[4]))
lost

# %% [markdown]
# The client hears nothing and repeats its request after a random time between 2 and 3 seconds, as
# CoAP has it. The server recognizes the repetition and gives the answer that it gave before.
# Nothing is computed twice, and DTLS never learns of it.
#
# The classic handshake has its timer in DTLS. It begins at 1 s:

# %%
hoc.watch(hoc.Scenario(dtls="1.2", transport="udp", drop=[4]))

# %% [markdown]
# **So CoAP pays for a loss with time:** its timer starts at 2 to 3 s and doubles, theirs at 1 s;
# and DTLS 1.3 over UDP measures the round trip on the way and sets its timer by that. CoAP can be
# told to do so as well (`adapt_timer=True`, dotted), though RFC 7252 does not. How long
# handshakes take if every datagram is lost with a probability of 20 %:

# %%
scenarios = [
    *(
        hoc.Scenario(dtls=dtls, transport=transport, loss=0.2)
        for dtls in ("1.2", "1.3")
        for transport in ("coap", "udp")
    ),
    hoc.Scenario(dtls="1.2", loss=0.2, adapt_timer=True),
]
trials = hoc.sweep(scenarios, trials=TRIALS, seed=1, workers=1)

figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
for number, scenario in enumerate(scenarios):
    rows = trials.filter(scenario=number)
    adapting = scenario.adapt_timer is True
    times = rows.filter("completed")["duration_s"].sort().to_list()
    share = [100 * (number + 1) / rows.height for number in range(len(times))]
    axis.step(
        [*times, 60],
        [*share, share[-1]],
        where="post",
        color="#000000" if adapting else COLOURS[scenario.transport, scenario.dtls],
        linestyle=":" if adapting else "-" if scenario.dtls == "1.2" else "--",
        label=f"{NAMES[scenario.transport]}, DTLS {scenario.dtls}"
        + (", timer adapted" if adapting else ""),
    )
axis.set(xscale="log", xlim=(0.25, 60), ylim=(0, 101))
axis.set_xticks([0.3, 1, 3, 10, 30, 60], ["0.3", "1", "3", "10", "30", "60"])
axis.set_xticks([], minor=True)
axis.set_xlabel("seconds since the first datagram (logarithmic)")
axis.set_ylabel("handshakes that have completed (%)")
axis.set_title(f"20 % of datagrams lost, {TRIALS} handshakes each", size=10)
axis.legend(frameon=False, loc="lower right")
keep(
    figure,
    "one-handshake-loss",
    "Pre-shared key (psk), address check on, datagrams of at most 1152 bytes, 50 ms one way, "
    "seed 1.\nShares are of all handshakes, each of which has 60 s.",
)

# %%
(
    trials.group_by("transport", "dtls", "adapt_timer", maintain_order=True).agg(
        pl.len().alias("handshakes"),
        pl.col("completed").sum(),
        pl.col("duration_s").filter(pl.col("completed")).median().round(2).alias("median seconds"),
        pl.col("datagrams").filter(pl.col("completed")).mean().round(2).alias("mean datagrams"),
        pl.col("bytes").filter(pl.col("completed")).mean().round(0).alias("mean bytes"),
    )
)

# %% [markdown]
# About as many datagrams, fewer bytes, and more time: that is the trade at these sizes. Over CoAP
# the two versions take the same time, because they send the same number of datagrams and one seed
# loses the same ones. The time is the timer's doing: adapted, it is less than that of DTLS 1.2
# over UDP for the faster half of the handshakes. The slow ones stay slower, and a few do not
# complete within the 60 s that a handshake has. `profile="lean"` is made for such links:
# [`docs/tables.md`](../docs/tables.md) says what that comes to.

# %% [markdown]
# ## What the block size does
#
# Radio frames are short: an IEEE 802.15.4 frame has 127 bytes. CoAP then cuts bodies into blocks
# of 16 to 1,024 bytes, one request and one response for each. The ladder with blocks of 32 bytes
# (`Block1` is the body of a request, `Block2` that of a response; `1/1/32` is number 1, more to
# come, 32 bytes):

# %%
hoc.watch(hoc.Scenario(dtls="1.2", block_size=32))

# %% [markdown]
# Small blocks cost: each brings a header, the path and a token, and waits for its
# acknowledgement. With a raw public key, whose flights are longer, one sees it well:

# %%
SIZES = (16, 32, 64, 128, 256, 512, 1024)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for dtls, style, marker in (("1.2", "-", "o"), ("1.3", "--", "s")):
    found = [
        hoc.simulate(hoc.Scenario(dtls=dtls, auth="rpk", block_size=size), trials=1)
        for size in SIZES
    ]
    for axis, name in zip(axes, ("datagrams", "bytes", "duration_s"), strict=True):
        values = [getattr(each, name).mean for each in found]
        axis.plot(
            SIZES,
            values,
            style,
            marker=marker,
            color=COLOURS["coap", dtls],
            label=f"CoAP, DTLS {dtls}",
        )
    classic = hoc.simulate(hoc.Scenario(dtls=dtls, auth="rpk", transport="udp"), trials=1)
    for axis, name in zip(axes, ("datagrams", "bytes", "duration_s"), strict=True):
        axis.axhline(
            getattr(classic, name).mean,
            color=COLOURS["udp", dtls],
            linestyle=style,
            label=f"UDP, DTLS {dtls}, not cut",
        )
for axis, title in zip(axes, ("datagrams", "bytes of UDP payload", "seconds"), strict=True):
    axis.set(xscale="log", xlabel="block size (bytes)", ylabel=title)
    axis.set_ylim(bottom=0)
    axis.set_xticks(SIZES, [str(size) for size in SIZES], size=8)
    axis.set_xticks([], minor=True)
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
keep(
    figure,
    "one-handshake-blocks",
    "Raw public key, address check on, datagrams of at most 1152 bytes, 50 ms one way, "
    "nothing lost; one handshake each, seed 1.",
)

# %% [markdown]
# Nothing is lost here; each block takes a round trip of 100 ms. The classic handshake, if it has
# to cut, sends all fragments of a flight at once and waits once: it takes fewer datagrams then,
# and far less time. What that comes to when datagrams get lost is the subject of
# [`table5.py`](table5.py).
#
# ## Going on
#
# - `print(hoc.watch(scenario))` gives the ladder as text; `.datagrams` has the bytes.
# - `hoc.Scenario(auth="rpk")`, `auth="x509"`, `mutual=True`, `link="802154"`: other credentials,
#   and a radio link. `hoc simulate --help` lists everything; the names are the same.
# - [`docs/laboratory.md`](../docs/laboratory.md) says what is measured and what is not modelled.
