"""Lineage events read back as one graph: which step took which data set in which version, and what it made of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.lineage.datasets import NAMESPACE, PRODUCER, DatasetType
from include.lineage.emission import step_uuid

#: (name, version): a data set in another version is another one.
Key = tuple[str, str]

#: A step with more parts than that (the shards of a search) is drawn as one.
PARTS_SHOWN = 6

#: How many runs back a run is followed: from a retraining over the watch that asked for it to the night before.
_RUNS_BACK = 2


@dataclass(frozen=True, kw_only=True)
class DatasetNode:
    """A data set in one version. ``parts``: how many alike it stands for."""

    name: str
    version: str
    type: DatasetType
    columns: tuple[str, ...]
    rows: int | None
    parts: int = 1

    @property
    def key(self) -> Key:
        return self.name, self.version


@dataclass(frozen=True, kw_only=True)
class StepNode:
    """A step, by its OpenLineage ``run_id``, with what it took and made. ``run`` is the night's or the watch's id.

    ``details`` are words about it.
    """

    run_id: str
    run: str
    name: str
    at: datetime
    instant: str
    details: tuple[str, ...]
    inputs: tuple[Key, ...]
    outputs: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Steps in the order of their times, and every data set that one of them took or made."""

    project: str
    run: str
    steps: tuple[StepNode, ...]
    datasets: Mapping[Key, DatasetNode]

    @property
    def instant(self) -> str:
        """What the data knew, in ISO 8601."""
        return self.steps[-1].instant


def graph_of(events: Iterable[str], *, project: str, run: str | None = None) -> Graph:
    """The lineage of a run of *project* (none: of the last one) and of the runs whose data sets it took.

    *events* are OpenLineage events (JSON) in the order in which they were recorded, those of others among them. Of a
    step that ran twice the last event counts; one that failed took and made nothing.

    Raises:
        DeclarationError: there is no event of that run.
    """
    told = [json.loads(event) for event in events if PRODUCER in event and f'"{project}.' in event]
    ours = {event["run"]["runId"]: event for event in told if _is_ours(event, project)}
    wanted = run if run is not None else _last_run(list(ours.values()))
    chosen = {key: event for key, event in ours.items() if wanted and _is_of(event, project, wanted)}
    if not wanted or not chosen:
        raise DeclarationError(
            "lineage is drawn of a run that has recorded some",
            value=f"{project!r}: " + (f"no event of run {run!r}" if run else "no event at all"),
            remedy=f"Runs with lineage: {sorted(set(filter(None, map(_run_of, ours.values()))))[-10:] or 'none'}.",
        )
    for _ in range(_RUNS_BACK):
        chosen |= {event["run"]["runId"]: event for event in _makers(chosen.values(), list(ours.values()), project)}
    steps = sorted((_step(event, project) for event in chosen.values()), key=lambda step: step.at)
    return Graph(project=project, run=wanted, steps=tuple(steps), datasets=_datasets(chosen.values()))


def with_shards_joined(graph: Graph) -> Graph:
    """*graph*, with the shards of a run as one step and their trials as one data set where there are many."""
    joined = graph
    for run in dict.fromkeys(step.run for step in graph.steps):
        shards = [step for step in graph.steps if step.run == run and step.name.startswith("train-")]
        if len(shards) > PARTS_SHOWN:
            joined = _joined(joined, shards)
    return joined


def _joined(graph: Graph, shards: list[StepNode]) -> Graph:
    made = sorted({key for step in shards for key in step.outputs})
    key: Key = (f"trials/{graph.project}", record_digest(made))
    whole = replace(
        shards[-1],
        name="train",
        details=(f"{len(shards)} shards",),
        inputs=tuple(sorted({key for step in shards for key in step.inputs})),
        outputs=(key,),
    )
    node = replace(graph.datasets[made[0]], name=key[0], version=key[1], parts=len(made))
    steps = [
        replace(step, inputs=tuple(dict.fromkeys(key if each in made else each for each in step.inputs)))
        for step in sorted([*(step for step in graph.steps if step not in shards), whole], key=lambda step: step.at)
    ]
    datasets = {name: each for name, each in graph.datasets.items() if name not in made} | {key: node}
    return replace(graph, steps=tuple(steps), datasets=datasets)


def _is_ours(event: Mapping[str, Any], project: str) -> bool:
    made = event.get("producer") == PRODUCER and event["eventType"] == "COMPLETE"
    return made and str(event["job"]["name"]).startswith(f"{project}.")


def _is_of(event: Mapping[str, Any], project: str, run: str) -> bool:
    return bool(event["run"]["runId"] == step_uuid(project, run, _step_name(event, project)))


def _step_name(event: Mapping[str, Any], project: str) -> str:
    return str(event["job"]["name"]).removeprefix(f"{project}.")


def _tags(event: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in event["run"]["facets"].get("tags", {}).get("tags", ())}


def _run_of(event: Mapping[str, Any]) -> str | None:
    return _tags(event).get("trainyard_run")


def _last_run(events: list[dict[str, Any]]) -> str | None:
    latest = max(events, key=lambda event: str(event["eventTime"]), default=None)
    return None if latest is None else _run_of(latest)


def _makers(
    chosen: Iterable[Mapping[str, Any]], events: list[dict[str, Any]], project: str
) -> Iterator[dict[str, Any]]:
    """All events of the latest runs that made what *chosen* took and did not make."""
    taken = {_key(dataset) for event in chosen for dataset in event["inputs"]}
    missing = taken - {_key(dataset) for event in chosen for dataset in event["outputs"]}
    for key in missing:
        makers = [event for event in events if any(_key(dataset) == key for dataset in event["outputs"])]
        run = _last_run(makers)
        if run is not None:
            yield from (event for event in events if _is_of(event, project, run))


def _key(dataset: Mapping[str, Any]) -> Key:
    name, namespace = str(dataset["name"]), dataset.get("namespace", NAMESPACE)
    shown = name if namespace == NAMESPACE else f"{namespace}/{name}"
    return shown, str(dataset["facets"]["version"]["datasetVersion"])


def _step(event: Mapping[str, Any], project: str) -> StepNode:
    facets = event["run"]["facets"]
    given = {one["key"]: one["value"] for one in facets.get("executionParameters", {}).get("parameters", ())}
    details = [f"{given['trials']} trials"] if "trials" in given else []
    details += _checked(event)
    details += [f"{key} {value}" for key, value in _tags(event).items() if key in {"pod", "node"}]
    return StepNode(
        run_id=event["run"]["runId"],
        run=_run_of(event) or "",
        name=_step_name(event, project),
        at=datetime.fromisoformat(event["eventTime"]),
        instant=facets["nominalTime"]["nominalStartTime"],
        details=tuple(details),
        inputs=tuple(_key(dataset) for dataset in event["inputs"]),
        outputs=tuple(_key(dataset) for dataset in event["outputs"]),
    )


def _checked(event: Mapping[str, Any]) -> list[str]:
    facets = [dataset.get("inputFacets", {}).get("dataQualityAssertions") for dataset in event["inputs"]]
    checks = [check for facet in facets if facet for check in facet["assertions"]]
    failed = sum(not check["success"] for check in checks)
    return [f"{len(checks)} checks, {failed} failed"] if checks else []


def _datasets(events: Iterable[Mapping[str, Any]]) -> dict[Key, DatasetNode]:
    """Each data set as it was made, or as it was taken where nobody here made it."""
    events = list(events)
    taken = [dataset for event in events for dataset in event["inputs"]]
    made = [dataset for event in events for dataset in event["outputs"]]
    return {_key(dataset): _dataset(dataset) for dataset in (*taken, *made)}


def _dataset(dataset: Mapping[str, Any]) -> DatasetNode:
    name, version = _key(dataset)
    facets = dataset["facets"]
    return DatasetNode(
        name=name,
        version=version,
        type=DatasetType(facets.get("datasetType", {}).get("datasetType", DatasetType.TABLE)),
        columns=tuple(field["name"] for field in facets.get("schema", {}).get("fields", ())),
        rows=dataset.get("outputFacets", {}).get("outputStatistics", {}).get("rowCount"),
    )
