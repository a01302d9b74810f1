"""Nights up to their plan, in deployments whose vaults are in the object store: what pods then train."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from include import steps
from include.core.project import Project
from include.core.records import Run
from include.runtime.pods.request import PodRequest
from include.runtime.pods.shards import StepInPods
from tests.night.yard import INSTANT, Yard, template
from tests.runtime_pods.world import Attended, Namespace


def deployments(
    folder: Path, *names: str, production: Path, bucket: str, namespace: Namespace, image: str, project: Project
) -> tuple[Yard, ...]:
    """Deployments that share nothing but their keys and the production data; what *project* reads is granted."""
    new_home = template(folder / "template")

    def made(name: str) -> Yard:
        yard = Yard.built(folder / name, production, new_home)
        yard.settings = replace(
            yard.settings, vault=f"{bucket}/{uuid.uuid4().hex}", namespace=namespace.name, trainer_image=image
        )
        yard.grant(project, now=datetime.now(UTC))
        return yard

    return tuple(made(name) for name in names)


def planned(yard: Yard, project: Project, *, run_id: str) -> tuple[Run, str]:
    """A night up to its plan."""
    now = datetime.now(UTC)
    run = steps.begin(yard.platform, project, run_id=run_id, instant=INSTANT, now=now)
    return run, yard.steps(project, run, until="plan", now=now)["plan"]


def begun(yard: Yard, project: Project, *, run_id: str) -> tuple[StepInPods, Attended]:
    """The only shard of a night, whose pod is attended from here on.

    Deployments that share a namespace and the run's id have nothing that tells their pods apart but whose they are.
    """
    return placed(yard, project, *planned(yard, project, run_id=run_id), 0)


def placed(yard: Yard, project: Project, run: Run, plan: str, shard: int | None) -> tuple[StepInPods, Attended]:
    """A shard of the night, or the refit of its winner (``None``), whose pod is attended from here on."""
    step = StepInPods(settings=yard.settings, platform=yard.platform, project=project, run=run, plan=plan, shard=shard)
    request = step.begin(note=print)
    assert isinstance(request, PodRequest)
    return step, Attended(request=request, placed=True).start()
