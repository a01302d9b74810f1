"""What code a night runs, as a digest: the platform's and the project's own."""

import hashlib
from pathlib import Path

from include.core.canonical import record_digest

#: Rooms that decide where and how a step is started, never what it computes.
_NO_ARITHMETIC = {"cli", "runtime", "projects"}

#: Name, size in bytes, times of change of content and of the file (ns), of each file of code.
CodeStamp = tuple[tuple[str, int, int, int], ...]


def code_digest(include: Path, projects: Path, project: str) -> str:
    """The digest of all files of code under *include* that decide a result, and of the folder of *project*.

    Contracts are not part of it: grants and scopes bind their digests.
    """
    files = _files(include, projects, project)
    return record_digest([(name.as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in files])


def code_stamp(include: Path, projects: Path, project: str) -> CodeStamp:
    """Of each file that :func:`code_digest` reads, its size and when it was changed, without opening it."""
    found = ((name, path.stat()) for name, path in _files(include, projects, project))
    return tuple((name.as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found)


def _files(include: Path, projects: Path, project: str) -> list[tuple[Path, Path]]:
    """The names and places of the files that decide a result."""
    rooms = [path for path in _code(include) if path.relative_to(include).parts[0] not in _NO_ARITHMETIC]
    files = [(path.relative_to(include), path) for path in rooms]
    return files + [(path.relative_to(projects), path) for path in _code(projects / project)]


def _code(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".jinja", ".j2", ".sql"})
