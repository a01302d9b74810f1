"""How production data is named in the events of a night, wherever it lies."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.core.records import DatasetScope, Days, Run, Scope, Snapshot, Treatment
from include.lineage import graph, walk
from include.lineage.emission import event
from include.projects.flight_delay import PROJECT
from tests.data.sales import sales_contract

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def snapshot_event(location: str) -> dict[str, Any]:
    """The event of a step that froze the sales that lie at *location*."""
    scope = DatasetScope(
        dataset="sales", contract_digest="sha256:c", columns=(("shop", Treatment.TOKEN),), window_days=None
    )
    taken = Snapshot(
        project=PROJECT.name,
        instant=NOW,
        scope=Scope(project=PROJECT.name, purpose="tests", datasets=(scope,)),
        days=Days(first=date(2026, 1, 1), last=date(2026, 2, 1)),
        last_matured=date(2026, 2, 1),
        partitions=(),
    )
    run = Run(
        project=PROJECT.name,
        run_id="night",
        instant=NOW,
        code_digest="sha256:code",
        declaration_digest="sha256:declaration",
        fence=1,
    )
    contracts = {"sales": replace(sales_contract(), location=location)}
    took, made = walk.sources(taken, contracts), walk.snapshots(taken, contracts)
    text = event(run=run, project=PROJECT, step="snapshot", at=NOW, inputs=took, outputs=made)
    assert [node.name for node in graph.graph_of([text], project=PROJECT.name).datasets.values()]
    told: dict[str, Any] = json.loads(text)
    return told


@pytest.mark.parametrize(
    ("location", "named"),
    [("${TRAINYARD_PRODUCTION}/sales", ("trainyard", "production/sales")), ("s3://lake/sales", ("s3://lake", "sales"))],
)
def test_production_data_is_an_input_and_the_source_of_columns_by_one_name(
    location: str, named: tuple[str, str]
) -> None:
    told = snapshot_event(location)
    (taken,) = told["inputs"]
    (source,) = told["outputs"][0]["facets"]["columnLineage"]["fields"]["shop"]["inputFields"]
    assert (taken["namespace"], taken["name"]) == (source["namespace"], source["name"]) == named
    assert told["outputs"][0]["namespace"] == "trainyard"
