"""The draws of aiocoap that this project does not make itself, seeded while a simulation runs.

aiocoap spreads the time-out of a confirmable message (RFC 7252 section 4.8, ACK_RANDOM_FACTOR) by
a draw from Python's shared generator, which nobody seeds, and takes its first token from there,
which nobody uses.  Within a simulation neither does: who has seeded that generator for a program
of their own finds it where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handshake_over_coap.carriers.coap.aiocoap_layer import time_outs_drawn_from

from .draws import Draws


@contextmanager
def seeded_aiocoap(seed: int | Draws) -> Iterator[None]:
    """Within, aiocoap's draws follow from ``seed``; enter it before the loop is run.

    It may be nested, used in several threads at once and within a notebook.  It holds for the
    context it is entered in and the tasks begun there, and leaves aiocoap as it found it.
    """
    draws = seed if isinstance(seed, Draws) else Draws(seed)
    with time_outs_drawn_from(draws.stream("aiocoap")):
        yield
