"""How many records a second are sealed and opened: this library, others, and the bare cipher.

CCM_8 between two connections in one process; each round trip is one record sealed by one side and
opened by the other, header, nonce and replay window included.  The bare cipher is what
``cryptography`` takes for one encryption and one decryption with nonce and additional data ready.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from handshakes import peers
from stacks import ours
from stacks.rounds import Contestant, arguments, measure, repeat, table, verdict

SIZES = (64, 1024)


def bare(payload: bytes) -> Callable[[], bytes]:
    """The primitives alone."""
    cipher, nonce, additional_data = AESCCM(bytes(16), tag_length=8), bytes(12), bytes(13)
    encrypt, decrypt = cipher.encrypt, cipher.decrypt
    return lambda: decrypt(nonce, encrypt(nonce, payload, additional_data), additional_data)


def main() -> None:
    given = arguments("records per second", rounds=51)
    found, absent = peers()
    for size in SIZES:
        payload = bytes(size)
        base = Contestant("bare cryptography", repeat(bare(payload)))
        us = Contestant("ours", repeat(ours.records(payload)))
        others = [
            Contestant(module.NAME, repeat(module.records(payload))) for module in found.values()
        ]
        everybody = [base, us, *others]
        measure(everybody, given.rounds, given.seconds)
        table(f"Records of {size:,} bytes, sealed and opened", everybody, base, absent)
        verdict("seal and open, in times of the bare cipher", us.ratio(base), 2)
        for each in others:
            verdict(f"seal and open, in times of {each.name}", us.ratio(each), 1)


if __name__ == "__main__":
    main()
