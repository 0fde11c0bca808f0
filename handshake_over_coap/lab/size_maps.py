"""``hoc tables sizes``: what each byte of a handshake is, over UDP and over CoAP in each encoding.

Bodies are made in memory; datagrams, over UDP and with the CoAP around the bodies, on virtual time
without loss.  Everything is the mean over a number of seeds, since signatures vary; the floor does
not.  No address check, CCM_8, one suite and group, an identity of one byte; over CoAP the path
``/d``, tokens of one byte, and no Location-Path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import mean
from types import MappingProxyType
from typing import Any, Final

from handshake_over_coap.carriers.conversation import begin_server, open_client
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.encodings.floor import Floor
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.byte_map import KINDS, Opened, Run, Watching, open_datagrams, runs
from handshake_over_coap.lab.cast import cast
from handshake_over_coap.lab.network import SERVER_HOST
from handshake_over_coap.lab.published_rivals import RIVALS, Rival
from handshake_over_coap.lab.scenario import Scenario
from handshake_over_coap.lab.simulate import Progress
from handshake_over_coap.lab.trial import run_trial
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.sim import Draws, PassageRecorder, Side
from handshake_over_coap.tls.flight import Item
from handshake_over_coap.tls.handshake import State
from handshake_over_coap.tls.negotiation import start_client, start_server

TRIALS: Final = 60
"""Seeds of a full run: as many as issue 11 asks for."""

UDP: Final = "udp"
"""The way of a handshake that is in no bodies: datagrams of DTLS itself."""

_TAG: Final = 8
_DIGITS: Final = 6
"""Of a sum of means: what adding leaves behind is not shown."""

_COMMON: Final[Mapping[str, Any]] = MappingProxyType({"address_check": "never"})
_OVER_COAP: Final[Mapping[str, Any]] = MappingProxyType(
    {"transport": "coap", "resource": "/d", "token_length": 1, "location": False}
)
_13: Final = {"dtls": "1.3", "suite": "TLS_AES_128_CCM_8_SHA256", "group": "secp256r1"}
_12: Final = {"dtls": "1.2", "group": "secp256r1"}
_PSK: Final = {"psk": "i:00112233445566778899aabbccddeeff"}
_ECDSA: Final = {"suite": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"}

HANDSHAKES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "1.3 PSK": {**_13, **_PSK, "auth": "psk"},
        "1.3 PSK, ECDHE": {**_13, **_PSK, "auth": "ecdhe-psk"},
        "1.3 RPK": {**_13, "auth": "rpk"},
        "1.3 RPK, mutual": {**_13, "auth": "rpk", "mutual": True},
        "1.3 RPK, mutual, x25519": {**_13, "auth": "rpk", "mutual": True, "group": "x25519"},
        "1.3 X.509": {**_13, "auth": "x509"},
        "1.3 X.509, mutual": {**_13, "auth": "x509", "mutual": True},
        "1.2 PSK": {**_12, **_PSK, "auth": "psk", "suite": "TLS_PSK_WITH_AES_128_CCM_8"},
        "1.2 PSK, ECDHE": {
            **_12,
            **_PSK,
            "auth": "ecdhe-psk",
            "suite": "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
        },
        "1.2 RPK": {**_12, **_ECDSA, "auth": "rpk"},
        "1.2 RPK, mutual": {**_12, **_ECDSA, "auth": "rpk", "mutual": True},
        "1.2 X.509": {**_12, **_ECDSA, "auth": "x509"},
        "1.2 X.509, mutual": {**_12, **_ECDSA, "auth": "x509", "mutual": True},
    }
)
"""The handshakes by name, and their options."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of carrying a handshake: an encoding, or none over UDP.

    Both sides have each other's raw public key pinned; where they do not ``tell`` that, each key is
    shown whole.
    """

    name: str
    encoding: str = ""
    tell: bool = True
    derived: bool = False

    def fits(self, options: Mapping[str, Any]) -> bool:
        """Whether it makes a difference to a handshake with these options."""
        if self.derived and (options["dtls"] == "1.2" or options["auth"] == "psk"):
            return False
        return options["auth"] == "rpk" or not self.tell or self.encoding != "compact"


WAYS: Final = (
    Way(UDP),
    Way("plain", "plain"),
    Way("compact", "compact", tell=False),
    Way("compact, keys pinned", "compact"),
    Way("compact, derived random", "compact", tell=False, derived=True),
    Way("compact, keys pinned, derived random", "compact", derived=True),
)
"""The ways a handshake is carried."""


@dataclass(frozen=True, slots=True)
class FlightMap:
    """A flight: whose it is, and the bytes of each kind, in the mean.

    ``runs`` is the flight of the first seed byte by byte.
    """

    from_client: bool
    bytes: Mapping[str, float]
    runs: tuple[Run, ...] = field(repr=False)

    @property
    def total(self) -> float:
        """All its bytes."""
        return round(sum(self.bytes.values()), _DIGITS)


@dataclass(frozen=True, slots=True)
class Carried:
    """A handshake one way: ``flights`` as bodies or, over UDP, as datagrams.

    ``floor`` is what no lossless encoding saves of it, ``datagrams`` what is sent in all: over UDP
    the flights themselves, otherwise with the CoAP around them.  Totals are means; ``least`` and
    ``most`` are those of all seeds for the flights.
    """

    flights: tuple[FlightMap, ...]
    floor: float
    least: int
    most: int
    datagrams: float

    @property
    def total(self) -> float:
        """The bytes of all flights."""
        return round(sum(flight.total for flight in self.flights), _DIGITS)


@dataclass(frozen=True, slots=True)
class Row:
    """A handshake of ours every way it goes, and those of others that compare with it."""

    name: str
    dtls: str
    trials: int
    ways: Mapping[str, Carried]
    rivals: tuple[Rival, ...]

    def to_json(self) -> dict[str, Any]:
        """The row as JSON has it."""
        over_udp = self.ways[UDP].datagrams
        return {
            "handshake": self.name,
            "dtls": self.dtls,
            "trials": self.trials,
            "published": {
                rival.name: {
                    "bytes": rival.total,
                    "flights": list(rival.flights),
                    "leaves_out": rival.leaves_out,
                    "source": rival.source,
                }
                for rival in self.rivals
            },
            "ours": {name: _in_json(way, over_udp) for name, way in self.ways.items()},
        }


def _in_json(way: Carried, over_udp: float) -> dict[str, Any]:
    return {
        "bytes": round(way.total, 2),
        "least": way.least,
        "most": way.most,
        "floor": round(way.floor, 2),
        "datagrams": round(way.datagrams, 2),
        "of_udp": round(way.datagrams / over_udp, 4),
        "flights": [
            {
                "from": "client" if flight.from_client else "server",
                "bytes": round(flight.total, 2),
                "map": {kind: round(n, 2) for kind, n in flight.bytes.items()},
                "runs": [list(run) for run in flight.runs],
            }
            for flight in way.flights
        ],
    }


def rows(
    trials: int | None = None,
    seed: int = 1,
    *,
    names: Sequence[str] = tuple(HANDSHAKES),
    progress: Progress | None = None,
) -> Iterator[Row]:
    """The handshakes of these names, each over ``trials`` seeds from ``seed`` on."""
    count = TRIALS if trials is None else trials
    fitting = {name: [way for way in WAYS if way.fits(HANDSHAKES[name])] for name in names}
    done, whole = 0, sum(map(len, fitting.values())) * count

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, whole)

    for name, ways in fitting.items():
        options = HANDSHAKES[name]
        found = {way.name: _carried(way, options, count, seed, one_more) for way in ways}
        yield Row(name, options["dtls"], count, found, RIVALS.get(name, ()))


def _carried(
    way: Way, options: Mapping[str, Any], trials: int, seed: int, one_more: Callable[[], None]
) -> Carried:
    made = []
    for each in range(seed, seed + trials):
        made.append(_over_coap(way, options, each) if way.encoding else _over_udp(options, each))
        one_more()
    totals = [sum(n for flight in one.flights for _, n in flight[1]) for one in made]
    return Carried(
        tuple(_mean(flights) for flights in zip(*(one.flights for one in made), strict=True)),
        mean(one.floor for one in made),
        min(totals),
        max(totals),
        mean(one.datagrams for one in made),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """One handshake: whose each flight is and what its bytes are."""

    flights: list[tuple[bool, tuple[Run, ...]]]
    floor: int
    datagrams: int


def _mean(flights: tuple[tuple[bool, tuple[Run, ...]], ...]) -> FlightMap:
    found = {kind: mean(_count(one, kind) for _, one in flights) for kind in KINDS}
    return FlightMap(flights[0][0], {kind: n for kind, n in found.items() if n}, flights[0][1])


def _count(flight: tuple[Run, ...], kind: str) -> int:
    return sum(n for each, n in flight if each == kind)


def _over_coap(way: Way, options: Mapping[str, Any], seed: int) -> _Made:
    watching, floor = Watching(encoding_named(way.encoding), tell=way.tell), Floor()
    # By its name plain is the default of the resource, and costs no option.
    used = way.encoding if way.tell else watching
    carried = {**_COMMON, **_OVER_COAP, "encoding": used, "derived_random": way.derived}
    chosen = Scenario(**{**carried, **options})
    draws, who = Draws(seed, "trial", 0), cast(chosen, seed)
    turn = open_client(who.client_config(chosen, SERVER_HOST, draws.rng("client")), watching)
    ends = [turn.after, begin_server(who.server_config(chosen, draws.rng("server")))]
    flights, least = list[tuple[bool, tuple[Run, ...]]](), 0
    while turn.body:
        opened = Opened.of(turn.body, watching.sealed)
        watching.sealed.clear()
        parts = floor.parts(turn.said, key_known=turn.own_pinned)
        flights.append((len(flights) % 2 == 0, runs(opened, turn.said, parts)))
        least += sum(len(part.data) for part in parts)
        turn = ends[len(flights) % 2].hear(turn.body, watching)
        ends[len(flights) % 2] = turn.after
    return _Made(flights, least, sum(len(data) for _, data in _sent(chosen, seed)))


def _over_udp(options: Mapping[str, Any], seed: int) -> _Made:
    chosen = Scenario(**{**_COMMON, "transport": "udp", **options})
    sent = _sent(chosen, seed)
    openers, floor = _openers(chosen, seed), Floor()
    flights, least = list[tuple[bool, tuple[Run, ...]]](), 0
    for side, group in groupby(sent, key=lambda each: each[0]):
        opened, items = open_datagrams([data for _, data in group], openers.get(side), _TAG)
        parts = floor.parts(items)
        flights.append((side is Side.CLIENT, runs(opened, items, parts)))
        least += sum(len(part.data) for part in parts)
    return _Made(flights, least, sum(len(data) for _, data in sent))


def _sent(chosen: Scenario, seed: int) -> list[tuple[Side, bytes]]:
    """Who sends what on virtual time; raises ConfigurationError if the handshake fails."""
    recorder = PassageRecorder()
    trial = run_trial(chosen, seed, 0, observers=[recorder])
    if not trial.completed:
        raise ConfigurationError(f"the handshake does not complete: {trial.failure}")
    return [(each.datagram.sender, each.datagram.data) for each in recorder.passages]


def _openers(chosen: Scenario, seed: int) -> dict[Side, Opener | Opener13]:
    """What opens the records of either side: the states alone have the same handshake again."""
    draws, who = Draws(seed, "trial", 0), cast(chosen, seed)
    found: dict[Side, Opener | Opener13] = {}
    server: State = start_server(who.server_config(chosen, draws.rng("server")))
    first = start_client(who.client_config(chosen, SERVER_HOST, draws.rng("client")))
    client, items = first.state, first.flight
    while items:
        server, items = _turn(server, items, found, Side.CLIENT)
        client, items = _turn(client, items, found, Side.SERVER)
    return found


def _turn(
    state: State, items: Sequence[Item], openers: dict[Side, Opener | Opener13], peer: Side
) -> tuple[State, tuple[Item, ...]]:
    """The state after ``items`` and its answer; the keys of ``peer`` are added to ``openers``."""
    answer: tuple[Item, ...] = ()
    for item in items:
        step = state.handle(item)
        state, answer = step.state, (*answer, *step.flight)
        for read in (keys.read for keys in step.keys if keys.read is not None):
            if len(read.iv) == 4:
                openers[peer] = Opener(read)
                continue
            opener = openers.setdefault(peer, Opener13())
            if isinstance(opener, Opener13):
                opener.add(read)
    return state, answer
