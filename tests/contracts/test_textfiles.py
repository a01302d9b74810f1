"""CSV and JSON lines are typed by what they hold, and lose nothing."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts.files import data_files
from include.contracts.textfiles import read_texts_as
from include.core.errors import DataError
from include.core.records import ColumnType

SECRET = "N14228-secret"  # noqa: S105  # stands for a personal value
NOON = datetime(2024, 7, 1, 12)  # noqa: DTZ001  # as contracts read instants: in UTC, without a zone


def read(folder: Path, *texts: str, ending: str = "csv") -> pa.Table:
    for number, text in enumerate(texts):
        (folder / f"{number}.{ending}").write_text(text)
    return pa.concat_tables([file.read() for file in data_files(folder)], promote_options="permissive")


@pytest.mark.parametrize(
    ("written", "kind", "values"),
    [
        (["7", "-12", ""], pa.int64(), [7, -12, None]),
        (["007", "12"], pa.string(), ["007", "12"]),
        (["0", "9223372036854775807"], pa.int64(), [0, 2**63 - 1]),
        (["12345678901234567890", "1"], pa.string(), ["12345678901234567890", "1"]),
        (["9007199254740993", "1.5"], pa.string(), ["9007199254740993", "1.5"]),
        (
            ["1.10", "2", ".5", "1e+3", "-inf", "NaN", "NA"],
            pa.float64(),
            [1.1, 2, 0.5, 1000, float("-inf"), None, None],
        ),
        (["12E4", "7e1"], pa.string(), ["12E4", "7e1"]),
        (["00.5", "1.5"], pa.string(), ["00.5", "1.5"]),
        (["true", "FALSE", "null"], pa.bool_(), [True, False, None]),
        (["0", "1"], pa.int64(), [0, 1]),
        (["NA", "x", ""], pa.string(), ["NA", "x", None]),
        (["NA", ""], pa.null(), [None, None]),
        (["2024-07-01", "0001-01-01", "9999-12-31"], pa.date32(), [NOON.date(), date(1, 1, 1), date(9999, 12, 31)]),
        (["2024-07-01", "2024-02-30"], pa.string(), ["2024-07-01", "2024-02-30"]),
        (["07/01/2024"], pa.string(), ["07/01/2024"]),
        (["2024-07-01 12:00", "2024-07-01T12:00:00.000000000"], pa.timestamp("us"), [NOON, NOON]),
        (["2024-07-01T12:00:00Z", "2024-07-01 14:00:00+02:00"], pa.timestamp("us"), [NOON, NOON]),
        (["2024-07-01T12:00:00Z", "2024-07-01 12:00:00"], pa.string(), None),
        (["2024-07-01 12:00:00", "2024-07-01"], pa.string(), None),
        (["1,5", "2,5"], pa.string(), ["1,5", "2,5"]),
        (["a\nb", "c"], pa.string(), ["a\nb", "c"]),
    ],
    ids=str,
)
def test_a_column_of_csv_has_the_narrowest_type_that_loses_nothing(
    tmp_path: Path, written: list[str], kind: pa.DataType, values: list[object] | None
) -> None:
    lines = ["number,value", *(f'{number},"{text}"' for number, text in enumerate(written))]
    column = read(tmp_path, "\n".join(lines))["value"]
    assert column.type == kind
    assert column.to_pylist() == (written if values is None else values)


def test_all_files_of_a_folder_decide_together(tmp_path: Path) -> None:
    table = read(tmp_path, "code,amount\n12,1\n", "code,amount\nA7,\n", "code,amount\n007,1.5\n")
    assert table.to_pydict() == {"code": ["12", "A7", "007"], "amount": [1.0, None, 1.5]}


def test_json_lines_say_their_types_but_for_times(tmp_path: Path) -> None:
    rows = [
        {"code": "", "day": "2024-07-01", "at": "2024-07-01T12:00:00.5Z", "n": 1, "x": 1, "ok": True, "no": None},
        {"code": "12", "day": None, "at": "2024-07-01T12:00:00Z", "n": 2, "x": 1.5, "ok": None, "no": None},
    ]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), ending="jsonl")
    assert table.to_pydict() == {
        "code": ["", "12"],
        "day": [NOON.date(), None],
        "at": [NOON + timedelta(seconds=0.5), NOON],
        "n": [1, 2],
        "x": [1.0, 1.5],
        "ok": [True, None],
        "no": [None, None],
    }


def test_compressed_files_are_read_as_the_others(tmp_path: Path) -> None:
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"code,n\n007,1\n"))
    (file,) = data_files(tmp_path)
    assert file.read(["code"]).to_pydict() == {"code": ["007"]}


TEXTS: dict[ColumnType, tuple[st.SearchStrategy[object], Callable[[object], str]]] = {
    ColumnType.INTEGER: (st.integers(-(2**63), 2**63 - 1), str),
    ColumnType.NUMBER: (
        st.floats(allow_nan=False).filter(lambda x: abs(x) < 2**53 or x in (1e300, float("inf"))),
        repr,
    ),
    ColumnType.BOOLEAN: (st.booleans(), str),
    ColumnType.DATE: (st.dates(), str),
    ColumnType.TIMESTAMP: (st.datetimes(), lambda value: value.isoformat(sep=" ")),  # type: ignore[attr-defined]
    ColumnType.STRING: (
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).map(lambda text: f"x{text}"),
        lambda value: str(value).replace('"', '""'),
    ),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type_=st.sampled_from(list(ColumnType)))
def test_what_is_written_is_read_whether_the_contract_or_the_values_say_the_type(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, type_: ColumnType
) -> None:
    drawn, written = TEXTS[type_]
    values = data.draw(st.lists(drawn, min_size=1, max_size=5))
    file = tmp_path_factory.mktemp("texts") / "rows.csv"
    file.write_text("value\n" + "".join(f'"{written(value)}"\n' for value in values), newline="")
    assert read_texts_as(file, {"value": type_})["value"].to_pylist() == values
    (told,) = data_files(file.parent)
    assert told.read()["value"].to_pylist() == values


def test_what_a_contract_says_is_read_more_generously_than_what_it_is_told_by(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("n,ok,at,code\n007,1,2024-07-01,007\n5.0,0,2024-07-01T14:00+02:00,NA\n")
    types = {
        "n": ColumnType.INTEGER, "ok": ColumnType.BOOLEAN, "at": ColumnType.TIMESTAMP, "code": ColumnType.STRING,
        "more": ColumnType.NUMBER,
    }  # fmt: skip
    read = read_texts_as(file, types)
    assert read.to_pydict() == {
        "n": [7, 5], "ok": [True, False], "at": [NOON.replace(hour=0), NOON], "code": ["007", "NA"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", f"tail;n\n{SECRET};1\n", "not separated by commas"),
        ("a.csv", f"tail;n\n{SECRET};1,5\n", "not separated by commas"),
        ("a.csv", f"tail,tail\n{SECRET},1\n", r"the header names \['tail'\] twice"),
        ("a.csv", f",tail\n0,{SECRET}\n", "column 1 has no name in the header"),
        ("a.csv", f'at\n"2024-07-01 12:00:00.{"123456789"}"\n', "1 of 1 values have a fraction of a microsecond"),
        ("a.jsonl", f'[{{"tail": "{SECRET}"}}]', "one list of all rows"),
        ("a.jsonl", f'{{"tail": 1}}\n{{"tail": "{SECRET}"}}\n', "'tail' is number in one row and string in row 2"),
        ("a.jsonl", f'{{"tail": "{SECRET}", "n": 12345678901234567890}}\n', "1 values of 'n' are whole numbers beyond"),
        ("a.jsonl", f'{{"tail": "{SECRET}", "tail": 1}}\n', "row 1 has 'tail' twice"),
        ("a.jsonl", "", "it is empty"),
        ("a.jsonl", f"{SECRET}\n", "it is no JSON"),
    ],
)
def test_what_cannot_be_read_is_told_and_not_quoted(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=told) as raised:
        data_files(tmp_path)
    assert SECRET not in str(raised.value)


def test_values_that_are_none_of_the_contracts_type_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"n\n1\n{SECRET}\n0x10\n")
    with pytest.raises(DataError, match="n: 2 of 3 values are no integer") as raised:
        read_texts_as(file, {"n": ColumnType.INTEGER})
    assert SECRET not in str(raised.value)


def test_instants_of_several_zones_are_read_in_utc(tmp_path: Path) -> None:
    zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
    lines = [NOON.replace(tzinfo=UTC).astimezone(zone).isoformat() for zone in zones]
    assert read(tmp_path, "\n".join(["at", *lines]))["at"].to_pylist() == [NOON] * 3


def test_a_row_of_csv_may_be_longer_than_a_reader_s_usual_block(tmp_path: Path) -> None:
    long = "x" * (3 << 20)
    assert read(tmp_path, f"n,text\n1,a\n2,{long}\n")["text"].to_pylist() == ["a", long]


def test_a_row_of_csv_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(f"n,text\n1,a\n2,{'x' * (33 << 20)}\n")
    with pytest.raises(DataError, match="or a row is longer than 16 MiB"):
        data_files(tmp_path)


def test_values_that_nobody_asked_for_refuse_no_file_of_json(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"n": 1, "beyond": 12345678901234567890}\n')
    assert read_texts_as(file, {"n": ColumnType.INTEGER}).to_pydict() == {"n": [1]}
    with pytest.raises(DataError, match="1 values of 'beyond' are whole numbers beyond"):
        read_texts_as(file, {"beyond": ColumnType.NUMBER})


@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1))
@settings(max_examples=20, deadline=None)
def test_whole_numbers_of_json_that_a_contract_calls_texts_are_their_digits(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int | None]
) -> None:
    file = tmp_path_factory.mktemp("digits") / "rows.jsonl"
    file.write_text("".join(json.dumps({"n": 1, "code": number}) + "\n" for number in numbers))
    digits = [None if number is None else str(number) for number in numbers]
    assert read_texts_as(file, {"code": ColumnType.STRING})["code"].to_pylist() == digits
