"""A client and a server on tinydtls (DTLSSocket) that behave like the programs of other stacks.

``python -m tests.support.stacks.tinydtls client|server --port N``: as in
:mod:`tests.support.stacks.mbedtls`.
"""

from __future__ import annotations

import argparse
import importlib
import select
import socket
import sys
from typing import Any

from .cases import Case
from .material import HOST, PSK_HEX, PSK_IDENTITY, Material

_NOMINAL = "::1"
"""tinydtls knows IPv6 addresses only; it hands datagrams over, so it need not be the true one."""
_CONNECTED = 0x1DE


def client(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a client."""
    return [program, "-m", "tests.support.stacks.tinydtls", "client", "--port", str(port)]


def server(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a server."""
    return [program, "-m", "tests.support.stacks.tinydtls", "server", "--port", str(port)]


class Party:
    """One side on a connected UDP socket."""

    def __init__(self, dtls: Any, udp: socket.socket, port: int, *, echo: bool) -> None:
        self._udp = udp
        self._port = port
        self._echo = echo
        self._module = dtls
        self._to_echo: list[bytes] = []
        self.connected = False
        identity, key = PSK_IDENTITY.encode(), bytes.fromhex(PSK_HEX)
        self._dtls = dtls.DTLS(
            read=self._on_data,
            write=self._on_datagram,
            event=self._on_event,
            pskId=identity,
            pskStore={identity: key},
        )
        self._session: Any = None

    def connect(self) -> None:
        self._session = self._dtls.connect(_NOMINAL, self._port, 0, 0)

    def receive(self) -> None:
        """Take a datagram; what it carries is printed, or sent back."""
        self._dtls.handleMessageAddr(_NOMINAL, self._port, self._udp.recv(4096))
        while self._to_echo:
            if self._session is None:
                self._session = self._module.Session(_NOMINAL, self._port, 0, 0)
            self.send(self._to_echo.pop(0))

    def send(self, data: bytes) -> None:
        self._dtls.write(self._session, data)

    def _on_data(self, address: object, data: bytes) -> int:
        if self._echo:
            self._to_echo.append(bytes(data))
        else:
            sys.stdout.write(bytes(data).decode())
            sys.stdout.flush()
        return len(data)

    def _on_datagram(self, address: object, data: bytes) -> int:
        return self._udp.send(data)

    def _on_event(self, level: int, code: int) -> None:
        self.connected |= code == _CONNECTED


def _run_client(dtls: Any, udp: socket.socket, port: int) -> None:
    udp.connect((HOST, port))
    party = Party(dtls, udp, port, echo=False)
    party.connect()
    while not party.connected:
        party.receive()
    while True:
        for ready in select.select([udp, sys.stdin], [], [])[0]:
            if ready is udp:
                party.receive()
            elif line := sys.stdin.readline():
                party.send(line.encode())
            else:
                return


def _run_server(dtls: Any, udp: socket.socket, port: int) -> None:
    udp.bind((HOST, port))
    address = udp.recvfrom(1, socket.MSG_PEEK)[1]
    udp.connect(address)
    party = Party(dtls, udp, address[1], echo=True)
    while True:
        party.receive()


def main() -> None:
    """Run one side."""
    dtls = importlib.import_module("DTLSSocket.dtls")
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("side", choices=("client", "server"))
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    dtls.setLogLevel(dtls.DTLS_LOG_EMERG)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        (_run_client if arguments.side == "client" else _run_server)(dtls, udp, arguments.port)


if __name__ == "__main__":
    main()
