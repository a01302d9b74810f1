"""What code a night runs, as a digest: the platform's and the project's own."""

import ast
import hashlib
from pathlib import Path

from include.core.canonical import record_digest
from include.core.errors import DeclarationError

#: Rooms that decide where and how a step is started, never what it computes.
_NO_ARITHMETIC = {"cli", "runtime", "projects"}

#: Name, size in bytes, times of change of content and of the file (ns), of each file of code.
CodeStamp = tuple[tuple[str, int, int, int], ...]


def code_digest(include: Path, projects: Path, project: str) -> str:
    """The digest of all files of code under *include* that decide a result, and of all in the folder of *project*.

    Contracts are not part of it: grants and scopes bind their digests.

    Raises:
        DeclarationError: in the project's folder lies what is no file (:func:`files_of`).
    """
    files = _files(include, projects, project)
    return record_digest([(name.as_posix(), _sha256(path)) for name, path in files])


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


def _kept_compiled(path: Path) -> bool:
    source = path.parent.parent / f"{path.name.split('.')[0]}.py"
    return path.parent.name == "__pycache__" and ".pyc" in path.name and source.is_file()


def _no_file(path: Path) -> DeclarationError:
    return DeclarationError(
        "a project's folder holds files, folders, and links to them",
        value=str(path),
        remedy="Remove it: a link that leads nowhere or in a circle, a pipe or a socket is no part of a project.",
    )


def _files(include: Path, projects: Path, project: str) -> list[tuple[Path, Path]]:
    """The names and places of the files that decide a result."""
    rooms = [path for path in _code(include) if path.relative_to(include).parts[0] not in _NO_ARITHMETIC]
    files = [(path.relative_to(include), path) for path in rooms]
    files += [(path.relative_to(projects), path) for path in files_of(projects / project)]
    return files + [(Path(*[".."] * level), path) for level, path in _run_before(include, projects)]


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
