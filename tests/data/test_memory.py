"""However little memory a step of data may take, it makes the same; and what it cannot do is said before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import OutOfRoom
from include.core.project import Compute, Objective
from include.core.records import DAY, Contract, Days, FeatureSet, Snapshot
from include.data import features, reuse
from include.data.leak_alarm import Alarm
from include.data.live_rows import LiveRows
from include.data.memory import PROCESS_MIB, DataMemory, Division, pieces
from include.data.point_in_time import PointInTime
from include.declared.compiled import DerivedTable
from include.store import Store
from tests.data.nights import Night, freeze
from tests.data.test_features import DELAY
from tests.data.world import project_of

FIRST = date(2013, 6, 1)
PLENTY, LITTLE = DataMemory(mib=4096), DataMemory(mib=PROCESS_MIB + 1)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, contracts, Store(str(folder / "vault")))


@pytest.fixture(scope="module")
def snapshot(night: Night, production: Path) -> Snapshot:
    return freeze(DELAY, night.contracts, production, night.store)


@pytest.fixture(scope="module")
def built(night: Night, snapshot: Snapshot) -> FeatureSet:
    """All at once, in memory."""
    return night.build(DELAY, snapshot)


@given(
    counts=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    most=st.integers(1, 200),
)
def test_stretches_hold_each_day_once_in_order_and_no_more_than_fits_but_for_a_single_day(
    counts: list[int], most: int
) -> None:
    days = Days(first=FIRST, last=FIRST + (len(counts) - 1) * DAY)
    rows = dict(zip(days, counts, strict=True))
    found = pieces([Days(first=day, last=day) for day in days], rows, row_bytes=2, most_bytes=most)
    assert [day for piece in found for day in piece] == list(days)
    for piece in found:
        assert len(piece) == 1 or 2 * sum(rows[day] for day in piece) <= most
    for one, after in pairwise(found):
        assert 2 * sum(rows[day] for day in (*one, after.first)) > most, "no stretch is shorter than it must be"


@pytest.mark.parametrize("table_bytes", [1, 400_000])
def test_features_are_the_same_in_however_many_stretches_and_on_whichever_disk_they_are_built(
    table_bytes: int, night: Night, snapshot: Snapshot, built: FeatureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def little(*given: Any) -> Division:
        return replace(reuse.divided(*given), engine_mib=128, table_bytes=table_bytes, ahead=1)

    def in_turn(rows: PointInTime, tables: Sequence[Any], *, ahead: int) -> Iterator[pa.Table]:
        asked.append(len(tables))
        return as_it_is(rows, tables, ahead=ahead)

    as_it_is = PointInTime.in_turn
    monkeypatch.setattr(PointInTime, "in_turn", in_turn)
    monkeypatch.setattr(features, "divided", little)
    monkeypatch.setattr(reuse, "STRETCH_ROWS", 2000)
    assert night.build(DELAY, snapshot) == built
    tables, days = len(DELAY.learning.features) + 1, 8
    assert tables < asked[0] <= tables * days, "in several stretches"
    assert not list((night.folder / "vault" / "incoming").iterdir()), "what was put aside is gone"


def _rows(built: FeatureSet, store: Store, memory: DataMemory) -> LiveRows:
    return LiveRows(built.partitions, [each.name for each in built.features], store, memory)  # type: ignore[arg-type]


def test_rows_that_no_memory_holds_at_once_are_those_that_one_does(night: Night, built: FeatureSet) -> None:
    whole, divided = (_rows(built, night.store, memory) for memory in (PLENTY, LITTLE))
    (at_once,) = whole.batches()
    parts, columns = list(divided.batches()), list(divided.column_batches())
    assert len(parts) > 1
    assert len(columns) > 1
    together = sum(parts[1:], start=parts[0])
    assert together.table.combine_chunks().equals(at_once.table.combine_chunks())
    assert np.array_equal(together.label, at_once.label, equal_nan=True)
    assert (together.day == at_once.day).all()
    assert [name for table in columns for name in table.column_names] == at_once.table.column_names
    for table in columns:
        assert table.equals(at_once.table.select(table.column_names))
    some = Days(first=built.split.validation.first, last=built.split.validation.last)
    assert divided.within(some).table.equals(whole.within(some).table)


def test_a_day_that_fits_into_no_memory_is_said_before_anything_is_computed(night: Night, snapshot: Snapshot) -> None:
    rows = {FIRST: 50_000_000}
    with pytest.raises(OutOfRoom, match=r"50,000,000 rows.*\b4,096 declared.*Compute\(data_memory_mib=(\d+)\)") as told:
        PLENTY.divided("delays", 0, rows, {"label": 80})
    enough = int(str(told.value.remedy).split("=")[1].split(")")[0])
    division = DataMemory(mib=enough).divided("delays", 0, rows, {"label": 80})
    assert division.pieces("label", [Days(first=FIRST, last=FIRST)], rows) == [Days(first=FIRST, last=FIRST)]


def test_what_fits_is_held_in_memory_and_computed_at_once() -> None:
    days = Days(first=FIRST, last=FIRST + 9 * DAY)
    rows = dict.fromkeys(days, 1000)
    division = PLENTY.divided("delays", 1_000_000, rows, {"label": 80, "lags": 200})
    assert division.engine_mib is None
    assert division.pieces("lags", [Days(first=day, last=day) for day in days], rows) == [days]


def test_what_a_data_step_may_take_changes_no_digest_of_a_project() -> None:
    from include.core.canonical import encode

    assert encode(Compute()) == encode(Compute(data_memory_mib=4096))
    assert b"data_memory_mib" not in encode(Compute())


@pytest.mark.parametrize("mib", [0, 100, 1024.5, True])
def test_what_no_step_could_do_with_is_refused(mib: Any) -> None:
    from include.core.errors import DeclarationError

    with pytest.raises(DeclarationError, match="data_memory_mib"):
        Compute(data_memory_mib=mib)


GROUP = DerivedTable(name="group", sql="", datasets=(), lookback_days=0, names=("leak",), categories=())


def _told(days: Mapping[date, tuple[np.ndarray, np.ndarray]], *, together: int) -> str:
    """What the alarm says of rows, of which it is shown those of so many days *together*."""
    span = Days(first=min(days), last=max(days))
    project = project_of()
    project = project.varied(target=replace(project.learning.target, objective=Objective.BINARY))
    alarm = Alarm(project, {GROUP: span}, seed="seed")
    for day, (label, _) in days.items():
        alarm.hear(day, label)
    shown = [(day, pa.table({"leak": pa.array(values, pa.float32())})) for day, (_, values) in days.items()]
    for first in range(0, len(shown), together):
        alarm.look(GROUP, iter(shown[first : first + together]))
    try:
        alarm.check()
    except Exception as error:
        return str(error)
    return ""


def test_the_alarm_samples_the_same_rows_however_many_days_it_is_shown_at_once() -> None:
    random = np.random.default_rng(7)
    days = {}
    for day in Days(first=FIRST, last=FIRST + 9 * DAY):
        label = (random.random(2000) < 0.4).astype(np.float64)
        values = label + random.normal(0, 0.35, 2000)
        label[random.random(2000) < 0.1] = np.nan
        days[day] = (label, values)
    told = _told(days, together=10)
    assert "over 8000 rows" in told
    assert [_told(days, together=several) for several in (1, 3)] == [told, told]
