"""The classic handshake with stacks that others wrote, over real sockets, and data after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.stacks.cases import CLEAN, Case
from tests.support.stacks.material import Material
from tests.support.stacks.runs import COMMANDS, connect_to_their_server, serve_their_client

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("case", CLEAN, ids=str)
def test_handshake_and_echo(
    case: Case, require_stack: Callable[[str], str], files: Material
) -> None:
    program = require_stack(COMMANDS[case.stack, case.direction][0])
    run = serve_their_client if case.direction == "their client" else connect_to_their_server
    asyncio.run(run(case, program, files))
