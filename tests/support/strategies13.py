"""Hypothesis strategies for what only 1.3 reads and writes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.codepoints import ConnectionIdUsage, KeyUpdateRequest
from tests.support.strategies import der, extension_blocks, opaque8, u8_lists, u8s, u16_lists, u16s

u32s = st.integers(0, 0xFFFFFFFF)
opaque16_1 = st.binary(min_size=1, max_size=300)
versions = st.lists(u16s, min_size=1, max_size=127).map(tuple)
shares = st.builds(ext.KeyShareEntry, u16s, opaque16_1)
identities = st.builds(ext.PskIdentity, opaque16_1, u32s)
binders = st.binary(min_size=32, max_size=255)
psk_offers = st.lists(st.tuples(identities, binders), min_size=1, max_size=4).map(
    lambda pairs: ext.OfferedPsks(
        tuple(identity for identity, _ in pairs), tuple(binder for _, binder in pairs)
    )
)

TYPED_EXTENSIONS_13: dict[type[ext.TypedExtension], SearchStrategy[Any]] = {
    ext.SupportedVersions: st.builds(ext.SupportedVersions, versions),
    ext.SelectedVersion: st.builds(ext.SelectedVersion, u16s),
    ext.KeyShares: st.lists(shares, max_size=4, unique_by=lambda entry: entry.group).map(
        lambda entries: ext.KeyShares(tuple(entries))
    ),
    ext.SelectedKeyShare: st.builds(ext.SelectedKeyShare, shares),
    ext.RequestedGroup: st.builds(ext.RequestedGroup, u16s),
    ext.Cookie: st.builds(ext.Cookie, opaque16_1),
    ext.SignatureAlgorithmsCert: st.builds(ext.SignatureAlgorithmsCert, u16_lists),
    ext.CertificateAuthorities: st.lists(der, min_size=1, max_size=4).map(
        lambda names: ext.CertificateAuthorities(tuple(names))
    ),
    ext.PskKeyExchangeModes: st.builds(ext.PskKeyExchangeModes, u8_lists),
    ext.OfferedPsks: psk_offers,
    ext.SelectedPsk: st.builds(ext.SelectedPsk, u16s),
    ext.ConnectionId: st.builds(ext.ConnectionId, opaque8),
}


present_blocks = extension_blocks.map(lambda block: ext.Extensions(block.items))
entries = st.builds(msg.CertificateEntry, der, present_blocks)

MESSAGES_13: dict[type[msg.Message], SearchStrategy[Any]] = {
    msg.EncryptedExtensions: st.builds(msg.EncryptedExtensions, present_blocks),
    msg.Certificate13: st.builds(
        msg.Certificate13, st.lists(entries, max_size=3).map(tuple), opaque8
    ),
    msg.CertificateRequest13: st.builds(msg.CertificateRequest13, present_blocks, opaque8),
    msg.Finished13: st.builds(msg.Finished13, st.binary(min_size=32, max_size=32)),
    msg.MessageHash: st.builds(msg.MessageHash, st.binary(min_size=32, max_size=32)),
    msg.NewSessionTicket: st.builds(
        msg.NewSessionTicket, u32s, u32s, opaque8, opaque16_1, present_blocks
    ),
    msg.KeyUpdate: st.builds(msg.KeyUpdate, st.sampled_from(KeyUpdateRequest)),
    msg.RequestConnectionId: st.builds(msg.RequestConnectionId, u8s),
    msg.NewConnectionId: st.builds(
        msg.NewConnectionId,
        st.lists(opaque8, max_size=4).map(tuple),
        st.sampled_from(ConnectionIdUsage),
    ),
}
