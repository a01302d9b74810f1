"""From the delivered OpenLineage file alone one walks from a registered model back to the columns of production."""

import importlib.util
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from include import steps
from include.core import streams
from include.core.errors import AccessDenied, NothingToWatch
from include.core.events import PodEnded
from include.core.records import Plan, Snapshot
from include.declared.declaration import declare
from include.ledger.delivery import deliver_to_file
from include.lineage import emission
from include.lineage import walk as walk_of
from include.runtime.upkeep.lineage import graph
from include.settings import ROOT
from include.steps.platform import failure_reported
from tests.night.yard import FLIGHTS, INSTANT, LATER, NOW, Night, Yard

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
    keys = set(FLIGHTS.learning.target.key)
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


Node = tuple[str, ...]  # ("run", id) or (data set, version)


def edges_of(events: list[dict[str, Any]]) -> list[tuple[Node, Node]]:
    """From each data set to the run that took it, and from each run to what it made."""
    edges: list[tuple[Node, Node]] = []
    for event in events:
        run = ("run", event["run"]["runId"])
        edges += [(node_of(dataset), run) for dataset in event["inputs"]]
        edges += [(run, node_of(dataset)) for dataset in event["outputs"]]
    return edges


def node_of(dataset: dict[str, Any]) -> Node:
    return (dataset["name"], dataset["facets"]["version"]["datasetVersion"])


def reached(start: Node, edges: list[tuple[Node, Node]]) -> set[Node]:
    """What one comes to from *start* along *edges*."""
    found, pending = {start}, [start]
    while pending:
        here = pending.pop()
        for there in [end for begin, end in edges if begin == here]:
            if there not in found:
                found.add(there)
                pending.append(there)
    return found


def test_the_whole_night_is_one_connected_graph_from_every_source_to_the_promotion(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    """Data sets are the same only if name and version are: one that a step took in another version would lie apart."""
    edges = edges_of(delivered)
    nodes = {node for edge in edges for node in edge}
    undirected = edges + [(end, begin) for begin, end in edges]
    assert reached(edges[0][0], undirected) == nodes

    _, night = done
    (registered,) = [node for node in nodes if node[0] == f"registry/{FLIGHTS.name}/{night.promotion.version}"]
    sources = {node for node in nodes if node[0].startswith("production/")}
    assert {name for name, _ in sources} == {"production/flights", "production/planes", "production/weather"}
    assert all(registered in reached(source, edges) for source in sources)
    trials = {node for node in nodes if node[0].startswith("trials/")}
    assert len(trials) == 2
    for named in (*trials, (f"evaluation/{FLIGHTS.name}", night.digests["evaluate"])):
        assert registered in reached(named, edges)
    assert (f"validation/{FLIGHTS.name}", night.digests["validate"]) in nodes


def test_what_was_checked_of_a_data_set_is_told_without_a_value(delivered: list[dict[str, Any]]) -> None:
    (event,) = [each for each in delivered if each["job"]["name"] == f"{FLIGHTS.name}.validate"]
    checked = {
        (one["assertion"], one.get("column"), one["severity"], one["success"])
        for dataset in event["inputs"]
        for one in dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
    }
    assert ("expect_column_values_to_be_between", "distance", "error", True) in checked
    assert ("expect_column_values_to_not_be_null", "wind_speed", "warn", True) in checked


def test_a_night_that_reuses_everything_is_told_as_the_first_was(past: tuple[Yard, Night], tmp_path: Path) -> None:
    """So that the walk from a later version does not depend on an earlier night's events."""
    yard, _ = past
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


def test_every_completed_step_carries_the_grants_in_force_by_the_published_schema(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    yard, _ = done
    (schema,) = (
        json.loads(file.read_text()) for file in (ROOT / "docs" / "lineage").glob("AccessGrantsRunFacet-*.json")
    )
    held = {grant.grant_id for grant in yard.platform.access.grants(FLIGHTS.name, now=NOW)}
    for event in delivered:
        facet = event["run"]["facets"]["trainyard_accessGrants"]
        assert list(Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(facet)) == []
        assert {grant["grantId"] for grant in facet["grants"]} == held


def test_a_step_that_fails_is_told_to_have_failed_and_completes_as_the_same_run(
    yard: Yard, tmp_path: Path, violations: Callable[[dict[str, Any]], list[str]]
) -> None:
    run = steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    with pytest.raises(AccessDenied) as denied:
        steps.snapshot(yard.platform, FLIGHTS, run, now=NOW + 3650 * LATER)
    steps.snapshot(yard.platform, FLIGHTS, run, now=NOW)
    deliver_to_file(yard.platform.ledger, tmp_path / "events.jsonl")
    failed, completed = (json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())
    assert (failed["eventType"], completed["eventType"]) == ("FAIL", "COMPLETE")
    assert failed["run"]["runId"] == completed["run"]["runId"]
    assert failed["run"]["facets"]["parent"] == completed["run"]["facets"]["parent"]
    assert failed["run"]["facets"]["errorMessage"]["message"] == str(denied.value)
    assert (failed["inputs"], failed["outputs"]) == ([], [])
    assert violations(failed) == []
    assert [step.outputs for step in graph(yard.settings, FLIGHTS.name).steps] != [()]


def test_of_a_foreign_error_only_its_type_is_told_and_nothing_to_watch_is_no_failure(
    yard: Yard, tmp_path: Path
) -> None:
    run = steps.begin(yard.platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    with pytest.raises(KeyError), failure_reported(yard.platform, FLIGHTS, run, "plan", now=NOW):
        raise KeyError("N14228")
    with pytest.raises(NothingToWatch), failure_reported(yard.platform, FLIGHTS, run, "score", now=NOW):
        raise NothingToWatch("a watch has days to judge", value="none", remedy="Wait.")
    deliver_to_file(yard.platform.ledger, tmp_path / "events.jsonl")
    (failed,) = (json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines())
    assert (failed["job"]["name"], failed["eventType"]) == (f"{FLIGHTS.name}.plan", "FAIL")
    assert failed["run"]["facets"]["errorMessage"]["message"] == "KeyError"
    assert "N14228" not in json.dumps(failed)


def test_the_run_that_made_a_version_names_its_night_and_its_instant(delivered: list[dict[str, Any]]) -> None:
    (event,) = [each for each in delivered if each["job"]["name"] == f"{FLIGHTS.name}.promote"]
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == INSTANT.isoformat()


def test_every_event_names_the_night_as_its_parent_and_root_where_nothing_else_called_it(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]]
) -> None:
    _, night = done
    assert len({each["run"]["runId"] for each in delivered}) == len(delivered)
    for event in delivered:
        facet = event["run"]["facets"]["parent"]
        for named in (facet, facet["root"]):
            assert named["run"]["runId"] == emission.run_uuid(night.run, "night")
            assert (named["job"]["namespace"], named["job"]["name"]) == ("trainyard", f"{FLIGHTS.name}.night")
        tags = {tag["key"]: tag["value"] for tag in event["run"]["facets"]["tags"]["tags"]}
        assert tags == {"trainyard_run": night.run.run_id, "code_digest": night.run.code_digest}


def test_a_step_that_airflow_runs_names_the_task_and_the_dag_run(yard: Yard, tmp_path: Path) -> None:
    task = emission.RunReference(namespace="ops", job="train_p.snapshot", run_id=str(uuid.UUID(int=1)))
    dag_run = emission.RunReference(namespace="ops", job="train_p", run_id=str(uuid.UUID(int=2)))
    yard.grant(FLIGHTS)
    platform = replace(yard.platform, parents=emission.ParentRuns(parent=task, root=dag_run))
    run = steps.begin(platform, FLIGHTS, run_id="night", instant=INSTANT, now=NOW)
    steps.snapshot(platform, FLIGHTS, run, now=NOW)
    deliver_to_file(platform.ledger, tmp_path / "events.jsonl")
    (event,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    facet = event["run"]["facets"]["parent"]
    assert (facet["job"]["name"], facet["run"]["runId"]) == (task.job, task.run_id)
    assert (facet["root"]["job"]["name"], facet["root"]["run"]["runId"]) == (dag_run.job, dag_run.run_id)


def test_a_watch_hangs_together_with_the_model_that_it_watches_and_with_the_night_that_it_asks_for(
    done: tuple[Yard, Night], delivered: list[dict[str, Any]], violations: Callable[[dict[str, Any]], list[str]]
) -> None:
    yard, night = done
    name, version = FLIGHTS.name, night.promotion.version
    taken = yard.platform.load(Snapshot, night.digests["snapshot"])
    tables = walk_of.snapshots(taken, yard.platform.contracts)
    scored = walk_of.scores(name, version, "sha256:s", rows=7)
    reference = walk_of.reference(name, version, "sha256:r")
    report, judged = walk_of.drift_report(name, "sha256:d"), walk_of.verdict(name, "sha256:v")
    chain = [
        ("score", [*walk_of.champion(name, version, night.promotion.bundle), *tables], scored),
        ("drift", [*scored, *reference], report),
        ("verdict", report, judged),
    ]
    watch = [
        json.loads(emission.event(run=night.run, project=FLIGHTS, step=step, at=NOW, inputs=took, outputs=made))
        for step, took, made in chain
    ]
    assert [sentence for event in watch for sentence in violations(event)] == []
    edges = edges_of([*delivered, *watch])
    (source,) = {begin for begin, _ in edges if begin[0] == "production/flights"}
    assert (f"verdict/{name}", "sha256:v") in reached(source, edges)


def test_a_shard_tells_what_it_searched(done: tuple[Yard, Night], delivered: list[dict[str, Any]]) -> None:
    yard, night = done
    (event,) = [each for each in delivered if each["job"]["name"] == f"{FLIGHTS.name}.train-1"]
    told = {one["key"]: one["value"] for one in event["run"]["facets"]["executionParameters"]["parameters"]}
    seed = yard.platform.load(Plan, night.digests["plan"]).seed
    assert told == {
        "shard": "1",
        "trials": "2",
        "rungs": "[5, 10, 20]",
        "reduction": str(FLIGHTS.learning.search.reduction),
        "seed": str(seed),
    }


def test_two_nights_do_not_share_a_version_of_the_features(past: tuple[Yard, Night], tmp_path: Path) -> None:
    yard, _ = past
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


def test_a_shard_that_was_trained_in_a_pod_tells_which_on_what_node_and_of_what_image(
    yard: Yard, tmp_path: Path
) -> None:
    def end_a_pod(step: str) -> None:
        if step == "train-1":
            for pod in ("lost", "kept"):
                event = PodEnded(
                    project=FLIGHTS.name,
                    run_id="night",
                    step="train-1",
                    order_id="o-1",
                    pod=pod,
                    node="n2",
                    image="trainer:1",
                    image_digest=None if pod == "lost" else "sha256:i",
                    code_digest="sha256:c",
                    outcome="succeeded",
                    exit_code=0,
                    message="",
                )
                yard.platform.ledger.record(streams.run(FLIGHTS.name, "night"), event)

    yard.night(before=end_a_pod)
    deliver_to_file(yard.platform.ledger, tmp_path / "events.jsonl")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    told = {
        event["job"]["name"]: {tag["key"]: tag["value"] for tag in event["run"]["facets"]["tags"]["tags"]}
        for event in events
    }
    assert told[f"{FLIGHTS.name}.train-1"].items() >= {
        ("pod", "kept"), ("node", "n2"), ("image", "trainer:1"), ("image_digest", "sha256:i"),
    }  # fmt: skip
    assert "pod" not in told[f"{FLIGHTS.name}.train-0"]
