"""The champion scores rows by the night's own expressions, from what was known at an instant."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from include import steps
from include.core.errors import DataError, LedgerError, RegistryError
from include.core.project import Project
from include.core.records import DAY, FeatureSet
from include.core.runs import RunKind
from include.data import scoring
from include.declared import scope_of
from include.projects import flight_delay
from include.registry import bundle, history
from include.steps import definitions
from include.steps.platform import declaration_of
from include.steps.serving import Predictions
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, NOW, Night, Yard

OUTCOMES = ("departure_delay", "arrival_delay", "air_time", "departed_at", "arrived_at", "outcome_recorded_at")
KEY = list(FLIGHTS.learning.target.key)


@pytest.fixture(scope="module")
def scored(
    tmp_path_factory: pytest.TempPathFactory, production: Path, finished_night: tuple[Path, Night]
) -> tuple[Yard, Night]:
    """A deployment with one finished night, to be scored with."""
    home, night = finished_night
    return Yard.built(tmp_path_factory.mktemp("scored") / "home", production, home), night


def flights(production: Path, day: date, rows: Sequence[int]) -> pa.Table:
    """Some flights of a day, as they are known before they depart."""
    table = pq.ParquetFile(production / "flights" / f"day={day}" / "part.parquet").read()
    return table.drop_columns([name for name in OUTCOMES if name in table.column_names]).take(list(rows))


def score(yard: Yard, table: pa.Table, folder: Path, *, run_id: str) -> Predictions:
    pq.write_table(table, folder / f"{run_id}.parquet")
    run = steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=NOW, kind=RunKind.SCORE)
    rows = read(yard, folder / f"{run_id}.parquet")
    return steps.score(yard.platform, FLIGHTS, run, rows, now=NOW)


def read(yard: Yard, file: Path, project: Project = FLIGHTS) -> pa.Table:
    """The rows of *file*, with the columns that a night of *project* reads."""
    contracts = yard.platform.contracts
    dataset = scope_of(project, contracts).dataset("flights")
    assert dataset is not None
    return scoring.read_rows(file, contracts["flights"], dataset.names)


def test_a_flight_is_scored_as_the_night_would_without_its_outcome(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, night = scored
    built = yard.platform.load(FeatureSet, night.evaluation.features)
    day = built.split.holdout.last
    scored = score(yard, flights(production, day, [100]), tmp_path, run_id="score-one").table

    parts = [partition for partition in built.partitions if partition.day == day and partition.table != "label"]
    wanted = [night.promotion.bundle, *(partition.content for partition in parts)]
    scope = steps.scope_of(yard.platform, night.run)
    opened = yard.platform.vault.open(wanted, run=night.run, step="look", scope=scope, now=NOW)
    tables = [pq.read_table(opened.path(partition.content), partitioning=None) for partition in parts]
    columns = {name: table[name] for table in tables for name in table.column_names}
    champion = bundle.load(opened.bytes(night.promotion.bundle), yard.platform.verifier)
    predicted = champion.predict(pa.table(columns))
    keys = list(zip(*(columns[name].to_pylist() for name in KEY), strict=True))
    row = keys.index(tuple(scored[name][0].as_py() for name in KEY))
    assert scored["prediction"].to_pylist() == [predicted[row]]


def test_flights_of_a_day_that_the_instant_does_not_know_yet_are_scored_from_what_it_knew(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, _ = scored
    asked = flights(production, date(2013, 6, 3), range(10))
    scored = score(yard, asked, tmp_path, run_id="score-ahead").table
    assert scored.num_rows == 10
    assert np.isfinite(scored["prediction"].to_numpy()).all()


def test_flights_before_the_days_that_the_instant_reaches_back_on_are_refused(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, _ = scored
    with pytest.raises(DataError, match="--instant 2013-01-16"):
        score(yard, flights(production, date(2013, 1, 15), [0]), tmp_path, run_id="score-before")


def test_a_champion_does_not_score_what_is_called_as_before_and_means_something_else(
    scored: tuple[Yard, Night], production: Path
) -> None:
    yard, _ = scored

    def in_kilometres(flights: ibis.Table) -> ibis.Table:
        table = flight_delay.features.schedule(flights)
        return table.mutate(distance=table.distance * 1.609344)

    groups = tuple(
        replace(group, build=in_kilometres) if group.name == "schedule" else group
        for group in FLIGHTS.learning.features
    )
    late = replace(
        FLIGHTS.learning.target, label=lambda flights: flights.select(*KEY, label=flights.arrival_delay >= 60)
    )
    table = flights(production, INSTANT.date() - 3 * DAY, [1])
    for number, (changed, named) in enumerate(
        ((FLIGHTS.varied(features=groups), "distance"), (FLIGHTS.varied(target=late), "the label"))
    ):
        run = steps.begin(
            yard.platform, changed, run_id=f"changed-{number}", instant=INSTANT, now=NOW, kind=RunKind.SCORE
        )
        with pytest.raises(RegistryError, match=rf"{named}.* is defined otherwise\. .*Gates\(supersedes=1\)"):
            steps.score(yard.platform, changed, run, table, now=NOW)


def test_a_champion_scores_on_where_features_came_beside_its_own_and_where_an_earlier_release_trained_it(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, night = scored

    def with_another(flights: ibis.Table) -> ibis.Table:
        return flight_delay.features.schedule(flights).mutate(far=ibis._.distance > 1000)

    groups = tuple(
        replace(group, build=with_another) if group.name == "schedule" else group for group in FLIGHTS.learning.features
    )
    wider = FLIGHTS.varied(features=groups)
    run = steps.begin(yard.platform, wider, run_id="wider", instant=INSTANT, now=NOW, kind=RunKind.SCORE)
    table = flights(production, INSTANT.date() - 3 * DAY, [1])
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = read(yard, tmp_path / "rows.parquet", wider)
    assert steps.score(yard.platform, wider, run, rows, now=NOW).table.num_rows == 1

    built = yard.platform.load(FeatureSet, night.evaluation.features)
    earlier = definitions.as_tables(FLIGHTS, built, declaration_of(yard.platform, night.run).compiled)
    assert {feature.definition for feature in built.features}.isdisjoint(each.definition for each in earlier.features)
    assert definitions.changed(yard.platform, FLIGHTS, night.run, earlier) == ()
    named = {word for each in definitions.changed(yard.platform, wider, run, earlier) for word in each.split()[1:2]}
    assert named == {repr(feature.name) for feature in earlier.features if feature.group == "schedule"}


def test_what_is_known_when_a_flight_is_scored_may_not_be_left_out(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    pq.write_table(flights(production, date(2013, 6, 3), [0]).drop_columns(["distance"]), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"missing \['distance'\]"):
        read(yard, tmp_path / "rows.parquet")


@pytest.mark.parametrize("name", ["scheduled_departure", "carrier"])
def test_a_row_without_its_key_or_its_day_is_not_scored(
    name: str, make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    table = flights(production, date(2013, 6, 3), [0, 1, 2])
    place = table.column_names.index(name)
    for changed, told in (
        (table.drop_columns([name]), rf"missing \['{name}'\]"),
        (
            table.set_column(place, name, pa.array([None, None, table[name][2].as_py()], table[name].type)),
            f"2 rows without {name}",
        ),
    ):
        pq.write_table(changed, tmp_path / "rows.parquet")
        with pytest.raises(DataError, match=told):
            read(yard, tmp_path / "rows.parquet")


def test_strings_of_a_csv_file_are_read_as_they_are_written(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    table = flights(production, date(2013, 6, 3), [0, 1, 2])
    for name, values in (("tailnum", ["007", "08", None]), ("dest", ["NA", "null", "1e3"])):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    csv.write_csv(table, tmp_path / "rows.csv")
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read(yard, tmp_path / "rows.csv") == read(yard, tmp_path / "rows.parquet")


def test_rows_of_days_that_had_not_ended_at_the_instant_are_counted(make_yard: MakeYard, production: Path) -> None:
    yard = make_yard()
    known, ahead = (flights(production, INSTANT.date() + days * DAY, range(3)) for days in (-1, 0))
    rows = pa.concat_tables([known, ahead.slice(1)])
    assert scoring.ahead(rows, yard.platform.contracts["flights"], INSTANT) == 2


def test_a_value_that_does_not_fit_is_told_by_its_column_and_not_by_itself(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    table = flights(production, date(2013, 6, 3), [0])
    spoilt = table.set_column(table.column_names.index("distance"), "distance", pa.array(["SENTINEL"]))
    pq.write_table(spoilt, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="distance: it is string, not number") as caught:
        read(yard, tmp_path / "rows.parquet")
    assert "SENTINEL" not in str(caught.value)


def test_scoring_goes_on_beside_a_night_and_can_register_nothing(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, night = scored
    running = steps.begin(yard.platform, FLIGHTS, run_id="the-night", instant=INSTANT + DAY, now=NOW)
    try:
        table = flights(production, INSTANT.date() - 3 * DAY, [1, 2])
        assert score(yard, table, tmp_path, run_id="score-beside").table.num_rows == 2
        beside = steps.begin(yard.platform, FLIGHTS, run_id="beside", instant=INSTANT, now=NOW, kind=RunKind.SCORE)
        with pytest.raises(LedgerError):
            history.register(
                yard.platform.ledger, beside, evaluation="sha256:0", bundle="sha256:0", verdict=night.promotion.verdict
            )
    finally:
        steps.finish(yard.platform, running)


def test_a_file_holds_the_columns_that_the_project_reads_and_others_are_not_looked_at(
    make_yard: MakeYard, production: Path, tmp_path: Path
) -> None:
    yard = make_yard()
    weather = tuple(group for group in FLIGHTS.learning.features if group.name == "weather")
    project = FLIGHTS.varied(features=weather, expectations=())
    table = flights(production, date(2013, 6, 3), [0, 1])
    plain = table.drop_columns(["distance"])
    for number, changed in enumerate((plain, plain.append_column("distance", pa.array(["no", "number"])))):
        pq.write_table(changed, tmp_path / f"{number}.parquet")
        assert "distance" not in read(yard, tmp_path / f"{number}.parquet", project).column_names
        with pytest.raises(DataError, match="distance"):
            read(yard, tmp_path / f"{number}.parquet", FLIGHTS)


def test_it_is_said_which_version_scored_and_what_in_the_rows_it_knows_nothing_of(
    scored: tuple[Yard, Night], production: Path, tmp_path: Path
) -> None:
    yard, night = scored
    table = flights(production, INSTANT.date() - 3 * DAY, range(40))
    plain = score(yard, table, tmp_path, run_id="score-familiar")
    assert plain.version == night.promotion.version
    strange = table
    for name in ("distance", "minute"):
        numbers = pa.array([None] * 3 + [99_999] * 2 + table[name].to_pylist()[5:], table[name].type)
        strange = strange.set_column(table.column_names.index(name), name, numbers)
    dests = pa.array(["XXX"] * 40)
    strange = strange.set_column(table.column_names.index("dest"), "dest", dests)
    before, after = (
        {each.feature: each for each in found.unfamiliar}
        for found in (plain, score(yard, strange, tmp_path, run_id="score-strange"))
    )
    # Trees as few as a test's need not use each of them.
    used = {"distance", "minute_of_hour", "minute_of_day"} & after.keys()
    assert used
    assert not used & before.keys()
    assert all((after[name].nulls, after[name].outside) == (3, 2) for name in used)
    assert after["dest"].categories == 40
