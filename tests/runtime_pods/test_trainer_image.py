"""The trainer's image, run as training pods run it: what it holds, and that it trains on an accelerator's path."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.markers import default_environment

from include import steps
from include.core.events import PodEnded, TrialRecorded
from include.core.project import Compute, Project
from include.core.records import Evaluation, Plan, Run, Trial, TrialState
from include.runtime.pods.endings import PodOutcome
from include.runtime.pods.request import PodRequest, pod_manifest
from tests.night.yard import FLIGHTS, Yard
from tests.runtime_pods.nights import deployments, placed, planned
from tests.runtime_pods.world import SMALL, Attended, Namespace, request_in
from tests.test_requirements import versions

#: Says what the image holds, and what the pod may do to it.
INSIDE = """
import importlib.metadata, json, os, pathlib
here = pathlib.Path("/opt/trainyard/include")
try:
    pathlib.Path("/opt/trainyard/altered").touch()
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "packages": {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()},
    "rooms": sorted(path.name for path in here.iterdir() if path.name != "__pycache__"),
    "data": sorted(path.name for path in (here / "data").glob("*.py")),
    "user": os.getuid(), "writable": writable,
}))
"""

GPU_FLIGHTS = FLIGHTS.varied(
    search=replace(
        FLIGHTS.learning.search,
        trials=2,
        shards=1,
        rungs=(5, 10),
        fixed={**FLIGHTS.learning.search.fixed, "device_type": "gpu", "gpu_use_dp": True},
    ),
    operations=replace(
        FLIGHTS.operations,
        compute=Compute(accelerators=1, memory_mib=1536, ephemeral_storage_mib=512, maximum_minutes=10),
    ),
)


def asked(namespace: Namespace, trainer_image: str) -> PodRequest:
    request = request_in(namespace.name, "", image=trainer_image, compute=replace(SMALL, memory_mib=256))
    return replace(request, command=("python", "-c", INSIDE))


def test_the_image_holds_what_trains_a_shard_at_the_platforms_versions_and_nothing_else(
    namespace: Namespace, trainer_image: str
) -> None:
    attended = Attended(request=asked(namespace, trainer_image)).start().ended()

    assert attended.last.outcome is PodOutcome.DONE, (attended.last, attended.lines)
    inside = json.loads(attended.lines[-1])
    pinned = versions("requirements.txt", {**default_environment()})
    assert inside["packages"] == {
        name: pinned[name] for name in ("lightgbm", "narwhals", "numpy", "scipy", "threadpoolctl")
    }
    assert inside["rooms"] == ["__init__.py", "__main__.py", "core", "data", "elsewhere", "learner", "training"]
    assert inside["data"] == ["__init__.py", "losses.py"]  # nothing that reads data
    assert (inside["user"], inside["writable"]) == (65532, False)


def test_the_image_itself_names_a_user_that_is_not_root(namespace: Namespace, trainer_image: str) -> None:
    """The node refuses to start it otherwise: nothing else names a user here."""
    manifest = pod_manifest(asked(namespace, trainer_image), 0, now=datetime.now(UTC))
    name = manifest["metadata"]["name"]
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        del manifest["spec"]["securityContext"][key]
    manifest["spec"]["volumes"][0] = {"name": "order", "emptyDir": {}}  # it is not asked to train

    namespace.apply(manifest)
    namespace.kubectl(
        "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "-n", namespace.name, "--timeout=60s"
    )

    assert json.loads(namespace.kubectl("logs", name, "-n", namespace.name))["user"] == 65532


@pytest.fixture(scope="module")
def yards(
    tmp_path_factory: pytest.TempPathFactory,
    production: Path,
    s3_bucket: str,
    namespace: Namespace,
    trainer_image: str,
) -> tuple[Yard, ...]:
    folder = tmp_path_factory.mktemp("accelerator")
    given = {"production": production, "bucket": s3_bucket, "namespace": namespace, "image": trainer_image}
    return deployments(folder, "first", "second", project=GPU_FLIGHTS, **given)


def recorded(yard: Yard) -> list[Trial]:
    return [event.trial for event in yard.events(TrialRecorded) if isinstance(event, TrialRecorded)]


def in_two_pods(yards: tuple[Yard, ...], nights: list[tuple[Run, str]], shard: int | None) -> str:
    """What the step of both deployments returns, each done in a pod: one digest."""
    in_pods = [placed(yard, GPU_FLIGHTS, run, plan, shard) for yard, (run, plan) in zip(yards, nights, strict=True)]
    for _, attended in in_pods:
        ending = attended.ended(seconds=400).last
        assert ending.outcome is PodOutcome.DONE, (ending, attended.lines)
    first, second = (step.finish(attended.request, attended.endings) for step, attended in in_pods)
    assert first == second
    return first


def test_two_pods_train_and_refit_on_the_accelerators_path_to_one_digest_which_is_not_the_processors(
    yards: tuple[Yard, ...],
) -> None:
    """Kernels are compiled and cached under a read-only root. Where OpenCL has no device, the pod ends with 71.

    This process has none, and neither orders nor judges less for it.
    """
    nights = [planned(yard, GPU_FLIGHTS, run_id="night") for yard in yards]
    yard, (run, plan) = yards[0], nights[0]
    try:
        in_two_pods(yards, nights, 0)
        model = in_two_pods(yards, nights, None)
        evaluation = steps.evaluate(yard.platform, GPU_FLIGHTS, run, plan, model, now=datetime.now(UTC))
    finally:
        for each, (begun_run, _) in zip(yards, nights, strict=True):
            steps.finish(each.platform, begun_run)
    first, second = (recorded(each) for each in yards)
    assert first == second
    assert {trial.params["device_type"] for trial in first} == {"gpu"}
    assert TrialState.FAILED not in {trial.state for trial in first}
    assert yard.platform.load(Evaluation, evaluation).metrics["auc"] > 0.5
    ended = [event for event in yard.events(PodEnded) if isinstance(event, PodEnded)]
    assert [(event.step, event.node) for event in ended] == [("train-0", "n2"), ("refit", "n2")]
    assert all(str(event.image_digest).startswith("sha256:") for event in ended)


def test_the_device_is_part_of_what_a_trial_is(yards: tuple[Yard, ...]) -> None:
    processor = GPU_FLIGHTS.varied(search=replace(GPU_FLIGHTS.learning.search, fixed=FLIGHTS.learning.search.fixed))

    def trial_ids(project: Project, run_id: str) -> set[str]:
        run, plan = planned(yards[0], project, run_id=run_id)
        steps.finish(yards[0].platform, run)
        return {trial.trial_id for trial in yards[0].platform.load(Plan, plan).trials}

    on_gpu, on_cpu = trial_ids(GPU_FLIGHTS, "on gpu"), trial_ids(processor, "on cpu")
    assert len(on_gpu) == len(on_cpu) == 2
    assert not on_gpu & on_cpu
