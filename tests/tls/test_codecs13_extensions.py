"""Extensions of 1.3: typed codecs, and what pre_shared_key asks of its hello."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls.alerts import AlertError, DecodeError, IllegalParameter
from handshake_over_coap.tls.codepoints import ExtensionType, PskKeyExchangeMode
from tests.support.strategies import damaged
from tests.support.strategies13 import TYPED_EXTENSIONS_13, psk_offers
from tests.support.traces13 import TRACES, as_dtls

Kind = type[ext.TypedExtension]
every_kind = pytest.mark.parametrize("kind", TYPED_EXTENSIONS_13)

ONE_PSK = ext.OfferedPsks((ext.PskIdentity(b"id", 0x01020304),), (b"\xbb" * 32,))

VECTORS: list[tuple[ext.TypedExtension, int, str]] = [
    (ext.SupportedVersions((0xFEFC, 0xFEFD)), 43, "04 fefc fefd"),
    (ext.SelectedVersion(0xFEFC), 43, "fefc"),
    (ext.KeyShares(), 51, "0000"),
    (
        ext.KeyShares((ext.KeyShareEntry(29, b"abc"), ext.KeyShareEntry(0x11EC, b"d"))),
        51,
        "000c 001d 0003 616263 11ec 0001 64",
    ),
    (ext.SelectedKeyShare(ext.KeyShareEntry(23, b"ab")), 51, "0017 0002 6162"),
    (ext.RequestedGroup(0x11EC), 51, "11ec"),
    (ext.Cookie(b"oat"), 44, "0003 6f6174"),
    (ext.SignatureAlgorithmsCert((0x0403, 0x0807)), 50, "0004 0403 0807"),
    (ext.CertificateAuthorities((b"\x30\x00", b"x")), 47, "0007 0002 3000 0001 78"),
    (ext.PskKeyExchangeModes((PskKeyExchangeMode.psk_dhe_ke, 0)), 45, "02 01 00"),
    (ONE_PSK, 41, "0008 0002 6964 01020304 0021 20" + "bb" * 32),
    (ext.SelectedPsk(1), 41, "0001"),
    (ext.ConnectionId(b""), 54, "00"),
    (ext.ConnectionId(b"\x01\x02"), 54, "02 0102"),
]

MALFORMED: list[tuple[Kind, str, type[AlertError]]] = [
    (ext.SupportedVersions, "", DecodeError),
    (ext.SupportedVersions, "00", DecodeError),
    (ext.SupportedVersions, "03 fefc fe", DecodeError),
    (ext.SelectedVersion, "fe", DecodeError),
    (ext.SelectedVersion, "fefc00", DecodeError),
    (ext.KeyShares, "", DecodeError),
    (ext.KeyShares, "0004 001d 0000", DecodeError),  # an empty share
    (ext.KeyShares, "000a 001d 0001 61 001d 0001 62", IllegalParameter),
    (ext.SelectedKeyShare, "001d 0000", DecodeError),
    (ext.RequestedGroup, "1d", DecodeError),
    (ext.Cookie, "0000", DecodeError),
    (ext.SignatureAlgorithmsCert, "0000", DecodeError),
    (ext.CertificateAuthorities, "0000", DecodeError),
    (ext.CertificateAuthorities, "0003 0000 00", DecodeError),
    (ext.PskKeyExchangeModes, "00", DecodeError),
    (ext.OfferedPsks, "0000 0000", DecodeError),
    (ext.OfferedPsks, "0008 0002 6964 01020304 0000", DecodeError),
    (ext.OfferedPsks, "0008 0002 6964 01020304 0020 1f" + "bb" * 31, DecodeError),
    (ext.OfferedPsks, "0006 0000 01020304 0021 20" + "bb" * 32, DecodeError),
    (ext.OfferedPsks, "0008 0002 6964 01020304 0042" + ("20" + "bb" * 32) * 2, IllegalParameter),
    (ext.SelectedPsk, "00", DecodeError),
    (ext.ConnectionId, "", DecodeError),
    (ext.ConnectionId, "02 01", DecodeError),
]

UNSENDABLE: list[ext.TypedExtension] = [
    ext.SupportedVersions(()),
    ext.SupportedVersions((0xFEFC,) * 128),
    ext.SelectedVersion(0x10000),
    ext.KeyShares((ext.KeyShareEntry(29, b""),)),
    ext.KeyShares((ext.KeyShareEntry(29, b"a"), ext.KeyShareEntry(29, b"b"))),
    ext.SelectedKeyShare(ext.KeyShareEntry(29, bytes(0x10000))),
    ext.RequestedGroup(-1),
    ext.Cookie(b""),
    ext.SignatureAlgorithmsCert(()),
    ext.CertificateAuthorities(()),
    ext.CertificateAuthorities((b"",)),
    ext.PskKeyExchangeModes(()),
    ext.OfferedPsks((), ()),
    ext.OfferedPsks((ext.PskIdentity(b"a"),), ()),
    ext.OfferedPsks((ext.PskIdentity(b""),), (bytes(32),)),
    ext.OfferedPsks((ext.PskIdentity(b"a", 1 << 32),), (bytes(32),)),
    ext.OfferedPsks((ext.PskIdentity(b"a"),), (bytes(31),)),
    ext.SelectedPsk(0x10000),
    ext.ConnectionId(bytes(256)),
]


@pytest.mark.parametrize(("typed", "number", "expected"), VECTORS, ids=lambda v: str(v)[:40])
def test_extension_data_of_1_3_as_the_rfcs_lay_it_out(
    typed: ext.TypedExtension, number: int, expected: str
) -> None:
    assert typed.extension_type == number
    assert typed.encode() == bytes.fromhex(expected)
    assert type(typed).decode(bytes.fromhex(expected)) == typed


def test_every_extension_of_1_3_has_a_vector() -> None:
    assert {type(typed) for typed, _, _ in VECTORS} == set(TYPED_EXTENSIONS_13)


@pytest.mark.parametrize(("kind", "data", "error"), MALFORMED)
def test_impossible_data_of_1_3_draws_the_right_alert(
    kind: Kind, data: str, error: type[AlertError]
) -> None:
    with pytest.raises(error):
        kind.decode(bytes.fromhex(data))


@pytest.mark.parametrize("typed", UNSENDABLE, ids=lambda value: str(value)[:40])
def test_an_extension_of_1_3_that_no_peer_could_accept_is_not_encoded(
    typed: ext.TypedExtension,
) -> None:
    with pytest.raises(ConfigurationError):
        typed.encode()


@every_kind
@given(data=st.data())
def test_extensions_of_1_3_come_back(kind: Kind, data: st.DataObject) -> None:
    typed = data.draw(TYPED_EXTENSIONS_13[kind])
    encoded = typed.encode()
    assert kind.decode(encoded) == typed
    assert ext.Extensions.of(typed).find(kind) == typed


@every_kind
@given(data=st.data())
def test_bytes_after_an_extension_of_1_3_are_a_decode_error(
    kind: Kind, data: st.DataObject
) -> None:
    encoded = data.draw(TYPED_EXTENSIONS_13[kind]).encode()
    with pytest.raises(DecodeError):
        kind.decode(encoded + data.draw(st.binary(min_size=1, max_size=4)))


@every_kind
@given(data=st.data())
def test_damaged_extensions_of_1_3_raise_alerts_or_mean_what_they_say(
    kind: Kind, data: st.DataObject
) -> None:
    mutated = data.draw(damaged(data.draw(TYPED_EXTENSIONS_13[kind]).encode()))
    try:
        typed = kind.decode(mutated)
    except AlertError:
        return
    assert typed.encode() == mutated


def test_a_share_is_found_by_its_group() -> None:
    shares = ext.KeyShares((ext.KeyShareEntry(29, b"a"), ext.KeyShareEntry(23, b"b")))
    assert [shares.share(group) for group in (23, 29, 24)] == [b"b", b"a", None]


def _hello(*extensions: ext.Extension) -> msg.ClientHello:
    return msg.ClientHello(0xFEFD, bytes(32), b"", b"", (0x1304,), b"\x00", _block(extensions))


def _block(extensions: tuple[ext.Extension, ...]) -> ext.Extensions:
    return ext.Extensions(extensions)


def test_pre_shared_key_has_to_stand_last() -> None:
    versions = ext.Extension.of(ext.SupportedVersions((0xFEFC,)))
    psks = ext.Extension.of(ONE_PSK)
    assert msg.offered_psks(_hello(versions)) is None
    assert msg.offered_psks(_hello(versions, psks)) == ONE_PSK
    with pytest.raises(IllegalParameter, match="last"):
        msg.offered_psks(_hello(psks, versions))
    with pytest.raises(DecodeError):
        msg.offered_psks(_hello(ext.Extension(ExtensionType.pre_shared_key, b"")))


@given(offered=psk_offers)
def test_binders_are_computed_over_all_that_stands_before_them(offered: ext.OfferedPsks) -> None:
    unbound = ext.OfferedPsks.unbound(offered.identities)
    laid_out = _hello(ext.Extension.of(unbound)).encode()
    bound = unbound.with_binders([b"\xbb" * 32] * len(offered.identities))
    final = _hello(ext.Extension.of(bound)).encode()
    assert msg.binder_input(laid_out, unbound) == msg.binder_input(final, bound)
    truncated = msg.binder_input(final, bound)
    assert truncated[:4] == b"\x01" + len(final).to_bytes(3, "big")
    left_out = final[len(truncated) - 4 :]
    assert left_out == (33 * len(offered.identities)).to_bytes(2, "big") + (
        b"\x20" + b"\xbb" * 32
    ) * len(offered.identities)


def test_the_offer_of_a_recorded_hello_of_rfc_8448() -> None:
    hello = msg.ClientHello.decode(as_dtls(TRACES["resumed"]["client_hello"][4:]))
    offered = msg.offered_psks(hello)
    assert offered is not None
    ((identity,), (binder,)) = offered.identities, offered.binders
    assert (len(identity.identity), identity.obfuscated_ticket_age) == (178, 0xFAD6AACB)
    assert binder.hex() == "3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d"
    assert hello.extensions.find(ext.PskKeyExchangeModes) == ext.PskKeyExchangeModes((1,))
    assert ExtensionType.early_data in hello.extensions
