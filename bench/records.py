"""How many records a second are sealed and opened: this library, others, and the bare cipher.

CCM_8 between two connections in one process; each round trip is one record sealed by one side and
opened by the other, header, nonce and replay window included.  The bare cipher is what
``cryptography`` takes for one encryption and one decryption with nonce and additional data ready;
for 1.3 the two masks of the record number too, each one block of AES.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from handshakes import peers
from stacks import ours
from stacks.rounds import Contestant, arguments, measure, repeat, table, verdict

SIZES = (64, 1024)


def bare(payload: bytes) -> Callable[[], bytes]:
    """The primitives alone."""
    cipher, nonce, additional_data = AESCCM(bytes(16), tag_length=8), bytes(12), bytes(13)
    encrypt, decrypt = cipher.encrypt, cipher.decrypt
    return lambda: decrypt(nonce, encrypt(nonce, payload, additional_data), additional_data)


def bare_13(payload: bytes) -> Callable[[], bytes]:
    """The primitives that a record of 1.3 takes, alone."""
    aead = bare(payload)
    block = Cipher(AES(bytes(16)), ECB()).encryptor().update  # noqa: S305
    sample = bytes(16)

    def once() -> bytes:
        block(sample)
        block(sample)
        return aead()

    return once


def main() -> None:
    given = arguments("records per second", rounds=51)
    found, absent = peers()
    for size in SIZES:
        payload = bytes(size)
        base = Contestant("bare cryptography", repeat(bare(payload)))
        base_13 = Contestant("bare cryptography, and two masks", repeat(bare_13(payload)))
        us = Contestant("ours", repeat(ours.records(payload)))
        with_cid = Contestant("ours, connection ID", repeat(ours.records(payload, bytes(8))))
        us_13 = Contestant("ours, 1.3", repeat(ours.records_13(payload)))
        short = Contestant(
            "ours, 1.3, short header", repeat(ours.records_13(payload, short_header=True))
        )
        others = [
            Contestant(module.NAME, repeat(module.records(payload))) for module in found.values()
        ]
        everybody = [base, base_13, us, with_cid, us_13, short, *others]
        measure(everybody, given.rounds, given.seconds)
        table(f"Records of {size:,} bytes, sealed and opened", everybody, base, absent)
        verdict("seal and open, in times of the bare cipher", us.ratio(base), 2)
        verdict("1.3: seal and open, in times of cipher and masks", us_13.ratio(base_13), 2)
        for each in others:
            verdict(f"seal and open, in times of {each.name}", us.ratio(each), 1)


if __name__ == "__main__":
    main()
