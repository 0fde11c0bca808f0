"""From files and options to what a side proves itself with, and whom it believes."""

from __future__ import annotations

import logging
from argparse import Namespace

from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.sizes import check_sizes
from handshake_over_coap.tls.credentials import (
    Credential,
    Given,
    Trust,
    auth_names,
    certificate_kinds,
    kind_by_auth,
)

_log = logging.getLogger(__name__)


def given(arguments: Namespace) -> Given:
    """The options of credentials, as they stand on the command line."""
    return Given(
        psk=tuple(arguments.psk or ()),
        key=arguments.key,
        cert=arguments.cert,
        ca=tuple(arguments.ca or ()),
        peer_key=tuple(arguments.peer_key or ()),
        insecure=arguments.insecure,
        spelt=_spelt,
    )


def _spelt(name: str) -> str:
    return "--" + name.replace("_", "-")


def server_credentials(arguments: Namespace) -> tuple[Credential, ...]:
    """What a server proves itself with; raises ConfigurationError, also for what is missing."""
    warn_of_unused(arguments)
    own = kind_by_auth(arguments.auth).own(given(arguments))
    if not own:
        raise _missing(arguments, "a server with ")
    return _carried(own, arguments)


def client_credential(arguments: Namespace) -> Credential | None:
    """What a client proves itself with, if anything; raises ConfigurationError."""
    warn_of_unused(arguments)
    kind, files = kind_by_auth(arguments.auth), given(arguments)
    own = kind.own(files)
    if not own and kind.form is None:
        raise _missing(arguments)
    if not own and arguments.mutual:
        raise ConfigurationError(
            f"--mutual: the server will ask for a client's key; add {kind.needed(files)}"
        )
    return _carried(own, arguments)[0] if own else None


def server_trust(arguments: Namespace) -> Trust | None:
    """Whom a server believes, where --mutual has it ask; raises ConfigurationError."""
    return _trust(arguments, "client") if arguments.mutual else None


def client_trust(arguments: Namespace) -> Trust | None:
    """Whom a client believes, unless a shared key says it; raises ConfigurationError."""
    return None if kind_by_auth(arguments.auth).form is None else _trust(arguments, "server")


def warn_of_unused(arguments: Namespace) -> None:
    """Say which credentials have no part in the chosen --auth, and that --insecure is."""
    kind, files = kind_by_auth(arguments.auth), given(arguments)
    for name in sorted(files.names - kind.options):
        _log.warning("%s has no part in --auth %s and is not used", _spelt(name), arguments.auth)
    if files.insecure and kind.form is not None:
        _log.warning("--insecure: any peer is accepted, whatever key it shows")


def _carried(own: tuple[Credential, ...], arguments: Namespace) -> tuple[Credential, ...]:
    """``own``, if the carrier takes it; a ConfigurationError names the files."""
    sizes = {"transport": arguments.transport, "dtls": arguments.dtls}
    try:
        check_sizes(own, **sizes, body=Limits().body)
    except ConfigurationError as error:
        files = (f"{_spelt(name)} {getattr(arguments, name)}" for name in ("cert", "key"))
        named = next((text for text in files if not text.endswith(" None")), _spelt("psk"))
        raise ConfigurationError(f"{named}: {error}") from None
    return own


def _missing(arguments: Namespace, who: str = "") -> ConfigurationError:
    """That nothing proves this side, what to add, and which other --auth would do as it is."""
    files, auth = given(arguments), arguments.auth
    others = [each for each in auth_names() if kind_by_auth(each).options & files.names]
    used = sorted(files.names)
    hint = f" (or say --auth {' or '.join(others)}, for {_spelt(used[0])})" if others else ""
    needed = kind_by_auth(auth).needed(files)
    return ConfigurationError(f"{who}--auth {auth} needs {needed}{hint}")


def _trust(arguments: Namespace, peer: str) -> Trust:
    files = given(arguments)
    for kind in certificate_kinds():
        if kind is kind_by_auth(arguments.auth):
            trust = Trust.of(kind.known_by(files), insecure=files.insecure)
            if trust.accepts(kind.form):
                return trust
            mutual = " --mutual" if peer == "client" else ""
            raise ConfigurationError(
                f"--auth {arguments.auth}{mutual}: {kind.unknown(files, peer)}, or --insecure to "
                "accept anybody"
            )
    raise ConfigurationError(f"--auth {arguments.auth} has nothing to check a peer against")
