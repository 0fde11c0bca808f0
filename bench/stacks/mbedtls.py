"""python-mbedtls: two buffers in one process.  Its server always asks for a cookie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from mbedtls import tls
from mbedtls.pk import ECC
from mbedtls.x509 import CRT

from . import material

NAME = "python-mbedtls"
_CIPHERS = {
    "psk": "TLS-PSK-WITH-AES-128-CCM-8",
    "x509": "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
}
_ENOUGH = 1 << 16
Contexts = tuple[tls.ClientContext, tls.ServerContext]


def contexts(kind: str) -> Contexts:
    """Client and server for ``psk`` or ``x509``: the chain is verified."""
    return tls.ClientContext(_configuration(kind, is_server=False)), tls.ServerContext(
        _configuration(kind, is_server=True)
    )


def _configuration(kind: str, *, is_server: bool) -> tls.DTLSConfiguration:
    fields: dict[str, Any] = {
        "ciphers": (_CIPHERS[kind],),
        "lowest_supported_version": tls.DTLSVersion.DTLSv1_2,
        "highest_supported_version": tls.DTLSVersion.DTLSv1_2,
        "validate_certificates": kind == "x509" and not is_server,
    }
    given = material.server()
    if kind == "psk" and is_server:
        fields["pre_shared_key_store"] = {material.IDENTITY: material.PSK}
    elif kind == "psk":
        fields["pre_shared_key"] = (material.IDENTITY, material.PSK)
    elif is_server:
        fields["certificate_chain"] = ((CRT.from_DER(given.certificate),), _private_key(given.key))
    else:
        fields["trust_store"] = tls.TrustStore()
        fields["trust_store"].add(CRT.from_DER(given.authority))
    return tls.DTLSConfiguration(**fields)


def _private_key(pkcs8: bytes) -> ECC:
    key = serialization.load_der_private_key(pkcs8, None)
    return ECC.from_DER(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


class _Side:
    """One end, made anew by ``make`` when the server has sent its cookie."""

    def __init__(self, make: Callable[[], tls.TLSWrappedBuffer]) -> None:
        self._make = make
        self.buffer = make()

    @property
    def done(self) -> bool:
        step: object = self.buffer._handshake_state  # a member, whatever the stubs say
        return step is tls.HandshakeStep.HANDSHAKE_OVER

    def drive(self, data: bytes) -> bytes:
        """Take what came, go as far as possible, and give what there is to send."""
        if data:
            self.buffer.receive_from_network(data)
        out = b""
        while not self.done:
            try:
                self.buffer.do_handshake()
            except tls.WantReadError:
                break
            except tls.WantWriteError:
                out += take(self.buffer)
            except tls.HelloVerifyRequest:
                out += take(self.buffer)
                self.buffer = self._make()
                return out
        return out + take(self.buffer)


def take(buffer: tls.TLSWrappedBuffer) -> bytes:
    """What waits to be sent."""
    data: bytes = buffer.peek_outgoing(_ENOUGH)
    buffer.consume_outgoing(len(data))
    return data


def handshake(pair: Contexts) -> tuple[tls.TLSWrappedBuffer, tls.TLSWrappedBuffer]:
    """One handshake, with a cookie."""

    def new_server() -> tls.TLSWrappedBuffer:
        buffer = pair[1].wrap_buffers()
        buffer.setcookieparam(b"192.0.2.2")
        return buffer

    client, server = _Side(lambda: pair[0].wrap_buffers(material.SERVER_NAME)), _Side(new_server)
    data = b""
    while not (client.done and server.done):
        data = server.drive(client.drive(data))
    return client.buffer, server.buffer


def records(payload: bytes) -> Callable[[], bytes]:
    """Seals and opens one record of ``payload`` a call."""
    client, server = handshake(contexts("psk"))

    def once() -> bytes:
        client.write(payload)
        server.receive_from_network(take(client))
        opened: bytes = server.read(_ENOUGH)
        return opened

    return once
