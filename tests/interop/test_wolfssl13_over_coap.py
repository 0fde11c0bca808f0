"""wolfSSL, as its source has it, behind bodies of DTLS 1.3: it tells its secrets, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import handshake_over_coap as hoc
from handshake_over_coap import adapters
from handshake_over_coap.adapters.conversation13 import StackConversation13
from handshake_over_coap.encodings import encoding_named
from handshake_over_coap.encodings.compact import COMPACT
from handshake_over_coap.tls.alerts import AlertError, BadRecordMac, UnexpectedMessage
from tests.support.openssl_stacks import QUICK
from tests.support.sockets import LOOPBACK, echo
from tests.support.stacks import wolfssl
from tests.support.stacks.cases import WOLFSSL_13, Case
from tests.support.stacks.material import Material
from tests.support.stacks.runs import our_client, our_server
from tests.support.stacks.wolfssl_memory import Stacks
from tests.support.stacks.wolfssl_talk import case_of

pytestmark = pytest.mark.peer

Sides = Callable[[Case], tuple[Stacks, Stacks]]
SIDES = ["wolfSSL to ours", "ours to wolfSSL", "wolfSSL to wolfSSL"]
credentials = pytest.mark.parametrize("credential", WOLFSSL_13.credentials)
sides = pytest.mark.parametrize("who", SIDES)


@pytest.fixture
def stacks(require_stack: Callable[[str], str], files: Material) -> Iterator[Sides]:
    """wolfSSL as client and as server, without a cookie exchange."""
    program, made = require_stack("wolfSSL"), list[Stacks]()

    def both(case: Case) -> tuple[Stacks, Stacks]:
        found = tuple(
            Stacks(command(program, case, 0, files)) for command in (wolfssl.client, wolfssl.server)
        )
        made.extend(found)
        return found[0], found[1]

    yield both
    for each in made:
        each.end()


def of_ours(options: dict[str, Any], encoding: str) -> dict[str, Any]:
    """Our side's options, over CoAP."""
    left = {name: value for name, value in options.items() if name not in {"transport", "timeout"}}
    return left | {"encoding": encoding}


async def talk(
    case: Case, who: str, encoding: str, both: tuple[Stacks, Stacks]
) -> hoc.HandshakeReport:
    """A handshake and three lines that come back."""
    client, server = both
    carrier: dict[str, Any] = {"encoding": encoding}
    serving = (
        adapters.serve(LOOPBACK, server, handler=echo, **carrier)
        if who.endswith("wolfSSL")
        else hoc.serve(LOOPBACK, handler=echo, **of_ours(our_server(case), encoding))
    )
    async with serving as at:
        connecting = (
            adapters.connect(at.address, client, **carrier, **QUICK)
            if who.startswith("wolfSSL")
            else hoc.connect(at.address, **of_ours(our_client(case), encoding), **QUICK)
        )
        async with connecting as session:
            for number in range(3):
                line = b"a line that is long enough, and its number: %d" % number
                await session.send(line)
                assert await asyncio.wait_for(session.receive(), 5) == line
            exported = session.export(wolfssl.LABEL, 32)
            for stack in (client, server):
                assert all(each.export(wolfssl.LABEL, 32, None) == exported for each in stack.made)
            return session.report


@sides
@credentials
@pytest.mark.parametrize("cipher", ["CCM_8", "GCM"])
@pytest.mark.parametrize("encoding", ["compact", "plain"])
def test_a_handshake_over_coap_and_data_as_records(
    encoding: str, cipher: str, credential: str, who: str, stacks: Sides
) -> None:
    case = case_of("their client", credential, cipher, cookie=False)
    report = asyncio.run(talk(case, who, encoding, stacks(case)))
    assert report.encoding == encoding
    assert report.auth == case.auth


def bodies(case: Case, both: tuple[Stacks, Stacks], encoding: str) -> list[int]:
    """The sizes of the bodies between two stacks."""
    stack = both[1]()
    stack.start()
    turn = StackConversation13(both[0](), is_client=True).open(encoding_named(encoding))
    ends = [turn.after, StackConversation13(stack, is_client=False)]
    found = []
    while turn.body:
        found.append(len(turn.body))
        turn = ends[len(found) % 2].hear(turn.body, encoding_named(encoding))
    assert all(end.established is not None for end in ends)
    return found


@credentials
def test_what_wolfssl_seals_in_many_records_is_one_in_a_compact_body(
    credential: str, stacks: Sides
) -> None:
    case = case_of("their client", credential, cookie=False)
    plain, compact = (bodies(case, stacks(case), name) for name in ("plain", "compact"))
    assert len(plain) == len(compact) == 4
    assert compact[3] == 8
    assert compact[2] == {"psk": 40, "ecdhe-psk": 40, "x509": 40, "rpk": 40}.get(
        credential, compact[2]
    )
    # Its hello is of this test's making, with one suite: no table has it.
    assert sum(compact[1:]) < sum(plain[1:]) - 60


def test_a_forged_flight_never_reaches_wolfssl_and_the_true_one_still_completes(
    stacks: Sides,
) -> None:
    case = case_of("their client", "rpk-mutual", cookie=False)
    client, server = stacks(case)
    stack = server()
    stack.start()
    turn = StackConversation13(client(), is_client=True).open(COMPACT)
    ends = [turn.after, StackConversation13(stack, is_client=False)]
    for number in range(1, 4):
        receiver = ends[number % 2]
        turn = receiver.hear(turn.body, COMPACT)
        for bit in range(8):
            forged = turn.body[:-1] + bytes((turn.body[-1] ^ 1 << bit,))
            with pytest.raises(BadRecordMac):
                ends[(number + 1) % 2].hear(forged, COMPACT)
    ends[0].hear(turn.body, COMPACT)
    assert all(end.established is not None for end in ends)


def test_another_server_hello_than_the_one_that_wolfssl_was_told_is_refused(stacks: Sides) -> None:
    case = case_of("their client", "ecdhe-psk", cookie=False)
    client, server = stacks(case)
    turn = StackConversation13(client(), is_client=True).open(COMPACT)
    answers = []
    for _ in range(2):
        stack = server()
        stack.start()
        answers.append(StackConversation13(stack, is_client=False).hear(turn.body, COMPACT).body)
    first, second = answers
    with pytest.raises(BadRecordMac):
        turn.after.hear(first[:-1] + bytes((first[-1] ^ 1,)), COMPACT)
    with pytest.raises(UnexpectedMessage, match="begin again"):
        turn.after.hear(second, COMPACT)
    assert turn.after.hear(first, COMPACT).body


def test_a_wolfssl_that_asks_for_a_second_hello_is_refused(
    require_stack: Callable[[str], str], files: Material
) -> None:
    case, program = case_of("their client", "ecdhe-psk", cookie=False), require_stack("wolfSSL")
    client = Stacks([*wolfssl.client(program, case, 0, files), "--groups", "secp256r1,x25519"])
    server = Stacks([*wolfssl.server(program, case, 0, files), "--groups", "x25519"])
    try:
        stack = server()
        stack.start()
        turn = StackConversation13(client(), is_client=True).open(COMPACT)
        with pytest.raises(UnexpectedMessage, match="second hello"):
            StackConversation13(stack, is_client=False).hear(turn.body, COMPACT)
    finally:
        client.end()
        server.end()


def test_a_key_that_wolfssl_does_not_know_is_refused_by_it(
    stacks: Sides, files: Material, require_stack: Callable[[str], str], tmp_path: Path
) -> None:
    case = case_of("their client", "rpk", cookie=False)
    wrong = [*wolfssl.client(require_stack("wolfSSL"), case, 0, files)]
    wrong[wrong.index("--peer-key") + 1] = files["client.spki"]
    client = Stacks(wrong)
    try:
        with pytest.raises(AlertError) as refused:
            asyncio.run(talk(case, "wolfSSL to ours", "compact", (client, stacks(case)[1])))
        assert not refused.value.received
    finally:
        client.end()
