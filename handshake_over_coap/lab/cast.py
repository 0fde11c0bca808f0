"""Who takes part in a scenario: credentials, trust, and the time of day.

What is not given derives from the seed, so that a run repeats byte for byte.  Such keys are known
to whoever knows the seed: they are for simulation and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.network import SERVER_HOST
from handshake_over_coap.net.proofs import File, psk_of
from handshake_over_coap.sim.draws import Draws
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig
from handshake_over_coap.tls.credentials import (
    PSK,
    Credential,
    Given,
    Trust,
    Workshop,
    auth_names,
    kind_by_auth,
    trusts,
)

if TYPE_CHECKING:
    from handshake_over_coap.lab.scenario import Scenario
    from handshake_over_coap.net.options import Options

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of day in every simulation without certificate files."""

_CALLED: Final = {
    "authority": "authority of a simulation",
    "server": "server",
    "client": "client",
    "identity": "client",
}


@dataclass(frozen=True, slots=True)
class Cast:
    """What both sides have; ``now`` is the time of day for both."""

    server: tuple[Credential, ...]
    client: Credential | None
    server_trust: Trust | None
    client_trust: Trust | None
    now: datetime

    def client_config(self, scenario: Scenario, host: str, rng: Rng) -> ClientConfig:
        """The client's side of a handshake with the server at ``host``."""
        options = _options(scenario)
        return options.client_config(self.client, self.client_trust, host, rng, lambda: self.now)

    def server_config(self, scenario: Scenario, rng: Rng) -> ServerConfig:
        """The server's side."""
        options = _options(scenario)
        return options.server_config(self.server, None, self.server_trust, rng, lambda: self.now)


@lru_cache(maxsize=64)
def _options(scenario: Scenario) -> Options:
    return scenario.options


@lru_cache(maxsize=64)
def cast(scenario: Scenario, seed: int) -> Cast:
    """The credentials of ``scenario``; raises ConfigurationError for files that do not fit."""
    kind, given = kind_by_auth(scenario.auth), _given(scenario)
    unused = sorted(given.names - kind.options - {"psk"})
    if unused and kind.form is not None:
        raise ConfigurationError(
            f"{' and '.join(unused)} goes with auth {_auths_of(unused)}: leave it out, or change "
            "auth"
        )
    workshop = Workshop(
        chance=Draws(seed, "credentials"),
        now=NOW,
        server=scenario.server_name or SERVER_HOST,
        called=_CALLED,
        groups=(scenario.group,) if isinstance(scenario.group, str) else tuple(scenario.group),
        mutual=scenario.mutual,
        moves=True,
    )
    made = kind.made_up(given, workshop)
    server_trust, client_trust = trusts(kind, made, insecure=scenario.insecure)
    return Cast(
        server=made.server,
        client=made.client,
        server_trust=server_trust,
        client_trust=client_trust,
        now=made.now,
    )


def _given(scenario: Scenario) -> Given:
    keys: Sequence[PSK | str] = (
        scenario.psk
        if isinstance(scenario.psk, Sequence) and not isinstance(scenario.psk, str)
        else (scenario.psk,)
    )
    return Given(
        psk=tuple(psk_of(each) if isinstance(each, str) else each for each in keys),
        key=None if scenario.key is None else Path(scenario.key),
        cert=None if scenario.cert is None else Path(scenario.cert),
        ca=_files(scenario.ca),
        peer_key=_files(scenario.peer_key),
        insecure=scenario.insecure,
    )


def _auths_of(options: Sequence[str]) -> str:
    """The names of auth to which ``options`` belong."""
    return " or ".join(name for name in auth_names() if kind_by_auth(name).options & set(options))


def _files(value: File | Sequence[File]) -> tuple[Path, ...]:
    files = (value,) if isinstance(value, str | PathLike) else value
    return tuple(map(Path, files))
