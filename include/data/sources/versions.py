"""The versions of a folder's days: the newest where every reader finds it, and hidden beside it what it replaced.

::

    sales/day=2013-07-04/part.parquet                                   the newest
    sales/.landed/2026-11-30T10-20-30.000000Z/days.json                 the days of a landing: were they there before?
    sales/.landed/2026-11-30T10-20-30.000000Z/before/day=2013-07-04/…   what that landing replaced

Readers skip what begins with a point; for those that do not, the files of a replaced day are ``….parquet.replaced``.
What a landing replaced stands for all instants before the landing, back to the one before it. So the first version of
a day stands for all instants until it is replaced: when its rows were known the contract's ``knownAt`` says. A folder
without ``.landed`` has one version of each day.

A landing counts, with all its days, from the rename on that gives it its name. Its days move into their places after
that, one by one; readers here find those that did not in its folder ``after``, and the next landing goes on with it.
"""

import fcntl
import json
import os
import re
import shutil
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.core.errors import DataError
from include.data.sources.day_files import PARQUET

_PLACE, _DRAFT, _DAYS, _BEFORE, _AFTER = ".landed", ".draft", "days.json", "before", "after"
#: What the names of replaced files end in, behind what they ended in.
REPLACED = ".replaced"
_TICK_NANOSECONDS = 2_000_000_000
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}Z")


class DayVersions:
    """Those of the days below *root*. Methods raise DataError where what lies there cannot be used."""

    def __init__(self, root: Path) -> None:
        self._root, self._place = root, root / _PLACE
        self._read: dict[str, Mapping[str, bool]] = {}
        self._listed: list[str] = []
        self._listed_at = 0

    def place_at(self, folder: str, instant: datetime | None) -> Path:
        """Where the version of the day's *folder* lies that had landed last at *instant* (``None``: the newest).

        A landing may move it just then: who has read it asks again, and reads again if the answer is another.
        """
        landings, here = self._landings(), self._root / folder
        later = [] if instant is None else landings[bisect_right(landings, _name(instant)) :]
        for name in (each for each in later if self._days(each).get(folder)):
            before = self._place / name / _BEFORE / folder
            if before.exists():
                return before
            if (self._place / name / _AFTER / folder).exists():
                return here
            if not before.exists():  # else it moved between the two questions
                raise DataError(
                    f"{here}: the version that a landing replaced is kept for the instants before it",
                    value=f"none at {before}",
                    remedy="Have it put back there, or choose an --instant after that landing.",
                )
            return before
        waiting = self._place / landings[-1] / _AFTER / folder if landings else None
        return waiting if waiting is not None and waiting.exists() else here

    def waiting(self) -> list[str]:
        """The days that have landed and are not in their places yet."""
        for name in self._landings()[-1:]:
            return [folder for folder in self._days(name) if (self._place / name / _AFTER / folder).exists()]
        return []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else lands here, and finish what was killed; others wait until the block ends."""
        with self._writable("no row is lost: what has landed stays so"):
            self._root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._root, os.O_RDONLY)
        try:
            with self._writable("no row is lost: what has landed stays so"):
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._move_into_place()
            yield
        finally:
            os.close(handle)

    def land(self, days: Mapping[str, bytes], clock: Callable[[], datetime]) -> datetime:
        """Make each of *days*, the bytes of its one Parquet file by its folder, the newest version; the moment of it.

        All of them or none, wherever the process dies. The caller is :meth:`alone`.
        """
        landings = self._landings()
        draft = self._place / _DRAFT
        with self._writable("nothing was landed"):
            shutil.rmtree(draft, ignore_errors=True)
            try:
                there = {folder: self._require_movable(folder) for folder in days}
                for folder, data in days.items():
                    _write(draft / _AFTER / folder / "part.parquet", data)
                _write(draft / _DAYS, json.dumps(there, indent=1).encode())
                (draft / _BEFORE).mkdir()
                self._share(draft, days)
                _sync_folders(draft)
                # Not before: runs of earlier instants may have read what stands there until now.
                moment = max([clock(), *(_moment(name) + timedelta(microseconds=1) for name in landings[-1:])])
                draft.rename(self._place / _name(moment))
                _sync(self._place)
            except BaseException:  # Ctrl-C too
                shutil.rmtree(draft, ignore_errors=True)
                raise
        with self._writable("it has landed; the next landing moves it into place"):
            self._move_into_place()
        return moment

    def _share(self, draft: Path, days: Iterable[str]) -> None:
        """Let those read what lands who could read what it replaces, and nobody else."""
        for place in (self._place, draft, *draft.rglob("*")):
            _share(self._root, place)
        for folder in days:
            here, made = self._root / folder, draft / _AFTER / folder
            for place in (made, *made.iterdir()):
                _share(here if here.exists() else self._root, place)

    def _move_into_place(self) -> None:
        for name in self._landings()[-1:]:
            landing = self._place / name
            for folder in self.waiting():
                here, before = self._root / folder, landing / _BEFORE / folder
                if here.exists():
                    before.parent.mkdir(parents=True, exist_ok=True)
                    here.rename(before)
                here.parent.mkdir(parents=True, exist_ok=True)
                (landing / _AFTER / folder).rename(here)
                _sync(here.parent)
            for file in (landing / _BEFORE).rglob("*"):
                if file.name.lower().endswith(PARQUET) and file.is_file():
                    file.rename(file.with_name(file.name + REPLACED))
            if (landing / _AFTER).exists():
                _sync_folders(landing)
                shutil.rmtree(landing / _AFTER)

    def _require_movable(self, folder: str) -> bool:
        """Whether *folder* is there; if so, it can be moved by who is not its owner too."""
        here = self._root / folder
        if here.exists() and not os.access(here, os.W_OK):
            raise PermissionError(None, f"{folder} belongs to another user")
        return here.exists()

    def _landings(self) -> list[str]:
        """Their names, in order; what did not change is not listed again, since each day that is read asks twice."""
        try:
            changed = self._place.stat().st_mtime_ns
            if changed != self._listed_at:
                self._listed = sorted(name for name in os.listdir(self._place) if _NAME.fullmatch(name))  # noqa: PTH208
                # One that changed just now may change again within the same tick of the clock.
                self._listed_at = changed if time.time_ns() - changed > _TICK_NANOSECONDS else 0
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise DataError(
                f"{self._root}: who reads its days can read what was landed",
                value=f"not {self._place}",
                remedy="Have its owner let this user read it.",
            ) from None
        return self._listed

    def _days(self, name: str) -> Mapping[str, bool]:
        if name not in self._read:
            file = self._place / name / _DAYS
            try:
                self._read[name] = dict(json.loads(file.read_bytes()))
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{self._root}: each landing says which days it replaced",
                    value=f"{file}: {getattr(error, 'strerror', None) or 'not as it was written'}",
                    remedy="Have it put back as it was.",
                ) from None
        return self._read[name]

    @contextmanager
    def _writable(self, otherwise: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._root}: who lands data can write there, and there is room",
                value=error.strerror or type(error).__name__,
                remedy=f"Make room, or have its owner let this user write there; {otherwise}.",
            ) from None


def _name(moment: datetime) -> str:
    """What a landing of that *moment* is called: names in their order are moments in theirs."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26].replace(":", "-") + "Z"


def _moment(name: str) -> datetime:
    return datetime.strptime(name, "%Y-%m-%dT%H-%M-%S.%fZ").replace(tzinfo=UTC)


def _share(like: Path, place: Path) -> None:
    """Let those read *place* who may read the folder *like*."""
    found = like.stat()
    with suppress(PermissionError):  # not every user may give to a group
        os.chown(place, -1, found.st_gid)
    with suppress(PermissionError):  # another user's, who shared it so
        place.chmod(found.st_mode & (0o777 if place.is_dir() else 0o666))


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _sync_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        _sync(Path(folder))


def _sync(folder: Path) -> None:
    """Have the names in *folder* on the disk before what is written next."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
