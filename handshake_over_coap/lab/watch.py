"""One simulated handshake to look at: its datagrams, as a ladder in text or as a picture."""

from __future__ import annotations

from dataclasses import dataclass

from handshake_over_coap.coap.message import Message
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.metrics import Trial
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.simulate import check_scenario, check_trials
from handshake_over_coap.lab.trial import prepared, run_trial
from handshake_over_coap.net.fitting import fitting
from handshake_over_coap.sim import Passage, PassageRecorder, Side, view
from handshake_over_coap.trace.coap import read_coap
from handshake_over_coap.trace.label import Record, datagram_label, records_of
from handshake_over_coap.trace.ladder import WIDTH, ladder
from handshake_over_coap.trace.svg import ladder_svg
from handshake_over_coap.trace.tap import DatagramSeen, Fate


@dataclass(frozen=True, slots=True)
class WatchedDatagram:
    """One datagram: when it was sent (seconds), by whom, its UDP payload, and what became of it."""

    time: float
    from_client: bool
    data: bytes
    lost: bool

    @property
    def message(self) -> Message | None:
        """The CoAP message that it is, read tolerantly; None for anything else."""
        return read_coap(self.data)

    @property
    def records(self) -> tuple[Record, ...]:
        """The DTLS records in it that can be told from outside; none in a CoAP message.

        Behind a record with a connection ID, whose length only the two sides know, none is seen.
        """
        return () if self.message is not None else records_of(self.data)

    @property
    def label(self) -> str:
        """What it is, in a line of words."""
        return datagram_label(self.data)


@dataclass(frozen=True, slots=True)
class Watched:
    """A handshake that was watched; a notebook shows it as a picture.

    ``trial`` has its figures; ``datagrams`` are in the order in which they were sent.  The ladders
    show what the client saw, at the time when it saw it: what has arrived twice or out of order is
    drawn so.  What it should have seen stands where it was sent, and is marked lost.
    """

    scenario: Scenario
    trial: Trial
    datagrams: tuple[WatchedDatagram, ...]
    _seen: tuple[DatagramSeen, ...]

    def ladder(self, width: int = WIDTH) -> str:
        """The ladder diagram in text, ``width`` columns wide."""
        return ladder(self._seen, width=width)

    def svg(self) -> str:
        """The ladder diagram as an SVG document."""
        return ladder_svg(self._seen, title=self.scenario.described())

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return self.ladder()

    def __repr__(self) -> str:
        return f"<Watched: {len(self.datagrams)} datagrams; {self.scenario.described()}>"


def watch(scenario: Scenario | None = None, seed: int = 1, trial: int = 0) -> Watched:
    """Make handshake number ``trial`` of ``seed``, the same that ``simulate`` makes, and watch it.

    Times of ``datagrams`` are when they were sent, in seconds since the first; those of the ladders
    are the client's.  Raises ConfigurationError.
    """
    chosen = Scenario() if scenario is None else scenario
    check_scenario(chosen)
    check_trials(1, seed)
    if fitting("trial", int, trial) < 0:
        raise ConfigurationError(f"trial: trials are counted from 0, {trial} is none of them")
    prepared(chosen, seed)
    recorder = PassageRecorder()
    figures = run_trial(chosen, seed, trial, observers=[recorder])
    passages = recorder.passages
    start = passages[0].datagram.time if passages else 0.0
    return Watched(
        chosen,
        figures,
        tuple(_watched(each, start) for each in passages),
        tuple(view(passages, Side.CLIENT)),
    )


def _watched(passage: Passage, start: float) -> WatchedDatagram:
    datagram, fate = passage.datagram, passage.outcome.fate
    return WatchedDatagram(
        datagram.time - start, datagram.sender is Side.CLIENT, datagram.data, fate is Fate.LOST
    )
