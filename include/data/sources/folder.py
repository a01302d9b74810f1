"""Parquet files in a folder of this machine."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from include.contracts.folders import path_values, refuse_table_format, table_files
from include.contracts.patterns import BY_DAY, DayPattern
from include.data.sources.day_files import ATTEMPTS, PARQUET, DayFile, Footer, UnreadableFile, never_rests
from include.data.sources.versions import REPLACED, DayVersions

Read = TypeVar("Read")
#: What a file is to the file system: another one of the same name has another identity, size or time.
_State = tuple[int, int, int] | None


class DayFolder:
    """The folders of the *days* below *root*, each in the version that had landed last at *instant* (``None``: now)."""

    def __init__(self, dataset: str, root: Path, days: DayPattern = BY_DAY, *, instant: datetime | None = None) -> None:
        self.days, self.shown = days, str(root)
        self._dataset, self._root, self._instant = dataset, root, instant
        self._versions = DayVersions(root)

    def is_empty(self) -> bool:
        return not self._root.is_dir() or not any(self._root.iterdir())

    def refuse_table_format(self) -> None:
        refuse_table_format(self._root)

    def folders(self) -> Iterator[str]:
        there = (folder.relative_to(self._root) for folder in self._root.glob("/".join(self.days.globs)))
        yield from {folder.as_posix() for folder in there}.union(self._versions.waiting())

    def read(self, folder: str) -> list[DayFile]:
        return self._of_one_moment(folder, _whole)

    def footers(self, folder: str) -> list[Footer]:
        return self._of_one_moment(folder, lambda file, place: (str(file), path_values(file, place), file))

    def _of_one_moment(self, folder: str, read: Callable[[Path, Path], Read]) -> list[Read]:
        """What *read* gives of the files of *folder*, all as they were when they were listed."""
        for _ in range(ATTEMPTS):
            place, listed = self._listed(folder)
            fault: UnreadableFile | None = None
            try:
                found = [read(file, place) for file in listed]
            except UnreadableFile as error:
                fault = error
            if self._listed(folder) != (place, listed):
                continue
            if fault is not None:
                raise fault
            return found
        raise never_rests(self._dataset, f"{self.shown}/{folder}".rstrip("/"))

    def _listed(self, folder: str) -> tuple[Path, dict[Path, _State]]:
        """Where the version of *folder* lies, and its files."""
        place = self._versions.place_at(folder, self._instant) if folder else self._root
        try:
            if place == self._root / folder:
                return place, {file: _state(file) for file in table_files(place, PARQUET)}
            files = table_files(place, (*PARQUET, *(each + REPLACED for each in PARQUET)))
            files.sort(key=lambda file: file.with_name(file.name.removesuffix(REPLACED)))
            return place, {file: _state(file) for file in files}
        except (FileNotFoundError, NotADirectoryError):
            return place, {}


def _whole(file: Path, place: Path) -> DayFile:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UnreadableFile(str(file), error.strerror or type(error).__name__) from None
    name = file.relative_to(place).as_posix()
    return DayFile(shown=str(file), name=name, said=path_values(file, place), data=data)


def _state(file: Path) -> _State:
    try:
        found = file.stat()
    except OSError:  # a link that leads nowhere: reading it says so
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
