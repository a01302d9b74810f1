"""What a steward looks at beside a request: the project's code, and which of its features take which column."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from include.core.canonical import decode, record_digest
from include.core.errors import CodeChanged, StoreError
from include.core.records import Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.runtime.code.digest import CodeStamp, code_digest, code_stamp, files_of, lies_in
from include.runtime.code.kept import OWN
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
    """A project's code as it lies here. ``begun_with``: it is what the given run began with; ``None``: no run.

    ``copied``: it is what was copied when the run began, and other code lies here by now.
    """

    files: tuple[SourceFile, ...]
    begun_with: bool | None
    copied: bool = False


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
    """Reads code and recorded declarations, and no data.

    *unpack* puts what a run began with into a folder, verified, and says where its projects lie in it.
    """

    def __init__(
        self, *, ledger: Ledger, store: Store, projects: Path, unpack: Callable[[Run, Path], Path] | None = None
    ) -> None:
        self._ledger, self._store, self._projects, self._unpack = ledger, store, projects, unpack
        self._digests: dict[str, tuple[CodeStamp, str]] = {}
        self._copied: dict[str, tuple[str, tuple[SourceFile, ...]]] = {}

    def code(self, project: str, run: Run | None) -> Code:
        """All files of *project* that *run* began with; where they cannot be had those that lie here, if any do."""
        is_here = project in project_names(self._projects)
        begun_with = None if run is None or not is_here else self._digest(project) == run.code_digest
        if run is not None and not begun_with and (copied := self._copy(run)):
            return Code(files=copied, begun_with=True, copied=True)
        folder = self._projects / project
        files = tuple(_source(path, folder) for path in files_of(folder)) if is_here else ()
        return Code(files=files, begun_with=begun_with)

    def _copy(self, run: Run) -> tuple[SourceFile, ...]:
        """The project's files that *run* began with; none where no copy of them can be read here."""
        known = self._copied.get(run.project)
        if known is not None and known[0] == run.code_digest:
            return known[1]
        if self._unpack is None:
            return ()
        with TemporaryDirectory(prefix="trainyard-shown-") as place:
            try:
                folder = self._unpack(run, Path(place)) / run.project
            except (CodeChanged, OSError):
                return ()
            found = [(path, path.stat().st_mode & 0o777 == OWN) for path in files_of(folder)]
            if not any(own for _, own in found):  # copied by a release that noted no links
                return ()
            files = tuple(_source(path, folder, withheld=not own) for path, own in found)
        self._copied[run.project] = (run.code_digest, files)
        return files

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


def _source(path: Path, folder: Path, *, withheld: bool = False) -> SourceFile:
    """A file as it is shown; *withheld*: it is a copy of what a link led to outside."""
    size = path.stat().st_size
    text = f"(what a link led to, {size:,} bytes: it counts, and is not shown)" if withheld else _text(path, folder)
    return SourceFile(name=path.relative_to(folder).as_posix(), text=text)


def _text(path: Path, folder: Path) -> str:
    """What a page shows of *path*: its text, unless it has none, or is a link to what lies outside of *folder*.

    Such a file is no part of the project's code, and may be one that only this process should read.
    """
    size = path.stat().st_size
    if not lies_in(folder, path):
        return f"(a link to {path.resolve()}, {size:,} bytes: its content counts, and is not shown)"
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE_BYTES + 1)
    if b"\0" in data:
        return f"(no text, {size:,} bytes: they count)"
    text = data.decode("utf-8", errors="replace")
    return text if len(data) <= LONGEST_FILE_BYTES else text[:LONGEST_FILE_BYTES] + "\n… (cut here)"
