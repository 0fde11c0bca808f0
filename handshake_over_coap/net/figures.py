"""From a completed handshake to the report that a session carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handshake_over_coap.carriers.carried import Agreement
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.tls.dtls13 import Connected13
from handshake_over_coap.trace.report import HandshakeReport, TrialFigures

from .options import Options


def version_text(connected: Agreement) -> str:
    """The version that was agreed on, as the option ``dtls`` says it."""
    return "1.3" if isinstance(connected, Connected13) else "1.2"


def telling(
    connected: Agreement,
    options: Options,
    figures: TrialFigures,
    floor: Callable[[], tuple[int, ...]] = tuple,
) -> Callable[[], HandshakeReport]:
    """What makes the report once somebody asks for it, which is seldom; ``floor`` its floor."""
    return lambda: report_of(
        connected, options, replace(figures, floor_bytes=floor() or figures.floor_bytes)
    )


def report_of(connected: Agreement, options: Options, figures: TrialFigures) -> HandshakeReport:
    """The report of one handshake on a real network, its time in whole microseconds."""
    return HandshakeReport.from_trials(
        [replace(figures, duration_s=round(figures.duration_s, 6))],
        transport=options.transport,
        dtls=version_text(connected),
        auth=connected.auth,
        encoding=encoding_named(options.encoding).name if options.transport == "coap" else None,
        seed=None,
    )
