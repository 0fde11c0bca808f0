"""Hello extensions: typed codecs and the block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import extensions as ext
from handshake_over_coap.tls.alerts import AlertError, DecodeError, IllegalParameter
from handshake_over_coap.tls.codepoints import ExtensionType
from handshake_over_coap.tls.wire import Reader
from tests.support.strategies import TYPED_EXTENSIONS, damaged, extension_blocks

Kind = type[ext.TypedExtension]
every_kind = pytest.mark.parametrize("kind", TYPED_EXTENSIONS)

VECTORS: list[tuple[ext.TypedExtension, str]] = [
    (ext.ServerName("a.io"), "0007 00 0004 612e696f"),
    (ext.ServerNameAcknowledged(), ""),
    (ext.SupportedGroups((29, 23)), "0004 001d 0017"),
    (ext.ECPointFormats((0,)), "01 00"),
    (ext.SignatureAlgorithms((0x0403, 0x0807)), "0004 0403 0807"),
    (ext.ClientCertificateType((2, 0)), "02 02 00"),
    (ext.SelectedClientCertificateType(2), "02"),
    (ext.ServerCertificateType((2,)), "01 02"),
    (ext.SelectedServerCertificateType(0), "00"),
    (ext.ExtendedMasterSecret(), ""),
    (ext.RenegotiationInfo(), "00"),
    (ext.RecordSizeLimit(256), "0100"),
]

MALFORMED: list[tuple[Kind, str, type[AlertError]]] = [
    (ext.ServerName, "", DecodeError),
    (ext.ServerName, "0000", DecodeError),  # no name at all
    (ext.ServerName, "0003 00 0000", DecodeError),  # an empty name
    (ext.ServerName, "0004 01 0001 61", DecodeError),  # an unknown type of name
    (ext.ServerName, "0008 00 0001 61 00 0001 62", DecodeError),  # two names
    (ext.ServerName, "0103 00 0100" + "61" * 256, DecodeError),  # 256 bytes
    (ext.ServerName, "0004 00 0001 e9", IllegalParameter),
    (ext.ServerName, "0004 00 0001 00", IllegalParameter),
    (ext.ServerNameAcknowledged, "00", DecodeError),
    (ext.SupportedGroups, "0000", DecodeError),
    (ext.SupportedGroups, "0003 001d 00", DecodeError),
    (ext.ECPointFormats, "00", DecodeError),
    (ext.SignatureAlgorithms, "0000", DecodeError),
    (ext.SignatureAlgorithms, "0001 04", DecodeError),
    (ext.ClientCertificateType, "00", DecodeError),
    (ext.SelectedClientCertificateType, "", DecodeError),
    (ext.SelectedServerCertificateType, "0200", DecodeError),
    (ext.ServerCertificateType, "00", DecodeError),
    (ext.ExtendedMasterSecret, "00", DecodeError),
    (ext.RenegotiationInfo, "", DecodeError),
    (ext.RecordSizeLimit, "40", DecodeError),
    (ext.RecordSizeLimit, "003f", IllegalParameter),
]

UNSENDABLE: list[ext.TypedExtension] = [
    ext.ServerName(""),
    ext.ServerName("a" * 256),
    ext.ServerName("bücher.example"),
    ext.ServerName("a b"),
    ext.SupportedGroups(()),
    ext.SupportedGroups((65536,)),
    ext.SupportedGroups((23,) * 32768),
    ext.ECPointFormats(()),
    ext.ECPointFormats((0,) * 256),
    ext.SignatureAlgorithms(()),
    ext.ClientCertificateType(()),
    ext.SelectedClientCertificateType(256),
    ext.ServerCertificateType((0,) * 256),
    ext.RenegotiationInfo(bytes(256)),
    ext.RecordSizeLimit(63),
    ext.RecordSizeLimit(65536),
]


@pytest.mark.parametrize(("typed", "expected"), VECTORS, ids=lambda value: str(value)[:40])
def test_extension_data_as_the_rfcs_lay_it_out(typed: ext.TypedExtension, expected: str) -> None:
    assert typed.encode() == bytes.fromhex(expected)
    assert type(typed).decode(bytes.fromhex(expected)) == typed


def test_every_extension_has_a_vector() -> None:
    assert {type(typed) for typed, _ in VECTORS} == set(TYPED_EXTENSIONS)


@pytest.mark.parametrize(("kind", "data", "error"), MALFORMED)
def test_impossible_data_draws_the_right_alert(
    kind: Kind, data: str, error: type[AlertError]
) -> None:
    with pytest.raises(error):
        kind.decode(bytes.fromhex(data))


@pytest.mark.parametrize("typed", UNSENDABLE, ids=lambda value: str(value)[:40])
def test_what_no_peer_could_accept_is_not_encoded(typed: ext.TypedExtension) -> None:
    with pytest.raises(ConfigurationError):
        typed.encode()


@every_kind
@given(data=st.data())
def test_extensions_come_back(kind: Kind, data: st.DataObject) -> None:
    typed = data.draw(TYPED_EXTENSIONS[kind])
    encoded = typed.encode()
    assert kind.decode(encoded) == typed
    block = ext.Extensions.of(typed)
    assert block.find(kind) == typed
    assert block.get(kind.extension_type) == encoded


@every_kind
@given(data=st.data())
def test_bytes_after_an_extension_are_a_decode_error(kind: Kind, data: st.DataObject) -> None:
    encoded = data.draw(TYPED_EXTENSIONS[kind]).encode()
    extra = data.draw(st.binary(min_size=1, max_size=4))
    with pytest.raises(DecodeError):
        kind.decode(encoded + extra)


@every_kind
@given(data=st.data())
def test_damaged_extensions_raise_alerts_or_mean_what_they_say(
    kind: Kind, data: st.DataObject
) -> None:
    mutated = data.draw(damaged(data.draw(TYPED_EXTENSIONS[kind]).encode()))
    try:
        typed = kind.decode(mutated)
    except AlertError:
        return
    assert typed.encode() == mutated


@given(block=extension_blocks)
def test_blocks_come_back_in_order(block: ext.Extensions) -> None:
    encoded = block.encode_optional()
    reader = Reader(encoded)
    assert ext.Extensions.read_optional(reader) == block
    reader.done()


@given(data=st.data())
def test_damaged_blocks_raise_alerts_or_mean_what_they_say(data: st.DataObject) -> None:
    mutated = data.draw(damaged(data.draw(extension_blocks).encode_optional()))
    reader = Reader(mutated)
    try:
        block = ext.Extensions.read_optional(reader)
        reader.done()
    except AlertError:
        return
    assert block.encode_optional() == mutated


def test_an_absent_block_differs_from_an_empty_one() -> None:
    assert ext.Extensions().encode_optional() == b""
    assert ext.Extensions().encode_block() == b"\x00\x00"
    assert ext.Extensions(empty_block=True).encode_optional() == b"\x00\x00"
    assert not ext.Extensions.read_optional(Reader(b"")).empty_block
    assert ext.Extensions.read_optional(Reader(b"\x00\x00")).empty_block


def test_an_extension_that_stands_twice_is_a_decode_error() -> None:
    twice = (ext.Extension(23, b""), ext.Extension(0xABCD, b"x"), ext.Extension(23, b"y"))
    with pytest.raises(DecodeError):
        ext.Extensions.read_block(Reader(bytes.fromhex("000e 00170000 abcd000178 0017000179")))
    with pytest.raises(ConfigurationError):
        ext.Extensions(twice).encode_block()


def test_a_block_that_ends_inside_an_extension_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        ext.Extensions.read_block(Reader(bytes.fromhex("0005 0017 0002 00")))


def test_lookups_in_a_block() -> None:
    block = ext.Extensions.of(ext.ExtendedMasterSecret(), ext.SupportedGroups((23,)))
    assert block.types() == (23, 10)
    assert len(block) == len(tuple(block)) == 2
    assert ExtensionType.supported_groups in block
    assert ExtensionType.server_name not in block
    assert block.get(ExtensionType.server_name) is None
    assert block.find(ext.ServerName) is None
    assert block.find(ext.ExtendedMasterSecret) == ext.ExtendedMasterSecret()


def test_a_malformed_extension_is_found_out_when_it_is_looked_up() -> None:
    block = ext.Extensions((ext.Extension(ExtensionType.supported_groups, b"\x00"),))
    with pytest.raises(DecodeError):
        block.find(ext.SupportedGroups)
