"""Checks name what failed and where, stop at what is critical, and never hold a value of the data."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.core.canonical import decode, encode, record_digest
from include.core.errors import DeclarationError, OutOfRoom
from include.core.project import Expectation, Severity
from include.core.records import CheckResult, Contract, Snapshot, Validation
from include.data import expectations as rows
from include.data import row_batches, validation
from include.data.row_batches import frame_of
from include.data.window_checks import check_window
from tests.data.sales import SENTINEL, land_sales, sales_contract, sales_table
from tests.data.world import World, project_of

DAYS = (date(2013, 7, 2), date(2013, 7, 3), date(2013, 7, 4))
INSTANT = datetime(2013, 7, 5, 1, tzinfo=UTC)


def _expect(kind: str, *, severity: Severity = Severity.CRITICAL, **arguments: object) -> Expectation:
    return Expectation(dataset="sales", kind=kind, arguments=arguments, severity=severity)


def _world(tmp_path: Path, *, spoil: Mapping[date, Callable[[pa.Table], pa.Table]], **changes: Any) -> World:
    """Three days of sales, some of them spoilt."""
    for day in DAYS:
        shift = pa.scalar(day - DAYS[-1], pa.duration("us"))
        table = sales_table().set_column(0, "at", pc.add(sales_table()["at"], shift))
        land_sales(tmp_path / "production", spoil.get(day, lambda table: table)(table), day=day)
    contract = sales_contract(**changes)
    contracts = {"sales": contract, "flights": replace(contract, dataset="flights")}
    return World(tmp_path, tmp_path / "production", contracts, datasets=("sales",), window_days=3)


def _validate(
    world: World, *expectations: Expectation, checked: Collection[str] = (), taken: Snapshot | None = None
) -> Validation:
    taken = taken or world.take(INSTANT)
    return validation.validate(
        snapshot=taken,
        snapshot_digest=record_digest(taken),
        project=project_of(expectations),
        contracts=world.contracts,
        opened=world.open(taken),
        production=world.production,
        store=world.store,
        checked=checked,
    )


def _spoil_amount(table: pa.Table) -> pa.Table:
    amounts = table["amount"].to_pylist()
    return table.set_column(2, "amount", pa.array([*amounts[:-3], 98765.4321, None, 98765.4321]))


BETWEEN = _expect("expect_column_values_to_be_between", column="amount", min_value=0, max_value=1000)
EMPTY = rows.Batch(dataset="sales", frame=sales_table(0).to_pandas(), days={})
FILLED = _expect("expect_column_values_to_not_be_null", column="amount", severity=Severity.WARNING)


def test_limits_are_told_where_they_are_numbers_or_times_and_no_text_or_list_is() -> None:
    arguments = {"column": "amount", "min_value": 1, "mostly": 0.9, "value_set": [7, 8], "regex": "SECRET"}
    assert _expect("any", **arguments).limits == "min_value 1, mostly 0.9"
    assert "2013-01-01" in _expect("any", min_value=datetime(2013, 1, 1, tzinfo=UTC)).limits


def test_a_bad_day_is_named_with_counts_and_without_a_value(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={DAYS[1]: _spoil_amount})
    outcome = _validate(world, BETWEEN, FILLED)
    assert outcome.failed(Severity.CRITICAL) == (
        CheckResult(
            dataset="sales",
            expectation="expect_column_values_to_be_between",
            column="amount",
            severity=Severity.CRITICAL,
            success=False,
            rows=600,
            unexpected=2,
            days=(DAYS[1],),
            limits="min_value 0, max_value 1000",
        ),
    )
    (warning,) = outcome.failed(Severity.WARNING)
    assert (warning.expectation, warning.days, warning.unexpected) == (FILLED.kind, (DAYS[1],), 1)
    kept = encode(outcome) + world.store.get(outcome.report) + validation.summary(outcome.checks).encode()
    assert b"98765" not in kept
    assert SENTINEL.encode() not in kept
    assert decode(Validation, encode(outcome)) == outcome


def test_sentinels_in_failing_columns_reach_no_record_report_or_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    world = _world(tmp_path, spoil={})
    outcome = _validate(
        world,
        _expect("expect_column_values_to_be_in_set", column="shop", value_set=["a"]),
        _expect("expect_column_values_to_match_regex", column="shop", regex="^x"),
        _expect("expect_column_distinct_values_to_be_in_set", column="shop", value_set=["a"]),
        _expect("expect_column_most_common_value_to_be_in_set", column="shop", value_set=["a"]),
        _expect("expect_column_max_to_be_between", column="amount", max_value=1),
    )
    assert len(outcome.failed(Severity.CRITICAL)) == 5
    kept = encode(outcome) + world.store.get(outcome.report) + validation.summary(outcome.checks).encode()
    said = kept.decode() + caplog.text + "".join(capfd.readouterr())
    assert SENTINEL not in said
    assert str(199 / 7) not in said


def test_what_succeeds_needs_no_second_look(tmp_path: Path) -> None:
    outcome = _validate(_world(tmp_path, spoil={}), BETWEEN, FILLED)
    assert all(check.success for check in outcome.checks)
    assert validation.summary(outcome.failed(Severity.CRITICAL)) == ""


def test_mostly_is_held_by_the_batch_and_looked_for_in_each_day(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={DAYS[0]: _spoil_amount})
    by_share = [replace(FILLED, arguments={"column": "amount", "mostly": share}) for share in (0.99, 0.999)]
    assert not _validate(world, by_share[0]).failed(Severity.WARNING)
    (failed,) = _validate(world, by_share[1]).failed(Severity.WARNING)
    assert failed.days == (DAYS[0],)


def test_a_failure_of_the_batch_alone_names_no_day(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={})
    (failed,) = _validate(world, _expect("expect_column_values_to_be_unique", column="items")).failed(Severity.CRITICAL)
    assert (failed.days, failed.unexpected) == ((), 600)


def _spoil_some(table: pa.Table) -> pa.Table:
    """Nulls, a value too large, and two rows that are alike."""
    items = table["items"].to_pylist()
    spoilt = _spoil_amount(table).set_column(
        table.column_names.index("items"), "items", pa.array([None, *items[1:]], pa.int64())
    )
    return spoilt


ON_ROWS = (
    BETWEEN,
    FILLED,
    replace(BETWEEN, arguments={**BETWEEN.arguments, "mostly": 0.999}),
    replace(BETWEEN, arguments={**BETWEEN.arguments, "mostly": 0.99}),
    replace(FILLED, arguments={"column": "amount", "mostly": 0.9985}),
    _expect("expect_column_values_to_be_null", column="amount", severity=Severity.WARNING),
    _expect("expect_column_values_to_be_in_set", column="items", value_set=[0, 1, 2], severity=Severity.WARNING),
    _expect("expect_column_values_to_match_regex", column="items", regex=r"^\d+$"),
    _expect("expect_column_values_to_be_between", column="at", max_value="2013-07-04T06:00", severity=Severity.WARNING),
    _expect("expect_compound_columns_to_be_unique", column_list=["at", "shop"]),
    _expect("expect_column_pair_values_to_be_equal", column_A="amount", column_B="amount", mostly=0.2),
)
ON_COLUMNS = (
    _expect("expect_column_max_to_be_between", column="amount", max_value=1, severity=Severity.WARNING),
    _expect("expect_column_values_to_be_unique", column="items", severity=Severity.WARNING),
)


def test_rows_that_are_checked_day_by_day_have_the_outcomes_of_all_rows_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world(tmp_path, spoil={DAYS[1]: _spoil_some})
    taken, expected = world.take(INSTANT), (*ON_ROWS[:4], *ON_COLUMNS, *ON_ROWS[4:])
    at_once = _validate(world, *expected, taken=taken)
    assert {outcome.success for outcome in at_once.checks} == {True, False}
    seen: list[int] = []
    run = rows._Suite.run

    def counted(suite: rows._Suite, frame: Any, result_format: Mapping[str, object]) -> list[dict[str, Any]]:
        seen.append(len(frame))
        return run(suite, frame, result_format)

    monkeypatch.setattr(rows._Suite, "run", counted)
    monkeypatch.setattr(validation, "CELL_BYTES", 10**7)  # as if so few rows fitted at once
    assert _validate(world, *expected, taken=taken) == at_once
    monkeypatch.undo()
    assert {200, 600} == set(seen), "whole columns where counts of days do not add up, else a day at a time"


def test_columns_that_are_checked_whole_and_fit_into_no_memory_are_told_before_anything_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world(tmp_path, spoil={})
    monkeypatch.setattr(validation, "CELL_BYTES", 10**7)
    monkeypatch.setattr(row_batches, "CELL_BYTES", 10**7)
    monkeypatch.setattr(rows._Suite, "run", None)
    with pytest.raises(OutOfRoom, match=r"expect_column_max_to_be_between of 'sales' need \(1 columns of 600 rows\)"):
        _validate(world, BETWEEN, ON_COLUMNS[0])


def test_only_partitions_that_were_not_checked_are_looked_at(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={DAYS[0]: _spoil_amount})
    taken = world.take(INSTANT)
    first = _validate(world, BETWEEN, taken=taken)
    assert first.covered == tuple(sorted(part.content for part in taken.partitions))
    bad, *good = taken.partitions
    later = _validate(world, BETWEEN, taken=taken, checked=[bad.content])
    assert later.covered == tuple(sorted(part.content for part in good))
    assert not later.failed(Severity.CRITICAL)
    nothing = _validate(world, BETWEEN, taken=taken, checked=first.covered)
    assert nothing.covered == ()
    assert {check.expectation for check in nothing.checks} == {"days_have_rows", "row_counts_are_usual"}


def test_the_same_snapshot_gives_the_same_validation(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={DAYS[1]: _spoil_amount})
    taken = world.take(INSTANT)
    assert _validate(world, BETWEEN, taken=taken) == _validate(world, BETWEEN, taken=taken)


# ── what checks mean ──────────────────────────────────────────────────────────────────────────────────────────────────

NOON = "2013-07-03T12:00:00"


def _frame(**columns: pa.Array) -> rows.Batch:
    table = pa.table(columns)
    return rows.Batch(
        dataset="sales",
        frame=frame_of(table, bounded=table.column_names, exact=[name for name in columns if table[name].null_count]),
        days={},
    )


SPELLINGS = (
    *(NOON, f"{NOON}Z", f"{NOON}+00:00", NOON.replace("T", " "), "2013-07-03T12", "20130703T1200", "2013-W27-3T12:00"),
    *(datetime(2013, 7, 3, 12), datetime(2013, 7, 3, 12, tzinfo=UTC)),  # noqa: DTZ001 -- a time without a zone
)


@given(kind=st.sampled_from(["min_value", "max_value"]), spelling=st.sampled_from(SPELLINGS))
@settings(max_examples=18)
def test_every_spelling_of_a_time_in_utc_is_the_same_bound(kind: str, spelling: object) -> None:
    hours = [datetime(2013, 7, 3, hour) for hour in (11, 12, 13)]  # noqa: DTZ001 -- as stored
    batch = _frame(at=pa.array([*hours, None], pa.timestamp("us")))
    (found,) = rows.check(batch, [_expect("expect_column_values_to_be_between", column="at", **{kind: spelling})])
    assert found.unexpected == 1


@given(spelling=st.sampled_from(["2013-07-03", "20130703", "2013-07-03T00:00:00Z", date(2013, 7, 3)]))
@settings(max_examples=4)
def test_every_spelling_of_a_date_is_the_same_bound_on_dates_and_on_times(spelling: object) -> None:
    days = [date(2013, 7, day) for day in (2, 3, 4)]
    batch = _frame(
        on=pa.array([*days, None], pa.date32()), at=pa.array([*days, None], pa.date32()).cast("timestamp[us]")
    )
    for column in ("on", "at"):
        between, least, among = rows.check(
            batch,
            [
                _expect("expect_column_values_to_be_between", column=column, min_value=spelling),
                _expect("expect_column_max_to_be_between", column=column, max_value=spelling),
                _expect("expect_column_values_to_be_in_set", column=column, value_set=[spelling, "2013-07-04"]),
            ],
        )
        assert (between.unexpected, least.success, among.unexpected) == (1, False, 1)


@pytest.mark.parametrize("bound", ["2013-07-03T12:00:00+02:00", "3 July", 20130703, "07/03/2013"])
def test_a_bound_on_times_that_is_no_iso_time_in_utc_is_refused(bound: object) -> None:
    batch = _frame(at=pa.array([datetime(2013, 7, 3)], pa.timestamp("us")))  # noqa: DTZ001 -- as stored
    with pytest.raises(DeclarationError, match="ISO 8601"):
        rows.check(batch, [_expect("expect_column_values_to_be_between", column="at", min_value=bound)])


@given(st.lists(st.none() | st.integers(0, 2**63 - 1), min_size=1, max_size=6, unique=True))
@example([2**53, 2**53 + 1, None])
@settings(max_examples=8)
def test_integers_stay_exact_beside_nulls(numbers: list[int | None]) -> None:
    known = [number for number in numbers if number is not None]
    found = rows.check(
        _frame(n=pa.array(numbers, pa.int64())),
        [
            _expect("expect_column_values_to_be_unique", column="n"),
            _expect("expect_column_values_to_match_regex", column="n", regex=r"^\d+$"),
            _expect("expect_column_values_to_be_in_set", column="n", value_set=known),
        ],
    )
    assert [outcome.success for outcome in found] == [True] * 3


def test_the_names_of_columns_are_those_of_the_file_whatever_is_read_and_whatever_is_known(tmp_path: Path) -> None:
    names = ["at", "shop", "amount", "items"]
    kinds = {
        "expect_table_column_count_to_equal": {"value": 4},
        "expect_table_column_count_to_be_between": {"min_value": 4, "max_value": 4},
        "expect_table_columns_to_match_ordered_list": {"column_list": names},
        "expect_table_columns_to_match_set": {"column_set": names, "exact_match": True},
        "expect_column_to_exist": {"column": "shop", "column_index": 1},
    }
    promised = tuple(_expect(kind, **arguments) for kind, arguments in kinds.items())
    world = _world(
        tmp_path, spoil={DAYS[1]: lambda table: table.append_column("more", table["items"])}, expectations=promised
    )
    (scope,) = world.scope.datasets
    narrow = tuple(pair for pair in scope.columns if pair[0] in ("at", "shop"))
    world.scope = replace(world.scope, datasets=(replace(scope, columns=narrow),))
    failed = {check.expectation: check.days for check in _validate(world).failed(Severity.CRITICAL)}
    assert failed == dict.fromkeys(list(kinds)[:4], (DAYS[1],))


# ── declarations ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expectation", "says"),
    [
        (_expect("expect_column_values_to_be_nice", column="amount"), "expect_column_values_to_be_nice"),
        (_expect("expect_column_values_to_be_between", column="amount"), "ValidationError"),
        (_expect("expect_column_values_to_be_between", column="amount", max_valu=1), "max_valu"),
        (_expect("expect_column_values_to_be_between", column="shop", max_value=1), "can be evaluated"),
        (_expect("expect_column_values_to_not_be_null", column="colour"), "colour"),
        (_expect("expect_table_row_count_to_be_between", min_value="many"), "numbers of rows"),
    ],
)
def test_an_expectation_that_cannot_be_used_is_a_wrong_declaration(
    tmp_path: Path, expectation: Expectation, says: str
) -> None:
    with pytest.raises(DeclarationError, match=says) as caught:
        _validate(_world(tmp_path, spoil={}), expectation)
    assert SENTINEL not in str(caught.value)


def test_every_expectation_of_great_expectations_is_found_by_its_snake_case_name() -> None:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    assert "expect_column_values_to_be_between" in known
    for kind in known:  # it is found, and then refuses an argument that none has
        with pytest.raises(DeclarationError, match="takes the arguments"):
            rows.check(EMPTY, [_expect(kind, nonsense=1)])


def test_what_the_contract_expects_of_columns_that_are_not_read_is_listed_as_not_checked(tmp_path: Path) -> None:
    hidden = _expect("expect_column_values_to_be_unique", column="items")
    world = _world(tmp_path, spoil={}, expectations=(BETWEEN, hidden))
    (scope,) = world.scope.datasets
    narrow = replace(
        world.scope, datasets=(replace(scope, columns=tuple(pair for pair in scope.columns if pair[0] != "items")),)
    )
    world.scope = narrow
    outcome = _validate(world)
    assert [check.expectation for check in outcome.checks if check.column == "items"] == []
    assert b"Not checked" in world.store.get(outcome.report)
    with pytest.raises(DeclarationError, match="names columns that the project reads"):
        _validate(world, hidden)


def test_the_digest_of_expectations_moves_with_each_of_them_and_with_nothing_else(
    contracts: dict[str, Contract],
) -> None:
    digest = validation.expectations_digest
    before = digest(project_of((BETWEEN,)), contracts)
    assert digest(project_of((BETWEEN,)).varied(owner="others"), contracts) == before
    assert digest(project_of((replace(BETWEEN, severity=Severity.WARNING),)), contracts) != before
    changed = {**contracts, "weather": replace(contracts["weather"], expectations=())}
    assert digest(project_of((BETWEEN,)), changed) != before
    fresher = {**contracts, "weather": replace(contracts["weather"], freshness_hours=1.0)}
    assert digest(project_of((BETWEEN,)), fresher) != before


# ── the window ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_without_rows_and_a_day_with_too_few_are_warned_of_by_name(tmp_path: Path) -> None:
    world = _world(
        tmp_path, spoil={DAYS[0]: lambda table: table.slice(0, 0), DAYS[1]: lambda table: table.slice(0, 20)}
    )
    found = {check.expectation: check for check in _validate(world).failed(Severity.WARNING)}
    assert found["days_have_rows"].days == (DAYS[0],)
    parts = [
        replace(part, rows=count) for part, count in zip(world.take(INSTANT).partitions, (200, 20, 200), strict=True)
    ]
    outcomes = list(check_window(world.contracts["sales"], parts, None))
    assert [outcome.days for outcome in outcomes] == [(), (DAYS[1],)]


def test_a_warning_of_row_counts_says_how_many_rows_the_days_have_that_it_names(tmp_path: Path) -> None:
    taken = _world(tmp_path, spoil={}).take(INSTANT).partitions

    def told(*counts: int) -> str:
        parts = [replace(part, rows=count) for part, count in zip(taken, counts, strict=True)]
        return validation.summary([each for each in check_window(sales_contract(), parts, None) if not each.success])

    assert told(200, 20, 200).endswith(f"(66.6667 to 600 rows) on {DAYS[1]}, 20 rows")
    assert told(20, 200, 700).endswith(f"on {DAYS[0]}, {DAYS[2]}, 720 rows in all")
    assert told(200, 0, 200).endswith(f"days_have_rows on {DAYS[1]}, 0 rows")


@pytest.mark.parametrize(("hours", "fresh"), [(24.0, True), (20.5, False)])
def test_rows_older_than_promised_are_critical(tmp_path: Path, hours: float, fresh: bool) -> None:
    # The last row is of 03:19, so it is 20 hours and 41 minutes old when its day ends.
    outcome = _validate(_world(tmp_path, spoil={}, freshness_hours=hours))
    failed = [(check.expectation, check.days) for check in outcome.failed(Severity.CRITICAL)]
    assert failed == ([] if fresh else [("newest_row_is_at_most_20.5_hours_old", (DAYS[-1],))])


def test_a_required_column_has_a_value_in_every_row(tmp_path: Path) -> None:
    columns = tuple(replace(column, required=column.name in ("at", "amount")) for column in sales_contract().columns)
    world = _world(tmp_path, spoil={DAYS[2]: _spoil_amount}, columns=columns)
    (failed,) = _validate(world).failed(Severity.CRITICAL)
    assert (failed.expectation, failed.column, failed.days, failed.unexpected) == (
        "required_values_are_there",
        "amount",
        (DAYS[2],),
        1,
    )


def test_row_counts_are_expected_of_each_day(tmp_path: Path) -> None:
    world = _world(tmp_path, spoil={DAYS[1]: lambda table: table.slice(0, 150)})
    outcome = _validate(
        world,
        _expect("expect_table_row_count_to_be_between", min_value=180, max_value=200),
        _expect("expect_table_row_count_to_equal", value=150),
    )
    failed = outcome.failed(Severity.CRITICAL)
    assert [(check.days, check.rows) for check in failed] == [((DAYS[1],), 150), ((DAYS[0], DAYS[2]), 400)]


def test_a_day_that_is_not_complete_is_checked_again_when_it_is(tmp_path: Path) -> None:
    """A value that is required and missing for ever: the same bytes on the night that must say so."""
    world = _world(tmp_path, spoil={DAYS[0]: _spoil_amount})
    taken = world.take(INSTANT)
    early = replace(taken, partitions=tuple(replace(part, complete=False) for part in taken.partitions))
    first = _validate(world, BETWEEN, taken=early)
    assert first.failed(Severity.CRITICAL)
    assert first.covered == ()
    again = _validate(world, BETWEEN, taken=taken, checked=first.covered)
    assert again.covered == tuple(sorted(part.content for part in taken.partitions))


# ── real data ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_real_days_meet_their_contracts_and_a_corrupted_one_does_not(
    tmp_path: Path, production: Path, contracts: dict[str, Contract]
) -> None:
    night = datetime(2013, 6, 15, 4, tzinfo=UTC)
    world = World(tmp_path, tmp_path / "production", contracts, window_days=4)
    for dataset in ("flights", "weather"):
        for back in range(1, 5):
            name = Path(dataset) / f"day={(night - timedelta(days=back)).date()}"
            (tmp_path / "production" / name).mkdir(parents=True)
            table = pq.read_table(production / name / "part.parquet", partitioning=None)
            if dataset == "flights" and back == 2:
                table = table.set_column(8, "distance", pc.negate(table["distance"]))
            pq.write_table(table, tmp_path / "production" / name / "part.parquet")
    taken = world.take(night)
    outcome = _validate(world, taken=taken)
    assert {(check.column, check.days) for check in outcome.failed(Severity.CRITICAL)} == {
        ("distance", (date(2013, 6, 13),))
    }
    assert validation.summary(outcome.failed(Severity.CRITICAL)).startswith(
        "flights: expect_column_values_to_be_between of distance (min_value 1, max_value 6000) on 2013-06-13, "
    )
    sound = [part.content for part in taken.partitions if (part.table, part.day) != ("flights", date(2013, 6, 13))]
    bad = [part.content for part in taken.partitions if part.content not in sound]
    assert not _validate(world, taken=taken, checked=bad).failed(Severity.CRITICAL)
