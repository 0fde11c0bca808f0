"""The command lines of OpenSSL's client and server."""

from __future__ import annotations

from .cases import Case
from .material import HOST, PSK_HEX, PSK_IDENTITY, SERVER_NAME, Material

_CIPHERS = {
    ("psk", "CCM_8"): "PSK-AES128-CCM8",
    ("psk", "GCM"): "PSK-AES128-GCM-SHA256",
    ("x509", "CCM_8"): "ECDHE-ECDSA-AES128-CCM8",
    ("x509", "GCM"): "ECDHE-ECDSA-AES128-GCM-SHA256",
}


def _common(case: Case) -> list[str]:
    # OpenSSL takes tags of 8 bytes for too weak at its usual level.
    ciphers = f"{_CIPHERS[case.auth, case.cipher]}:@SECLEVEL=0"
    # Without -nbio a replayed record leaves them waiting for another one, deaf to their input.
    return ["-dtls1_2", "-quiet", "-nbio", "-cipher", ciphers, "-mtu", str(case.their_mtu)]


def client(program: str, case: Case, port: int, files: Material) -> list[str]:
    """``openssl s_client``."""
    command = [program, "s_client", "-connect", f"{HOST}:{port}", *_common(case)]
    if case.credential == "psk":
        return [*command, "-psk_identity", PSK_IDENTITY, "-psk", PSK_HEX]
    command += ["-CAfile", files["ca.pem"], "-verify_return_error"]
    command += ["-verify_hostname", SERVER_NAME, "-servername", SERVER_NAME]
    if case.mutual:
        command += ["-cert", files["client.pem"], "-key", files["client.key"]]
    return command


def server(program: str, case: Case, port: int, files: Material) -> list[str]:
    """``openssl s_server``, which asks for a cookie whether told to or not."""
    command = [program, "s_server", "-accept", f"{HOST}:{port}", "-no_ticket", *_common(case)]
    if case.credential == "psk":
        return [*command, "-nocert", "-psk_identity", PSK_IDENTITY, "-psk", PSK_HEX]
    command += ["-cert", files["server.pem"], "-key", files["server.key"]]
    if case.mutual:
        command += ["-CAfile", files["ca.pem"], "-Verify", "1", "-verify_return_error"]
    return command
