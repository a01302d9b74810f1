"""From the delivered OpenLineage file alone one walks from a registered model back to the columns of production."""

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include import steps
from include.ledger.delivery import deliver_to_file
from include.lineage.declaration import declare
from tests.night.yard import FLIGHTS, INSTANT, LATER, Night, Yard

Column = tuple[str, str]  # (data set, column)


@pytest.fixture(scope="module")
def delivered(done: tuple[Yard, Night], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    yard, _ = done
    file = tmp_path_factory.mktemp("lineage") / "events.jsonl"
    deliver_to_file(yard.platform.ledger, file)
    return [json.loads(line) for line in file.read_text().splitlines()]


def columns_of(events: list[dict[str, Any]]) -> dict[Column, list[dict[str, Any]]]:
    """For each output column the input fields that its facet names."""
    return {
        (output["name"], column): made["inputFields"]
        for event in events
        for output in event["outputs"]
        for column, made in output["facets"].get("columnLineage", {}).get("fields", {}).items()
    }


def walk(events: list[dict[str, Any]], start: Column) -> Iterator[tuple[Column, dict[str, Any]]]:
    """Each (column, input field) on the way from *start* back."""
    made, pending, seen = columns_of(events), [start], set[Column]()
    while pending:
        column = pending.pop()
        if column not in seen:
            seen.add(column)
            for source in made.get(column, ()):
                yield column, source
                pending.append((source["name"], source["field"]))


def test_the_walk_from_a_model_ends_in_exactly_the_columns_that_features_and_label_use(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    yard, _ = done
    start = (f"registry/{FLIGHTS.name}/1", "prediction")
    ends = {
        (source["name"].removeprefix("production/"), source["field"])
        for _, source in walk(delivered, start)
        if source["name"].startswith("production/")
    }
    declared = declare(FLIGHTS, yard.platform.contracts)
    keys = set(FLIGHTS.target.key)
    used = {
        source
        for origin in declared.origins
        if origin.column not in keys | {"predicted_at"}
        for source in origin.sources
    }
    assert ends == used
    assert ends >= {("flights", "arrival_delay"), ("flights", "distance"), ("weather", "temp"), ("planes", "seats")}
    scope = {(part.dataset, name) for part in declared.scope.datasets for name in part.names}
    assert ends <= scope


def test_every_step_of_the_walk_is_another_data_set_that_an_event_made(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    yard, _ = done
    declared = declare(FLIGHTS, yard.platform.contracts)
    counts = {(f"features/{FLIGHTS.name}/{each.table}", each.column) for each in declared.origins if not each.sources}
    made = columns_of(delivered).keys() | counts  # a number of rows comes from no column
    rooms = ["registry", "model", "training", "features", "snapshot", "production"]
    for (name, _), source in walk(delivered, (f"registry/{FLIGHTS.name}/1", "prediction")):
        here, there = name.split("/")[0], source["name"].split("/")[0]
        assert rooms.index(there) == rooms.index(here) + 1
        assert there == "production" or (source["name"], source["field"]) in made


def test_what_decides_the_rows_of_a_feature_table_is_told_with_its_join_keys_and_filters(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    """With it the trail from the feature tables covers all that the night's own expressions read."""
    yard, _ = done
    told = {
        (source["name"].removeprefix(f"snapshot/{FLIGHTS.name}/"), source["field"])
        for event in delivered
        for output in event["outputs"]
        if output["name"].startswith("features/")
        for source in output["facets"]["columnLineage"]["dataset"]
    }
    assert ("planes", "tailnum") in told  # a join key: in no feature
    keys = {
        (part.dataset, name) for part in declare(FLIGHTS, yard.platform.contracts).scope.datasets for name in part.names
    }
    assert told <= keys
    used = {source for origin in declare(FLIGHTS, yard.platform.contracts).origins for source in origin.sources}
    assert used <= told


def test_a_token_is_marked_as_masked_and_nothing_else_is(delivered: list[dict[str, Any]]) -> None:
    masked = {
        (source["name"], source["field"])
        for sources in columns_of(delivered).values()
        for source in sources
        if any(step.get("masking") for step in source["transformations"])
    }
    assert masked == {("production/flights", "tailnum"), ("production/planes", "tailnum")}


def test_what_one_step_makes_the_next_takes_in_the_same_version(delivered: list[dict[str, Any]]) -> None:
    versions: dict[str, set[str]] = {}
    for event in delivered:
        for dataset in (*event["inputs"], *event["outputs"]):
            versions.setdefault(dataset["name"], set()).add(dataset["facets"]["version"]["datasetVersion"])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_a_column_of_the_source_is_named_only_if_the_night_was_granted_it(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    yard, night = done
    scope = steps.scope_of(yard.platform, night.run)
    shown = {
        (dataset["name"].removeprefix("production/"), field["name"])
        for event in delivered
        for dataset in event["inputs"]
        if dataset["name"].startswith("production/")
        for field in dataset["facets"]["schema"]["fields"]
    }
    assert shown == {(part.dataset, name) for part in scope.datasets for name in part.names}


def test_a_night_that_reuses_everything_is_told_as_the_first_was(yard: Yard, tmp_path: Path) -> None:
    """So that the walk from a later version does not depend on an earlier night's events."""
    yard.night()
    deliver_to_file(yard.platform.ledger, tmp_path / "first.jsonl")
    (tmp_path / "first.jsonl").rename(tmp_path / "delivered.jsonl")
    yard.night(run_id="again")
    deliver_to_file(yard.platform.ledger, tmp_path / "first.jsonl")

    def told(name: str) -> dict[str, tuple[Any, Any]]:
        events = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        return {event["job"]["name"]: (event["inputs"], event["outputs"]) for event in events}

    assert told("first.jsonl") == told("delivered.jsonl")


@pytest.fixture(scope="session")
def violations() -> Callable[[dict[str, Any]], list[str]]:
    """The validator of the OpenLineage specification's own schemas."""
    folder = os.environ.get("TRAINYARD_TEST_OPENLINEAGE")
    if not folder:
        pytest.skip("TRAINYARD_TEST_OPENLINEAGE names no folder with the specification's schemas and validate.py")
    spec = importlib.util.spec_from_file_location("openlineage_validator", Path(folder) / "validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[dict[str, Any]], list[str]] = module.violations
    return found


def test_every_event_is_valid_by_the_specification(
    delivered: list[dict[str, Any]], violations: Callable[[dict[str, Any]], list[str]]
) -> None:
    assert len(delivered) >= 7
    assert [sentence for event in delivered for sentence in violations(event)] == []


def test_the_run_that_made_a_version_names_its_night_and_its_instant(delivered: list[dict[str, Any]]) -> None:
    (event,) = [each for each in delivered if each["job"]["name"] == f"{FLIGHTS.name}.promote"]
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == INSTANT.isoformat()
    nights = {each["run"]["facets"]["parent"]["run"]["runId"] for each in delivered}
    assert len(nights) == 1


def test_two_nights_do_not_share_a_version_of_the_features(yard: Yard, tmp_path: Path) -> None:
    yard.night()
    yard.night(run_id="second", instant=INSTANT + LATER)
    deliver_to_file(yard.platform.ledger, tmp_path / "events.jsonl")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    made = [
        (output["name"], output["facets"]["version"]["datasetVersion"])
        for event in events
        if event["job"]["name"] == f"{FLIGHTS.name}.features"
        for output in event["outputs"]
    ]
    assert len(made) == len(set(made))
    assert {event["outputs"][0]["name"] for event in events if event["job"]["name"] == f"{FLIGHTS.name}.promote"} == {
        f"registry/{FLIGHTS.name}/1",
        f"registry/{FLIGHTS.name}/2",
    }
