"""What a steward looks at beside a request: the project's code, and which of its features take which column."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.core.canonical import decode, record_digest
from include.core.errors import StoreError
from include.core.records import Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.runtime.code.digest import CodeStamp, code_digest, code_stamp, files_of
from include.runtime.code.projects import project_names
from include.settings import ROOT
from include.store import Store

#: Longer code is cut there, and says so.
LONGEST_FILE_BYTES = 200_000


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of a project's code, by its path in the project's folder; ``text`` may be cut."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Code:
    """A project's code as it lies here. ``begun_with``: it is what the given run began with; ``None``: no run."""

    files: tuple[SourceFile, ...]
    begun_with: bool | None


@dataclass(frozen=True, kw_only=True)
class _Origin:
    table: str
    column: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class _Origins:
    """Of a recorded declaration, the part that says where each feature comes from."""

    origins: tuple[_Origin, ...]


class Evidence:
    """Reads code and recorded declarations, and no data."""

    def __init__(self, *, ledger: Ledger, store: Store, projects: Path) -> None:
        self._ledger, self._store, self._projects = ledger, store, projects
        self._digests: dict[str, tuple[CodeStamp, str]] = {}

    def code(self, project: str, run: Run | None) -> Code:
        """All files of *project*, compared with what *run* began with; none where it has no folder here."""
        if project not in project_names(self._projects):
            return Code(files=(), begun_with=None)
        folder = self._projects / project
        return Code(
            files=tuple(
                SourceFile(name=path.relative_to(folder).as_posix(), text=_text(path, folder))
                for path in files_of(folder)
            ),
            begun_with=self._digest(project) == run.code_digest if run else None,
        )

    def _digest(self, project: str) -> str:
        """The digest of the code as it lies here, read again only when a file was changed."""
        include = ROOT / "include"
        stamp = code_stamp(include, self._projects, project)
        known = self._digests.get(project)
        if known is None or known[0] != stamp:
            known = (stamp, code_digest(include, self._projects, project))
            self._digests[project] = known
        return known[1]

    def features(self, run: Run) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """By dataset and column, the features and the label that *run* computes of it; empty where nothing says so."""
        inputs = record_digest((run.code_digest, run.declaration_digest))
        digest = Journal(self._ledger, run).output("declare", inputs)
        if digest is None:
            return {}
        try:
            origins = decode(_Origins, self._store.get(digest)).origins
        except StoreError:
            return {}
        found: dict[tuple[str, str], list[str]] = {}
        for origin in origins:
            for source in origin.sources:
                found.setdefault(source, []).append(f"{origin.table}.{origin.column}")
        return {source: tuple(sorted(set(names))) for source, names in found.items()}


def _text(path: Path, folder: Path) -> str:
    """What a page shows of *path*: its text, unless it has none, or is a link to what lies outside of *folder*.

    Such a file is no part of the project's code, and may be one that only this process should read.
    """
    size = path.stat().st_size
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"(a link to {path.resolve()}, {size:,} bytes: its content counts, and is not shown)"
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE_BYTES + 1)
    if b"\0" in data:
        return f"(no text, {size:,} bytes: they count)"
    text = data.decode("utf-8", errors="replace")
    return text if len(data) <= LONGEST_FILE_BYTES else text[:LONGEST_FILE_BYTES] + "\n… (cut here)"
