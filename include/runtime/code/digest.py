"""What code a night runs, as a digest: the platform's and the project's own."""

import ast
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.settings import ROOT

#: Rooms that decide where and how a step is started, or show what became of it, never what it computes.
_NO_ARITHMETIC = {"audit", "cli", "demo", "notebook.py", "runtime", "projects"}
#: What only draws or tells people something: no module that counts imports one of these.
SHOWN = frozenset(
    {
        "governance/history.py",
        "governance/impact.py",
        "governance/notices.py",
        "governance/outstanding_addresses.py",
        "governance/register.py",
        "governance/registered.py",
        "governance/unusual_reads.py",
        "lineage/drawing.py",
        "lineage/graph.py",
        "lineage/layout.py",
    }
)
#: The same, and by names of earlier releases: the digests of their copies are verified here, and stay what they were.
_SHOWN_EVER = SHOWN | {"governance/outstanding.py", "governance/unusual.py"}
#: No part of the platform that a step needs.
_NOT_NEEDED = {("cli",), ("demo",), ("notebook.py",), ("projects",), ("runtime", "server", "pages")}

#: Name, size in bytes, times of change of content and of the file (ns), of each file of code.
CodeStamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """The platform's code as it lay when it was read: what its steps need, by name below ``include``."""

    files: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, include: Path) -> "Rooms":
        names = ((path.relative_to(include), path) for path in _code(include))
        needed = (each for each in names if not any(each[0].parts[: len(room)] == room for room in _NOT_NEEDED))
        return cls(files=tuple((name.as_posix(), path.read_bytes()) for name, path in needed))

    @cached_property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """Name and digest of each file that decides a result."""
        return tuple((name, hashlib.sha256(data).hexdigest()) for name, data in self.files if _decides(Path(name)))


@cache
def rooms_of_this_process() -> Rooms:
    """The platform's code as it lay when this process, or the one that forked it, first asked: what it runs."""
    return Rooms.read(ROOT / "include")


def code_digest(include: Path, projects: Path, project: str, rooms: Rooms | None = None) -> str:
    """The digest of all files of code under *include* that decide a result, and of all in the folder of *project*.

    *rooms* stand for those under *include*. Contracts are not part of it: grants and scopes bind their digests.

    Raises:
        DeclarationError: in the project's folder lies what is no file (:func:`files_of`).
    """
    own = [(name.as_posix(), _sha256(path)) for name, path in own_files(include, projects, project)]
    return record_digest([*(rooms or Rooms.read(include)).counted, *own])


def code_stamp(include: Path, projects: Path, project: str) -> CodeStamp:
    """Of each file that :func:`code_digest` reads, its size and when it was changed, without opening it."""
    found = ((name, path.stat()) for name, path in _files(include, projects, project))
    return tuple((name.as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found)


def files_of(folder: Path) -> list[Path]:
    """All files in a project's *folder*, sorted: code, data and whatever else; a link is what it leads to.

    What Python keeps compiled of a source that is there is left out: a project is loaded from its sources.

    Raises:
        DeclarationError: a link leads nowhere or in a circle, or what lies there can be no part of a project.
    """
    found, pending = [], [(folder, frozenset[Path]())]
    while pending:
        place, above = pending.pop()
        if place.resolve() in above:
            raise _no_file(place)
        for path in place.iterdir():
            if path.is_dir():
                pending.append((path, above | {place.resolve()}))
            elif not path.is_file():
                raise _no_file(path)
            elif not _kept_compiled(path):
                found.append(path)
    return sorted(found)


def lies_in(folder: Path, path: Path) -> bool:
    """Whether *path* is no link to what lies outside of *folder*: such a file may be one that few should read."""
    return path.resolve().is_relative_to(folder.resolve())


def _kept_compiled(path: Path) -> bool:
    source = path.parent.parent / f"{path.name.split('.')[0]}.py"
    return path.parent.name == "__pycache__" and ".pyc" in path.name and source.is_file()


def _no_file(path: Path) -> DeclarationError:
    return DeclarationError(
        "a project's folder holds files, folders, and links to them",
        value=str(path),
        remedy="Remove it: a link that leads nowhere or in a circle, a pipe or a socket is no part of a project.",
    )


def own_files(include: Path, projects: Path, project: str) -> list[tuple[Path, Path]]:
    """The names and places of *project*'s files, and of what Python runs before them."""
    files = [(path.relative_to(projects), path) for path in files_of(projects / project)]
    return files + [(Path(*[".."] * level), path) for level, path in _run_before(include, projects)]


def _files(include: Path, projects: Path, project: str) -> list[tuple[Path, Path]]:
    """The names and places of the files that decide a result."""
    rooms = [(path.relative_to(include), path) for path in _code(include)]
    return [(name, path) for name, path in rooms if _decides(name)] + own_files(include, projects, project)


def _decides(name: Path) -> bool:
    return name.parts[0] not in _NO_ARITHMETIC and name.as_posix() not in _SHOWN_EVER


def _run_before(include: Path, projects: Path) -> list[tuple[int, Path]]:
    """The `__init__.py` of the packages that projects lie in, if they do anything: Python runs them first."""
    found: list[tuple[int, Path]] = []
    folder, level = projects.resolve(), 1
    while folder != include.resolve() and (file := folder / "__init__.py").is_file():
        if _does_something(file):
            found.append((level, file))
        folder, level = folder.parent, level + 1
    return found


def _does_something(file: Path) -> bool:
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError):
        return True
    return any(not isinstance(each, ast.Expr) or not isinstance(each.value, ast.Constant) for each in body)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".jinja", ".j2", ".sql"})
