"""Numbers that IANA assigns to TLS and DTLS, as far as this library speaks or names them.

Members carry the registry's own names and spelling.  A number that a peer sends and that is not
here is not an error: parsers keep such values as plain ``int`` (an :class:`enum.IntEnum` member
compares equal to its number, so both kinds mix freely).

Source: https://www.iana.org/assignments/tls-parameters, tls-extensiontype-values.
"""

from __future__ import annotations

from enum import IntEnum


class ProtocolVersion(IntEnum):
    """Version numbers of DTLS on the wire: the ones' complement of the version (RFC 6347 4.1)."""

    DTLS_1_0 = 0xFEFF
    DTLS_1_2 = 0xFEFD
    DTLS_1_3 = 0xFEFC


class ContentType(IntEnum):
    """Registry "TLS ContentType": what a record holds (RFC 5246, RFC 9146, RFC 9147)."""

    change_cipher_spec = 20
    alert = 21
    handshake = 22
    application_data = 23
    heartbeat = 24
    tls12_cid = 25
    ack = 26


class HandshakeType(IntEnum):
    """Registry "TLS HandshakeType"."""

    hello_request = 0
    client_hello = 1
    server_hello = 2
    hello_verify_request = 3
    new_session_ticket = 4
    end_of_early_data = 5
    encrypted_extensions = 8
    request_connection_id = 9
    new_connection_id = 10
    certificate = 11
    server_key_exchange = 12
    certificate_request = 13
    server_hello_done = 14
    certificate_verify = 15
    client_key_exchange = 16
    finished = 20
    certificate_url = 21
    certificate_status = 22
    supplemental_data = 23
    key_update = 24
    message_hash = 254


class AlertLevel(IntEnum):
    """AlertLevel of RFC 5246 section 7.2."""

    warning = 1
    fatal = 2


class AlertDescription(IntEnum):
    """Registry "TLS Alerts"; the reserved entries of SSL 3.0 and TLS 1.0 are left out."""

    close_notify = 0
    unexpected_message = 10
    bad_record_mac = 20
    record_overflow = 22
    decompression_failure = 30
    handshake_failure = 40
    bad_certificate = 42
    unsupported_certificate = 43
    certificate_revoked = 44
    certificate_expired = 45
    certificate_unknown = 46
    illegal_parameter = 47
    unknown_ca = 48
    access_denied = 49
    decode_error = 50
    decrypt_error = 51
    too_many_cids_requested = 52
    protocol_version = 70
    insufficient_security = 71
    internal_error = 80
    inappropriate_fallback = 86
    user_canceled = 90
    no_renegotiation = 100
    missing_extension = 109
    unsupported_extension = 110
    certificate_unobtainable = 111
    unrecognized_name = 112
    bad_certificate_status_response = 113
    bad_certificate_hash_value = 114
    unknown_psk_identity = 115
    certificate_required = 116
    no_application_protocol = 120


class CipherSuiteId(IntEnum):
    """Registry "TLS Cipher Suites": the suites and signalling values this library knows."""

    TLS_PSK_WITH_AES_128_GCM_SHA256 = 0x00A8
    TLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00FF
    TLS_AES_128_GCM_SHA256 = 0x1301
    TLS_AES_256_GCM_SHA384 = 0x1302
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303
    TLS_AES_128_CCM_SHA256 = 0x1304
    TLS_AES_128_CCM_8_SHA256 = 0x1305
    TLS_FALLBACK_SCSV = 0x5600
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xC02B
    TLS_PSK_WITH_AES_128_CCM_8 = 0xC0A8
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 = 0xC0AE
    TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256 = 0xD003


class CompressionMethod(IntEnum):
    """CompressionMethod of RFC 5246 section 7.4.1.2: only "null" is ever used."""

    null = 0


class NamedGroup(IntEnum):
    """Registry "TLS Supported Groups"."""

    secp256r1 = 23
    secp384r1 = 24
    secp521r1 = 25
    x25519 = 29
    x448 = 30
    X25519MLKEM768 = 0x11EC


class ECCurveType(IntEnum):
    """Registry "TLS EC Curve Types" (RFC 8422 section 5.4)."""

    explicit_prime = 1
    explicit_char2 = 2
    named_curve = 3


class ECPointFormat(IntEnum):
    """Registry "TLS EC Point Formats" (RFC 8422 section 5.1.2)."""

    uncompressed = 0
    ansiX962_compressed_prime = 1
    ansiX962_compressed_char2 = 2


class SignatureScheme(IntEnum):
    """Registry "TLS SignatureScheme"; in 1.2 the same two octets are hash and signature."""

    rsa_pkcs1_sha256 = 0x0401
    ecdsa_secp256r1_sha256 = 0x0403
    rsa_pkcs1_sha384 = 0x0501
    ecdsa_secp384r1_sha384 = 0x0503
    rsa_pkcs1_sha512 = 0x0601
    ecdsa_secp521r1_sha512 = 0x0603
    rsa_pss_rsae_sha256 = 0x0804
    rsa_pss_rsae_sha384 = 0x0805
    rsa_pss_rsae_sha512 = 0x0806
    ed25519 = 0x0807
    ed448 = 0x0808


class ClientCertificateType(IntEnum):
    """Registry "TLS ClientCertificateType Identifiers": types in a 1.2 CertificateRequest.

    ``ecdsa_sign`` covers EdDSA keys as well (RFC 8422 section 5.5).
    """

    rsa_sign = 1
    dss_sign = 2
    rsa_fixed_dh = 3
    dss_fixed_dh = 4
    ecdsa_sign = 64
    rsa_fixed_ecdh = 65
    ecdsa_fixed_ecdh = 66


class CertificateType(IntEnum):
    """Registry "TLS Certificate Types" (RFC 7250): the form of the Certificate message."""

    X509 = 0
    RawPublicKey = 2


class PskKeyExchangeMode(IntEnum):
    """Registry "TLS PskKeyExchangeMode": a pre-shared key alone, or with an ephemeral one."""

    psk_ke = 0
    psk_dhe_ke = 1


class KeyUpdateRequest(IntEnum):
    """KeyUpdateRequest of RFC 8446 section 4.6.3: whether the peer is to update as well."""

    update_not_requested = 0
    update_requested = 1


class ConnectionIdUsage(IntEnum):
    """ConnectionIdUsage of RFC 9147 section 9: when new connection IDs are to be used."""

    cid_immediate = 0
    cid_spare = 1


class NameType(IntEnum):
    """NameType of the server_name extension (RFC 6066 section 3)."""

    host_name = 0


class ExtensionType(IntEnum):
    """Registry "TLS ExtensionType Values"."""

    server_name = 0
    max_fragment_length = 1
    status_request = 5
    supported_groups = 10
    ec_point_formats = 11
    signature_algorithms = 13
    application_layer_protocol_negotiation = 16
    client_certificate_type = 19
    server_certificate_type = 20
    padding = 21
    encrypt_then_mac = 22
    extended_master_secret = 23
    record_size_limit = 28
    session_ticket = 35
    pre_shared_key = 41
    early_data = 42
    supported_versions = 43
    cookie = 44
    psk_key_exchange_modes = 45
    certificate_authorities = 47
    post_handshake_auth = 49
    signature_algorithms_cert = 50
    key_share = 51
    connection_id = 54
    renegotiation_info = 65281
