"""Hypothesis strategies for what the TLS codecs read and write, and for damage to it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.flight import HandshakeMessage

u8s = st.integers(0, 0xFF)
u16s = st.integers(0, 0xFFFF)
u24s = st.integers(0, 0xFFFFFF)
opaque8 = st.binary(max_size=255)
opaque16 = st.binary(max_size=600)
u8_lists = st.lists(u8s, min_size=1, max_size=255).map(tuple)
u16_lists = st.lists(u16s, min_size=1, max_size=40).map(tuple)
publics = st.binary(min_size=1, max_size=255)
der = st.binary(min_size=1, max_size=300)
randoms = st.binary(min_size=32, max_size=32)
session_ids = st.binary(max_size=32)
host_names = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255
)

TYPED_EXTENSIONS: dict[type[ext.TypedExtension], SearchStrategy[Any]] = {
    ext.ServerName: st.builds(ext.ServerName, host_names),
    ext.ServerNameAcknowledged: st.builds(ext.ServerNameAcknowledged),
    ext.SupportedGroups: st.builds(ext.SupportedGroups, u16_lists),
    ext.ECPointFormats: st.builds(ext.ECPointFormats, u8_lists),
    ext.SignatureAlgorithms: st.builds(ext.SignatureAlgorithms, u16_lists),
    ext.ClientCertificateType: st.builds(ext.ClientCertificateType, u8_lists),
    ext.SelectedClientCertificateType: st.builds(ext.SelectedClientCertificateType, u8s),
    ext.ServerCertificateType: st.builds(ext.ServerCertificateType, u8_lists),
    ext.SelectedServerCertificateType: st.builds(ext.SelectedServerCertificateType, u8s),
    ext.ExtendedMasterSecret: st.builds(ext.ExtendedMasterSecret),
    ext.RenegotiationInfo: st.builds(ext.RenegotiationInfo, opaque8),
    ext.RecordSizeLimit: st.builds(ext.RecordSizeLimit, st.integers(64, 0xFFFF)),
}

raw_extensions = st.builds(ext.Extension, u16s, st.binary(max_size=60))
any_extension = st.one_of(
    raw_extensions, *(typed.map(ext.Extension.of) for typed in TYPED_EXTENSIONS.values())
)
extension_blocks = st.one_of(
    st.just(ext.Extensions()),
    st.just(ext.Extensions(empty_block=True)),
    st.lists(any_extension, min_size=1, max_size=8, unique_by=lambda item: item.type).map(
        lambda items: ext.Extensions(tuple(items))
    ),
)

MESSAGES: dict[type[msg.Message], SearchStrategy[Any]] = {
    msg.HelloRequest: st.builds(msg.HelloRequest),
    msg.ClientHello: st.builds(
        msg.ClientHello,
        version=u16s,
        random=randoms,
        session_id=session_ids,
        cookie=opaque8,
        cipher_suites=u16_lists,
        compression_methods=publics,
        extensions=extension_blocks,
    ),
    msg.HelloVerifyRequest: st.builds(msg.HelloVerifyRequest, u16s, opaque8),
    msg.ServerHello: st.builds(
        msg.ServerHello,
        version=u16s,
        random=randoms,
        session_id=session_ids,
        cipher_suite=u16s,
        compression_method=u8s,
        extensions=extension_blocks,
    ),
    msg.ServerHelloDone: st.builds(msg.ServerHelloDone),
    msg.Certificate: st.builds(msg.Certificate, st.lists(der, max_size=4).map(tuple)),
    msg.RawPublicKeyCertificate: st.builds(msg.RawPublicKeyCertificate, der),
    msg.CertificateRequest: st.builds(
        msg.CertificateRequest, u8_lists, u16_lists, st.lists(der, max_size=4).map(tuple)
    ),
    msg.CertificateVerify: st.builds(msg.CertificateVerify, u16s, opaque16),
    msg.ServerKeyExchangePsk: st.builds(msg.ServerKeyExchangePsk, opaque16),
    msg.ServerKeyExchangeEcdheEcdsa: st.builds(
        msg.ServerKeyExchangeEcdheEcdsa, u16s, publics, u16s, opaque16
    ),
    msg.ServerKeyExchangeEcdhePsk: st.builds(
        msg.ServerKeyExchangeEcdhePsk, opaque16, u16s, publics
    ),
    msg.ClientKeyExchangePsk: st.builds(msg.ClientKeyExchangePsk, opaque16),
    msg.ClientKeyExchangeEcdhe: st.builds(msg.ClientKeyExchangeEcdhe, publics),
    msg.ClientKeyExchangeEcdhePsk: st.builds(msg.ClientKeyExchangeEcdhePsk, opaque16, publics),
    msg.Finished: st.builds(msg.Finished, st.binary(min_size=12, max_size=12)),
}

handshake_messages = st.builds(
    HandshakeMessage, type=u8s, body=opaque16, message_seq=u16s, epoch=u16s
)


@st.composite
def damaged(draw: DrawFn, data: bytes) -> bytes:
    """``data`` with one to four of: a byte changed, a cut at the end, a piece lost or put in."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        kind = draw(st.sampled_from(["overwrite", "truncate", "delete", "insert"]))
        if kind == "overwrite":
            new = draw(st.binary(min_size=end - start, max_size=end - start))
            data = data[:start] + new + data[end:]
        elif kind == "truncate":
            data = data[:start]
        elif kind == "delete":
            data = data[:start] + data[end:]
        else:
            data = data[:start] + draw(st.binary(max_size=8)) + data[start:]
    return data
