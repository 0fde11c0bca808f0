"""Credentials too large to be carried: refused with the limit before anything is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import handshake_over_coap as hoc
from handshake_over_coap.carriers.limits import Limits
from handshake_over_coap.cli import main
from handshake_over_coap.net.sizes import longest_credential, longest_identity
from tests.support import pki
from tests.support.sockets import LOOPBACK, echo

ROOT = pki.CertificateAuthority("of long chains")
BODY = Limits().body
OVER = [("coap", "1.2"), ("coap", "1.3"), ("udp", "1.2"), ("udp", "1.3")]


def _issued(size: int) -> pki.Issued:
    """A certificate that is padded until it stands with ``size`` bytes in its message."""
    padding = size - 600
    while True:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(padding))
        issued = ROOT.issue("localhost", "127.0.0.1", extensions=[(extension, False)])
        missing = size - 5 - len(issued.chain_der[0])
        if not missing:
            return issued
        padding += missing


async def _handshake(server: Any, client: Any, trust: hoc.Trust | None, **options: Any) -> None:
    async with (
        hoc.serve(LOOPBACK, server, handler=echo, **options) as serving,
        hoc.connect(serving.address, client, trust=trust, **options) as session,
    ):
        await session.send(b"here")
        assert await session.receive() == b"here"


@pytest.mark.parametrize(("transport", "dtls"), OVER)
def test_the_longest_chain_and_identity_get_through(transport: str, dtls: str) -> None:
    over: dict[str, Any] = {"transport": transport, "dtls": dtls}
    if dtls == "1.3":
        over["group"] = "X25519MLKEM768"  # the largest key share beside them
    issued = _issued(longest_credential(transport, BODY))
    own = hoc.Certificate(issued.chain, pki.private_pem(issued.private_key))
    psk = hoc.PSK(bytes(longest_identity(transport, dtls, BODY)), bytes(16))
    asyncio.run(_handshake(own, None, hoc.Trust(ROOT.certificate), **over))
    asyncio.run(_handshake(psk, psk, None, **over))


@pytest.mark.parametrize(("transport", "dtls"), OVER)
def test_one_byte_more_is_refused_on_either_side_with_the_limit(transport: str, dtls: str) -> None:
    most = longest_credential(transport, BODY)
    issued = _issued(most + 1)
    own = hoc.Certificate(issued.chain, pki.private_pem(issued.private_key))
    identity = bytes(longest_identity(transport, dtls, BODY) + 1)
    options: Any = {"transport": transport, "dtls": dtls}

    async def both(credential: Any, said: str) -> None:
        with pytest.raises(hoc.ConfigurationError, match=said):
            async with hoc.serve(LOOPBACK, credential, handler=echo, **options):
                pass
        trust = hoc.Trust(ROOT.certificate)
        with pytest.raises(hoc.ConfigurationError, match=said):
            async with hoc.connect(("127.0.0.1", 9), credential, trust=trust, **options):
                pass

    asyncio.run(both(own, f"over {transport} at most {most}"))
    asyncio.run(both(hoc.PSK(identity, bytes(16)), f"at most {len(identity) - 1} get through"))


def test_the_command_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, key = _issued(20_000).write(tmp_path)
    arguments = ["serve", "--auth", "x509", "--cert", str(chain), "--key", str(key)]
    assert main([*arguments, "--port", "0"]) == 2
    assert f"--cert {chain}: a chain or key of 20000 bytes" in capsys.readouterr().err


def test_a_server_name_that_has_no_encoding_is_refused_when_it_is_given() -> None:
    with pytest.raises(hoc.ConfigurationError, match="at most 255"):
        hoc.Scenario(server_name="a" * 256)


@pytest.mark.parametrize(("transport", "dtls"), OVER)
def test_a_suite_or_group_that_is_named_again_and_again_is_offered_once(
    transport: str, dtls: str
) -> None:
    suite = {"1.2": "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256", "1.3": "TLS_AES_128_CCM_SHA256"}
    named: Any = {"suite": [suite[dtls]] * 40_000, "group": ["x25519"] * 40_000}
    psk = hoc.PSK(b"me", bytes(16))
    asyncio.run(_handshake(psk, psk, None, transport=transport, dtls=dtls, **named))
