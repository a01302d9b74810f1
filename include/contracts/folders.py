"""Which files of a folder are a table's rows, and what their folders' names say about them.

As file systems and engines agree: a name that begins with ``.`` or ``_`` is no data (``_SUCCESS``, ``_temporary``, a
half-written ``.part.parquet``), an ending says the format in upper case too, and a folder ``name=value`` gives its rows
a column (Hive). ``day=YYYY-MM-DD`` is ours: it divides rows by UTC day and is no column.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote

from include.core.errors import DataError

STAGED_DAY = re.compile(r"day=\d{4}-\d\d-\d\d")

_HIVE = re.compile(r"(?P<name>[^=]+)=(?P<value>.*)", re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"
#: What lies at the top of a folder in which a table format keeps its own list of current files.
LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_EXPORTS = {
    "Delta Lake": "COPY (FROM delta_scan('{folder}')) TO 'rows.parquet'",
    "Hudi": "spark.read.format('hudi').load('{folder}').write.parquet('rows')",
}
_CATALOG = "Name it as its catalog does, `iceberg://CATALOG/NAMESPACE.TABLE` (`format: iceberg` in a contract)."


def table_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """The files of *folder* and of its folders ``name=value``, as a night reads them, sorted.

    Raises:
        DataError: a table format decides which of the files count, a name stands twice in a path, or a folder that is
            there cannot be listed.
    """
    with _listable(folder):
        return sorted(_walk(folder, tuple(endings), frozenset(), plain=False))


def all_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Those of all folders within *folder*, whatever their names, sorted. Raises as :func:`table_files`."""
    refuse_table_format(folder)
    with _listable(folder):
        return sorted(_walk(folder, tuple(endings), frozenset(), plain=True))


def table_keys(keys: Iterable[str], endings: Sequence[str], shown: str) -> list[PurePosixPath]:
    """Those of all *keys* below the folder *shown* of a bucket that :func:`table_files` would find, in its order.

    Raises:
        DataError: as :func:`table_files`.
    """
    found = (PurePosixPath(key) for key in keys if _is_of_table(key, tuple(endings), shown))
    return sorted(found, key=lambda key: key.parts)


def _is_of_table(key: str, endings: tuple[str, ...], shown: str) -> bool:
    *folders, file = key.split("/")
    above = set[str]()
    for depth, folder in enumerate(folders):
        if folder in LOGS:
            raise format_error("/".join([shown, *folders[:depth]]), LOGS[folder])
        name = None if folder.startswith((".", "_")) else _column_of(folder)
        if name is None:
            return False
        _require_once(name, above, "/".join([shown, *folders[: depth + 1]]))
        above.add(name)
    return not file.startswith((".", "_")) and file.lower().endswith(endings)


def path_values(file: PurePath, folder: PurePath) -> dict[str, str | None]:
    """What the names of the folders between *folder* and *file* say: a text a column, ``None`` for null."""
    found: dict[str, str | None] = {}
    if file.parent == folder:  # as nearly always
        return found
    for part in file.relative_to(folder).parts[:-1]:
        if (named := _HIVE.fullmatch(part)) and not STAGED_DAY.fullmatch(part):
            value = unquote(named["value"])
            found[unquote(named["name"])] = None if value == _NULL else value
    return found


def day_of(file: Path, folder: Path) -> date | None:
    """The UTC day of the folder at the top of *folder* that *file* lies in; ``None``: it is not divided by day."""
    return named_day(file.relative_to(folder).parts[0])


def named_day(name: str) -> date | None:
    """The day of a folder called *name*; ``None``: it names none, as ``day=2013-02-30`` does not."""
    try:
        return date.fromisoformat(name.removeprefix("day=")) if STAGED_DAY.fullmatch(name) else None
    except ValueError:
        return None


def refuse_unread(files: Sequence[Path], folder: Path) -> None:
    """Raise DataError where nights would not read all of the *files* of *folder*, divided by day if one of them is."""
    divided = any(day_of(file, folder) for file in files)
    for file in files:
        between = file.relative_to(folder).parts[:-1]
        inner = between[1:] if divided and day_of(file, folder) else between
        named = all(_HIVE.fullmatch(part) and not STAGED_DAY.fullmatch(part) for part in inner)
        if not named or (divided and not day_of(file, folder)):
            raise DataError(
                "nights read files in folders day=YYYY-MM-DD, or those of one undivided folder; within, name=value",
                value=str(file),
                remedy="Have the rows filed by day (`--time COLUMN`), or move the file.",
            )


def refuse_table_format(folder: Path) -> None:
    """Raise DataError where *folder* is, or lies in, a table whose format lists its current files elsewhere.

    So it is where the folder is there and cannot be listed.
    """
    with _listable(folder):
        for each in (folder, *folder.absolute().parents):
            for log, kind in LOGS.items():
                if (each / log).is_dir():
                    raise format_error(each, kind)
        for each in (folder, folder.parent) if folder.name == "data" else (folder,):
            if _is_iceberg(each):
                raise format_error(each, "Iceberg")


@contextmanager
def _listable(folder: Path) -> Iterator[None]:
    """Raise DataError for what the system says against listing *folder*, but for that it is not there."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise DataError(
            f"{folder}: a folder of data can be listed, and what lies in it",
            value=error.strerror or type(error).__name__,
            remedy="Have its owner let this user read it, or correct the path.",
        ) from None


def _is_iceberg(folder: Path) -> bool:
    return next((folder / "metadata").glob("*.metadata.json"), None) is not None


def _column_of(folder: str) -> str | None:
    """The column that a folder of that name gives its rows; ``None``: it gives none."""
    named = None if STAGED_DAY.fullmatch(folder) else _HIVE.fullmatch(folder)
    return unquote(named["name"]) if named else None


def _require_once(name: str, above: Collection[str], path: str) -> None:
    if name in above:
        raise DataError(
            "a column stands once in a path", value=f"{name} in {path}", remedy="Rename one of the folders."
        )


def format_error(folder: Path | str, kind: str) -> DataError:
    remedy = _CATALOG
    if kind in _EXPORTS:
        remedy = f"Export the current rows, `{_EXPORTS[kind].format(folder=folder)}` say, and name what that wrote."
    return DataError(
        f"{folder}: all files of a folder are rows of the table",
        value=f"a table of {kind}, whose own log says which of its files are current",
        remedy=remedy,
    )


def _walk(folder: Path, endings: tuple[str, ...], above: frozenset[str], *, plain: bool) -> Iterator[Path]:
    """The files of *folder*, whose path names *above* already; *plain*: also of folders that are no ``name=value``."""
    with os.scandir(folder) as entries:
        held = list(entries)
    logs = [entry.name for entry in held if entry.name in LOGS and entry.is_dir()]
    if logs:
        raise format_error(folder, LOGS[logs[0]])
    for entry in held:
        if entry.name.startswith((".", "_")):
            continue
        if not entry.is_dir():
            if entry.name.lower().endswith(endings):
                yield Path(entry.path)
            continue
        name = _column_of(entry.name)
        if name is not None:
            _require_once(name, above, entry.path)
            yield from _walk(Path(entry.path), endings, above | {name}, plain=plain)
        elif plain and not entry.is_symlink():
            if entry.name == "metadata" and _is_iceberg(folder):
                raise format_error(folder, "Iceberg")
            yield from _walk(Path(entry.path), endings, above, plain=plain)
