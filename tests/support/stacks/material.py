"""Keys and certificates of the parties in :mod:`tests.support.parties`, as files for programs."""

from __future__ import annotations

from pathlib import Path

from tests.support import pki
from tests.support.parties import IDENTITY, KEY, NAME, ROOT

PSK_IDENTITY = IDENTITY.decode()
PSK_HEX = KEY.hex()
HOST = "127.0.0.1"
SERVER_NAME = NAME

_SERVER = ROOT.issue(NAME, HOST, key=pki.p256_key("server"))
_CLIENT = ROOT.issue(subject="a client", key=pki.p256_key("client"))


class Material:
    """The files in ``folder``: for each side NAME.pem, NAME.key and NAME.pub; ca.pem and psk.txt.

    NAME.spki is the public key of NAME.pub in DER, as a Certificate message has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for stem, issued in (("server", _SERVER), ("client", _CLIENT)):
            issued.write(folder, stem)
            (folder / f"{stem}.pub").write_bytes(pki.public_pem(issued.private_key))
            (folder / f"{stem}.spki").write_bytes(pki.public_der(issued.private_key))
        (folder / "ca.pem").write_bytes(ROOT.pem)
        (folder / "psk.txt").write_text(f"{PSK_IDENTITY}:{PSK_HEX}\n")

    def path(self, name: str) -> Path:
        """One of the files."""
        return self._folder / name

    def __getitem__(self, name: str) -> str:
        return str(self.path(name))
