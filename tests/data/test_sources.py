"""The contract of all sources, held by each real one: the same data is the same wherever it lies, or refused alike."""

import io
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.contracts.patterns import pattern_of
from include.core.errors import DataError, TrainyardError
from include.core.records import Contract, Days, last_day
from include.data.sources import Source
from tests import buckets
from tests.data.places import SalesPlace, in_bucket, in_folder
from tests.data.sales import DAY, SENTINEL, sales_table
from tests.data.world import INSTANT, World

COLUMNS = ("items", "at", "shop")
KINDS = ("folder", "bucket")
HERE = f"day={DAY}/"


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue()


TABLE = sales_table(40)
WHOLE = parquet(TABLE)
NO_SHOP = parquet(TABLE.drop_columns(["shop"]))
LATE = TABLE.set_column(0, "at", pc.add(TABLE["at"], pa.scalar(timedelta(days=1), pa.duration("us"))))

#: What may lie there, by name: files below the place of the dataset.
CASES: dict[str, dict[str, bytes]] = {
    "a day": {f"{HERE}part.parquet": WHOLE, "day=2013-07-06/part.parquet": WHOLE},
    "files in an order of names": {
        f"{HERE}{name}": parquet(TABLE.slice(place, 10))
        for place, name in ((0, "a-b.parquet"), (10, "a.parquet"), (20, "B.PARQUET"), (30, "é.parquet"))
    },
    "folders that are columns": {
        f"{HERE}shop={name}/part.parquet": NO_SHOP
        for name in ("a%2Fb%20c", "007", "007-1", "__HIVE_DEFAULT_PARTITION__", "")
    },
    "what writers leave": {
        f"{HERE}{name}": WHOLE for name in ("_a.parquet", ".b.parquet", "_tmp/c.parquet", "d.parquet")
    }
    | {f"{HERE}_SUCCESS": b"", f"{HERE}readme.txt": b"text", f"{HERE}plain/e.parquet": WHOLE},
    "an undivided table": {"part.parquet": WHOLE},
    "nothing": {},
    "no file of the day": {f"{HERE}_SUCCESS": b""},
    "no such date": {"day=2013-02-30/part.parquet": WHOLE, f"{HERE}part.parquet": WHOLE},
    "no Parquet": {f"{HERE}part.parquet": b"at,shop\n"},
    "an empty file": {f"{HERE}part.parquet": b""},
    "a truncated file": {f"{HERE}part.parquet": WHOLE[:-200]},
    "a damaged page": {f"{HERE}part.parquet": WHOLE[:60] + bytes(each ^ 0xFF for each in WHOLE[60:90]) + WHOLE[90:]},
    "a missing column": {f"{HERE}part.parquet": NO_SHOP},
    "a value that does not fit": {
        f"{HERE}part.parquet": parquet(TABLE.set_column(3, "items", pa.array([2**63 + 11] * 40, pa.uint64())))
    },
    "rows of another day": {f"{HERE}part.parquet": parquet(pa.concat_tables([TABLE, LATE]))},
    "a column in path and file": {f"{HERE}shop=north/part.parquet": WHOLE},
    "a column twice in a path": {f"{HERE}shop=north/shop=south/part.parquet": NO_SHOP},
    "a Delta table": {f"{HERE}part.parquet": WHOLE, "_delta_log/0.json": b"{}"},
    "a Delta table in a day": {f"{HERE}part.parquet": WHOLE, f"{HERE}shop=a/_delta_log/0.json": b"{}"},
    "a Hudi table": {f"{HERE}part.parquet": WHOLE, ".hoodie/hoodie.properties": b"x"},
    "an Iceberg table": {f"{HERE}part.parquet": WHOLE, "metadata/v1.metadata.json": b"{}"},
    "metadata of something else": {f"{HERE}part.parquet": WHOLE, "metadata/readme.json": b"{}"},
}


@pytest.fixture(params=KINDS)
def placed(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Mapping[str, bytes]], SalesPlace]:
    """Puts files where a source of the kind finds them."""
    if request.param == "folder":
        return lambda files: in_folder(tmp_path / "sales", files)
    url, credentials = request.getfixturevalue("s3_bucket"), request.getfixturevalue("credentials")
    return lambda files: in_bucket(url, credentials, files)


def outcome(place: SalesPlace, day: date | None = DAY) -> object:
    """All that a source says of what lies at *place*, which is called PLACE in it."""
    source = place.source(partition_column=None if day is None else "at")
    seen = []
    refusals = []
    for ask in (source.is_empty, source.filed, lambda: source.layouts(day), lambda: _read(source, day)):
        try:
            seen.append(ask())
        except TrainyardError as error:
            refusals.append(error)
            seen.append((type(error), str(error).replace(place.location, "PLACE")))
    assert SENTINEL not in "".join(map(str, refusals))
    assert all(error.__suppress_context__ or error.__context__ is None for error in refusals)
    return seen


def _read(source: Source, day: date | None) -> tuple[str, pa.Table, bool]:
    held = source.load(day)
    return held.digest, held.read(COLUMNS), held.holds_nan(("amount",))


@pytest.mark.parametrize("case", CASES)
def test_what_lies_in_a_bucket_is_read_digested_or_refused_as_the_same_files_in_a_folder(
    case: str, tmp_path: Path, s3_bucket: str, credentials: Path
) -> None:
    folder, there = in_folder(tmp_path / "sales", CASES[case]), in_bucket(s3_bucket, credentials, CASES[case])
    assert outcome(there) == outcome(folder)


@pytest.mark.parametrize("case", ["a day", "an undivided table", "nothing", "a Delta table"])
def test_a_table_that_is_not_divided_by_day_is_the_same_in_both_too(
    case: str, tmp_path: Path, s3_bucket: str, credentials: Path
) -> None:
    folder, there = in_folder(tmp_path / "sales", CASES[case]), in_bucket(s3_bucket, credentials, CASES[case])
    assert outcome(there, None) == outcome(folder, None)


SEGMENTS = st.sampled_from(["shop=a", "shop=%2F", "x=1", "_tmp", ".h", "plain", "day=2013-07-05"])
FILES = st.sampled_from(["a.parquet", "a-b.parquet", "B.PARQUET", "_x.parquet", "c.csv", "é.parquet"])
LAYOUTS = st.sets(
    st.builds(lambda parts, name: "/".join([*parts, name]), st.lists(SEGMENTS, max_size=3), FILES), max_size=4
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=LAYOUTS)
def test_however_files_are_laid_out_a_bucket_gives_what_a_folder_gives(
    names: set[str], tmp_path_factory: pytest.TempPathFactory, s3_bucket: str, credentials: Path
) -> None:
    files = {f"{HERE}{name}": parquet(TABLE.slice(place, 1)) for place, name in enumerate(sorted(names))}
    folder = in_folder(tmp_path_factory.mktemp("layout") / "sales", files)
    assert outcome(in_bucket(s3_bucket, credentials, files)) == outcome(folder)


@pytest.mark.parametrize("pattern", ["{yyyy}/{mm}/{dd}", "dt={yyyy}{mm}{dd}", "y={yyyy}/d={yyyy}-{mm}-{dd}/rows"])
def test_folders_of_days_are_called_as_the_location_says_and_hold_what_they_would_by_their_usual_names(
    pattern: str, tmp_path: Path, placed: Callable[[Mapping[str, bytes]], SalesPlace]
) -> None:
    days = [date(2012, 12, 31), DAY, date(2013, 7, 6)]
    usual = in_folder(tmp_path / "usual", {f"day={day}/shop=a/part.parquet": NO_SHOP for day in days}).source()
    called = pattern_of(f"/x/{pattern}")
    others = {
        "2013/07/part.parquet",
        "2013/07/99/part.parquet",
        "notes/07/04/part.parquet",
        f"{called.folder(DAY)}x/a.parquet",
    }
    files = {f"{called.folder(day)}/shop=a/part.parquet": NO_SHOP for day in days} | dict.fromkeys(others, b"other")
    place = placed(files)
    source = place.source(location=f"{place.location}/{pattern}")
    assert source.filed() == usual.filed() == Days(first=days[0], last=days[-1])
    assert source.layouts(DAY) == usual.layouts(DAY)
    assert _read(source, DAY) == _read(usual, DAY)
    with pytest.raises(DataError, match="2013-07-05: the source holds a Parquet file"):
        source.load(date(2013, 7, 5))


def test_only_the_asked_columns_are_read_in_the_order_asked(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    table = placed(CASES["a day"]).source().load(DAY).read(COLUMNS)
    assert table.equals(TABLE.select(COLUMNS))


def test_the_first_and_last_filed_day_are_told_unless_the_source_repeats(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    place = placed(CASES["a day"])
    assert place.source().filed() == Days(first=DAY, last=date(2013, 7, 6))
    assert place.source(replay_days=364).filed() is None


def test_a_replayed_day_is_the_recorded_one_with_its_times_moved(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    source = placed({f"{HERE}part.parquet": WHOLE}).source(replay_days=364)
    later, recorded = source.load(DAY + timedelta(days=364)), source.load(DAY)
    assert later.digest == recorded.digest
    moved = pc.add(recorded.read(("at",))["at"], pa.scalar(timedelta(days=364), pa.duration("us")))
    assert later.read(("at",))["at"].equals(moved)


def test_what_was_digested_is_read_whatever_lies_there_by_then(
    placed: Callable[[Mapping[str, bytes]], SalesPlace],
) -> None:
    place = placed({f"{HERE}part.parquet": WHOLE})
    held = place.source().load(DAY)
    place.put(f"{HERE}part.parquet", b"other bytes, landed meanwhile")
    assert held.read(COLUMNS).equals(TABLE.select(COLUMNS))
    place.remove(f"{HERE}part.parquet")
    with pytest.raises(DataError, match="the source holds a Parquet file"):
        place.source().load(DAY)


def test_a_dataset_that_moves_to_a_bucket_gives_the_same_snapshot_and_no_record_holds_what_signs_in(
    tmp_path: Path, production: Path, contracts: dict[str, Contract], s3_bucket: str, credentials: Path
) -> None:
    lake = f"{s3_bucket}/{uuid.uuid4().hex}"
    moved = {name: replace(contract, location=f"{lake}/{name}") for name, contract in contracts.items()}
    last = last_day(INSTANT)
    days = [f"weather/day={last - timedelta(days=back)}" for back in range(3)]
    for file in (file for folder in (*days, "planes") for file in (production / folder).glob("*.parquet")):
        key = f"{lake.removeprefix(s3_bucket)[1:]}/{file.relative_to(production)}"
        buckets.client().put_object(Bucket=s3_bucket.removeprefix("s3://"), Key=key, Body=file.read_bytes())
    taken = []
    for name, held, file in (("folder", contracts, None), ("bucket", moved, credentials)):
        (tmp_path / name).mkdir()
        world = World(
            tmp_path / name, production, held, datasets=("weather", "planes"), window_days=3, credentials=file
        )
        taken.append(world.take())
    assert taken[0] == taken[1]
    assert len(taken[1].partitions) == 4
    recorded = b"".join(file.read_bytes() for file in (tmp_path / "bucket").rglob("*") if file.is_file())
    assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in recorded
