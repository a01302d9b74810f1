"""Nights through a real Airflow, their shards real pods on the node with accelerators."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.core.errors import AccessDenied
from include.core.events import (
    ModelEvaluated,
    ModelRegistered,
    PodEnded,
    StepFinished,
    StepStarted,
    TrainingWaits,
    TrialRecorded,
)
from include.ledger import Ledger
from include.runtime.code.projects import load_project
from include.runtime.embedded import process
from include.runtime.embedded.client import Client
from include.runtime.embedded.environment import TRIGGERER
from include.runtime.embedded.process import RunningAirflow
from include.runtime.embedded.process_sessions import recall
from include.runtime.nights import local
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.shards import deployment_of
from include.settings import ROOT, Placement, Settings
from tests.runtime.conftest import free_port, settings_in
from tests.runtime.nights import approve, declare, task, until
from tests.runtime_pods.world import DOCUMENT, Namespace, request_in

pytestmark = pytest.mark.kubernetes

INSTANT = datetime(2013, 6, 1, 4, tzinfo=UTC)

FLIGHT_DELAY = """
from dataclasses import replace

from include.core.project import Compute, Window
from .original import PROJECT as DECLARED

# A window, a search and gates of which a night takes seconds; the features and the label are the project's own.
PROJECT = DECLARED.varied(
    name="{name}",
    features=tuple(group for group in DECLARED.learning.features if group.lookback_days <= 3),
    window=Window(days=16, validation_days=3, holdout_days=4),
    search=replace(DECLARED.learning.search, {search}),
    gates=replace(DECLARED.quality.gates, margin=100.0, floor_loss=100.0, floor_auc=0.0, auc_guard=1.0, minimum_days=2),
    compute=Compute({compute}),
)
"""
SMALL = "trials=4, shards=2, rungs=(5, 10, 20)"
#: Long enough for faults to meet it, and a line every second or so.
LONG = "trials=40, shards=2, rungs=(150,)"
COMPUTE = "accelerators=1, cpus=0.4, memory_mib=512"


@dataclass(frozen=True, kw_only=True)
class Yard:
    """A running Airflow that trains in pods of *namespace*."""

    airflow: RunningAirflow
    dana: Client
    steward: Client
    namespace: Namespace

    @property
    def settings(self) -> Settings:
        return self.airflow.settings

    def events(self, run_id: str, *kinds: type) -> list[Any]:
        found = [entry.event for entry in Ledger.open(self.settings.ledger).read_all(kinds=kinds)]
        return [event for event in found if getattr(event, "run_id", None) == run_id]

    def begin(self, name: str, *, search: str = SMALL, compute: str = COMPUTE) -> tuple[str, str]:
        """Declare a project and start its night; it is past its gate."""
        text = FLIGHT_DELAY.replace("{search}", search).replace("{compute}", compute)
        dag_id = declare(self.settings.projects, name, text=text, copies=ROOT / "include" / "projects" / "flight_delay")
        until(lambda: self.dana.has_dag(dag_id), seconds=60, what="a new project has a DAG")
        run_id = self.dana.trigger(dag_id, instant=INSTANT)
        until(lambda: self._granted(dag_id, run_id, name), seconds=120, what="the night is past its gate")
        return dag_id, run_id

    def _granted(self, dag_id: str, run_id: str, name: str) -> bool:
        """Grant what is asked for by now (a night asks for one dataset after the other); whether that was all."""
        approve(self.steward, name)
        return task(self.dana, dag_id, run_id, "gate").state == "success"

    def training(self, run_id: str) -> list[dict[str, Any]]:
        """The pods of the run whose container runs."""
        pods = self.namespace.get("pods", "trainyard/run")
        ours = [
            pod for pod in pods if json.loads(pod["metadata"]["annotations"]["trainyard/request"])["run_id"] == run_id
        ]
        return [pod for pod in ours if pod["status"]["phase"] == "Running"]

    def clean(self) -> bool:
        return not self.namespace.get("pods", "trainyard/run") and not self.namespace.get("secrets", "trainyard/run")


@pytest.fixture(scope="module")
def yard(
    tmp_path_factory: pytest.TempPathFactory,
    production: Path,
    namespace: Namespace,
    s3_bucket: str,
    trainer_image: str,
) -> Iterator[Yard]:
    settings = replace(
        settings_in(tmp_path_factory.mktemp("pods"), production),
        vault=f"{s3_bucket}/vault",
        placement=Placement.KUBERNETES,
        namespace=namespace.name,
        trainer_image=trainer_image,
        accelerators=4,
    )
    with (
        process.running(settings, port=free_port()) as airflow,
        airflow.client("dana") as dana,
        airflow.client("steward") as steward,
    ):
        yield Yard(airflow=airflow, dana=dana, steward=steward, namespace=namespace)


@pytest.fixture(scope="module")
def night(yard: Yard) -> tuple[str, str]:
    """A night of ``flight_delay`` that ended well."""
    dag_id, run_id = yard.begin("flight_delay")
    assert yard.dana.wait(dag_id, run_id, timeout_seconds=240) == "success", _why(yard, dag_id, run_id)
    return dag_id, run_id


def _why(yard: Yard, dag_id: str, run_id: str) -> str:
    failed = [one for one in yard.dana.tasks(dag_id, run_id) if one.state == "failed"]
    return "\n".join(
        yard.dana.log(dag_id, run_id, one.task_id, map_index=one.map_index, try_number=one.try_number)[-1500:]
        for one in failed
    )


def test_a_night_in_pods_makes_what_the_local_night_makes(yard: Yard, night: tuple[str, str], tmp_path: Path) -> None:
    _, run_id = night
    here = replace(
        yard.settings,
        home=tmp_path,
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
        store=str(tmp_path / "store"),
        vault=str(tmp_path / "vault"),
        mlflow=f"sqlite:///{tmp_path / 'mlflow.db'}",
        checkpoints=(str(tmp_path / "checkpoints"),),
        placement=Placement.LOCAL,
    )
    _grants_of(yard.settings, here)
    project = load_project("flight_delay", here.projects)
    local.run_night(here, project, run_id="local", instant=INSTANT)
    made = {event.step: event.output for event in yard.events(run_id, StepFinished)}
    entries = Ledger.open(here.ledger).read_all(kinds=(StepFinished,))
    again = {entry.event.step: entry.event.output for entry in entries if isinstance(entry.event, StepFinished)}
    for step in ("snapshot", "features", "plan", "train-0", "train-1", "refit", "evaluate"):
        assert made[step] == again[step], step


def _grants_of(source: Settings, target: Settings) -> None:
    """Everything that stewards decided in *source*, with its signatures, in *target* too."""
    ledger = Ledger.open(target.ledger)
    for entry in Ledger.open(source.ledger).read_all():
        if entry.stream.startswith(("access/", "contract/")):
            ledger.append(entry.stream, [entry.event], expected_version=entry.stream_version - 1)


def test_what_ran_is_recorded_and_nothing_is_left_in_the_cluster(yard: Yard, night: tuple[str, str]) -> None:
    _, run_id = night
    ended = yard.events(run_id, PodEnded)
    assert sorted(event.step for event in ended) == ["refit", "train-0", "train-1"]
    for event in ended:
        assert (event.outcome, event.exit_code, event.node) == ("done", 0, "n2")
        assert event.image == yard.settings.trainer_image
        assert event.image_digest.startswith("sha256:")
        assert event.code_digest.startswith("sha256:")
    until(yard.clean, seconds=20, what="no pod and no secret is left")


@pytest.mark.parametrize(("step", "map_index"), [("train", 0), ("refit", -1)])
def test_only_the_digest_of_what_was_made_crosses_airflow(
    yard: Yard, night: tuple[str, str], step: str, map_index: int
) -> None:
    dag_id, run_id = night
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{step}/xcomEntries?map_index={map_index}"
    entries = yard.dana.call("GET", path)["xcom_entries"]
    assert [entry["key"] for entry in entries] == ["return_value"]


def test_the_worker_trains_nothing_and_the_log_of_the_refit_is_that_of_its_pod(
    yard: Yard, night: tuple[str, str]
) -> None:
    dag_id, run_id = night
    log = yard.dana.log(dag_id, run_id, "refit")
    assert log.count("trainyard: refit of trial ") == log.count("trainyard: model of ") == 1
    assert "X-Amz-Signature" not in log
    started = [event.step for event in yard.events(run_id, StepStarted)]
    assert started.count("refit") == 1  # by the task that collects; `evaluate` begins none


def test_the_log_of_a_deferred_task_is_complete_and_nothing_of_the_pod_comes_twice(
    yard: Yard, night: tuple[str, str]
) -> None:
    dag_id, run_id = night
    trials = {event.trial.trial_id.removeprefix("sha256:")[:12] for event in yard.events(run_id, TrialRecorded)}
    assert len(trials) == 4
    logs = [yard.dana.log(dag_id, run_id, "train", map_index=shard) for shard in (0, 1)]
    lines = [line for log in logs for line in log.splitlines() if "trainyard: trial" in line]
    assert {trial for trial in trials if sum(trial in line for line in lines) == 1} == trials
    assert len(lines) == len(trials)
    assert "X-Amz-Signature" not in "".join(logs)


def test_what_no_node_could_hold_fails_at_once_in_one_line_with_the_remedy(yard: Yard) -> None:
    dag_id, run_id = yard.begin("greedy", compute="cpus=99, memory_mib=512")
    assert yard.dana.wait(dag_id, run_id, timeout_seconds=180) == "failed"
    first = task(yard.dana, dag_id, run_id, "train")
    assert (first.state, first.try_number) == ("failed", 1)
    log = yard.dana.log(dag_id, run_id, "train", map_index=0)
    assert "asks for 99000m of cpu" in log
    assert "Lower the project's Compute" in log


def test_what_waits_for_a_pool_that_cannot_hold_it_is_told_to_ops_by_the_stewardship_dag(yard: Yard) -> None:
    dag_id, run_id = yard.begin("queueing", compute='accelerators=1, pool="nobody_made_it", memory_mib=512')
    until(lambda: task(yard.dana, dag_id, run_id, "train").state == "scheduled", seconds=120, what="it waits")
    swept = yard.dana.trigger("stewardship")
    assert yard.dana.wait("stewardship", swept, timeout_seconds=180) == "success"
    log = yard.dana.log("stewardship", swept, "tell_waiting_training")
    assert "queueing: training waits for the pool 'nobody_made_it' in vain" in log
    (event,) = yard.events(run_id, TrainingWaits)
    assert (event.reason, event.slots, event.tasks) == ("in vain", 1, 2)
    assert task(yard.dana, dag_id, run_id, "train").state == "scheduled"


REACH = """
import json, os, pathlib, socket, ssl, urllib.error, urllib.request

def status(url, method="GET", **given):
    context = ssl._create_unverified_context()
    request = urllib.request.Request(url, method=method, **given)
    try:
        return urllib.request.urlopen(request, timeout=5, context=context).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error).__name__

order = json.loads(pathlib.Path("/var/run/trainyard/order.json").read_text())
read = next(iter(order["artifacts"].values()))
place, _, signature = read.partition("?")
bucket = "/".join(place.split("/")[:4])
other = place[:-6] + "000000"
try:
    pathlib.Path("/opt/trainyard/written").write_text("x")
    root = "writable"
except OSError as error:
    root = error.strerror
print(json.dumps({
    "environment": sorted(os.environ),
    "token": pathlib.Path("/var/run/secrets/kubernetes.io").exists(),
    "root": root,
    "user": os.getuid(),
    "input": status(read),
    "input_written": status(read, "PUT", data=b"x"),
    "other_signed": status(other + "?" + signature),
    "other_unsigned": status(other),
    "listing": status(bucket + "?list-type=2&" + signature),
    "listing_unsigned": status(bucket + "?list-type=2"),
    "api_server": status("https://10.88.77.1/api/v1/secrets"),
    "api_in_cluster": status("https://10.96.0.1/api/v1/namespaces/default/pods"),
    "airflow": status(AIRFLOW),
}))
"""


@pytest.fixture(scope="module")
def long_night(yard: Yard) -> tuple[str, str]:
    """A night whose shards train for a while."""
    dag_id, run_id = yard.begin("enduring", search=LONG)
    until(lambda: len(yard.training(run_id)) == 2, seconds=180, what="both shards train")
    return dag_id, run_id


def test_a_training_pod_reaches_its_inputs_and_its_results_and_nothing_else(
    yard: Yard, long_night: tuple[str, str]
) -> None:
    _, run_id = long_night
    pod = yard.training(run_id)[0]["metadata"]["name"]
    script = f"AIRFLOW = {yard.airflow.url + '/api/v2/dags'!r}\n{REACH}"
    found = json.loads(yard.namespace.kubectl("exec", "-n", yard.namespace.name, pod, "--", "python", "-c", script))
    assert found["input"] == 200
    for refused in ("input_written", "other_signed", "other_unsigned", "listing", "listing_unsigned"):
        assert found[refused] == 403, (refused, found[refused])
    assert found["api_server"] in (401, 403, "URLError")
    assert found["api_in_cluster"] in (401, 403, "URLError")
    assert found["airflow"] == "URLError"
    assert found["token"] is False
    assert found["root"] == "Read-only file system"
    assert found["user"] != 0
    secret = [name for name in found["environment"] if name.startswith(("AWS", "TRAINYARD", "AIRFLOW", "DATABASE"))]
    assert secret == ["TRAINYARD_ORDER"]


def test_a_killed_triggerer_costs_nothing_and_no_line_of_the_log_comes_twice(
    yard: Yard, long_night: tuple[str, str]
) -> None:
    dag_id, run_id = long_night
    logged = lambda: yard.dana.log(dag_id, run_id, "train", map_index=0)  # noqa: E731
    until(lambda: "trainyard: trial" in logged(), seconds=60, what="the log is followed while the pod runs")
    pods = sorted(pod["metadata"]["name"] for pod in yard.training(run_id))
    _restart_triggerer(yard)
    assert yard.dana.wait(dag_id, run_id, timeout_seconds=300) == "success", _why(yard, dag_id, run_id)
    ended = yard.events(run_id, PodEnded)
    assert sorted(event.pod for event in ended if event.step != "refit") == pods
    recorded = [event.trial.trial_id for event in yard.events(run_id, TrialRecorded)]
    assert len(recorded) == len(set(recorded)) == 40
    lines = [line.partition("trainyard: trial ")[2] for line in logged().splitlines() if "trainyard: trial " in line]
    assert len(lines) == len(set(lines)) == 20
    until(yard.clean, seconds=20, what="no pod and no secret is left")


def _revoke(yard: Yard, project: str) -> None:
    for grant in yard.steward.call("GET", "/trainyard/grants"):
        if grant["project"] == project:
            yard.steward.call("POST", f"/trainyard/grants/{grant['grant_id']}/revoke", {"reason": "a test"})


def _restart_triggerer(yard: Yard) -> None:
    """Kill the triggerer with all its processes, and wait until who watches over it has started another."""

    def triggerer() -> int:
        return next((each.pid for each in recall(yard.settings)[1] if each.name == TRIGGERER), 0)

    killed = triggerer()
    family = [psutil.Process(killed), *psutil.Process(killed).children(recursive=True)]
    for each in family:
        os.kill(each.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)
    until(lambda: triggerer() not in (0, killed), seconds=60, what="another triggerer is started")


def test_a_revocation_ends_a_refit_that_runs_within_30_seconds_and_nothing_is_registered(yard: Yard) -> None:
    dag_id, run_id = yard.begin("reconsidered", search="trials=1, shards=1, rungs=(4000,)")
    until(lambda: task(yard.dana, dag_id, run_id, "train").state == "success", seconds=240, what="the shard has ended")
    until(lambda: yard.training(run_id), seconds=60, what="the winner is refitted")
    _revoke(yard, "reconsidered")
    until(yard.clean, seconds=30, what="pod and secret are removed")
    assert yard.dana.wait(dag_id, run_id, timeout_seconds=60) == "failed"
    assert AccessDenied.__name__ in yard.dana.log(dag_id, run_id, "refit")
    assert task(yard.dana, dag_id, run_id, "refit").try_number == 1
    assert not yard.events(run_id, ModelEvaluated, ModelRegistered)


def test_a_revocation_ends_running_pods_within_30_seconds_and_nothing_is_registered(yard: Yard) -> None:
    dag_id, run_id = yard.begin("revoked", search=LONG)
    until(lambda: len(yard.training(run_id)) == 2, seconds=180, what="both shards train")
    _revoke(yard, "revoked")
    until(yard.clean, seconds=30, what="pods and secrets are removed")
    assert yard.dana.wait(dag_id, run_id, timeout_seconds=60) == "failed"
    log = yard.dana.log(dag_id, run_id, "train", map_index=0)
    assert AccessDenied.__name__ in log
    assert task(yard.dana, dag_id, run_id, "train").try_number == 1
    assert not yard.events(run_id, ModelRegistered)


def test_what_a_lost_run_left_is_removed_within_a_round_of_the_stewardship_dag(yard: Yard) -> None:
    now = datetime.now(UTC)
    lost = request_in(
        yard.namespace.name,
        "sleep 60",
        deployment=deployment_of(yard.settings),
        give_up_at=now + timedelta(seconds=1),
    )

    async def left() -> None:
        async with Cluster.connected(yard.namespace.name) as cluster:
            await cluster.make_secret(lost, DOCUMENT)
            await cluster.make_pod(lost, 0, now=now)

    asyncio.run(left())
    run_id = yard.dana.trigger("stewardship")
    assert yard.dana.wait("stewardship", run_id, timeout_seconds=120) == "success"
    until(lambda: not yard.namespace.get("pods", lost.selector), seconds=30, what="its pod is gone")
    assert not yard.namespace.get("secrets", lost.selector)
