"""What comes in the clear during a classic handshake: anybody may have sent it."""

from __future__ import annotations

from handshake_over_coap.errors import Error, HandshakeTimeout
from handshake_over_coap.records.dtls12 import HEADER
from handshake_over_coap.tls.alerts import Alert, AlertError, alert_error
from handshake_over_coap.tls.codepoints import AlertDescription, AlertLevel, ContentType

TIMERS = 3
"""After as many timers without anything better a hint is believed that nobody has repeated."""


class Hint:
    """Why the handshake fails, by an alert in the clear or for a wrong message in the clear.

    One forged datagram can say so while the genuine answer is late.  A peer that cannot go on says
    it again when our flight comes again, so it is believed at a timer if it was said again since
    the one before; or, as some say it only once, if nothing better has come for a while.
    """

    def __init__(self) -> None:
        self.error: AlertError | None = None
        self._timers = 0
        self._said = False

    def say(self, error: AlertError) -> None:
        """Somebody says so."""
        self.error, self._said = error, True

    def hear(self, alert: Alert) -> None:
        """An alert in the clear says so, if it is a fatal one, or says goodbye."""
        if alert.level == AlertLevel.fatal or alert.description == AlertDescription.close_notify:
            what, level = alert.description, alert.level
            self.say(alert_error(what, received=True, level=level, detail="unsealed"))

    def forget(self) -> None:
        """Something better has come."""
        self.error, self._timers, self._said = None, 0, False

    def weigh(self) -> None:
        """A timer has run out: raises the AlertError if it is to be believed by now."""
        if self.error is None:
            return
        self._timers += 1
        again, self._said = self._said and self._timers > 1, False
        if again or self._timers >= TIMERS:
            raise self.error

    def or_silence(self, times: int) -> Error:
        """What to give up with, after a flight was sent so many times."""
        silence = HandshakeTimeout(f"no answer to a flight that was sent {times} times")
        return self.error or silence


def before_connection_id(datagram: bytes) -> tuple[bytes, bytes]:
    """What stands before the first record of 1.2 with a connection ID, and the rest.

    How long the ID is need not be known; what is no record stays in the first part.
    """
    offset, end = 0, len(datagram)
    while offset < end and datagram[offset] != ContentType.tls12_cid:
        offset += HEADER.size + int.from_bytes(datagram[offset + 11 : offset + 13], "big")
    return datagram[:offset], datagram[offset:]
