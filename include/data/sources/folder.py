"""Parquet files in a folder of this machine."""

from collections.abc import Iterator
from pathlib import Path

from include.contracts.folders import path_values, refuse_table_format, table_files
from include.data.sources.day_files import PARQUET, DayFile, Footer, UnreadableFile


class DayFolder:
    def __init__(self, root: Path) -> None:
        self._root, self.shown = root, str(root)

    def is_empty(self) -> bool:
        return not self._root.is_dir() or not any(self._root.iterdir())

    def refuse_table_format(self) -> None:
        refuse_table_format(self._root)

    def folders(self) -> Iterator[str]:
        return (folder.name for folder in self._root.glob("day=*"))

    def read(self, folder: str) -> list[DayFile]:
        found = []
        for file in self._files(folder):
            try:
                data = file.read_bytes()
            except OSError as error:
                raise UnreadableFile(str(file), error.strerror or type(error).__name__) from None
            found.append(DayFile(shown=str(file), said=path_values(file, self._root / folder), data=data))
        return found

    def footers(self, folder: str) -> list[Footer]:
        return [(str(file), path_values(file, self._root / folder), file) for file in self._files(folder)]

    def _files(self, folder: str) -> list[Path]:
        try:
            return table_files(self._root / folder, PARQUET)
        except (FileNotFoundError, NotADirectoryError):
            return []
