"""A client and a server on python-mbedtls that behave like the programs of other stacks.

``python -m tests.support.stacks.mbedtls client|server --port N …``: a client sends each line of its
standard input and prints each datagram that comes back; a server sends everything back.  Loopback
only, and for one peer, then it ends.
"""

from __future__ import annotations

import argparse
import importlib
import select
import socket
import sys
from pathlib import Path
from typing import Any

from .cases import Case
from .material import HOST, PSK_HEX, PSK_IDENTITY, SERVER_NAME, Material

_HEADER = 13
_CIPHERS = {"CCM_8": "AES-128-CCM-8", "GCM": "AES-128-GCM-SHA256"}
_tls: Any
_x509: Any
_pk: Any


def client(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a client."""
    return _command(program, "client", case, port, files)


def server(program: str, case: Case, port: int, files: Material) -> list[str]:
    """The command of a server."""
    return _command(program, "server", case, port, files)


def _command(program: str, side: str, case: Case, port: int, files: Material) -> list[str]:
    exchange = "PSK" if case.credential == "psk" else "ECDHE-ECDSA"
    cipher = f"TLS-{exchange}-WITH-{_CIPHERS[case.cipher]}"
    command = [program, "-m", "tests.support.stacks.mbedtls", side, "--port", str(port)]
    command += ["--cipher", cipher, "--mtu", str(case.their_mtu)]
    if case.credential == "psk":
        return [*command, "--psk"]
    if side == "server" or case.mutual:
        command += ["--certificate", files[f"{side}.pem"], "--key", files[f"{side}.key"]]
    if side == "client" or case.mutual:
        command += ["--ca", files["ca.pem"]]
    return command


class Connection:
    """A connection in memory with a connected UDP socket: one record in each datagram."""

    def __init__(self, buffer: Any, udp: socket.socket, mtu: int) -> None:
        self._buffer = buffer
        self._udp = udp
        buffer.setmtu(mtu)

    def handshake(self) -> None:
        """To the end; raises HelloVerifyRequest at a server that has asked for a cookie."""
        over = _tls.HandshakeStep.HANDSHAKE_OVER
        while self._buffer._handshake_state is not over:
            try:
                self._buffer.do_handshake()
            except _tls.WantReadError:
                self._flush()
                self._buffer.receive_from_network(self._udp.recv(4096))
            except _tls.WantWriteError:
                self._flush()
            except _tls.HelloVerifyRequest:
                self._flush()
                raise
        self._flush()

    def send(self, data: bytes) -> None:
        self._buffer.write(data)
        self._flush()

    def receive(self) -> bytes:
        """Application data of one datagram; nothing at the end."""
        self._buffer.receive_from_network(self._udp.recv(4096))
        return bytes(self._buffer.read(4096))

    def _flush(self) -> None:
        """Send what the stack has said, which it gives as one string for all datagrams."""
        joined = self._buffer.peek_outgoing(65536)
        self._buffer.consume_outgoing(len(joined))
        while joined:
            size = _HEADER + int.from_bytes(joined[11:13], "big")
            self._udp.send(joined[:size])
            joined = joined[size:]


def _configuration(arguments: argparse.Namespace) -> Any:
    chosen: dict[str, Any] = {
        "ciphers": (arguments.cipher,),
        "lowest_supported_version": _tls.DTLSVersion.DTLSv1_2,
        "validate_certificates": arguments.ca is not None,
    }
    if arguments.psk and arguments.side == "client":
        chosen["pre_shared_key"] = (PSK_IDENTITY, bytes.fromhex(PSK_HEX))
    elif arguments.psk:
        chosen["pre_shared_key_store"] = {PSK_IDENTITY: bytes.fromhex(PSK_HEX)}
    if arguments.ca:
        chosen["trust_store"] = _tls.TrustStore.from_pem_file(arguments.ca)
    if arguments.certificate:
        certificate = _x509.CRT.from_PEM(Path(arguments.certificate).read_text())
        key = _pk.ECC.from_PEM(Path(arguments.key).read_text())
        chosen["certificate_chain"] = ((certificate,), key)
    return _tls.DTLSConfiguration(**chosen)


def _run_client(arguments: argparse.Namespace, udp: socket.socket) -> None:
    udp.connect((HOST, arguments.port))
    context = _tls.ClientContext(_configuration(arguments))
    connection = Connection(context.wrap_buffers(SERVER_NAME), udp, arguments.mtu)
    connection.handshake()
    while True:
        for ready in select.select([udp, sys.stdin], [], [])[0]:
            if ready is udp:
                sys.stdout.write(connection.receive().decode())
                sys.stdout.flush()
            elif line := sys.stdin.readline():
                connection.send(line.encode())
            else:
                return


def _run_server(arguments: argparse.Namespace, udp: socket.socket) -> None:
    udp.bind((HOST, arguments.port))
    address = udp.recvfrom(1, socket.MSG_PEEK)[1]
    udp.connect(address)
    context = _tls.ServerContext(_configuration(arguments))
    while True:
        buffer = context.wrap_buffers()
        buffer.setcookieparam(f"{address}".encode())
        connection = Connection(buffer, udp, arguments.mtu)
        try:
            connection.handshake()
        except _tls.HelloVerifyRequest:
            continue
        break
    while data := connection.receive():
        connection.send(data)


def main() -> None:
    """Run one side."""
    global _pk, _tls, _x509  # noqa: PLW0603 - imported here, since not everybody has it
    _tls, _x509 = importlib.import_module("mbedtls.tls"), importlib.import_module("mbedtls.x509")
    _pk = importlib.import_module("mbedtls.pk")
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("side", choices=("client", "server"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cipher", required=True)
    parser.add_argument("--mtu", type=int, required=True)
    parser.add_argument("--psk", action="store_true")
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}")
    arguments = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        (_run_client if arguments.side == "client" else _run_server)(arguments, udp)


if __name__ == "__main__":
    main()
