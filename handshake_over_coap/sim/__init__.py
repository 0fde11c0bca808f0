"""The same code on virtual time: a clock that jumps, links, and devices that compute slowly.

Nothing in here sleeps or looks at the wall clock, and every draw is seeded: one seed gives one
trace.
"""

from handshake_over_coap.sim.loop import DeadlockError, VirtualTimeLoop, run

__all__ = ["DeadlockError", "VirtualTimeLoop", "run"]
