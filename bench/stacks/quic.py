"""aioquic's TLS 1.3 handshake, both ends in one process: messages and keys, no records.

Like ours it is written in Python on the primitives of ``cryptography``; chains it verifies with
pyOpenSSL.  It has external pre-shared keys only as tickets, and those only with (EC)DHE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aioquic.buffer import Buffer
from aioquic.tls import (
    CipherSuite,
    Context,
    Epoch,
    Group,
    SessionTicket,
    SignatureAlgorithm,
    State,
)
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import material

NAME = "aioquic, no carrier, no records"
_SPACE = 4096


@dataclass
class Ends:
    """What the contexts of a handshake are made with; a ``ticket`` resumes."""

    authority: bytes
    certificate: x509.Certificate
    key: object
    ticket: SessionTicket | None = None


def contexts(kind: str) -> Ends:
    """For ``x509``, or ``ecdhe-psk``, which is a resumption."""
    server = material.server()
    pem = serialization.Encoding.PEM
    key = serialization.load_der_private_key(server.key, None)
    authority = x509.load_der_x509_certificate(server.authority).public_bytes(pem)
    leaf = x509.load_der_x509_certificate(server.certificate)
    ends = Ends(authority, leaf, key)
    if kind != "x509":
        tickets: list[SessionTicket] = []
        _converse(ends, tickets.append)
        ends.ticket = tickets[0]
    return ends


def handshake(ends: Ends) -> None:
    """One handshake."""
    _converse(ends, None)


def _converse(ends: Ends, keep: Callable[[SessionTicket], None] | None) -> None:
    client, server = _client(ends), _server(ends)
    if keep is not None:
        client.new_session_ticket_cb = keep
        server.new_session_ticket_cb = lambda _: None
    said = b""
    for each in (client, server, client, server):
        said = _say(each, said)
    if said:  # a ticket
        _say(client, said)
    assert client.state == State.CLIENT_POST_HANDSHAKE
    assert server.state == State.SERVER_POST_HANDSHAKE
    assert client.session_resumed is (ends.ticket is not None)


def _client(ends: Ends) -> Context:
    context = Context(
        is_client=True,
        cadata=ends.authority,
        cipher_suites=[CipherSuite.AES_128_GCM_SHA256],
        server_name=material.SERVER_NAME,
    )
    context.session_ticket = ends.ticket
    return _plain(context)


def _server(ends: Ends) -> Context:
    context = Context(is_client=False, cipher_suites=[CipherSuite.AES_128_GCM_SHA256])
    context.certificate, context.certificate_private_key = ends.certificate, ends.key
    if ends.ticket is not None:
        context.get_session_ticket_cb = lambda _: ends.ticket
    return _plain(context)


def _plain(context: Context) -> Context:
    """With the one group and the one signature that ours has too."""
    context._supported_groups = [Group.SECP256R1]
    context._signature_algorithms = [SignatureAlgorithm.ECDSA_SECP256R1_SHA256]
    return context


def _say(context: Context, heard: bytes) -> bytes:
    """Everything that ``context`` answers to what it hears."""
    buffers = {
        epoch: Buffer(capacity=_SPACE) for epoch in (Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT)
    }
    context.handle_message(heard, buffers)
    return b"".join(buffer.data for buffer in buffers.values())
