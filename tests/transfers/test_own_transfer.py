"""A transfer from outside the package: one file, and its object goes wherever a name goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.coap.message import Message
from handshake_over_coap.transfers import Transfer
from handshake_over_coap.transfers.base import ClientSide, ServerSide, Terms
from handshake_over_coap.transfers.blockwise import BLOCKWISE


@dataclass(frozen=True)
class Halves:
    """Blockwise transfer that never uses more than half of the block size that would fit."""

    smallest: int = 16
    name: str = "halves"
    limits_itself: bool = False
    any_order: bool = False

    def _terms(self, terms: Terms) -> Terms:
        return replace(terms, largest_block=max(self.smallest, terms.largest_block // 2))

    def client(self, terms: Terms) -> ClientSide:
        return BLOCKWISE.client(self._terms(terms))

    def server(self, terms: Terms) -> ServerSide:
        return BLOCKWISE.server(self._terms(terms))

    def claims(self, request: Message) -> bool:
        return True

    def begins(self, request: Message) -> bool:
        return BLOCKWISE.begins(request)

    def asks(self, request: Message) -> int:
        return BLOCKWISE.asks(request)

    def content_format(self, request: Message) -> int | None:
        return BLOCKWISE.content_format(request)


def test_it_is_a_transfer() -> None:
    assert isinstance(Halves(), Transfer)


@pytest.mark.parametrize("dtls", ["1.2", "1.3"])
def test_simulations_take_it_as_it_is(dtls: str) -> None:
    usual = hoc.simulate(hoc.Scenario(dtls=dtls, auth="rpk", block_size=64), trials=3, seed=1)
    halves = hoc.Scenario(dtls=dtls, auth="rpk", block_size=64, transfer=Halves())
    found = hoc.simulate(halves, trials=3, seed=1)
    assert found.completed == 3
    assert found.body_bytes == usual.body_bytes
    assert usual.datagrams.mean is not None
    assert found.datagrams.mean is not None
    assert found.datagrams.mean > 1.5 * usual.datagrams.mean


def test_a_sweep_takes_it_to_other_processes() -> None:
    scenarios = [hoc.Scenario(block_size=32), hoc.Scenario(block_size=32, transfer=Halves())]
    rows = hoc.sweep(scenarios, trials=2, seed=1, workers=2)
    assert rows["completed"].all()
    assert len(set(rows["transfer"])) == 2


def test_what_is_no_transfer_is_refused() -> None:
    with pytest.raises(hoc.ConfigurationError, match="transfer"):
        hoc.Scenario(transfer=object())  # type: ignore[arg-type]
