"""Rows are landed by key as versions of their days: what a run of any instant reads is what had landed by then."""

import json
import os
import resource
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.contracts.patterns import pattern_of
from include.contracts.places import folder_of
from include.core.errors import ContractError, DataError, TrainyardError
from include.core.records import Contract, last_day
from include.data import landing
from include.data.landing import Landed
from include.data.sources import source_of
from include.data.sources.folder import DayFolder
from include.data.sources.parquet import ParquetSource
from tests.data.sales import DAY, SENTINEL, land_sales, sales_contract, sales_table
from tests.data.world import INSTANT, World

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
NAMES = ("at", "shop", "amount", "items")
NEXT = DAY + timedelta(days=1)


def keyed_by_items() -> Contract:
    """Sales whose key does not say when they were."""
    contract = sales_contract()
    columns = tuple(replace(each, key=each.name == "items", required=each.name == "items") for each in contract.columns)
    return replace(contract, columns=columns)


def source_at(production: Path, instant: datetime | None = None, contract: Contract | None = None) -> ParquetSource:
    contract = contract or sales_contract()
    folder = DayFolder("sales", folder_of(contract, production), pattern_of(contract.location), instant=instant)
    return ParquetSource(contract, folder)


def held(source: ParquetSource, day: date) -> dict[datetime, tuple[object, ...]] | None:
    """The rows of *day* by their time; ``None``: there is no such day."""
    try:
        table = source.load(day).read(NAMES)
    except DataError:
        return None
    return {row["at"]: (row["shop"], row["amount"], row["items"]) for row in table.to_pylist()}


def standing_at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def written(folder: Path, table: pa.Table, ending: str = "parquet") -> Path:
    file = folder / f"brought.{ending}"
    if ending == "csv":
        pa.csv.write_csv(table, file)
    elif ending == "jsonl":
        file.write_text("".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()))
    else:
        pq.write_table(table, file)
    return file


def row(minute: int, *, day: date = DAY, amount: float = 0.5, items: int | None = None) -> dict[str, Any]:
    at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    return {"at": at, "shop": f"{SENTINEL}-{minute}", "amount": amount, "items": minute if items is None else items}


def rows(*each: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(each), schema=sales_table(1).schema)


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., Landed]:
    """Lands a table of rows in the sales below the test's folder."""

    def call(table: pa.Table, *, ending: str = "parquet", contract: Contract | None = None, **words: Any) -> Landed:
        file = written(tmp_path, table, ending)
        return landing.land(contract or sales_contract(), tmp_path, [file], **{"clock": standing_at(NOW), **words})

    return call


def counted(landed: Landed) -> dict[str, tuple[int, int, int, int]]:
    return {str(each.day): (each.new, each.changed, each.unchanged, each.removed) for each in landed.days}


LANDINGS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(0, 1), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(landings=LANDINGS, filed=st.booleans())
def test_at_any_instant_a_day_is_the_fold_of_what_had_landed_by_then_and_its_first_version_before(
    landings: list[tuple[bool, dict[tuple[int, int], int]]], filed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    production = tmp_path_factory.mktemp("landed")
    versions: dict[date, list[tuple[datetime, dict[datetime, tuple[object, ...]]]]] = {}
    digests: dict[tuple[date, datetime], str] = {}
    moments = [NOW - HOUR]
    if filed:
        land_sales(production, sales_table(2), "b.parquet")
        land_sales(production, sales_table(4).slice(2), "a.parquet")
        versions[DAY] = [(moments[0], held(source_at(production), DAY) or {})]
    for delete, brought in landings:
        table = rows(*(row(minute, day=DAY + timedelta(days=day), amount=n) for (day, minute), n in brought.items()))
        moment = moments[-1] + HOUR
        landing.land(
            sales_contract(), production, [written(production, table)], clock=standing_at(moment), delete=delete
        )
        concerned = {DAY + timedelta(days=day) for day, _ in brought}
        known = set(versions)
        for day in concerned | _between(concerned, known) if not delete else concerned & known:
            before = versions.get(day, [(moment, {})])[-1][1]
            mine = {each["at"]: tuple(each[name] for name in NAMES[1:]) for each in table.to_pylist()}
            mine = {at: values for at, values in mine.items() if at.date() == day}
            after = {at: each for at, each in before.items() if at not in mine} if delete else before | mine
            if after != before or day not in versions:
                versions.setdefault(day, []).append((moment, after))
        moments.append(moment)
        for day in versions:
            digests[day, moment] = source_at(production, moment).load(day).digest
    instants = sorted({moments[0] - HOUR, *moments, *(moment - TICK for moment in moments)})
    for instant in instants:
        source = source_at(production, instant)
        for day in (DAY + timedelta(days=each) for each in range(3)):
            landed = versions.get(day)
            before = [each for moment, each in landed if moment <= instant] or [landed[0][1]] if landed else [None]
            assert held(source, day) == before[-1], (day, instant)
    for (day, moment), digest in digests.items():
        assert source_at(production, moment).load(day).digest == digest


def _between(days: set[date], known: set[date]) -> set[date]:
    """The days that are filed without a row: inside those that are brought, beyond all that are known."""
    beyond = [
        [day for day in days if day > max(known, default=date.min)],
        [day for day in days if day < min(known, default=date.max)],
    ]
    return {
        min(some) + timedelta(days=each) for some in beyond if some for each in range((max(some) - min(some)).days)
    } - known


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_rows_land_by_key_whatever_they_are_written_as_and_a_second_time_change_nothing(
    ending: str, tmp_path: Path, land: Callable[..., Landed]
) -> None:
    land_sales(tmp_path, sales_table(3))
    brought = rows(row(1, amount=1 / 7), row(2, amount=9.5), row(3), row(0, day=NEXT))
    landed = land(brought, ending=ending)
    assert counted(landed) == {str(DAY): (1, 1, 1, 0), str(NEXT): (1, 0, 0, 0)}
    assert landed.moment == NOW
    now = held(source_at(tmp_path), DAY)
    assert now is not None
    assert [values[1] for values in now.values()] == [0, 1 / 7, 9.5, 0.5]
    assert source_at(tmp_path).load(DAY).read(NAMES).schema == sales_table(1).schema
    before = tree(tmp_path / "sales")
    again = land(brought, ending=ending, clock=standing_at(NOW + HOUR))
    assert again.moment is None
    assert counted(again) == {str(DAY): (0, 0, 3, 0), str(NEXT): (0, 0, 1, 0)}
    assert tree(tmp_path / "sales") == before


def test_a_dry_run_counts_by_day_and_writes_nothing(tmp_path: Path, land: Callable[..., Landed]) -> None:
    land_sales(tmp_path, sales_table(3))
    before = tree(tmp_path / "sales")
    told = land(rows(row(1), row(7)), dry_run=True)
    assert counted(told) == {str(DAY): (1, 1, 0, 0)}
    assert told.moment is None
    assert tree(tmp_path / "sales") == before
    assert not (tmp_path / "sales" / ".landed").exists()


def test_rows_are_deleted_by_key_and_keys_of_no_row_are_counted(tmp_path: Path, land: Callable[..., Landed]) -> None:
    land_sales(tmp_path, sales_table(3))
    told = land(rows(row(1), row(9)).select(["at"]), delete=True)
    assert counted(told) == {str(DAY): (0, 0, 0, 1)}
    assert told.absent == 1
    assert [at.minute for at in held(source_at(tmp_path), DAY) or ()] == [0, 2]
    assert len(held(source_at(tmp_path, NOW - TICK), DAY) or ()) == 3


def test_a_row_whose_key_does_not_say_its_time_moves_to_its_new_day(
    tmp_path: Path, land: Callable[..., Landed]
) -> None:
    contract = keyed_by_items()
    land_sales(tmp_path, sales_table(3))
    told = land(rows(row(5, day=NEXT, items=1)), contract=contract)
    assert counted(told) == {str(DAY): (0, 0, 0, 1), str(NEXT): (1, 0, 0, 0)}
    assert [values[2] for values in (held(source_at(tmp_path, None, contract), DAY) or {}).values()] == [0, 2]
    assert [values[2] for values in (held(source_at(tmp_path, None, contract), NEXT) or {}).values()] == [1]
    told = land(rows(row(5, items=1)).select(["items"]), contract=contract, delete=True, clock=standing_at(NOW + HOUR))
    assert counted(told) == {str(NEXT): (0, 0, 0, 1)}


def test_a_day_without_rows_is_filed_when_it_is_said_and_between_new_days_and_never_where_one_was_lost(
    tmp_path: Path, land: Callable[..., Landed]
) -> None:
    days = [DAY + timedelta(days=each) for each in range(8)]
    land_sales(tmp_path, sales_table(1))
    land(rows(row(0, day=days[3]), row(0, day=days[5])), empty=[days[7]])
    filed = [day for day in days if held(source_at(tmp_path), day) is not None]
    assert filed == [days[0], days[3], days[4], days[5], days[7]]
    land(rows(row(0, day=days[0], amount=3), row(1, day=days[5])), clock=standing_at(NOW + HOUR))
    assert [day for day in days if held(source_at(tmp_path), day) is not None] == filed


REFUSED: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "a key without a value": (
        lambda table: table.set_column(0, "at", pa.nulls(3, pa.timestamp("us"))),
        "3 rows without at",
    ),
    "an unknown column": (lambda table: table.append_column("colour", pa.array([SENTINEL] * 3)), "unknown ['colour']"),
    "a missing column": (lambda table: table.drop_columns(["shop"]), "missing ['shop']"),
    "a key twice": (lambda table: pa.concat_tables([table, table.slice(1)]), "2 of 5 rows repeat one"),
    "another type": (lambda table: table.set_column(3, "items", pa.array([SENTINEL] * 3)), "items: it is string"),
    "a day far in the past": (
        lambda table: pa.concat_tables([table, rows(row(0, day=date(1970, 1, 1)))]),
        "1970-01-01",
    ),
    "a day in the future": (lambda table: pa.concat_tables([table, rows(row(0, day=date(2999, 1, 1)))]), "2999-01-01"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_cannot_be_right_are_refused_without_a_value_and_nothing_is_written(
    case: str, tmp_path: Path, land: Callable[..., Landed]
) -> None:
    land_sales(tmp_path, sales_table(3))
    before = tree(tmp_path / "sales")
    wrong, told = REFUSED[case]
    with pytest.raises(TrainyardError) as raised:
        land(wrong(sales_table(3).set_column(2, "amount", pa.array([9.0, 9.0, 9.0]))))
    assert told in str(raised.value)
    assert SENTINEL not in str(raised.value)
    assert tree(tmp_path / "sales") == before


def test_texts_that_are_of_another_type_are_refused_without_a_value(tmp_path: Path) -> None:
    file = tmp_path / "brought.csv"
    file.write_text(f"at,shop,amount,items\n2013-07-04T00:00:00Z,north,{SENTINEL},1\n")
    with pytest.raises(DataError, match="amount: 1 of 1 values are no number") as raised:
        landing.land(sales_contract(), tmp_path, [file], clock=standing_at(NOW))
    assert SENTINEL not in str(raised.value)
    assert not (tmp_path / "sales").exists()


def test_a_day_with_other_columns_is_not_rewritten_without_them(tmp_path: Path, land: Callable[..., Landed]) -> None:
    land_sales(tmp_path, sales_table(3).append_column("extra", pa.array([1, 2, 3])))
    with pytest.raises(ContractError, match=r"\['extra'\] beside them"):
        land(rows(row(1)))
    assert land(rows(row(0, day=NEXT))).moment is not None


@pytest.mark.parametrize("changes", [{"location": "s3://lake/sales"}, {"partition_column": None}, {"replay_days": 364}])
def test_rows_are_landed_in_no_bucket_undivided_table_or_recording(
    changes: dict[str, Any], land: Callable[..., Landed]
) -> None:
    with pytest.raises(ContractError, match="rows are landed in a folder of this machine that is divided by day"):
        land(rows(row(1)), contract=sales_contract(**changes))


def test_other_readers_of_the_folder_find_the_newest_rows_and_no_other(
    tmp_path: Path, land: Callable[..., Landed]
) -> None:
    land_sales(tmp_path, sales_table(3))
    land(rows(row(1, amount=5), row(7)))
    land(rows(row(1, amount=6)), clock=standing_at(NOW + HOUR))
    seen = pa.dataset.dataset(tmp_path / "sales", format="parquet").to_table().sort_by("at")
    assert seen["amount"].to_pylist() == [0, 6, 2 / 7, 0.5]
    import duckdb

    for files in ("day=*/*.parquet", "**/*.parquet"):  # of which the second looks into hidden folders
        found = duckdb.read_parquet(f"{tmp_path}/sales/{files}").order('"at"').fetchall()
        assert [amount for _, _, amount, *_ in found] == [0, 6, 2 / 7, 0.5]


def test_landings_at_once_wait_for_each_other_and_lose_no_row(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table(1))
    children = []
    for number in range(1, 5):
        file = written(tmp_path / "sales", rows(row(number))).rename(tmp_path / f"{number}.parquet")
        child = os.fork()
        if not child:
            landing.land(sales_contract(), tmp_path, [file], clock=standing_at(NOW))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert [at.minute for at in held(source_at(tmp_path), DAY) or ()] == [0, 1, 2, 3, 4]
    assert len(held(source_at(tmp_path, NOW - TICK), DAY) or ()) == 1


def test_where_the_disk_is_full_nothing_is_landed_and_nothing_left(tmp_path: Path, land: Callable[..., Landed]) -> None:
    land_sales(tmp_path, sales_table(3))
    before, (soft, hard) = tree(tmp_path / "sales"), resource.getrlimit(resource.RLIMIT_FSIZE)
    file = written(tmp_path, sales_table(1_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with pytest.raises(DataError, match=r"there is room.*File too large.*nothing was landed"):
            landing.land(sales_contract(), tmp_path, [file], clock=standing_at(NOW))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(tmp_path / "sales") == before
    assert landing.land(sales_contract(), tmp_path, [file], clock=standing_at(NOW)).moment == NOW


def test_a_replaced_version_that_is_gone_is_told_and_no_other_read_in_its_place(
    tmp_path: Path, land: Callable[..., Landed]
) -> None:
    land_sales(tmp_path, sales_table(3))
    land(rows(row(1, amount=5)))
    (replaced,) = (tmp_path / "sales" / ".landed").glob("*/before")
    shutil.rmtree(replaced)
    with pytest.raises(DataError, match="version that a landing replaced"):
        source_at(tmp_path, NOW - TICK).load(DAY)
    assert source_at(tmp_path, NOW).load(DAY).read(("at",)).num_rows == 3


def test_a_landing_counts_from_when_it_is_written_not_from_when_it_was_begun(tmp_path: Path) -> None:
    land_sales(tmp_path, sales_table(3))
    file, began, during = written(tmp_path, rows(row(1, amount=5))), iter([NOW, NOW + HOUR]), NOW + HOUR / 2
    assert landing.land(sales_contract(), tmp_path, [file], clock=lambda: next(began)).moment == NOW + HOUR
    assert (held(source_at(tmp_path, during), DAY) or {})[row(1)["at"]][1] != 5, "what a run of then has read"


def test_those_who_could_read_a_day_can_read_what_lands_there_and_nobody_else(
    tmp_path: Path, land: Callable[..., Landed]
) -> None:
    land_sales(tmp_path, sales_table(3))
    root = tmp_path / "sales"
    day = root / f"day={DAY}"
    root.chmod(0o755)
    day.chmod(0o750)
    umask = os.umask(0o077)
    try:
        land(rows(row(1, amount=5), row(2, day=NEXT)))
    finally:
        os.umask(umask)
    modes = {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in (day, *day.iterdir())}
    assert modes == {f"day={DAY}": 0o750, f"day={DAY}/part.parquet": 0o640}
    (new,) = (root / f"day={NEXT}").iterdir()
    assert (new.parent.stat().st_mode & 0o777, new.stat().st_mode & 0o777) == (0o755, 0o644)
    assert (root / ".landed").stat().st_mode & 0o777 == 0o755


def test_a_landing_never_counts_from_before_the_one_before_it(tmp_path: Path, land: Callable[..., Landed]) -> None:
    land_sales(tmp_path, sales_table(3))
    land(rows(row(1, amount=5)))
    second = land(rows(row(1, amount=6)), clock=standing_at(NOW - HOUR))
    assert second.moment == NOW + TICK
    assert (held(source_at(tmp_path, NOW), DAY) or {})[row(1)["at"]][1] == 5


def test_a_night_of_before_a_correction_gives_the_digests_that_it_gave_and_one_of_after_it_sees_the_correction(
    tmp_path: Path, production: Path, contracts: dict[str, Contract]
) -> None:
    held = {**contracts, "weather": replace(contracts["weather"], replay_days=0)}
    days = [last_day(INSTANT) - timedelta(days=back) for back in range(3)]
    for day in days:
        shutil.copytree(production / "weather" / f"day={day}", tmp_path / "weather" / f"day={day}")
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world", tmp_path, held, datasets=("weather",), window_days=3)
    before = world.take(INSTANT)
    table = source_of(held["weather"], tmp_path).load(days[1]).read([each.name for each in held["weather"].columns])
    file = written(tmp_path, table.slice(0, 5))
    assert landing.land(held["weather"], tmp_path, [file], clock=standing_at(INSTANT + HOUR)).moment is None
    place = table.column_names.index("temp")
    file = written(tmp_path, table.slice(0, 5).set_column(place, "temp", pa.array([9.5] * 5)))
    assert landing.land(held["weather"], tmp_path, [file], clock=standing_at(INSTANT + HOUR)).moment == INSTANT + HOUR
    assert world.take(INSTANT) == before
    after = world.take(INSTANT + HOUR)
    changed = set(after.partitions) - set(before.partitions)
    assert [part.day for part in changed] == [days[1]]
    assert world.take(INSTANT) == before
