"""The keys of a stack's handshake, where it tells its master secret.

A stack that does (OpenSSL, as it is) can stand behind an encoding that seals in its own way:
the stack's records are opened before they are encoded, and the peer's sealed again for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from handshake_over_coap.carriers.protection import Protection12
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import CertificateType, HandshakeType
from handshake_over_coap.tls.dtls12.common import Parameters, epoch_keys
from handshake_over_coap.tls.extensions import ExtendedMasterSecret
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.handshake import EpochKeys
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from handshake_over_coap.tls.suites import suite_by_id

from .stack import DtlsStack, TellsSecrets


def keys_of(
    stack: DtlsStack, messages: Iterable[HandshakeMessage], *, is_client: bool
) -> EpochKeys | None:
    """The keys of epoch 1 as ``stack`` uses them.

    None before there are any, where the stack does not tell, and for a suite that is not ours.
    """
    tell = stack.master_secret if isinstance(stack, TellsSecrets) else None
    by_type = {message.type: message.body for message in messages}
    try:
        hello = ClientHello.decode(by_type[HandshakeType.client_hello])
        answer = ServerHello.decode(by_type[HandshakeType.server_hello])
    except (KeyError, AlertError):
        return None
    suite = suite_by_id(answer.cipher_suite)
    master = None if tell is None else tell()
    if suite is None or master is None:
        return None
    parameters = Parameters(
        suite=suite,
        client_random=hello.random,
        server_random=answer.random,
        extended_master_secret=answer.extensions.find(ExtendedMasterSecret) is not None,
        server_certificate_type=CertificateType.X509,
        client_certificate_type=CertificateType.X509,
        server_name=None,
    )
    return epoch_keys(parameters, master, client=is_client)


def reading(keys: EpochKeys) -> Protection12:
    """What opens and stands for the peer's records."""
    return Protection12.of(keys)


def speaking(keys: EpochKeys) -> Protection12:
    """What opens the stack's own records, and stands for them: the other way round."""
    return Protection12.of(EpochKeys(read=keys.write, write=keys.read))
