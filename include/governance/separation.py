"""What this process's account may do to the authority's keys: read the private one, or replace what it trusts."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_LINKS = 40
_EFFECTIVE = os.access in os.supports_effective_ids
_HERE = "(one operating-system user)"


def separation_of_duties(private_key: Path, public_key: Path) -> str:
    """Whether this process could sign grants itself, or have others taken for the authority's: SHOWN or NOT SHOWN.

    SHOWN only where private key, public key and every folder that leads to them are another user's, and closed: the
    private key lies in a folder that this process can neither list nor enter, and nothing on the way to either key can
    be written, or replaced by something else, here.
    """
    doubt = _doubt(private_key, public_key)
    if doubt is not None:
        return f"NOT SHOWN: {doubt}"
    return (
        "SHOWN: the authority's keys are another user's; this process can neither read the private one nor replace any"
    )


def _doubt(private_key: Path, public_key: Path) -> str | None:
    if 0 in _accounts():
        return f"this process runs as root, which can read the authority's key {_HERE}"
    last = None
    try:
        for entry, found in _way_to(private_key):
            last = entry
            if told := _replaceable(entry, found):
                return f"the authority's key can be read or replaced: {told}"
        return _open_to_us(private_key)
    except PermissionError:
        if last is not None and _may(last, os.R_OK):
            return f"this process can list the folder of the authority's key, {last}"
    except OSError:
        return "the authority's key is not where this process looks, and who can read it is unknown here"
    return _public_doubt(public_key)


def _open_to_us(private_key: Path) -> str:
    if _may(private_key, os.R_OK):
        return f"this process can read the authority's key {_HERE}"
    return f"this process can enter the folder of the authority's key, {private_key.parent}"


def _public_doubt(public_key: Path) -> str | None:
    try:
        told = [told for entry, found in _way_to(public_key) if (told := _replaceable(entry, found))]
    except OSError:
        return f"{public_key}, the authority's public key, is not where this process looks"
    return f"this process can replace {public_key}, the authority's public key: {told[0]}" if told else None


def _replaceable(entry: Path, found: os.stat_result) -> str | None:
    """Why this process may write to *entry*, or replace what another user has in it; ``None``: it may not."""
    if found.st_uid in _accounts():
        return f"{entry} belongs to its own user {_HERE}"
    if stat.S_ISLNK(found.st_mode):
        return None  # a link is replaced through the folder that holds it
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return None  # in a sticky folder everybody replaces only what is their own
    return f"it may write to {entry}" if _may(entry, os.W_OK) else None


def _way_to(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each folder, link and file by which *path* is found, from the root on, and where links lead.

    Raises:
        PermissionError: the last folder that was given is closed to this process.
        OSError: there is no such path.
    """
    root, links = Path("/"), 0
    here, names = root, list(reversed(path.absolute().parts[1:]))
    yield root, root.lstat()
    while names:
        name = names.pop()
        if name == "..":
            here = here.parent
            continue
        entry = here / name
        found = entry.lstat()
        yield entry, found
        if not stat.S_ISLNK(found.st_mode):
            here = entry
            continue
        links += 1
        if links > _LINKS:
            raise OSError("links lead in a circle")
        target = entry.readlink()
        here = root if target.is_absolute() else here
        names += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=_EFFECTIVE)


def _accounts() -> set[int]:
    """Every user that this process is or can become again."""
    return set(os.getresuid() if hasattr(os, "getresuid") else (os.getuid(), os.geteuid()))
