"""From a completed handshake to the report that a session carries."""

from __future__ import annotations

from handshake_over_coap.tls.codepoints import CertificateType
from handshake_over_coap.tls.handshake import Connected
from handshake_over_coap.tls.suites import KeyExchange
from handshake_over_coap.trace.report import HandshakeReport, TrialFigures

from .options import Options


def auth_of(connected: Connected) -> str:
    """What ``--auth`` calls the way in which the two sides proved who they are."""
    exchange = connected.suite.key_exchange
    if exchange is KeyExchange.PSK:
        return "psk"
    if exchange is KeyExchange.ECDHE_PSK:
        return "ecdhe-psk"
    raw = connected.server_certificate_type == CertificateType.RawPublicKey
    return "rpk" if raw else "x509"


def report_of(connected: Connected, options: Options, figures: TrialFigures) -> HandshakeReport:
    """The report of one handshake on a real network."""
    return HandshakeReport.from_trials(
        [figures],
        transport=options.transport,
        dtls=options.dtls,
        auth=auth_of(connected),
        encoding=options.encoding if options.transport == "coap" else None,
        seed=None,
    )
