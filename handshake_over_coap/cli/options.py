"""From the arguments of a command to the keywords of ``connect`` and ``serve``.

What cannot work is refused here, before a socket is opened, in the words of the command line.
"""

from __future__ import annotations

import itertools
import os
import re
from argparse import Namespace
from collections.abc import Iterable
from typing import cast

from handshake_over_coap.cli.arguments import handshake_options
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.declared import spelt
from handshake_over_coap.net.options import Options, OptionValues
from handshake_over_coap.net.proofs import PROOFS
from handshake_over_coap.tls.credentials import certificate_kinds, kind_by_auth


def option_values(arguments: Namespace) -> OptionValues:
    """The keywords that ``arguments`` stand for, checked together: those that were given.

    Raises ConfigurationError, naming the option and what to do.
    """
    _refuse_contradictions(arguments)
    found = {
        name: getattr(arguments, name) for name in handshake_options() if name in arguments.given
    }
    found |= {name: tuple(each) for name, each in found.items() if isinstance(each, list)}
    values = cast("OptionValues", {"auth": arguments.auth, **found})
    try:
        # Both look at everything once, so that a mistake shows before files are made.
        options = Options(**values)
        _ = options.coap if options.transport == "coap" else options.udp
        _ = options.suites
    except ConfigurationError as error:
        raise ConfigurationError(as_typed(str(error))) from None
    return values


def as_typed(text: str, names: Iterable[str] = ()) -> str:
    """An error's text with the names of options as the command line spells them.

    ``names`` are those of options that a handshake does not have.
    """
    for name in (*handshake_options(), *PROOFS, *names):
        if "_" in name:
            text = re.sub(rf"(?<![\w-]){name}(?!\w)", spelt(name), text)
    return text


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.mutual and kind_by_auth(arguments.auth).form is None:
        able = " or ".join(name for kind in certificate_kinds() for name in kind.names)
        raise ConfigurationError(
            f"--mutual goes with --auth {able}: with {arguments.auth} both sides prove the same "
            "key anyway"
        )
    if arguments.cert is not None and arguments.key is None:
        raise ConfigurationError("--cert without --key: add --key FILE, the certificate's key")
    files = {"--keylog": arguments.keylog, "--pcap": arguments.pcap}
    files["--pcap-dtls"] = arguments.pcap_dtls
    files["--ladder-svg"] = getattr(arguments, "ladder_svg", None)  # of simulations alone
    given = {name: os.path.realpath(path) for name, path in files.items() if path is not None}
    for one, other in itertools.combinations(given, 2):
        if given[one] == given[other]:
            raise ConfigurationError(f"{one} and {other} name the same file: give two")
