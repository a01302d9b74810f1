"""What is wrong with a file that cannot be used is said, and nothing of what is in it."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contracts.files import data_files, ending_of, joined, read_parquet, write_rows
from include.contracts.textfiles import read_texts_as
from include.core.errors import DataError
from include.core.records import ColumnType

SECRET = "N14228-secret"  # noqa: S105  # stands for a personal value


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    file = tmp_path / "part.parquet"
    table = pa.table({"tail": [SECRET] * 2000, "delay": [float(number) for number in range(2000)]})
    pq.write_table(table, file, compression="none", use_dictionary=False, write_page_checksum=True, row_group_size=1000)
    return file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def replaced_by_text(file: Path) -> None:
    file.write_text(f"tail,delay\n{SECRET},1\n")


def footer_too_long(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-8] + (1 << 30).to_bytes(4, "little") + data[-4:])


def footer_scrambled(file: Path) -> None:
    data = file.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    file.write_bytes(data[: -8 - length] + b"\xff" * length + data[-8:])


def column_damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    chunk = pq.read_metadata(file).row_group(1).column(0)
    place = chunk.data_page_offset + chunk.total_compressed_size // 2
    data[place] ^= 0xFF
    file.write_bytes(bytes(data))


def removed(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    ("break_", "said"),
    [
        (cut, "it is truncated: [0-9]+ bytes, without a footer at the end"),
        (emptied, r"it is empty \(0 bytes\)"),
        (replaced_by_text, "it is no Parquet: it does not begin with PAR1"),
        (footer_too_long, "its footer is damaged: it claims to be longer than the file"),
        (footer_scrambled, "its footer is damaged"),
        (column_damaged, r"the values of column 'tail' are damaged \(row group 2 of 2\)"),
        (removed, "No such file or directory"),
    ],
)
def test_a_broken_parquet_file_is_named_with_what_is_wrong(
    parquet: Path, break_: Callable[[Path], None], said: str
) -> None:
    break_(parquet)
    with pytest.raises(DataError, match=said) as raised:
        read_parquet(parquet)
    assert str(parquet) in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be(parquet: Path) -> None:
    parquet.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        read_parquet(parquet)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"tail,delay\n{SECRET},1\n{SECRET}\n".encode(), "has 1 columns, the header 2"),
        (b"", "it is empty"),
        (b"tail,delay\n\xff\xfe\x00,1\n", "the values of column 1 are not UTF-8"),
    ],
)
def test_a_broken_csv_file_is_named_with_what_is_wrong(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(text)
    with pytest.raises(DataError, match=said) as raised:
        read_texts_as(file, {"tail": ColumnType.STRING})
    assert str(file) in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_column_of_strings_that_is_not_utf_8_is_named_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"delay,tail\n1,\xff\xfe\x00\n")
    with pytest.raises(DataError, match="the values of column 2 are not UTF-8"):
        read_texts_as(file, {"tail": ColumnType.STRING})


def test_files_that_do_not_belong_together_are_told_by_column_and_file() -> None:
    tables = [pa.table({"tail": [SECRET], "delay": [1.0]}), pa.table({"tail": [SECRET], "delay": [SECRET]})]
    with pytest.raises(DataError, match=r"delay is double in a\.parquet and string in b\.parquet") as raised:
        joined(tables, [Path("a.parquet"), Path("b.parquet")])
    assert SECRET not in str(raised.value)


def test_a_folder_without_parquet_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file \*\.parquet, "):
        data_files(tmp_path)


@pytest.mark.parametrize(
    "ending",
    [".parquet", ".csv", ".csv.gz", ".json", ".jsonl", ".ndjson.gz", ".PARQUET", ".CSV", ".CSV.GZ", ".Jsonl"],
)
def test_what_is_written_is_read_again_in_the_format_that_its_name_says(tmp_path: Path, ending: str) -> None:
    noon = datetime(2024, 7, 1, 12)  # noqa: DTZ001  # as contracts read instants: in UTC, without a zone
    table = pa.table({"code": ["a", "0\n7"], "n": [1, None], "x": [0.1, 1e-9], "at": [noon, None]})
    target = tmp_path / f"rows.v2{ending}"
    assert ending_of(target) == ending
    write_rows(table, target)
    assert list(tmp_path.iterdir()) == [target]
    for path in (target, tmp_path):
        (file,) = data_files(path)
        assert file.read().to_pydict() == table.to_pydict()
