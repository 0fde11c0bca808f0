"""For whom a server's certificate has to be, when nothing but a host is given."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap.net.endpoint import named
from handshake_over_coap.tls.alerts import CertificateUnknown
from tests.support import pki
from tests.support.parties import NOW

ROOT = pki.CertificateAuthority("authority of named servers")
TRUST = hoc.Trust(ROOT.certificate)


def certificate(name: str | None, address: str | None) -> hoc.Certificate:
    issued = ROOT.issue(name, address)
    return hoc.Certificate(issued.chain, issued.key_pem)


async def answer(session: hoc.Session) -> None:
    await session.send(await session.receive())


def connect(host: str, credential: hoc.Certificate, **options: Any) -> None:
    """Make a handshake with a server that ``host`` is a name of."""

    async def meet() -> None:
        async with (
            hoc.serve(("127.0.0.1", 0), credential, handler=answer) as server,
            hoc.connect(
                (host, server.address[1]), trust=TRUST, auth="x509", clock=lambda: NOW, **options
            ) as session,
        ):
            await session.send(b"hello")
            assert await asyncio.wait_for(session.receive(), 10) == b"hello"

    asyncio.run(meet())


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every name on loopback, as somebody who lies about names would."""
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        lying = host.endswith(".example") and not more.get("flags")
        return real("127.0.0.1" if lying else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_host_given_by_name_has_to_have_a_certificate_for_that_name() -> None:
    connect("server.example", certificate("server.example", None))
    for other in (certificate("other.example", None), certificate(None, "127.0.0.1")):
        with pytest.raises(CertificateUnknown, match="another name"):
            connect("server.example", other)


def test_a_host_given_by_number_has_to_have_a_certificate_for_that_number() -> None:
    connect("127.0.0.1", certificate(None, "127.0.0.1"))
    with pytest.raises(CertificateUnknown, match="another name"):
        connect("127.0.0.1", certificate("server.example", None))


def test_the_name_that_is_given_beside_the_host_is_the_one_that_counts() -> None:
    both = certificate("server.example", None)
    connect("127.0.0.1", both, server_name="server.example")
    connect("other.example", both, server_name="server.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "::1", "fe80::1%1"])
def test_numbers_are_no_names(host: str) -> None:
    assert named(host) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [("server.example", "server.example"), ("bücher.example", "xn--bcher-kva.example")],
)
def test_names_are_those_that_certificates_have(host: str, name: str) -> None:
    assert named(host) == name
