"""The command lines of GnuTLS's client and server."""

from __future__ import annotations

from .cases import Case
from .material import HOST, PSK_HEX, PSK_IDENTITY, SERVER_NAME, Material

_CIPHERS = {"CCM_8": "AES-128-CCM-8", "GCM": "AES-128-GCM"}


def _common(case: Case) -> list[str]:
    exchange = "PSK" if case.credential == "psk" else "ECDHE-ECDSA"
    priority = "NORMAL:-VERS-ALL:+VERS-DTLS1.2"
    priority += f":-CIPHER-ALL:+{_CIPHERS[case.cipher]}:-KX-ALL:+{exchange}"
    if case.auth == "rpk":
        priority += ":-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK"
    return ["--udp", "--mtu", str(case.their_mtu), "--priority", priority]


def _own(case: Case, side: str, files: Material) -> list[str]:
    certificate, key = ("rawpkfile", "rawpkkeyfile")
    if case.auth == "rpk":
        return [f"--{certificate}", files[f"{side}.pub"], f"--{key}", files[f"{side}.key"]]
    return ["--x509certfile", files[f"{side}.pem"], "--x509keyfile", files[f"{side}.key"]]


def client(program: str, case: Case, port: int, files: Material) -> list[str]:
    """``gnutls-cli``."""
    command = [program, *_common(case), "--port", str(port)]
    if case.credential == "psk":
        command += ["--pskusername", PSK_IDENTITY, "--pskkey", PSK_HEX]
    elif case.auth == "rpk":
        command += ["--insecure"]
    else:
        command += ["--x509cafile", files["ca.pem"], "--verify-hostname", SERVER_NAME]
    if case.mutual:
        command += _own(case, "client", files)
    return [*command, HOST]


def server(program: str, case: Case, port: int, files: Material) -> list[str]:
    """``gnutls-serv``, which sends back what it gets."""
    command = [program, *_common(case), "--echo", "--port", str(port)]
    if not case.cookie:
        command += ["--nocookie"]
    if case.credential == "psk":
        return [*command, "--pskpasswd", files["psk.txt"]]
    command += _own(case, "server", files)
    if not case.mutual:
        return [*command, "--disable-client-cert"]
    command += ["--require-client-cert"]
    if case.auth == "x509":
        command += ["--x509cafile", files["ca.pem"], "--verify-client-cert"]
    return command
