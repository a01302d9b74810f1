"""Looks for a text in everything that a deployment has written, decompressed."""

import gzip
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def files_with(needle: str, folder: Path) -> list[str]:
    """The files under *folder* that hold *needle*, in any case, as bytes or in what they hold compressed."""
    return files_with_any([needle.encode()], folder)


def files_with_any(needles: Iterable[bytes], folder: Path) -> list[str]:
    """As :func:`files_with`, of those that hold one of *needles*."""
    wanted = [needle.lower() for needle in needles]
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in part for part in map(bytes.lower, _contents(path)) for needle in wanted)
    ]


def _contents(path: Path) -> Iterator[bytes]:
    """The file's bytes and, where its format packs them, what is in it."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"PAR1"):
        yield from _parquet(path)
    elif data.startswith(b"SQLite format 3\0"):
        yield from _database(path)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)


def _parquet(path: Path) -> Iterator[bytes]:
    """The schema and all distinct values, as text."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    yield str(table.schema).encode()
    for column in table.columns:
        yield "\n".join(str(value) for value in pc.unique(column).to_pylist()).encode()


def _database(path: Path) -> Iterator[bytes]:
    """Every cell of every table: a long one lies in pieces in the file."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 -- names from the database itself
                yield b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)
