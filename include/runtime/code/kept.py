"""The code that runs began with, kept in the home by digest: what is deployed meanwhile ends none of them.

The platform's part and the project's are an archive each, so that projects share the first. Which archives hold the
code of a run stands in the ledger. Nothing of them is loaded before it is what the ledger says.
"""

import gzip
import io
import os
import secrets
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import CodeChanged, StoreUnavailable
from include.core.events import CodeKept, RunStarted
from include.core.records import Run
from include.ledger import Entry, Ledger, of_kind
from include.runtime.code.digest import code_digest, lies_in, own_files, rooms_of_this_process
from include.runtime.code.projects import package_of
from include.settings import ROOT, Settings

#: A copy is kept that long after the last run began with it, at least: no run of Airflow's is cleared later.
KEPT = timedelta(days=30)
#: What a killed process left half-written is removed after that long.
_HALF_WRITTEN = timedelta(hours=1)
#: The mode, in a copy, of what lies in the project's folder itself; what a link leads to may not be for all to see.
OWN = 0o600
_MODE = 0o644


def keep(settings: Settings, ledger: Ledger, project: str, code: str) -> None:
    """Copy the code of digest *code*, that of this process and of *project* as it lies here, unless a copy is there.

    A copy that was altered since is made again: what alters it and keeps its time is found when it is unpacked.
    Where the project was changed in this moment nothing is kept: the run that is about to begin ends by its next step.

    Raises:
        StoreUnavailable: the copy cannot be written.
    """
    for entry, kept in _known(ledger, project, code):
        if all(_stands(_place(settings, copy), copy, entry.recorded_at) for copy in kept.copies):
            return
    rooms = rooms_of_this_process()

    def moved() -> bool:
        return code_digest(ROOT / "include", settings.projects, project, rooms) != code

    if moved():
        return
    own = _packed(_read_own(settings, project))
    if moved():
        return
    archives = (_packed(("include/" + name, _MODE, data) for name, data in rooms.files), own)
    copies = tuple(f"sha256:{sha256(archive).hexdigest()}" for archive in archives)
    try:
        for copy, archive in zip(copies, archives, strict=True):
            _write(_place(settings, copy), copy, archive)
    except OSError as error:
        raise StoreUnavailable(
            "a run's code is copied when it begins",
            value=f"{error.filename}: {error.strerror}",
            remedy="Make room there, or correct its mode: it is tried again by itself.",
        ) from error
    event = CodeKept(project=project, code=code, copies=copies)
    ledger.record(streams.code(project), event, key=streams.code_kept_key(project, record_digest((code, copies))))


def unpack(settings: Settings, ledger: Ledger, run: Run, folder: Path) -> Path:
    """Unpack what *run* began with into the empty *folder*, to be imported from there; where its projects lie in it.

    Raises:
        CodeChanged: no copy was kept, or one is missing or altered.
    """
    missing = "no copy was kept"
    for _, kept in reversed(_known(ledger, run.project, run.code_digest)):
        found = {copy: _verified(_place(settings, copy), copy) for copy in kept.copies}
        gone = [str(_place(settings, copy)) for copy, archive in found.items() if archive is None]
        if gone:
            missing = f"missing or altered: {', '.join(gone)}"
            continue
        for archive in found.values():
            with tarfile.open(fileobj=io.BytesIO(archive or b"")) as tar:
                tar.extractall(folder, filter="data")
        projects = folder.joinpath(*package_of(settings.projects).split("."))
        if code_digest(folder / "include", projects, run.project) == run.code_digest:
            return projects
        missing = "what was copied is other code"
    raise CodeChanged(
        f"the run {run.run_id!r} of {run.project!r} is computed by the code that it began with",
        value=f"begun with {run.code_digest}, {missing}",
        remedy="Start a new run: what did not change is found in the ledger and not computed again. Or restore the "
        "copy, or deploy that code again, and clear the task.",
    )


def is_known(ledger: Ledger, run: Run) -> bool:
    """Whether a copy of what *run* began with was made."""
    return bool(_known(ledger, run.project, run.code_digest))


def remove_unneeded(settings: Settings, ledger: Ledger, *, now: datetime) -> int:
    """Remove the copies that no run began with for :data:`KEPT`, and what was left half-written; how many."""
    needed = {event.run.code_digest for entry, event in ledger.all_of(RunStarted) if entry.recorded_at + KEPT > now}
    kept = (event.copies for _, event in ledger.all_of(CodeKept) if event.code in needed)
    wanted = {_place(settings, copy).name for copies in kept for copy in copies}
    removed = 0
    for file in _folder(settings).glob("*"):
        age = now.timestamp() - file.stat().st_mtime
        limit = KEPT if file.suffix == ".gz" else _HALF_WRITTEN
        if file.name not in wanted and age > limit.total_seconds():  # a copy that is young may be of a run to begin
            file.unlink(missing_ok=True)
            removed += 1
    return removed


def _known(ledger: Ledger, project: str, code: str) -> list[tuple[Entry, CodeKept]]:
    entries = of_kind(ledger.read(streams.code(project)), CodeKept)
    return [(entry, event) for entry, event in entries if event.code == code]


def _folder(settings: Settings) -> Path:
    return settings.home / "code"


def _place(settings: Settings, copy: str) -> Path:
    return _folder(settings) / f"{copy.removeprefix('sha256:')}.tar.gz"


def _read_own(settings: Settings, project: str) -> Iterator[tuple[str, int, bytes]]:
    """The project's files, and the packages that it lies in, named as they are imported."""
    package = Path(*package_of(settings.projects).split("."))
    for name, path in own_files(ROOT / "include", settings.projects, project):
        if name.parts[0] != "..":
            mode = OWN if lies_in(settings.projects / project, path) else _MODE
            yield (package / name).as_posix(), mode, path.read_bytes()
    folder = settings.projects.resolve()
    for depth in range(len(package.parts), 0, -1):
        file = folder / "__init__.py"
        if file.is_file() and package.parts[:depth] != ("include",):  # which is in the platform's part
            yield Path(*package.parts[:depth], file.name).as_posix(), _MODE, file.read_bytes()
        folder = folder.parent


def _packed(files: Iterable[tuple[str, int, bytes]]) -> bytes:
    """The same bytes of the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode, data in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _write(place: Path, copy: str, archive: bytes) -> None:
    if _verified(place, copy) is not None:
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = place.with_suffix(f".{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(gzip.compress(archive, compresslevel=1, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(place)


def _stands(place: Path, copy: str, recorded_at: datetime) -> bool:
    """Whether what *copy* names is there: what was not written to since it was recorded is not read."""
    with suppress(OSError):
        return place.stat().st_mtime <= recorded_at.timestamp() or _verified(place, copy) is not None
    return False


def _verified(place: Path, copy: str) -> bytes | None:
    """What *copy* names; ``None``: it is not there, or something else is."""
    try:
        archive = gzip.decompress(place.read_bytes())
    except (OSError, EOFError, zlib.error):
        return None
    return archive if f"sha256:{sha256(archive).hexdigest()}" == copy else None
