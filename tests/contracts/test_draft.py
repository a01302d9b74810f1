"""A draft loads once its stewards are filled in, whatever the files hold, and repeats no value of them."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.contracts import FileRows, draft, load, rows_of
from include.contracts.proposals import by_name
from include.contracts.survey import span, survey
from include.core.errors import ContractError, DataError
from include.core.records import ColumnType, Contract, PersonalKind, Treatment

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def loaded(folder: Path, text: str, dataset: str = "orders") -> Contract:
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(text.replace('firstLevelApprovers: ""', "firstLevelApprovers: ada, grace"))
    return load(path)


def orders(day: datetime, rows: int = 6) -> pa.Table:
    times = pa.array([(day + timedelta(hours=hour)).replace(tzinfo=None) for hour in range(rows)], pa.timestamp("us"))
    return pa.table(
        {
            "shop": pa.array(["north", "south"] * (rows // 2)),
            "ordered_at": times,
            "shipped_at": pa.compute.add(times, pa.scalar(timedelta(days=1))),
            "amount": pa.array([1.5] * rows),
        }
    )


def by_day(folder: Path, days: int) -> Path:
    for offset in range(days):
        day = DAY + timedelta(days=offset)
        target = folder / "orders" / f"day={day:%Y-%m-%d}"
        target.mkdir(parents=True)
        pq.write_table(orders(day), target / "part.parquet")
    return folder / "orders"


def test_a_folder_by_day_is_partitioned_by_the_timestamp_that_agrees_with_its_folders(tmp_path: Path) -> None:
    contract = loaded(tmp_path, draft("orders", rows_of(by_day(tmp_path, 3))))
    assert contract.partition_column == "ordered_at"
    assert contract.key == ("ordered_at",)
    assert contract.stewards == ("ada", "grace")
    assert contract.location == str(tmp_path / "orders")
    assert {column.classification for column in contract.columns} == {"restricted"}


def instants(folder: Path, **units: str) -> Path:
    """Two days of rows whose timestamps, one a unit given, all fall on the same UTC days."""
    for day in (DAY, DAY + timedelta(days=1)):
        times = [(day + timedelta(hours=hour)).replace(tzinfo=None) for hour in range(4)]
        target = folder / "orders" / f"day={day:%Y-%m-%d}"
        target.mkdir(parents=True)
        pq.write_table(
            pa.table({name: pa.array(times, pa.timestamp(unit)) for name, unit in units.items()}),
            target / "part.parquet",
        )
    return folder / "orders"


def test_the_time_that_the_user_names_divides_the_rows_whatever_other_columns_agree(tmp_path: Path) -> None:
    folder = instants(tmp_path, at="us", copy="ms", loaded_at="us")
    for time in ("at", "copy", "loaded_at"):
        contract = loaded(tmp_path, draft("orders", rows_of(folder), time=time))
        assert contract.partition_column == time


def test_where_several_timestamps_agree_with_the_folders_they_are_named_and_none_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"\['at', 'loaded_at'\].*--time"):
        draft("orders", rows_of(instants(tmp_path, at="us", loaded_at="us")))


def test_folders_by_day_whose_rows_lie_in_other_days_are_not_drafted_as_one_table(tmp_path: Path) -> None:
    folder = by_day(tmp_path, 1)
    (folder / "day=2024-05-01").rename(folder / "day=2024-05-09")
    with pytest.raises(ContractError, match=r"none of.*'ordered_at'"):
        draft("orders", rows_of(folder))


def test_a_column_may_be_named_as_its_owners_like(tmp_path: Path) -> None:
    folder = tmp_path / "orders" / "day=2024-05-01"
    folder.mkdir(parents=True)
    table = orders(DAY).rename_columns(["shop #", "ordered at: UTC", 'shipped "at"', "amount"])
    pq.write_table(table, folder / "part.parquet")
    contract = loaded(tmp_path, draft("orders", rows_of(tmp_path / "orders")))
    assert contract.partition_column == "ordered at: UTC"
    assert {column.known_at.column for column in contract.columns} == {"ordered at: UTC"}


def test_a_name_beyond_the_basic_plane_stays_what_it_is(tmp_path: Path) -> None:
    for name in ("\U0001f600", "\U00020000", "é", "a\x85b", "a\u2028b", "a\x7fb"):
        (tmp_path / "part.parquet").unlink(missing_ok=True)
        pq.write_table(pa.table({name: [1, 2]}), tmp_path / "part.parquet")
        contract = loaded(tmp_path, draft("orders", rows_of(tmp_path / "part.parquet")))
        assert [column.name for column in contract.columns] == [name]


def test_a_single_file_is_one_undivided_table_in_its_folder(tmp_path: Path) -> None:
    pq.write_table(orders(DAY), tmp_path / "part.parquet")
    contract = loaded(tmp_path, draft("orders", rows_of(tmp_path / "part.parquet")))
    assert contract.partition_column is None
    assert contract.location == str(tmp_path)


def test_the_key_is_a_smallest_set_of_columns_without_duplicates(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "x", "y", "y"], "b": [1, 2, 1, 2], "size": [1.0, 2.0, 3.0, 4.0], "c": ["z"] * 4})
    pq.write_table(table, tmp_path / "part.parquet")
    assert loaded(tmp_path, draft("orders", rows_of(tmp_path / "part.parquet"))).key == ("a", "b")


class Counted(FileRows):
    """Rows that count how often a column of them is read."""

    reads: ClassVar[Counter[str]] = Counter()

    def table(self, names: Sequence[str]) -> pa.Table:
        self.reads.update(names)
        return super().table(names)


def wide(folder: Path, columns: int, rows: int, distinct: int) -> FileRows:
    """Rows of so many columns, each with so many distinct values of its own, none by itself a key."""
    random = np.random.default_rng(7)
    values = {f"c{number}": random.integers(0, distinct, rows) for number in range(columns)}
    pq.write_table(pa.table(values), folder / "part.parquet")
    found = rows_of(folder / "part.parquet")
    Counted.reads.clear()
    return Counted(path=found.path, files=found.files, types=found.types)


def test_a_wide_table_is_drafted_within_three_passes_with_a_key_of_which_nothing_can_be_spared(tmp_path: Path) -> None:
    rows = wide(tmp_path, columns=60, rows=5000, distinct=12)
    key = survey(rows).key
    assert max(Counted.reads.values()) <= 3
    table = pq.read_table(tmp_path / "part.parquet")
    identified = [
        table.group_by(names).aggregate([]).num_rows == 5000 for names in (key, *combinations(key, len(key) - 1))
    ]
    assert identified == [True] + [False] * len(key)


def test_where_nothing_identifies_a_row_one_pass_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    wide(tmp_path, columns=60, rows=1000, distinct=3)
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), file)
    found = rows_of(file)
    seen = survey(Counted(path=found.path, files=found.files, types=found.types))
    assert not seen.unique
    assert len(seen.key) == 60
    assert max(Counted.reads.values()) == 1


def test_of_a_large_table_few_columns_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = wide(tmp_path, columns=6, rows=100, distinct=3)
    monkeypatch.setattr("include.contracts.rows.VALUES_AT_ONCE", 250)
    taken = rows.columns(list(rows.types))
    assert next(taken)[0] == "c0"
    assert Counted.reads.keys() == {"c0", "c1"}
    assert [name for name, _ in taken] == ["c1", "c2", "c3", "c4", "c5"]


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=12),
    copies=st.integers(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_a_key_identifies_every_row_and_is_minimal_or_nothing_does(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]], copies: int
) -> None:
    file = tmp_path_factory.mktemp("key") / "part.parquet"
    rows = rows + rows[:copies]
    pq.write_table(
        pa.table({name: list(cells) for name, cells in zip("abcd", zip(*rows, strict=True), strict=True)}), file
    )
    seen = survey(rows_of(file))

    def identifies(names: Sequence[str]) -> bool:
        return len({tuple(row["abcd".index(name)] for name in names) for row in rows}) == len(rows)

    assert seen.unique == identifies("abcd")
    assert not seen.unique or identifies(seen.key)
    assert not seen.unique or not any(identifies(less) for less in combinations(seen.key, len(seen.key) - 1) if less)


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"code": [3, 1, 2], "RideID": [7, 8, 9], "at": ["a", "b", "c"]}, ("code",)),
        ({"amount": [10, 11, 12], "ride_id": [7, 8, 9]}, ("ride_id",)),
        ({"passport_no": ["a", "b", "c"], "ref": ["x", "y", "z"]}, ("ref",)),
        ({"note": ["x", "y", "z"], "amount": [10, 11, 12]}, ("amount",)),
        ({"amount": [10, 10, 12, 13], "shop": ["a", "a", "b", "b"], "till_id": [1, 2, 1, 2]}, ("shop", "till_id")),
    ],
)
def test_a_key_is_what_people_would_call_one(tmp_path: Path, columns: dict[str, list[object]], key: tuple[str]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "part.parquet")
    assert survey(rows_of(tmp_path / "part.parquet")).key == key


def test_rows_that_nothing_identifies_are_said_to_be_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x", "x"], "size": [1.0, 1.0]}), tmp_path / "part.parquet")
    text = draft("orders", rows_of(tmp_path / "part.parquet"))
    assert "no columns identify a row" in text
    loaded(tmp_path, text)


def test_a_draft_without_stewards_does_not_load(tmp_path: Path) -> None:
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(draft("orders", rows_of(by_day(tmp_path, 1))))
    with pytest.raises(ContractError, match="data steward"):
        load(path)


def test_a_draft_for_named_stewards_loads_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(draft("orders", rows_of(by_day(tmp_path, 1)), stewards=("ada", "grace")))
    assert load(path).stewards == ("ada", "grace")


def test_no_value_of_the_data_stands_in_a_draft(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["SENTINEL-1", "SENTINEL-2"]}), tmp_path / "part.parquet")
    assert "SENTINEL" not in draft("orders", rows_of(tmp_path / "part.parquet"))


COLUMNS = {
    "words": st.tuples(st.just(pa.string()), st.text(st.characters(codec="utf-8"), max_size=5)),
    "counts": st.tuples(st.just(pa.int16()), st.integers(-9, 9)),
    "sizes": st.tuples(st.just(pa.float32()), st.floats(width=32, allow_nan=False)),
    "flags": st.tuples(st.just(pa.bool_()), st.booleans()),
    "days": st.tuples(st.just(pa.date32()), st.dates(date(2000, 1, 1), date(2030, 1, 1))),
    "moments": st.tuples(st.just(pa.timestamp("us")), st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1))),  # noqa: DTZ001  # files hold UTC without a zone
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 6))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True))
    columns = {}
    for position, name in enumerate(names):
        cells = [draw(st.one_of(st.none(), COLUMNS[name])) for _ in range(rows)]
        kind = draw(COLUMNS[name])[0]
        label = draw(st.sampled_from([name, f"{name}: {position}", f'"{name}"', f"{name} # x"]))
        columns[label] = pa.array([cell and cell[1] for cell in cells], kind)
    return pa.table(columns)


@given(table=tables())
@settings(max_examples=40, deadline=None)
def test_every_draft_loads_after_only_its_stewards_are_filled_in(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table
) -> None:
    folder = tmp_path_factory.mktemp("draft")
    pq.write_table(table, folder / "part.parquet")
    contract = loaded(folder, draft("orders", rows_of(folder / "part.parquet")))
    assert [column.name for column in contract.columns] == [name.strip() for name in table.column_names]
    speaking = {column.name for column in contract.columns if by_name(column.name, column.type)}
    assert {column.name for column in contract.columns if column.treatment is not Treatment.CLEAR} == speaking


def test_what_leads_to_a_person_is_proposed_and_the_rest_left_to_a_person_to_say(tmp_path: Path) -> None:
    people = [f"{name}@example.org" for name in "abcdefghij"]
    table = pa.table({"email": people, "customer_id": range(10), "reached_by": people, "shop": ["north", "south"] * 5})
    pq.write_table(table, tmp_path / "part.parquet")
    text = draft("orders", rows_of(tmp_path / "part.parquet"))
    assert not [person for person in people if person in text]
    contract = loaded(tmp_path, text)
    assert contract.key == ("customer_id",)
    assert {column.name: column.personal for column in contract.columns} == {
        "email": PersonalKind.DIRECT_IDENTIFIER,
        "customer_id": PersonalKind.JOIN_KEY,
        "reached_by": PersonalKind.DIRECT_IDENTIFIER,
        "shop": None,
    }
    pq.write_table(table.select(["email"]), tmp_path / "part.parquet")
    of_one = loaded(tmp_path, draft("orders", rows_of(tmp_path / "part.parquet")))
    assert [(c.key, c.personal) for c in of_one.columns] == [(True, PersonalKind.JOIN_KEY)], "a key is read"


STRANGE = {
    "tags": pa.array([["a"], ["b"]]),
    "place": pa.array([{"lat": 1.0}, {"lat": 2.0}]),
    "more": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "photo": pa.array([b"a", b"b"]),
    "opens": pa.array([0, 1], pa.time32("s")),
    "lasts": pa.array([0, 1], pa.duration("s")),
    "nothing": pa.nulls(2),
}


def test_all_columns_of_types_that_contracts_do_not_know_are_named_at_once_and_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    pq.write_table(pa.table({"id": [1, 2], **STRANGE}), file)
    with pytest.raises(ContractError) as refused:
        rows_of(file)
    assert all(f"{name!r} is" in str(refused.value.value) for name in STRANGE)
    assert " ".join(f"--without {name}" for name in STRANGE) in refused.value.remedy
    contract = loaded(tmp_path, draft("orders", rows_of(file, without=list(STRANGE))))
    assert [column.name for column in contract.columns] == ["id"]


def test_columns_that_no_contract_could_name_are_told_before_a_draft_is_made(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    pq.write_table(pa.table({"id": [1], "Id": [2], "ID": [3], " x": [4], "": [5]}), file)
    with pytest.raises(ContractError) as refused:
        rows_of(file)
    assert "'id' and 'Id' differ by case alone" in refused.value.value
    assert "--without ' x' --without '' --without Id --without ID" in refused.value.remedy
    assert list(rows_of(file, without=["Id", "ID", " x", ""]).types) == ["id"]


def test_a_column_that_differs_from_file_to_file_may_be_left_out(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": [2], "x": ["1"]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="x is int64"):
        rows_of(tmp_path)
    assert len(rows_of(tmp_path, without=["x"])) == 2


def test_what_is_left_out_is_a_column_and_not_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    pq.write_table(pa.table({"id": [1, 2]}), file)
    with pytest.raises(ContractError, match="'ids'"):
        rows_of(file, without=["ids"])
    with pytest.raises(ContractError, match="all are left out"):
        rows_of(file, without=["id"])


def test_values_that_no_contract_s_type_holds_are_told_with_column_and_count(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    stamps = pa.array([1, 1000, 2001], pa.timestamp("ns"))
    pq.write_table(pa.table({"id": [1, 2, 3], "at": stamps, "seen": stamps}), file)
    with pytest.raises(DataError, match=r"'at': 2 of 3 .*'seen': 2 of 3"):
        draft("orders", rows_of(file))
    draft("orders", rows_of(file, without=["at", "seen"]))


def test_a_draft_tells_nulls_and_distinct_values_and_of_numbers_a_range_without_extremes(tmp_path: Path) -> None:
    size = [float(value) for value in range(100)] + [1_234_567.0, None]
    table = pa.table({"id": range(102), "shop": ["north", "south"] * 51, "size": size, "few": [1.5] * 5 + [None] * 97})
    pq.write_table(table, tmp_path / "part.parquet")
    text = draft("orders", rows_of(tmp_path / "part.parquet"))
    assert "logicalType: integer  # no nulls, 102 distinct\n" in text
    assert "logicalType: string  # no nulls, 2 distinct\n" in text
    assert "logicalType: number  # 1 of 102 null, 101 distinct, about 19 to 81\n" in text
    assert "logicalType: number  # 97 of 102 null, 1 distinct\n" in text
    own_lines = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert all(line.startswith("#") for line in own_lines), "one block of comments stands at the top"


@given(sizes=st.lists(st.integers(-(10**6), 10**6), min_size=40, max_size=60))
@settings(max_examples=25, deadline=None)
def test_a_range_has_twenty_rows_or_more_beyond_or_at_each_end(sizes: list[int]) -> None:
    told = span(ColumnType.NUMBER, pa.chunked_array([pa.array(sizes, pa.float64())]))
    low, high = (float(end) for end in str(told).removeprefix("about ").split(" to "))
    assert sum(size <= low + 0.05 * abs(low) for size in sizes) >= 20
    assert sum(size >= high - 0.05 * abs(high) for size in sizes) >= 20


def test_columns_with_a_value_for_nearly_each_row_are_tagged_as_identifiers(tmp_path: Path) -> None:
    count = 40
    table = pa.table(
        {
            "id": range(count),
            "mail": [f"a{row}" for row in range(count - 1)] + [None],
            "tail_no": [*range(count - 2), 0, 0],
            "amount": [*range(count - 2), 0, 0],
            "shop": ["north", "south"] * (count // 2),
            "size": [row / 7 for row in range(count)],
        }
    )
    pq.write_table(table, tmp_path / "part.parquet")
    contract = loaded(tmp_path, draft("orders", rows_of(tmp_path / "part.parquet")))
    assert [column.name for column in contract.columns if column.identifier] == ["id", "mail", "tail_no"]


@pytest.mark.parametrize("content", [b"", b"PAR1 truncated"])
def test_files_that_are_no_parquet_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"part\.parquet"):
        draft("orders", rows_of(tmp_path / "part.parquet"))


def test_an_empty_folder_and_a_table_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Parquet"):
        draft("orders", rows_of(tmp_path))
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "part.parquet")
    with pytest.raises(DataError, match="rows"):
        draft("orders", rows_of(tmp_path / "part.parquet"))


@pytest.mark.parametrize("name", ["_part.parquet", ".part.parquet", "part.pq"])
def test_a_file_that_nights_would_not_read_is_not_drafted_where_it_lies(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"id": [1, 2]}), tmp_path / name)
    with pytest.raises(DataError, match="Rename it"):
        rows_of(tmp_path / name).require_readable()


@pytest.mark.parametrize(("name", "text"), [("rows.csv", "id,at\n"), ("rows.jsonl", "\n")])
def test_of_texts_without_rows_it_is_said_that_there_are_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="no row"):
        rows_of(tmp_path / name)


def test_times_of_any_zone_belong_together_as_nights_read_them(tmp_path: Path) -> None:
    for name, zone in {"a": "UTC", "b": "Europe/Paris", "c": None}.items():
        pq.write_table(pa.table({"at": pa.array([0], pa.timestamp("us", zone))}), tmp_path / f"{name}.parquet")
    assert set(rows_of(tmp_path).times("at").to_pylist()) == {datetime(1970, 1, 1)}  # noqa: DTZ001 -- as stored


def test_a_timestamp_that_a_known_at_could_not_name_is_told_before_anything_is_drafted(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "always": pa.array([0], pa.timestamp("us"))}), tmp_path / "part.parquet")
    with pytest.raises(ContractError, match=r"'always' is a timestamp.*--without always"):
        rows_of(tmp_path)
