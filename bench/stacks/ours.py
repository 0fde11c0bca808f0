"""This library, both ends in one process: without a carrier, over UDP and over CoAP, no sockets."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from handshake_over_coap.carriers.base import HandshakeCompleted
from handshake_over_coap.carriers.coap import CoapClient, CoapParameters, CoapServer
from handshake_over_coap.carriers.conversation import begin_client, begin_server, open_client
from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.carriers.udp import UdpParameters
from handshake_over_coap.carriers.udp.engine import Engine
from handshake_over_coap.carriers.udp.engine13 import Engine13
from handshake_over_coap.carriers.udp.versions import AnyEngine
from handshake_over_coap.encodings import EncodingChoice
from handshake_over_coap.records import Opener, Opener13, Sealer, Sealer13
from handshake_over_coap.tls import credentials
from handshake_over_coap.tls.codepoints import (
    ContentType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from handshake_over_coap.tls.config import ClientConfig, Rng, ServerConfig
from handshake_over_coap.tls.flight import Item
from handshake_over_coap.tls.handshake import State
from handshake_over_coap.tls.keys import TrafficKeys
from handshake_over_coap.tls.negotiation import Completed, start_client, start_server
from handshake_over_coap.tls.suites import AES_128_CCM_8, suite_by_name
from handshake_over_coap.tls.suites13 import suite13_by_name

from . import material

PSK_SUITE = "TLS_PSK_WITH_AES_128_CCM_8"
ECDHE_PSK_SUITE = "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256"
ECDSA_SUITE = "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"
SUITE_13 = "TLS_AES_128_CCM_8_SHA256"
_SUITES = {"psk": PSK_SUITE, "ecdhe-psk": ECDHE_PSK_SUITE}
_PSK_MODES = {"psk": PskKeyExchangeMode.psk_ke, "ecdhe-psk": PskKeyExchangeMode.psk_dhe_ke}
Configs = tuple[ClientConfig, ServerConfig]


def configs(kind: str, rng: Rng = os.urandom, *, dtls: str = "1.2") -> Configs:
    """Client and server with CCM_8, and P-256 for ECDHE; in 1.3 without tickets.

    For ``psk``, ``ecdhe-psk`` (in 1.3 psk_dhe_ke), ``x509``, ``rpk`` or ``mutual-rpk``.
    """
    shared: dict[str, Any] = {
        "rng": rng,
        "now": lambda: datetime.now(UTC),
        "groups": (NamedGroup.secp256r1,),
    }
    if dtls == "1.3":
        shared |= {
            "versions": (ProtocolVersion.DTLS_1_3,),
            "suites13": (suite13_by_name(SUITE_13),),
        }
        if kind in _PSK_MODES:
            shared["psk_modes"] = (_PSK_MODES[kind],)
    else:
        shared["suites"] = (suite_by_name(_SUITES.get(kind, ECDSA_SUITE)),)
    client, server = _credentials(kind)
    if dtls == "1.3":
        client, server = client | {"ask_for_tickets": False}, server | {"tickets": 0}
    return ClientConfig(**shared, **client), ServerConfig(**shared, **server)


def _credentials(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What only the client, and what only the server has."""
    if kind in _PSK_MODES:
        psk = credentials.PSK(material.IDENTITY, material.PSK)
        return {"psk": psk}, {"psk": credentials.psk_lookup({psk.identity: psk.key}, bytes(32))}
    server = material.server()
    if kind.endswith("rpk"):
        key, own = credentials.RawPublicKey(server.key), credentials.RawPublicKey(server.client_key)
        mine: dict[str, Any] = {"trust": credentials.Trust(raw_public_keys=key.spki)}
        theirs: dict[str, Any] = {"credentials": (key,)}
        if kind.startswith("mutual"):
            mine["credential"] = own
            theirs["trust"] = credentials.Trust(raw_public_keys=own.spki)
            theirs["request_client_certificate"] = True
        return mine, theirs
    chain = credentials.Certificate(server.certificate, server.key)
    anchor = credentials.Trust(server.authority)
    return {"trust": anchor, "server_name": material.SERVER_NAME}, {"credentials": (chain,)}


def speak(pair: Configs) -> None:
    """One handshake of the states alone: messages and keys, and no records."""
    step = start_client(pair[0])
    states: list[State] = [start_server(pair[1]), step.state]
    items, turn = step.flight, 0
    while items:
        answers: list[Item] = []
        for item in items:
            step = states[turn].handle(item)
            states[turn] = step.state
            answers += step.flight
        items, turn = tuple(answers), 1 - turn
    assert all(isinstance(state, Completed) for state in states)


def converse(pair: Configs) -> None:
    """One handshake without a carrier: messages, keys and sealed Finished, nothing else."""
    client, flight = begin_client(pair[0])
    server = begin_server(pair[1])
    while True:
        server, flight = server.receive(flight)
        client, flight = client.receive(flight)
        if client.established and server.established:
            return


def udp(pair: Configs) -> None:
    """One handshake between two engines of the classic carrier, without a cookie."""
    step = start_client(pair[0])
    is_13 = ProtocolVersion.DTLS_1_3 in pair[0].versions
    client, server = _engines(step.state, start_server(pair[1]), is_13=is_13)
    datagrams = client.start(step, 0.0)
    sides = (server, client)
    while datagrams:
        datagrams = [answer for each in datagrams for answer in sides[0].receive(each, 0.0)]
        sides = sides[::-1]
    assert client.established
    assert server.established


def _engines(client: State, server: State, *, is_13: bool) -> tuple[AnyEngine, AnyEngine]:
    parameters, counters = UdpParameters(), Counter[str]()
    if is_13:
        chosen = Engine13(server, parameters, counters, chosen=True)
        return Engine13(client, parameters, counters), chosen
    return Engine(client, parameters, counters), Engine(server, parameters, counters)


class Coap:
    """Handshakes over CoAP in memory, one after the other, without an address check."""

    def __init__(self, pair: Configs, encoding: EncodingChoice = "plain") -> None:
        self._pair = pair
        self._parameters = CoapParameters(address_check=False, encoding=encoding)
        self._address = Address("192.0.2.1", 5684)
        self._clients = 0
        self._server = CoapServer(
            self._parameters, lambda: begin_server(pair[1]), os.urandom, random.random
        )

    def run(self, count: int) -> None:
        """``count`` handshakes."""
        for _ in range(count):
            # The server remembers its clients for a while: each has an address of its own.
            self._clients += 1
            self._handshake(Address(f"client {self._clients}", 5684))

    def _handshake(self, address: Address) -> None:
        client = CoapClient(
            self._address,
            self._parameters,
            partial(open_client, self._pair[0]),
            os.urandom,
            random.random,
        )
        said = client.start(0.0)
        while said.datagrams:
            for data, _ in said.datagrams:
                answer = self._server.receive(data, address, 0.0)
            for event in answer.events:
                if isinstance(event, HandshakeCompleted):
                    self._server.release(address, event.name)
            for data, _ in answer.datagrams:
                said = client.receive(data, self._address, 0.0)
        assert any(isinstance(each, HandshakeCompleted) for each in said.events)

    def close(self) -> None:
        """Nothing to stop."""


def records(payload: bytes, cid: bytes = b"") -> Callable[[], bytes]:
    """Seals and opens one record of ``payload`` a call, of 1.2, with ``cid`` if there is one."""
    keys = TrafficKeys(1, AES_128_CCM_8, bytes(16), bytes(4))
    seal, open_ = Sealer(keys, cid=cid).seal_datagram, Opener(keys, cid=cid).open_datagram

    def once() -> bytes:
        opened = open_(seal(ContentType.application_data, payload))
        assert opened is not None
        return opened[1]

    return once


def records_13(payload: bytes, *, short_header: bool = False) -> Callable[[], bytes]:
    """Seals and opens one record of ``payload`` a call, of 1.3, as long as one key may."""
    keys = TrafficKeys(3, AES_128_CCM_8, bytes(16), bytes(12), bytes(16))
    opener = Opener13()
    opener.add(keys)
    seal, open_ = Sealer13(keys, short_header=short_header).seal_datagram, opener.open_datagram

    def once() -> bytes:
        opened = open_(seal(ContentType.application_data, payload))
        assert opened is not None
        return opened.plaintext

    return once
