"""Names keep their case, whatever they are made of, and two that differ by case alone are refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DeclarationError
from include.core.project import (
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
)
from include.core.records import Column, ColumnType, Contract, KnownAt, Treatment
from include.declared import column_lineage, scope_of, sql_of, tables
from include.declared.compiled import declared
from include.declared.reads import columns_read

_WORDS = ("select", "Order", "GROUP", "table", "Count", "key", "Value", "from", "end", "null", "TRUE", "day", "t0")
_TEXT = (
    st.text(alphabet="aBcXyZ09_ \"'`.;*(){}[]%$-ÄßéΣжŁ名", min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda name: name not in ("", "*"))
)
NAMES = st.lists(_TEXT | st.sampled_from(_WORDS), min_size=9, max_size=9, unique_by=str.casefold)


def column(name: str, kind: ColumnType = ColumnType.INTEGER, **changes: Any) -> Column:
    plain = Column(
        name=name,
        type=kind,
        classification="internal",
        restricted=False,
        personal=None,
        treatment=Treatment.CLEAR,
        known_at=KnownAt(column=None),
        required=False,
        key=False,
        description="",
    )
    return replace(plain, **changes)


def contract(dataset: str, *columns: Column, partition: str | None = None) -> Contract:
    return Contract(
        dataset=dataset,
        version="1.0.0",
        digest="sha256:" + "0" * 64,
        columns=columns,
        stewards=("steward",),
        location="nowhere",
        partition_column=partition,
        matures_after_days=0,
        freshness_hours=None,
        replay_days=0,
        retention_days={},
        expectations=(),
    )


@dataclass
class Reading:
    """A table, the sources of each of its columns, and what decides its rows."""

    table: ibis.Table
    sources: dict[str, set[tuple[str, str]]]
    rows: set[tuple[str, str]] = field(default_factory=set)


def _steps(draw: Any, fresh: Iterator[str], reading: Reading) -> Reading:
    """One random step more."""
    name, other = (draw(st.sampled_from(sorted(reading.sources))) for _ in range(2))
    step = draw(st.sampled_from(("filter", "mutate", "window", "order", "rename")))
    table, sources, rows = reading.table, dict(reading.sources), set(reading.rows)
    if step == "filter":
        return Reading(table.filter(table[name] > 0), sources, rows | sources[name])
    if step == "order":
        return Reading(table.order_by(name).limit(5), sources, rows | sources[name])
    new = next(fresh)
    if step == "mutate":
        return Reading(
            table.mutate((table[name] + table[other]).name(new)), sources | {new: sources[name] | sources[other]}, rows
        )
    if step == "window":
        mean = table[name].mean().over(ibis.window(group_by=table[other]))
        return Reading(table.mutate(mean.name(new)), sources | {new: sources[name] | sources[other]}, rows)
    sources[new] = sources.pop(name)
    return Reading(table.rename({new: name}), sources, rows)


@given(names=NAMES, data=st.data())
@settings(max_examples=12, deadline=None)
def test_for_any_names_the_scope_is_what_the_expression_reads_and_each_output_has_its_own_sources(
    names: list[str], data: st.DataObject
) -> None:
    ours, theirs, fresh = names[:3], names[3:5], iter(names[5:])
    contracts = {
        "Rides": contract("Rides", *map(column, ours)),
        "rides": contract("rides", *(column(name.swapcase()) for name in ours)),  # beside it, and never read
        "Weather": contract("Weather", *map(column, theirs)),
    }
    held = tables(contracts, ["Rides", "Weather"])
    reading = Reading(held["Rides"], {name: {("Rides", name)} for name in ours})
    if data.draw(st.booleans(), "joined"):
        sources = reading.sources | {name: {("Weather", name)} for name in theirs}
        joined = held["Rides"].join(held["Weather"], held["Rides"][ours[0]] == held["Weather"][theirs[0]])
        reading = Reading(joined, sources, sources[ours[0]] | sources[theirs[0]])
    for _ in range(data.draw(st.integers(0, 4), "steps")):
        reading = _steps(data.draw, fresh, reading)
    chosen = data.draw(st.lists(st.sampled_from(sorted(reading.sources)), min_size=1, unique=True), "outputs")
    table = reading.table.select(*chosen)

    assert columns_read(table, contracts) == reading.rows.union(*(reading.sources[name] for name in chosen))
    assert column_lineage(table, contracts) == {name: tuple(sorted(reading.sources[name])) for name in chosen}
    with duckdb.connect() as connection:
        for each in held.values():
            columns = ", ".join('"' + name.replace('"', '""') + '" BIGINT' for name in each.columns)
            connection.execute(f'CREATE TABLE "{each.get_name()}" ({columns})')
        assert [name for name, *_ in connection.sql(sql_of(table)).description] == chosen


RIDES = contract(
    "JetBlue",
    column("RideID", key=True, required=True),
    column("PickupAt", ColumnType.TIMESTAMP, required=True),
    column("TripDistance", ColumnType.NUMBER),
    column("Borough", ColumnType.STRING),
    column("Email", ColumnType.STRING, treatment=Treatment.TOKEN),
    column("Remark", ColumnType.STRING, classification="restricted", restricted=True),
    column("FareAmount", ColumnType.NUMBER),
    partition="PickupAt",
)
CONTRACTS = {"JetBlue": RIDES, "jetblue": contract("jetblue", column("id", key=True))}


def project(*groups: Any) -> Project:
    return Project(
        name="fares",
        ownership=Ownership(
            owner="tests",
            purpose="Tests of names.",
        ),
        learning=Learning(
            target=Target(
                dataset="JetBlue",
                key=("RideID",),
                population=lambda JetBlue: JetBlue.select("RideID", "PickupAt", predicted_at=JetBlue.PickupAt),  # noqa: N803
                label=lambda JetBlue: JetBlue.select("RideID", label=JetBlue.FareAmount),  # noqa: N803
                objective=Objective.REGRESSION,
            ),
            features=tuple(FeatureGroup(name=f"group_{place}", build=build) for place, build in enumerate(groups)),
            search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}),
        ),
        quality=Quality(
            gates=Gates(margin=0.1, floor_loss=1.0),
        ),
    )


def compiled(*groups: Any) -> None:
    made = project(*groups)
    declared(made, CONTRACTS, scope_of(made, CONTRACTS))


def test_columns_in_camel_case_are_read_under_their_own_names() -> None:
    scope = scope_of(project(lambda JetBlue: JetBlue.select("RideID", Miles=JetBlue.TripDistance)), CONTRACTS)  # noqa: N803
    (dataset,) = scope.datasets
    assert (dataset.dataset, set(dataset.names)) == (
        "JetBlue",
        {"RideID", "PickupAt", "TripDistance", "FareAmount"},
    )


@pytest.mark.parametrize(("name", "why"), [("Email", "a personal value"), ("Remark", "a restricted column")])
def test_no_category_is_made_of_a_column_that_nobody_may_see_however_its_name_is_written(name: str, why: str) -> None:
    with pytest.raises(DeclarationError, match=f"{why}.*comes from JetBlue.{name}"):
        compiled(lambda JetBlue: JetBlue.select("RideID", word=JetBlue[name]))  # noqa: N803


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("Fare", "fare"), "'Fare' and 'fare'"),
        (("Label",), "'label' and 'Label'"),
        (("Predicted_At",), "'predicted_at' and 'Predicted_At'"),
        (("rideid",), "'RideID' and 'rideid'"),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["in one group", "in groups of their own"])
def test_features_that_differ_by_case_alone_from_another_or_from_the_key_are_refused_with_both(
    names: tuple[str, ...], pair: str, apart: bool
) -> None:
    def build(*names: str) -> Any:
        return lambda JetBlue: JetBlue.select("RideID", **dict.fromkeys(names, JetBlue.TripDistance))  # noqa: N803

    with pytest.raises(DeclarationError, match=f"upper and lower.*{pair}"):
        compiled(*map(build, names)) if apart else compiled(build(*names))


@pytest.mark.parametrize("name", ['a"b', "a,b", "a:b", "[a]", "{a}", "a\nb"])
def test_a_feature_that_lightgbm_could_not_name_is_refused_before_any_data_is_read(name: str) -> None:
    with pytest.raises(DeclarationError, match=r"a model tells the features .* apart by their names"):
        compiled(lambda JetBlue: JetBlue.select("RideID", JetBlue.TripDistance.name(name)))  # noqa: N803


def test_names_within_an_expression_that_duckdb_could_not_hold_apart_are_refused() -> None:
    def build(JetBlue: ibis.Table) -> ibis.Table:  # noqa: N803
        return JetBlue.mutate(tripdistance=JetBlue.TripDistance * 2).select("RideID", x=ibis._.tripdistance)

    with pytest.raises(DeclarationError, match="'TripDistance' and 'tripdistance'"):
        compiled(build)


def test_two_datasets_whose_names_differ_by_case_alone_are_not_read_by_one_project() -> None:
    with pytest.raises(DeclarationError, match="'JetBlue' and 'jetblue'"):
        compiled(lambda JetBlue, jetblue: JetBlue.select("RideID", n=jetblue.count().as_scalar()))  # noqa: N803


@pytest.mark.parametrize("dataset", ["JetBlue", "Jetblue"])
@pytest.mark.parametrize("read", [columns_read, column_lineage])
def test_a_source_column_that_no_contract_has_is_an_error(dataset: str, read: Any) -> None:
    other = ibis.table({"RideID": "int64", "Unknown": "string"}, name=dataset)
    with pytest.raises(DeclarationError, match=r"a column of a contract; found: .*Unknown"):
        read(other.select("Unknown"), CONTRACTS)


def test_a_dataset_that_is_called_like_an_inner_query_is_refused_where_one_hides_it_and_only_there() -> None:
    def named(name: str) -> ibis.Table:
        held = tables({name: contract(name, column("id"), column("x"))}, [name])[name]
        means = held.group_by("id").agg(mean=held.x.mean())
        return means.join(means.view(), "id").join(held, "id").select("id", "mean")

    assert 'FROM "t9"' in sql_of(named("t9"))
    hidden = next(
        name for name in (f"T{number}" for number in range(9)) if f'"{name.lower()}" AS (' in sql_of(named("t9"))
    )
    with pytest.raises(DeclarationError, match=f"dataset '{hidden}'"):
        sql_of(named(hidden))
