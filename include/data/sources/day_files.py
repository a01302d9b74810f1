"""Where the bytes of files come from that are filed by UTC day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from include.contracts.patterns import BY_DAY, DayPattern
from include.core.errors import DataError, SourceUnavailable

PARQUET = (".parquet",)
#: So often a day is listed and read again that changes meanwhile.
ATTEMPTS = 3

#: How a file is shown, what the names of its folders say, and what holds its footer.
Footer = tuple[str, Mapping[str, str | None], Path | BinaryIO]


class UnreadableFile(OSError):
    """A file that is there and cannot be read: how it is shown, and why."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(None, why)
        self.shown = shown


@dataclass(frozen=True, kw_only=True)
class DayFile:
    """One file of a day: how it is shown, its path within the day's folder, what that path says, and its bytes."""

    shown: str
    name: str
    said: Mapping[str, str | None]
    data: bytes


class DayFolders(Protocol):
    """Where files lie in folders of days, or all in one (``""``); they come in the order of their names.

    A file may lie in folders ``name=value``, each of which is a column of text; what begins with ``.`` or ``_`` is no
    data, and a table format is refused, which alone knows which of its files are current.
    """

    shown: str
    days: DayPattern

    def is_empty(self) -> bool: ...

    def refuse_table_format(self) -> None:
        """Raise DataError where that is, or lies in, a table whose format lists its current files elsewhere."""

    def folders(self) -> Iterable[str]:
        """The folders of days, by what leads to them (some may be called so and be no day's)."""

    def read(self, folder: str) -> Sequence[DayFile]:
        """All files of *folder*, whole and of one moment; none where it is not there. May raise UnreadableFile."""

    def footers(self, folder: str) -> Iterable[Footer]:
        """The same, of which the footers alone have to be there."""


def never_rests(dataset: str, shown: str) -> SourceUnavailable:
    """The error where what is *shown* changed at each attempt to read it."""
    return SourceUnavailable(
        f"{dataset}: the files of a day stay as they are while they are read",
        value=f"{shown} changed at each of {ATTEMPTS} attempts",
        remedy="It is read again by itself; have the day landed as a whole.",
    )


def copy_day_files(place: DayFolders, target: Path) -> None:
    """Copy all files that nights read of *place* under *target*, those of days in ``day=YYYY-MM-DD``.

    Raises as a source does, and DataError where there are none.
    """
    place.refuse_table_format()
    found = 0
    for folder in (*place.folders(), ""):
        day = place.days.day(folder)
        if day is None and place.days != BY_DAY:
            continue
        for file in place.read(folder):
            path = target / (BY_DAY.folder(day) if day else folder) / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            found += 1
    if not found:
        raise DataError(
            f"{place.shown}: a folder of Parquet files, divided by day or not",
            value="no file *.parquet in it",
            remedy=f"Name the folder that holds `{place.days.shown}`, or the files of one undivided table.",
        )
