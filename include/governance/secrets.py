"""Files that hold a secret: made once, whole, and for their owner's eyes only."""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from include.core.errors import AuthorityError

#: What a key file made by :func:`random_key` holds.
KEY_BYTES = 32


def random_key() -> bytes:
    """A new random key as hexadecimal text, which :func:`read_key` reads."""
    return secrets.token_hex(KEY_BYTES).encode()


def keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """The secret in *path*; made there first, by *make*, if there is none. Of two that race, one wins for both.

    The file has mode 0600, is whole or not there, and is never overwritten.

    Raises:
        AuthorityError: the file cannot be written, or :func:`read` refuses it.
    """
    if not path.exists():
        _create(path, make())
    return read(path)


def read(path: Path) -> bytes:
    """The secret in *path*.

    Raises:
        AuthorityError: it is missing, unreadable, empty, or somebody but its owner may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        remedy = "Only the process that uses a key can read it; check its path and owner."
        raise AuthorityError(f"{path}: a secret can be read", value=type(error).__name__, remedy=remedy) from None
    if mode & 0o077:
        remedy = f"Assume that it was read: replace it, and `chmod 600 {path}`."
        raise AuthorityError(f"{path}: a secret is its owner's alone", value=f"mode {mode:04o}", remedy=remedy)
    if not data:
        raise AuthorityError(f"{path}: a secret is not empty", value="0 bytes", remedy="Restore it from a backup.")
    return data


def read_key(path: Path) -> bytes:
    """The bytes of the key that :func:`random_key` wrote into *path*.

    Raises:
        AuthorityError: as :func:`read`, or the file holds no such key.
    """
    try:
        key = bytes.fromhex(read(path).decode("ascii").strip())
    except ValueError:  # its message would repeat the text
        key = b""
    if len(key) != KEY_BYTES:
        remedy = "Restore it from a backup."
        raise AuthorityError(f"{path}: a key of {KEY_BYTES} bytes in hexadecimal", value="another text", remedy=remedy)
    return key


def _create(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike a rename, a link never replaces what is there
        except FileExistsError:
            pass  # somebody else's secret came first, and holds
        finally:
            temporary.unlink()
    except OSError as error:
        remedy = "Check the folder's owner and free space."
        raise AuthorityError(f"{path}: a secret can be written", value=type(error).__name__, remedy=remedy) from None
