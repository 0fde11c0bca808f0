"""How many handshakes a second, both ends in one process: this library and others.

Every handshake is between fresh connections; keys, contexts and configurations are made before.
With certificates the client verifies a chain of one and (except pyOpenSSL) its name.  No sockets
and no address check, except that python-mbedtls cannot do without its cookie.

DTLS 1.2 is with CCM_8, beside pyOpenSSL and python-mbedtls, which have no raw public keys.  DTLS
1.3 is with P-256 and without tickets, beside the TLS 1.3 of aioquic: a handshake in Python on the
same primitives, of which only messages and keys can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
from functools import partial
from types import ModuleType

from stacks import ours
from stacks.rounds import Contestant, arguments, measure, repeat, table, verdict

TITLES = {"psk": "PSK, CCM_8", "x509": "ECDHE_ECDSA (P-256), CCM_8"}
TITLES_13 = {
    "psk": "psk_ke",
    "ecdhe-psk": "psk_dhe_ke",
    "mutual-rpk": "raw public keys of both sides",
    "x509": "X.509",
}
OVER_COAP = 1.3
"""How many times as long as over UDP a handshake of one block a flight may take over CoAP."""
PEERS = {"pyOpenSSL": "pyopenssl", "python-mbedtls": "mbedtls"}


def peers() -> tuple[dict[str, ModuleType], list[str]]:
    """The other stacks, and why one is not here."""
    found, absent = {}, []
    for name, module in PEERS.items():
        try:
            found[name] = importlib.import_module(f"stacks.{module}")
        except ImportError as error:
            absent.append(f"{name}: skipped ({error}); pip install {name.lower()}")
    return found, absent


def main() -> None:
    given = arguments("handshakes per second", rounds=31)
    found, absent = peers()
    for kind, title in TITLES.items():
        forms = {"x509": "X.509", "rpk": "raw public key"} if kind == "x509" else {"psk": "PSK"}
        with contextlib.ExitStack() as stack:
            everybody, carriers = [], []
            for form, label in forms.items():
                pair = ours.configs(form)
                coap = stack.enter_context(contextlib.closing(ours.Coap(pair)))
                udp = Contestant(f"ours, {label}, UDP", repeat(partial(ours.udp, pair)))
                carriers.append((label, udp, Contestant(f"ours, {label}, CoAP", coap.run)))
                everybody += carriers[-1][1:]
            others = {name: other(module, kind) for name, module in found.items()}
            everybody += others.values()
            measure(everybody, given.rounds, given.seconds)
            base = everybody[0]
            table(f"Handshakes, DTLS 1.2, {title}", everybody, base, absent)
            for label, udp, over_coap in carriers:
                verdict(f"{label} over CoAP, in times of UDP", over_coap.ratio(udp), OVER_COAP)
            if kind == "psk" and "python-mbedtls" in others:
                ratio = base.ratio(others["python-mbedtls"])
                verdict("a PSK handshake over UDP, in times of python-mbedtls", ratio, 2)
    for kind, title in TITLES_13.items():
        with contextlib.ExitStack() as stack:
            dtls_13(given, kind, title, stack)


def dtls_13(given: argparse.Namespace, kind: str, title: str, stack: contextlib.ExitStack) -> None:
    pair = ours.configs(kind, dtls="1.3")
    coap = stack.enter_context(contextlib.closing(ours.Coap(pair)))
    base = Contestant("ours, no carrier, no records", repeat(partial(ours.speak, pair)))
    udp = Contestant("ours, UDP", repeat(partial(ours.udp, pair)))
    over_coap = Contestant("ours, CoAP", coap.run)
    everybody, absent = [base, udp, over_coap], []
    try:
        quic = importlib.import_module("stacks.quic")
    except ImportError as error:
        absent.append(f"aioquic: skipped ({error}); pip install aioquic")
    else:
        if kind in ("ecdhe-psk", "x509"):
            everybody.insert(1, other(quic, kind))
    measure(everybody, given.rounds, given.seconds)
    table(f"Handshakes, DTLS 1.3, {title}", everybody, base, absent)
    verdict("CoAP, in times of UDP", over_coap.ratio(udp), OVER_COAP)
    if everybody[1] is not udp:
        verdict("messages and keys, in times of aioquic", base.ratio(everybody[1]), 1)


def other(module: ModuleType, kind: str) -> Contestant:
    """One of the other stacks."""
    pair = module.contexts(kind)
    return Contestant(module.NAME, repeat(lambda: module.handshake(pair)))


if __name__ == "__main__":
    main()
