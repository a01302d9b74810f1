"""The real trainer, taken from its node while it trains: another goes on from the trials that it stored."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include import steps
from include.core.events import PodEnded, TrialRecorded
from include.core.project import Compute, Project
from include.runtime.pods.endings import PodOutcome
from tests.night.yard import FLIGHTS, Yard
from tests.runtime_pods.nights import begun, deployments, planned
from tests.runtime_pods.world import Attended, Namespace

TRIALS = 24


def project_of(rounds: int, compute: Compute) -> Project:
    """Trials that take a while each; those of other *rounds* are others, in the same deployment too."""
    return FLIGHTS.varied(
        search=replace(FLIGHTS.learning.search, trials=TRIALS, shards=1, rungs=(rounds,), reduction=1),
        operations=replace(FLIGHTS.operations, compute=compute),
    )


SMALL = Compute(cpus=0.5, memory_mib=512, ephemeral_storage_mib=256, maximum_minutes=10)
EVICTED, DRAINED = project_of(150, SMALL), project_of(151, replace(SMALL, accelerators=1))


@pytest.fixture(scope="module")
def yards(
    tmp_path_factory: pytest.TempPathFactory,
    production: Path,
    s3_bucket: str,
    namespace: Namespace,
    trainer_image: str,
) -> tuple[Yard, ...]:
    folder = tmp_path_factory.mktemp("lost")
    given = {"production": production, "bucket": s3_bucket, "namespace": namespace, "image": trainer_image}
    return deployments(folder, "disturbed", "quiet", project=EVICTED, **given)


def trained(attended: Attended) -> list[str]:
    """The trials whose end a pod has told."""
    return re.findall(r"^trainyard: trial (\w+) ", "\n".join(attended.lines), flags=re.MULTILINE)


@contextmanager
def lost(yard: Yard, project: Project, namespace: Namespace) -> Iterator[Attended]:
    """A shard that is trained while the block takes its pod away; then it ends as if nothing had been."""
    shard, attended = begun(yard, project, run_id=f"night of {project.learning.search.rungs[0]}")
    try:
        attended.until(lambda: len(trained(attended)) >= 2, seconds=90)
        yield attended
        attended.ended(seconds=180)
        assert [ending.outcome for ending in attended.endings] == [PodOutcome.LOST, PodOutcome.DONE], attended.lines
        shard.finish(attended.request, attended.endings)
    finally:
        steps.finish(shard.platform, shard.run)
    stored = [int(found) for found in re.findall(r"trials, (\d+) already stored", "\n".join(attended.lines))]
    assert stored[0] == 0
    assert 2 <= stored[1] < TRIALS, "what the first pod stored is skipped by the second"
    assert len(trained(attended)) == len(set(trained(attended))), "no trial is trained twice"
    assert not namespace.get("secrets", attended.request.selector)
    attended.until(lambda: not namespace.get("pods", attended.request.selector))


def test_an_evicted_trainer_is_followed_by_one_that_skips_what_is_stored(
    yards: tuple[Yard, ...], namespace: Namespace
) -> None:
    """And the shard has the digest of one that was trained here, undisturbed."""
    disturbed, quiet = yards
    with lost(disturbed, EVICTED, namespace) as attended:
        name = attended.request.pod_name(0)
        about = {"name": name, "namespace": namespace.name}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about}
        path = f"/api/v1/namespaces/{namespace.name}/pods/{name}/eviction"
        namespace.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))

    run, plan = planned(quiet, EVICTED, run_id="here")
    steps.train(quiet.platform, EVICTED, run, plan, 0, now=datetime.now(UTC))
    steps.finish(quiet.platform, run)
    ours, theirs = (
        {event.trial.trial_id: event.trial for event in yard.events(TrialRecorded) if isinstance(event, TrialRecorded)}
        for yard in yards
    )
    assert ours == theirs
    assert len(disturbed.events(TrialRecorded)) == TRIALS, "no trial is recorded twice"


def test_a_trainer_whose_node_is_drained_goes_on_when_there_is_another_place(
    yards: tuple[Yard, ...], namespace: Namespace
) -> None:
    before = len(yards[0].events(TrialRecorded))
    drain = ("drain", "n2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
    with lost(yards[0], DRAINED, namespace) as attended:
        try:
            namespace.kubectl(*drain, f"--pod-selector={attended.request.selector}")
            attended.until(lambda: any("unschedulable" in note for note in attended.notes))
        finally:
            namespace.kubectl("uncordon", "n2")
    assert len(yards[0].events(TrialRecorded)) - before == TRIALS, "no trial is recorded twice"
    last = [event for event in yards[0].events(PodEnded) if isinstance(event, PodEnded)][-2:]
    assert [(event.outcome, event.node) for event in last] == [("lost", "n2"), ("done", "n2")]
