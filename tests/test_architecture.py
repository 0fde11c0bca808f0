"""The house keeps its shape: who may import whom, how long a file may grow, what it may not name.

The rules are read off the source by :mod:`tests.support.imports`; a made-up tree shows that each
of them catches what it forbids.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import Import, circles, eagerly_reached, imports, modules

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGE = _ROOT / "handshake_over_coap"

_ROOMS = (
    "errors",
    "named",
    "tls",
    "records",
    "encodings",
    "coap",
    "timers",
    "transfers",
    "trace",
    "carriers",
    "net",
    "adapters",
    "integrations",
    "sim",
    "lab",
    "cli",
)
"""From the ground up: a room imports only itself and rooms before it.

Not all of them need be there yet.
"""
_PURE = {"encodings", "coap", "timers", "transfers"}
"""Rooms of strategies and codecs: no event loop, and nobody else's CoAP."""

_GROUND = {"_version"}
"""Modules that belong to no room and import nothing of the package."""
_FACES = {"", "__main__"}
"""The package itself and `python -m`: they import any room, and no room imports them."""
_SIMULATED = {"sim", "lab"}
_CARRIERS = {("carriers", "coap"), ("carriers", "udp")}
_AIOCOAP_PUBLIC = {"error", "interfaces", "message", "numbers", "options", "resource"}
"""Modules of aiocoap that its documentation invites everybody to use."""
_PUMP = "carriers.pump"
_LONGEST_FILE = 400


def violations(package: Path) -> list[str]:
    """Every import below ``package`` that breaks a rule, in words."""
    found = []
    top = {name.split(".")[1] for name in modules(package) if "." in name}
    for each in imports(package):
        source = each.source.removeprefix(package.name).removeprefix(".")
        root, _, target = each.target.partition(".")
        if root == package.name:
            reason = _between_rooms(source, target, top)
        elif root == "asyncio" and source.startswith("carriers") and source != _PUMP:
            reason = "carriers are engines: only their pump knows an event loop"
        elif root in ("asyncio", "aiocoap") and source.partition(".")[0] in _PURE:
            reason = f"no {root} in a room of pure functions and engines"
        elif root == "aiocoap":
            reason = _of_aiocoap(source, target)
        else:
            continue
        if reason:
            found.append(f"{each}: {reason}")
    return found + _simulation_reached(package)


def _between_rooms(source: str, target: str, known: set[str]) -> str | None:
    """Why ``source`` may not import ``target``, both without the package's name, or None.

    ``known`` holds what stands at the top of the package, placed in an order or not.
    """
    from_room, to_room = source.partition(".")[0], target.partition(".")[0]
    if from_room in _FACES:
        return None
    if to_room in _FACES or to_room not in known | set(_ROOMS):
        return "rooms do not import the package's own face"
    for room in (from_room, to_room):
        if room not in _GROUND and room not in _ROOMS:
            return f"{room!r} has no place in the order of rooms"
    if to_room in _GROUND:
        return None
    if from_room in _GROUND or _ROOMS.index(to_room) > _ROOMS.index(from_room):
        return f"{to_room!r} stands below {from_room!r}"
    if {tuple(name.split(".")[:2]) for name in (source, target)} == _CARRIERS:
        return "one carrier does not import another"
    return None


def _of_aiocoap(source: str, target: str) -> str | None:
    if not source.startswith("integrations."):
        return "only integrations knows aiocoap"
    first = target.partition(".")[0]
    # Names that begin with a capital are the classes and constants of `aiocoap` itself.
    public = not first or first[0].isupper() or first in _AIOCOAP_PUBLIC
    return None if public else "semi-private: only what its documentation offers is touched"


def _simulation_reached(package: Path) -> list[str]:
    """Whether anything that runs on a real network loads the simulation."""
    return [
        f"importing {package.name} or its command loads {name}: defer the import"
        for name in sorted(
            eagerly_reached(package, package.name) | eagerly_reached(package, f"{package.name}.cli")
        )
        if _SIMULATED & set(name.split(".")[1:2])
    ]


def test_every_import_follows_the_order_of_the_rooms() -> None:
    assert imports(_PACKAGE), "nothing was read: is the package where the test looks for it?"
    assert violations(_PACKAGE) == []


def test_no_two_modules_import_each_other() -> None:
    """Not even under TYPE_CHECKING or inside a function: what is read together is one module."""
    assert circles(_PACKAGE) == []


def _tree(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "house"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for parent in path.relative_to(folder).parents:
            if parent != Path():
                (folder / parent / "__init__.py").touch()
    return package


_ALLOWED = {
    "errors.py": "import enum",
    "_version.py": "",
    "tls/keys.py": "from house import errors\nfrom . import codepoints",
    "tls/codepoints.py": "from ..errors import Error",
    "carriers/coap/client.py": "import house.tls.keys",
    "carriers/pump.py": "import asyncio",
    "integrations/aiocoap.py": "from aiocoap import Message, GET, resource",
    "carriers/udp/engine.py": "from house.tls import keys",
    "sim/clock.py": "import house.carriers.coap.client",
    "lab/table.py": "from house.sim import clock",
    "cli/main.py": "def run():\n    from house.lab import table",
    "__init__.py": "from house._version import __version__\ndef f():\n    import house.sim",
}


def test_what_the_design_allows_passes(tmp_path: Path) -> None:
    assert violations(_tree(tmp_path, _ALLOWED)) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("tls/x.py", "import house.net.sockets", "'net' stands below 'tls'"),
        ("tls/x.py", "from house import net", "'net' stands below 'tls'"),
        ("tls/x.py", "from ..records import dtls12", "'records' stands below 'tls'"),
        ("tls/x.py", "def f():\n    from house.sim import clock", "'sim' stands below 'tls'"),
        (
            "records/x.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.net import s",
            "'net' stands below 'records'",
        ),
        (
            "encodings/x.py",
            "import importlib\nimportlib.import_module('house.trace.log')",
            "'trace' stands below 'encodings'",
        ),
        ("net/x.py", "from house.adapters import a", "'adapters' stands below 'net'"),
        ("net/x.py", "class A:\n    from house.lab import t", "'lab' stands below 'net'"),
        ("trace/x.py", "from house import PSK", "the package's own face"),
        ("trace/x.py", "import house", "the package's own face"),
        ("errors.py", "from house.tls import alerts", "'tls' stands below 'errors'"),
        ("_version.py", "from house import errors", "'errors' stands below '_version'"),
        ("utils/x.py", "import house.errors", "'utils' has no place"),
        ("encodings/x.py", "import asyncio", "no asyncio"),
        ("timers/x.py", "from asyncio import sleep", "no asyncio"),
        ("coap/x.py", "import aiocoap", "no aiocoap"),
        ("transfers/x.py", "def f():\n    from aiocoap import Message", "no aiocoap"),
        ("coap/x.py", "from house import timers", "'timers' stands below 'coap'"),
        ("timers/x.py", "from house.transfers import x", "'transfers' stands below 'timers'"),
        ("carriers/coap/x.py", "from house.carriers.udp import engine", "one carrier"),
        ("carriers/udp/x.py", "from ..coap import client", "one carrier"),
        ("carriers/udp/x.py", "import aiocoap", "only integrations knows aiocoap"),
        ("carriers/x.py", "from aiocoap.numbers import codes", "only integrations knows aiocoap"),
        ("net/x.py", "def f():\n    import aiocoap.message", "only integrations knows aiocoap"),
        ("carriers/udp/x.py", "from asyncio import sleep", "only their pump"),
        ("integrations/x.py", "import aiocoap.pipe", "semi-private"),
        ("integrations/x.py", "from aiocoap import tokenmanager", "semi-private"),
        ("integrations/x.py", "import aiocoap\naiocoap.messagemanager.random", "semi-private"),
        ("integrations/x.py", "import aiocoap as a\na.util.x", "semi-private"),
        ("cli/__init__.py", "from house.lab import table", "loads house.lab: defer"),
        ("__init__.py", "from house.cli import main\nimport house.sim", "loads house.sim: defer"),
    ],
)
def test_what_the_design_forbids_is_caught(tmp_path: Path, file: str, text: str, said: str) -> None:
    found = violations(_tree(tmp_path, {**_ALLOWED, file: text}))
    assert [each for each in found if said in each], found


def test_circles_of_imports_are_caught(tmp_path: Path) -> None:
    deferred = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.lab.{} import x"
    package = _tree(
        tmp_path,
        {
            "lab/a.py": "from house.lab import b",
            "lab/b.py": "def f():\n    from house.lab.c import x",
            "lab/c.py": deferred.format("a"),
            "lab/d.py": "from . import a",
            "sim/__init__.py": "from .clock import Clock",
            "sim/clock.py": "from house.lab import d",
        },
    )
    assert circles(package) == [["house.lab.a", "house.lab.b", "house.lab.c"]]


def test_an_import_is_told_with_its_place(tmp_path: Path) -> None:
    package = _tree(tmp_path, {"tls/x.py": "\nfrom house import net"})
    assert imports(package) == [Import("house.tls.x", "house.net", 2, eager=True)]


def _private_names(source: str) -> list[str]:
    """Attributes that are private to whoever has them, other than ``self``."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.endswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]


def test_integrations_touch_nothing_that_is_private_to_others() -> None:
    for path in sorted((_PACKAGE / "integrations").rglob("*.py")):
        assert _private_names(path.read_text(encoding="utf-8")) == [], path.name


def test_what_is_private_is_caught() -> None:
    source = "self._own\nmessage.opt._options\nrequest._pipe"
    assert _private_names(source) == ["message.opt._options", "request._pipe"]


_ASKS_FOR_A_KIND = re.compile(r"isinstance\([^()]*\b(PSK|RawPublicKey|Certificate)\b(?! *\()")


def test_nobody_outside_its_room_asks_of_which_kind_a_credential_is() -> None:
    room = _PACKAGE / "tls" / "credentials"
    asking = [
        str(path.relative_to(_PACKAGE))
        for path in sorted(_PACKAGE.rglob("*.py"))
        if room not in path.parents and _ASKS_FOR_A_KIND.search(path.read_text(encoding="utf-8"))
    ]
    assert asking == []


def _too_long(folder: Path) -> list[str]:
    lengths = {
        path.relative_to(folder): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.rglob("*.py"))
    }
    return [f"{path}: {lines}" for path, lines in lengths.items() if lines > _LONGEST_FILE]


def test_no_file_grows_past_what_one_can_read() -> None:
    assert _too_long(_PACKAGE) == []


def test_a_file_that_is_too_long_is_caught(tmp_path: Path) -> None:
    (tmp_path / "just.py").write_text("\n" * _LONGEST_FILE, encoding="utf-8")
    (tmp_path / "long.py").write_text("\n" * (_LONGEST_FILE + 1), encoding="utf-8")
    assert _too_long(tmp_path) == [f"long.py: {_LONGEST_FILE + 1}"]


def _own_files() -> list[Path]:
    """The files that are, or would be, in version control (all of them where there is no git)."""
    command = ["git", "-C", str(_ROOT), "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return [
            path
            for folder in ("handshake_over_coap", "tests", "spec")
            for path in (_ROOT / folder).rglob("*")
            if path.is_file() and not {"__pycache__", "build"} & set(path.parts)
        ]
    return [_ROOT / name for name in listed.split("\0") if name and (_ROOT / name).is_file()]


def _naming(folder: Path, files: list[Path]) -> list[Path]:
    """Which of ``files`` contain the path of ``folder``, whole or as the start of a longer one."""
    mention = re.compile(rb"(?<![\w./-])" + re.escape(str(folder).encode()) + rb"(?![\w.-])")
    return [path for path in files if mention.search(path.read_bytes())]


@pytest.mark.parametrize("folder", [_ROOT, Path.home()], ids=["checkout", "home"])
def test_no_file_names_a_folder_of_this_machine(folder: Path) -> None:
    if len(folder.parts) < 3:
        pytest.skip(f"{folder} is too short to tell from ordinary text")
    assert _naming(folder, _own_files()) == []


def _hosts(settings: str) -> set[str]:
    """The hosts of the URLs in ``settings``, apart from the public index."""
    return set(re.findall(r"https?://(?:[^@/\s]*@)?([\w.-]+)", settings)) - {"pypi.org"}


def test_no_file_names_a_package_host_of_this_machine() -> None:
    command = [sys.executable, "-m", "pip", "config", "list"]
    configured = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    hosts = _hosts(configured)
    if not hosts:
        pytest.skip("pip on this machine uses the public index")
    naming = [
        path for path in _own_files() if any(host.encode() in path.read_bytes() for host in hosts)
    ]
    assert naming == []


def test_package_hosts_are_read_off_the_settings() -> None:
    listed = "global.index-url='https://user:word@index.example:8443/simple'\n:env:.x='1'\n"
    assert _hosts(listed + "y='https://pypi.org/simple'") == {"index.example"}


def test_a_file_that_names_a_folder_is_caught(tmp_path: Path) -> None:
    names, innocent = tmp_path / "a", tmp_path / "b"
    names.write_text(f"see {tmp_path}/x", encoding="utf-8")
    innocent.write_text(f"see {tmp_path}-elsewhere and sub{tmp_path}", encoding="utf-8")
    assert _naming(tmp_path, [names, innocent]) == [names]
