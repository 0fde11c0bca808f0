"""From a completed handshake to the report that a session carries."""

from __future__ import annotations

from handshake_over_coap.carriers.carried import Agreement
from handshake_over_coap.trace.report import HandshakeReport, TrialFigures

from .options import Options


def report_of(connected: Agreement, options: Options, figures: TrialFigures) -> HandshakeReport:
    """The report of one handshake on a real network."""
    return HandshakeReport.from_trials(
        [figures],
        transport=options.transport,
        dtls=options.dtls,
        auth=connected.auth,
        encoding=options.encoding if options.transport == "coap" else None,
        seed=None,
    )
