"""From the arguments of a command to the keywords of ``connect`` and ``serve``.

What cannot work is refused here, before a socket is opened, in the words of the command line.
"""

from __future__ import annotations

import itertools
import os
from argparse import Namespace

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.options import Options, OptionValues
from handshake_over_coap.tls.credentials import certificate_kinds, kind_by_auth


def option_values(arguments: Namespace) -> OptionValues:
    """The keywords that ``arguments`` stand for, checked together.

    Raises ConfigurationError, naming the option and what to do.
    """
    _refuse_contradictions(arguments)
    values = OptionValues(
        transport=arguments.transport,
        dtls=arguments.dtls,
        auth=arguments.auth,
        mutual=arguments.mutual,
        suite=tuple(arguments.suite or ()),
        group=tuple(arguments.group or ()),
        server_name=arguments.server_name,
        address_check=arguments.address_check,
        resource=arguments.resource,
        location=arguments.location,
        encoding=arguments.encoding,
        block_size=arguments.block_size,
        token_length=arguments.token_length,
        cid=arguments.cid,
        tickets=arguments.tickets,
        early=arguments.early,
        mtu=arguments.mtu,
        ack_timeout=arguments.ack_timeout,
        ack_random_factor=arguments.ack_random_factor,
        max_interval=arguments.max_interval,
        adapt_timer=arguments.adapt_timer,
        max_retransmit=arguments.max_retransmit,
        initial_timeout=arguments.initial_timeout,
        timeout=arguments.timeout,
        keylog=arguments.keylog,
        pcap=arguments.pcap,
        pcap_dtls=arguments.pcap_dtls,
    )
    # Both look at everything once, so that a mistake shows before files are made.
    options = Options(**values)
    _ = options.coap if options.transport == "coap" else options.udp
    _ = options.suites
    return values


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
