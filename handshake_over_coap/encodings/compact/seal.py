"""Encode, then seal: what is sealed is sealed as it was encoded, under keys of its own.

Key and IV come from the traffic secret of 1.3, or one after the other from one export of 1.2, by
labels that nothing else uses; so no byte that is sealed here opens under the standard keys, nor the
other way round.  The nonce is the IV and the number of the first standard record that the sealed
part stands for.  The additional data bind it to its place: version, content format, epoch, that
number, and a hash over all bodies of the conversation up to the sealed part.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag

from handshake_over_coap.encodings.base import EpochContext, FlightContext
from handshake_over_coap.tls.codepoints import ProtocolVersion
from handshake_over_coap.tls.suites import NONCE_LENGTH, AeadCipher

KEY_LABEL: Final = "coap key"
IV_LABEL: Final = "coap iv"

_ADDITIONAL_DATA: Final = Struct(">HHHQ32s")


class OwnKeys(NamedTuple):
    """What seals and opens the sealed part of one body.

    ``first`` is the number of the first standard record that it stands for; ``place`` a hash over
    all bodies up to it.
    """

    cipher: AeadCipher
    nonce: bytes
    version: int
    epoch: int
    first: int
    place: bytes

    @classmethod
    def of(
        cls, context: FlightContext, epoch: int, clear: bytes, version: ProtocolVersion
    ) -> OwnKeys | None:
        """Those of ``epoch`` for a body that begins with ``clear``; None if there are none."""
        keys: EpochContext = context.epoch(epoch)
        aead, first = keys.aead, keys.next_number
        length = aead.key_length
        if version == ProtocolVersion.DTLS_1_3:
            key, iv = keys.derive(KEY_LABEL, length), keys.derive(IV_LABEL, NONCE_LENGTH)
        else:
            both = keys.derive(KEY_LABEL, length + NONCE_LENGTH)
            key, iv = (None, None) if both is None else (both[:length], both[length:])
        if key is None or iv is None:
            return None
        nonce = (int.from_bytes(iv, "big") ^ first).to_bytes(NONCE_LENGTH, "big")
        place = sha256(context.digest + clear).digest()
        return cls(aead.make(key), nonce, version, epoch, first, place)

    def _additional_data(self, content_format: int) -> bytes:
        return _ADDITIONAL_DATA.pack(
            self.version, content_format, self.epoch, self.first, self.place
        )

    def seal(self, plaintext: bytes, content_format: int) -> bytes:
        """The sealed part."""
        return self.cipher.encrypt(self.nonce, plaintext, self._additional_data(content_format))

    def open(self, sealed: bytes, content_format: int) -> bytes | None:
        """What is in it; None where it does not authenticate."""
        try:
            return self.cipher.decrypt(self.nonce, sealed, self._additional_data(content_format))
        except (InvalidTag, ValueError):
            return None
