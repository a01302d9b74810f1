"""Where the files of a dataset lie, and whether those of two lie in the same place, however it is spelled."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.contracts.patterns import root_of
from include.contracts.servers import scheme_of
from include.core.errors import ContractError
from include.core.records import Contract

#: What a contract's location may start with, for the folder of all production data.
PRODUCTION = "${TRAINYARD_PRODUCTION}"

_GLOB = frozenset("*?[")


def folder_of(contract: Contract, production: Path) -> Path:
    """The folder that the contract's location names, below which a pattern of it begins.

    Raises:
        ContractError: the location is relative.
    """
    location = root_of(contract.location)
    if location.startswith(PRODUCTION):
        return production / location.removeprefix(PRODUCTION).lstrip("/")
    if not Path(location).is_absolute():
        raise ContractError(
            f"{contract.dataset}: a location is absolute, or starts with {PRODUCTION}",
            value=location,
            remedy="Correct `servers[0].path` of the contract.",
        )
    return Path(location)


def paths_of(contract: Contract, production: Path, *, links: bool = True) -> "FolderPaths":
    """By what the place of the contract's files is called; of an address all but itself is elsewhere's.

    Raises:
        ContractError: the location is a relative path.
    """
    if scheme_of(contract.location):
        return FolderPaths(paths=frozenset({Path(root_of(contract.location))}), here=frozenset(), above=frozenset())
    return FolderPaths.of(folder_of(contract, production), links=links)


@dataclass(frozen=True, kw_only=True)
class FolderPaths:
    """A folder by all that it is called: as it is written, without links, and what links within it lead to.

    ``here`` identifies what lies there to the file system, ``above`` that and all folders that it lies in.
    """

    paths: frozenset[Path]
    here: frozenset[tuple[int, int]]
    above: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, folder: Path, *, links: bool = True) -> "FolderPaths":
        """That of *folder*, whether or not it is there; without *links* those within it are not looked for."""
        written = Path(os.path.normpath(folder))
        paths = {written, _real(written)}
        if _GLOB & set(str(written)) and not written.exists():
            paths.add(_before_glob(written))
        if links:
            paths.update(_targets(written))
        here = {found for path in paths if (found := _identity(path))}
        above = {found for path in paths for each in path.parents if (found := _identity(each))}
        return cls(paths=frozenset(paths), here=frozenset(here), above=frozenset(here | above))

    def overlaps(self, other: "FolderPaths") -> bool:
        """Whether a file may lie in both: one is the other, or lies in it, by name or to the file system."""
        if self.here & other.above or other.here & self.above:
            return True
        return any(
            one.is_relative_to(another) or another.is_relative_to(one) for one in self.paths for another in other.paths
        )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _before_glob(path: Path) -> Path:
    """The folder in which all lies that a glob means."""
    parts = path.parts
    return Path(*parts[: next(place for place, part in enumerate(parts) if _GLOB & set(part))])


def _identity(path: Path) -> tuple[int, int] | None:
    """What the file system knows *path* by; ``None``: it is not there, or cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _targets(folder: Path) -> Iterator[Path]:
    """What the links in *folder* lead to, and those that lie there."""
    waiting, seen = [folder], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        identity = _identity(here)
        if identity is None or identity in seen:
            continue
        seen.add(identity)
        try:
            with os.scandir(here) as entries:
                found = [(Path(entry.path), entry.is_symlink(), entry.is_dir()) for entry in entries]
        except OSError:
            continue
        yield from (_real(path) for path, linked, _ in found if linked)
        waiting += [path for path, _, folds in found if folds]
