"""Constants of the timer of DTLS 1.3, for the carrier over CoAP until it uses ``timers/``."""

from handshake_over_coap.timers.rfc9147 import ROUND_TRIPS, SHORTEST

__all__ = ["ROUND_TRIPS", "SHORTEST"]
