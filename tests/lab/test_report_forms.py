"""A report as text, as HTML, as JSON, as an object, and with its trials one by one."""

from __future__ import annotations

import asyncio
import json
import re

import handshake_over_coap as hoc
from tests.support.sockets import LOOPBACK, echo

LOSSY = hoc.Scenario(loss=0.3, max_retransmit=1)


def test_json_is_text_and_the_object_is_the_same() -> None:
    report = hoc.simulate(LOSSY, 20)
    assert json.loads(report.to_json()) == report.to_dict()
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_print_shows_the_table_of_the_command_and_a_notebook_the_same_figures() -> None:
    report = hoc.simulate(LOSSY, 20)
    text, html = str(report), report._repr_html_()
    assert text.splitlines()[0] == "coap, DTLS 1.3, psk; max_retransmit 1, loss 0.3"
    assert max(map(len, text.splitlines())) <= 80
    for shown in (text, html):
        assert f"{report.completed} of 20 handshakes completed" in shown
        assert "failed: retransmissions" in shown
        assert f"{report.datagrams.mean:.4g}" in shown
    assert html.count("<tr>") == html.count("</tr>") > 5
    assert not re.search(r"<script|&(?!amp;|lt;|gt;)", html)


def test_a_report_without_a_completed_handshake_prints_too() -> None:
    report = hoc.simulate(hoc.Scenario(loss=1.0, max_retransmit=0), 2)
    assert "0 of 2 handshakes completed" in str(report)
    assert "<table>" not in report._repr_html_()
    assert report.to_dict()["completed"] == 0


def test_trials_are_kept_one_by_one_where_that_is_asked_for() -> None:
    report = hoc.simulate(LOSSY, 20, keep=True)
    assert [trial.trial for trial in report.rows] == list(range(20))
    assert sum(trial.completed for trial in report.rows) == report.completed
    assert report == hoc.simulate(LOSSY, 20)
    assert hoc.simulate(LOSSY, 2).rows == ()


def test_the_report_of_a_session_prints_in_a_line() -> None:
    async def scenario() -> str:
        key = hoc.PSK("me", bytes(16))
        async with (
            hoc.serve(LOOPBACK, key, handler=echo) as server,
            hoc.connect(server.address, key) as session,
        ):
            return str(session.report)

    said = asyncio.run(scenario())
    assert said.startswith("coap, DTLS 1.3, ecdhe-psk: 1 of 1 completed; 6 datagrams, ")
