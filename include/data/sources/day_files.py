"""Where the bytes of files come from that are filed by UTC day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

PARQUET = (".parquet",)

#: How a file is shown, what the names of its folders say, and what holds its footer.
Footer = tuple[str, Mapping[str, str | None], Path | BinaryIO]


class UnreadableFile(OSError):
    """A file that is there and cannot be read: how it is shown, and why."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(None, why)
        self.shown = shown


@dataclass(frozen=True, kw_only=True)
class DayFile:
    """One file of a day: how it is shown, what the names of its folders say, and its bytes."""

    shown: str
    said: Mapping[str, str | None]
    data: bytes


class DayFolders(Protocol):
    """Where files lie in folders ``day=YYYY-MM-DD``, or all in one (``""``); they come in the order of their names.

    A file may lie in folders ``name=value``, each of which is a column of text; what begins with ``.`` or ``_`` is no
    data, and a table format is refused, which alone knows which of its files are current.
    """

    shown: str

    def is_empty(self) -> bool: ...

    def refuse_table_format(self) -> None:
        """Raise DataError where that is, or lies in, a table whose format lists its current files elsewhere."""

    def folders(self) -> Iterable[str]:
        """The names of the folders ``day=…``."""

    def read(self, folder: str) -> Sequence[DayFile]:
        """All files of *folder*, whole and of one moment; none where it is not there. May raise UnreadableFile."""

    def footers(self, folder: str) -> Iterable[Footer]:
        """The same, of which the footers alone have to be there."""
