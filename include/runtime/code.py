"""What code a night runs, as a digest: the platform's and the project's own."""

import hashlib
from pathlib import Path

from include.core.canonical import record_digest

#: Rooms that decide where and how a step is started, never what it computes.
_NO_ARITHMETIC = {"cli", "runtime", "projects"}


def code_digest(include: Path, projects: Path, project: str) -> str:
    """The digest of all files of code under *include* that decide a result, and of the folder of *project*.

    Contracts are not part of it: grants and scopes bind their digests.
    """
    rooms = [path for path in _code(include) if path.relative_to(include).parts[0] not in _NO_ARITHMETIC]
    files = [(path.relative_to(include), path) for path in rooms]
    files += [(path.relative_to(projects), path) for path in _code(projects / project)]
    return record_digest([(name.as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for name, path in files])


def _code(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".j2", ".sql"})
