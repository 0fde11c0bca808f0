"""The key schedule of 1.3, judged by recorded handshakes of others (see tests.support.traces13)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls import messages as msg
from handshake_over_coap.tls import schedule13 as ks
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.extensions import OfferedPsks, SelectedKeyShare
from handshake_over_coap.tls.groups import offer
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.suites import (
    AES_128_CCM_8,
    AES_128_GCM,
    CHACHA20_POLY1305,
    AeadAlgorithm,
)
from tests.support.traces13 import (
    TLS_TRACES,
    TRACES,
    as_dtls,
    digest,
    follow,
    hellos_of,
    open_later,
    scripted,
    split,
)

SHA256_EMPTY = digest(b"")

# RFC 8448 section 3.
SIMPLE_SECRETS = {
    "c hs": "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
    "s hs": "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
    "c ap": "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
    "s ap": "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
    "exp": "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50",
    "res": "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c",
}
SIMPLE_KEYS = [
    ("s hs", "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"),
    ("c hs", "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"),
    ("c ap", "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"),
    ("s ap", "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"),
]


def test_the_secrets_of_rfc_8448_section_3() -> None:
    done = follow("simple")
    assert done.early.secret.hex() == (
        "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"
    )
    assert done.handshake.secret.hex() == (
        "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"
    )
    assert done.master.secret.hex() == (
        "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"
    )
    assert {label: secret.hex() for label, secret in done.secrets.items()} == SIMPLE_SECRETS


@pytest.mark.parametrize(("label", "key", "iv"), SIMPLE_KEYS)
def test_the_traffic_keys_of_rfc_8448_section_3(label: str, key: str, iv: str) -> None:
    keys = follow("simple").keys(label, 3)
    assert (keys.epoch, keys.key.hex(), keys.iv.hex()) == (3, key, iv)


def test_the_finished_keys_of_rfc_8448_section_3() -> None:
    secrets = follow("simple").secrets
    found = [ks.finished_key(secrets[label], ks.TLS13_PREFIX).hex() for label in ("s hs", "c hs")]
    assert found == [
        "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8",
        "b80ad01015fb2f0bd65ff7d4da5d6bf83f84821d1f87fdc7d3c75b5a7b42d9c4",
    ]


@pytest.mark.parametrize("name", TLS_TRACES)
def test_a_recorded_handshake_opens_and_verifies_to_its_last_alert(name: str) -> None:
    done = follow(name)
    for label, record in (("c ap", "client_close"), ("s ap", "server_close")):
        assert open_later(done.keys(label, 3), TRACES[name][record]) == (
            ContentType.alert,
            b"\x01\x00",
        )


def test_the_ticket_of_one_recorded_handshake_is_the_key_of_the_next() -> None:
    done = follow("simple")
    _, content = open_later(done.keys("s ap", 3), TRACES["simple"]["ticket_record"])
    (message,) = split(content)
    assert message.type == HandshakeType.new_session_ticket
    ticket = msg.NewSessionTicket.decode(message.body)
    assert (ticket.lifetime, ticket.nonce) == (30, b"\x00\x00")
    psk = ks.ticket_psk(done.secrets["res"], ticket.nonce, ks.TLS13_PREFIX)
    assert psk == TRACES["resumed"]["psk"]
    hello = msg.ClientHello.decode(as_dtls(TRACES["resumed"]["client_hello"][4:]))
    offered = hello.extensions.find(OfferedPsks)
    assert offered is not None
    assert offered.identities[0].identity == ticket.ticket


@pytest.mark.parametrize(("name", "external"), [("resumed", False), ("external_psk", True)])
def test_the_binder_of_a_recorded_hello(name: str, external: bool) -> None:
    trace = TRACES[name]
    body = trace["client_hello"][4:]
    offered = msg.offered_psks(msg.ClientHello.decode(as_dtls(body)))
    assert offered is not None
    early = ks.EarlySecret.of(trace["psk"], ks.TLS13_PREFIX)
    key = early.external_binder_key() if external else early.resumption_binder_key()
    truncated = msg.binder_input(body, offered)
    assert trace["client_hello"].startswith(truncated)
    assert ks.verify_data(key, digest(truncated), ks.TLS13_PREFIX) == offered.binders[0]


def test_the_early_secret_and_binder_key_of_rfc_8448_section_4() -> None:
    early = ks.EarlySecret.of(TRACES["resumed"]["psk"], ks.TLS13_PREFIX)
    assert early.secret.hex() == (
        "9b2188e9b2fc6d64d71dc329900e20bb41915000f678aa839cbb797cb7d8332c"
    )
    assert early.resumption_binder_key().hex() == (
        "69fe131a3bbad5d63c64eebcc30e395b9d8107726a13d074e389dbc8a4e47256"
    )


def _dtls_hellos() -> tuple[dict[str, bytes], bytes]:
    """The recorded DTLS handshake, and its hellos as they are hashed."""
    trace = TRACES["dtls"]
    hellos = b""
    for name in ("client_hello", "server_hello"):
        message = trace[name][13:]  # behind the record header; the message's own has 12 bytes
        hellos += message[:4] + message[12:]
    return trace, hellos


def test_the_secrets_of_a_recorded_dtls_handshake() -> None:
    trace, hellos = _dtls_hellos()
    hello = msg.ServerHello.decode(trace["server_hello"][25:])
    share = hello.extensions.find(SelectedKeyShare)
    assert share is not None
    ours = offer(share.entry.group, scripted(trace["client_private"], share.entry.group))
    handshake = ks.EarlySecret.of().handshake(ours.finish(share.entry.key_exchange))
    client, server = (
        secret(digest(hellos)) for secret in (handshake.client_traffic, handshake.server_traffic)
    )
    assert client == trace["client_handshake_traffic_secret"]
    assert server == trace["server_handshake_traffic_secret"]
    flight_hash = bytes.fromhex("77ff5eee528abc269960b0ea316eb8578dc8325d86ec1336ffe4b2941e26d82b")
    master = handshake.master()
    assert master.client_traffic(flight_hash) == trace["client_traffic_secret"]
    assert master.server_traffic(flight_hash) == trace["server_traffic_secret"]


@pytest.mark.parametrize(
    ("secret", "key", "iv", "sn_key"),
    [
        (
            "client_handshake_traffic_secret",
            "6caa2633d5e48f10051e69dc45549c97",
            "106dc6e393b7a9ea8ef29dd7",
            "beed6218676635c2cb46a45694144fec",
        ),
        (
            "server_handshake_traffic_secret",
            "004e03e64ab6cba6b542775ec230e20a",
            "6d9924be044ee97c624913f2",
            "7173fac51194e775001d625ef69d7c9f",
        ),
        (
            "client_traffic_secret",
            "9ba90dbce8857bc1fcb81d41a0465cfe",
            "682219974631fa0656ee4eff",
            "5cb5bd8bac29777c650c0dde22d16d47",
        ),
        (
            "server_traffic_secret",
            "2b65fffbbc8189474aa2003c43c32d4d",
            "582f5a11bdaf973fe3ffeb4e",
            "57ba02596c6a1352d7fe8416c7e17d5a",
        ),
    ],
)
def test_the_traffic_keys_of_a_recorded_dtls_handshake(
    secret: str, key: str, iv: str, sn_key: str
) -> None:
    assert ks.traffic_keys(TRACES["dtls"][secret], 2, AES_128_GCM) == TrafficKeys(
        2, AES_128_GCM, bytes.fromhex(key), bytes.fromhex(iv), bytes.fromhex(sn_key)
    )


def _open_dtls(keys: TrafficKeys, record: bytes) -> tuple[int, bytes]:
    """Number and plaintext, with its type, of a record whose header is 2e/2f, number, length."""
    header, sealed = record[:5], record[5:]
    mask = keys.aead.make_mask(keys.sn_key)(sealed[:16])
    number = int.from_bytes(header[1:3], "big") ^ int.from_bytes(mask[:2], "big")
    header = header[:1] + number.to_bytes(2, "big") + header[3:]
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    return number, keys.aead.make(keys.key).decrypt(nonce, sealed, header)


def test_a_recorded_dtls_flight_opens_and_verifies() -> None:
    trace, transcript = _dtls_hellos()
    secret = trace["server_handshake_traffic_secret"]
    keys = ks.traffic_keys(secret, 2, AES_128_GCM)
    names = ("encrypted_extensions", "certificate", "certificate_verify", "server_finished")
    for expected, name in enumerate(names):
        number, plain = _open_dtls(keys, trace[name])
        assert (number, plain[-1]) == (expected, ContentType.handshake)
        if name == "server_finished":
            assert plain[12:-1] == ks.verify_data(secret, digest(transcript))
        transcript += plain[:4] + plain[12:-1]
    assert digest(transcript).hex() == (
        "77ff5eee528abc269960b0ea316eb8578dc8325d86ec1336ffe4b2941e26d82b"
    )


def test_the_recorded_client_finished_of_dtls_verifies() -> None:
    trace = TRACES["dtls"]
    secret = trace["client_handshake_traffic_secret"]
    _, plain = _open_dtls(ks.traffic_keys(secret, 2, AES_128_GCM), trace["client_finished"])
    up_to_server = bytes.fromhex("77ff5eee528abc269960b0ea316eb8578dc8325d86ec1336ffe4b2941e26d82b")
    assert plain[12:-1] == ks.verify_data(secret, up_to_server)


def _by_hand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label with cryptography's HKDF-Expand."""
    info = length.to_bytes(2, "big") + bytes((len(label) + 6,)) + b"dtls13" + label
    info += bytes((len(context),)) + context
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)


@given(
    secret=st.binary(min_size=32, max_size=32),
    label=st.binary(min_size=1, max_size=249),
    context=st.binary(max_size=255),
    length=st.integers(1, 300),
)
def test_expansion_of_any_length_agrees_with_another_hkdf(
    secret: bytes, label: bytes, context: bytes, length: int
) -> None:
    assert ks.hkdf_expand_label(secret, label, context, length) == _by_hand(
        secret, label, context, length
    )


def test_the_longest_expansion_agrees_with_another_hkdf() -> None:
    assert ks.hkdf_expand_label(b"k" * 32, b"x", b"", 8160) == _by_hand(b"k" * 32, b"x", b"", 8160)


def test_a_key_update_leads_to_the_secret_with_its_label() -> None:
    first = TRACES["dtls"]["client_traffic_secret"]
    second = ks.next_traffic_secret(first)
    assert second == _by_hand(first, b"traffic upd", b"", 32)
    assert ks.next_traffic_secret(second) not in (first, second)


def test_no_key_and_no_shared_secret_count_as_zeros() -> None:
    assert ks.EarlySecret.of() == ks.EarlySecret.of(bytes(32))
    early = ks.EarlySecret.of(b"a key")
    assert early.handshake() == early.handshake(bytes(32))
    assert early.external_binder_key() != early.resumption_binder_key()


@pytest.mark.parametrize("aead", [AES_128_CCM_8, CHACHA20_POLY1305], ids=lambda a: a.name)
def test_keys_are_as_long_as_the_algorithm_wants(aead: AeadAlgorithm) -> None:
    keys = ks.traffic_keys(bytes(32), 3, aead)
    assert (len(keys.key), len(keys.iv), len(keys.sn_key)) == (
        aead.key_length,
        12,
        aead.key_length,
    )
    assert len({keys.key, keys.sn_key}) == 2


def test_an_export_takes_label_context_and_length() -> None:
    secret = bytes(range(32))
    derived = _by_hand(secret, b"EXPERIMENTAL x", SHA256_EMPTY, 32)
    expected = _by_hand(derived, b"exporter", digest(b"context"), 40)
    assert ks.export(secret, "EXPERIMENTAL x", 40, b"context") == expected
    assert ks.export(secret, "x", 32) == ks.export(secret, "x", 32, b"")


@pytest.mark.parametrize(
    ("label", "length"), [("", 32), ("ü", 32), ("x" * 250, 32), ("x", 0), ("x", 8161)]
)
def test_an_impossible_export_is_refused(label: str, length: int) -> None:
    with pytest.raises(ConfigurationError):
        ks.export(bytes(32), label, length)


def test_the_text_form_of_secrets_shows_none() -> None:
    early = ks.EarlySecret(b"\xab" * 32)
    shown = repr((early, early.handshake(), early.handshake().master()))
    assert r"\x" not in shown


def test_the_transcript_of_a_retry_starts_with_a_hash() -> None:
    hellos = hellos_of(TRACES["retry"])
    assert hellos[:4] == bytes.fromhex("fe000020")
    assert msg.is_hello_retry_request(
        msg.ServerHello.decode(TRACES["retry"]["hello_retry_request"][4:])
    )
