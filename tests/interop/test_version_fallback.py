"""Who speaks both versions agrees with other stacks on the newest that both sides have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.stacks.cases import CLEAN, SUITES, WOLFSSL_13, Case, Direction, Version
from tests.support.stacks.material import Material
from tests.support.stacks.runs import COMMANDS, serve_their_client
from tests.support.stacks.wolfssl_talk import OPENS

pytestmark = pytest.mark.peer

CLIENTS_OF_12 = [
    case
    for case in CLEAN
    if (case.direction, case.dtls, case.cipher) == ("their client", "1.2", "CCM_8")
    and case.column in ("1280", "256")
]


@pytest.mark.parametrize("older", CLIENTS_OF_12, ids=str)
def test_our_server_of_both_versions_speaks_12_with_clients_that_know_no_more(
    older: Case, require_stack: Callable[[str], str], files: Material
) -> None:
    program = require_stack(COMMANDS[older.stack, older.direction][0])
    both = {"dtls": "1.3", "suite": ()}
    # It asserts that the suite is the one of 1.2, as all that these clients offer.
    asyncio.run(serve_their_client(older, program, files, ours=both))


@pytest.mark.parametrize("cookie", [True, False], ids=["cookie", "no cookie"])
@pytest.mark.parametrize("cipher", WOLFSSL_13.ciphers)
@pytest.mark.parametrize("credential", ["psk", "x509-mutual", "rpk-mutual"])
@pytest.mark.parametrize("dtls", ["1.3", "1.2"])
@pytest.mark.parametrize("direction", ["their client", "their server"])
def test_wolfssl_of_both_versions_agrees_with_us_on_ours(
    direction: Direction,
    dtls: Version,
    credential: str,
    cipher: str,
    cookie: bool,
    require_stack: Callable[[str], str],
    files: Material,
) -> None:
    case = Case("wolfSSL", direction, credential, cipher, cookie, 1280, 1280, dtls=dtls)
    older = SUITES["psk" if credential == "psk" else "ecdsa", cipher]
    both = ("--version", "both", "--suite", f"{SUITES['1.3', cipher]}:{older}")
    # A server of ours speaks 1.2 too, unless told that this is the newest.
    ours = {"suite": ()} if (direction, dtls) == ("their client", "1.3") else {}

    async def run() -> None:
        opened = OPENS[direction](case, require_stack("wolfSSL"), files, theirs=both, ours=ours)
        async with opened as talk:
            await talk.call("a line")
            told = await talk.told("connected")
            assert (told["version"], told["suite"]) == (f"DTLSv{dtls}", case.suite)
            await talk.check_secrets()

    asyncio.run(run())
