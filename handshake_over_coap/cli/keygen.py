"""``hoc keygen``: a key pair for raw public keys."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.signatures import PrivateKey

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "keygen",
        help="make a key pair for raw public keys",
        description="Make a private key (PEM, PKCS #8, readable by its owner alone) and, beside "
        "it, FILE.pub with the public key (PEM) for the other side's --peer-key.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--kind",
        choices=("p256", "ed25519"),
        default="p256",
        help="kind of key (default: %(default)s)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the private key")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Make the files; raises ConfigurationError where they exist or cannot be written."""
    private: Path = arguments.out
    public = private.with_name(private.name + ".pub") if private.name else private
    key = generate(arguments.kind)
    try:
        if not arguments.force:
            _refuse_to_replace(private, public)
        _write(private, _private_pem(key), 0o600)
        _write(public, _public_pem(key), 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {private} and {public.name}: {error.strerror}; name a file in an "
            "existing folder that this user may write to"
        ) from error
    print(
        f"{private}: private key, keep it\n{public}: public key, for the other side's --peer-key",
        file=sys.stderr,
    )
    return 0


def _refuse_to_replace(*paths: Path) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise ConfigurationError(f"{path} exists: choose another --out, or say --force")


def generate(kind: str) -> PrivateKey:
    """A new key: ``p256`` or ``ed25519``."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def _private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put a file there in one step, so that nobody sees it half written or with another mode."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
