"""From files and options to what a side proves itself with, and whom it believes."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable
from typing import Final, TypeVar

from cryptography import x509

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.config import AsymmetricCredential
from handshake_over_coap.tls.credentials import PSK, Certificate, RawPublicKey
from handshake_over_coap.tls.keyfiles import (
    load_certificates,
    load_private_key,
    load_public_key,
    read_file,
)
from handshake_over_coap.tls.trust import Trust

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_USED: Final = {
    "psk": {"psk"},
    "ecdhe-psk": {"psk"},
    "rpk": {"key", "peer_key"},
    "x509": {"key", "cert", "ca"},
}
"""Which options of credentials each --auth looks at."""

_NO_PSK: Final = (
    "--auth {auth} needs a pre-shared key: add --psk IDENTITY:HEXKEY, the same on both sides"
)
_OTHER_AUTH: Final = " (or say --auth rpk or x509, which use --key)"
_NO_TRUST: Final = {
    "rpk": "--auth rpk{mutual}: nothing to know the {peer} by; add --peer-key FILE with the "
    "{peer}'s public key, or --insecure to accept anybody",
    "x509": "--auth x509{mutual}: nothing to check the {peer}'s certificate against; add --ca FILE "
    "with a trust anchor, or --insecure to accept anybody",
}


def server_credentials(arguments: Namespace) -> list[PSK | AsymmetricCredential]:
    """What a server proves itself with; raises ConfigurationError, also for what is missing."""
    warn_of_unused(arguments)
    if arguments.auth in ("psk", "ecdhe-psk"):
        return list(_pre_shared_keys(arguments))
    credential = own_credential(arguments)
    if credential is None:
        needed = "--key FILE" if arguments.auth == "rpk" else "--cert FILE and --key FILE"
        made = " (hoc keygen --out FILE makes one)" if arguments.auth == "rpk" else ""
        raise ConfigurationError(f"a server with --auth {arguments.auth} needs {needed}{made}")
    return [credential]


def client_credential(arguments: Namespace) -> PSK | AsymmetricCredential | None:
    """What a client proves itself with, if anything; raises ConfigurationError."""
    warn_of_unused(arguments)
    if arguments.auth in ("psk", "ecdhe-psk"):
        return _pre_shared_keys(arguments)[0]
    credential = own_credential(arguments)
    if arguments.mutual and credential is None:
        needed = "--key FILE" if arguments.auth == "rpk" else "--cert FILE and --key FILE"
        raise ConfigurationError(f"--mutual: the server will ask for a client's key; add {needed}")
    return credential


def server_trust(arguments: Namespace) -> Trust | None:
    """Whom a server believes, where --mutual has it ask; raises ConfigurationError."""
    return _trust(arguments, "client") if arguments.mutual else None


def client_trust(arguments: Namespace) -> Trust | None:
    """Whom a client believes, unless a pre-shared key says it; raises ConfigurationError."""
    return None if arguments.auth in ("psk", "ecdhe-psk") else _trust(arguments, "server")


def own_credential(arguments: Namespace) -> AsymmetricCredential | None:
    """The side's own raw public key or certificate, if --key is given."""
    key: str | None = arguments.key
    if key is None:
        return None
    if arguments.auth == "rpk":
        return _load("--key", key, RawPublicKey)
    chain: str | None = arguments.cert
    if chain is None:
        raise ConfigurationError(
            "--auth x509 presents a certificate: add --cert FILE beside --key (or use --auth rpk)"
        )
    certificates = _load("--cert", chain, load_certificates)
    private_key = _load("--key", key, load_private_key)
    try:
        return Certificate(certificates, private_key)
    except ConfigurationError as error:
        raise ConfigurationError(f"--cert {chain} and --key {key}: {error}") from None


def given_trust(arguments: Namespace) -> Trust:
    """The trust that --ca, --peer-key and --insecure spell out, which may be none."""
    anchors: list[x509.Certificate] = []
    for path in arguments.ca or ():
        anchors += _load("--ca", path, load_certificates)
    pins = [_load("--peer-key", path, load_public_key) for path in arguments.peer_key or ()]
    return Trust(anchors, pins, insecure=arguments.insecure)


def warn_of_unused(arguments: Namespace) -> None:
    """Say which credentials have no part in the chosen --auth, and that --insecure is."""
    given = {name for name in ("psk", "key", "cert", "ca", "peer_key") if getattr(arguments, name)}
    for name in sorted(given - _USED[arguments.auth]):
        option = "--" + name.replace("_", "-")
        _log.warning("%s has no part in --auth %s and is not used", option, arguments.auth)
    if arguments.insecure and arguments.auth in ("rpk", "x509"):
        _log.warning("--insecure: any peer is accepted, whatever key it shows")


def _pre_shared_keys(arguments: Namespace) -> list[PSK]:
    keys: list[PSK] = arguments.psk or []
    if not keys:
        hint = _OTHER_AUTH if arguments.key or arguments.peer_key or arguments.ca else ""
        raise ConfigurationError(_NO_PSK.format(auth=arguments.auth) + hint)
    return keys


def _trust(arguments: Namespace, peer: str) -> Trust:
    trust = given_trust(arguments)
    raw = arguments.auth == "rpk"
    if not (trust.accepts_raw_public_keys if raw else trust.accepts_x509):
        mutual = " --mutual" if peer == "client" else ""
        raise ConfigurationError(_NO_TRUST[arguments.auth].format(mutual=mutual, peer=peer))
    return trust


def _load(option: str, path: str, parse: Callable[[bytes], _T]) -> _T:
    """What ``parse`` makes of the file; a ConfigurationError names option and file."""
    try:
        return parse(read_file(path))
    except ConfigurationError as error:
        raise ConfigurationError(f"{option} {path}: {error}") from None
