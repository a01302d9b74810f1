"""What training in pods costs: the start of a pod, the overhead of each, and a night beside the local one.

    python benchmarks/pods.py --vault s3://BUCKET [--namespace trainyard] [--rounds 3] [--output benchmarks/pods.json]

KUBECONFIG names the cluster, AWS_… the store that its pods reach, TRAINYARD_TRAINER_IMAGE the trainer's image. Pods and
local nights take turns on the same cores. Prints each figure as it comes, and writes all of them as JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubernetes_asyncio.client import ApiException
from night import INSTANT, ROOT, Bench, allow, bench, night

from include.core.project import Compute
from include.runtime.airflow import process
from include.runtime.airflow.client import Client
from include.runtime.kubernetes.cluster import Cluster
from include.runtime.kubernetes.request import CONTAINER, PodRequest
from include.settings import Placement, Settings

#: The flights project, its 16 trials trained fully in two shards, each with an accelerator and a core.
DECLARATION = '''"""A copy of flight_delay, for measuring."""

from dataclasses import replace

from include.core.project import Compute, Window
from include.projects.flight_delay import PROJECT as ORIGINAL

PROJECT = replace(
    ORIGINAL,
    name="{name}",
    window=Window(days=90, validation_days=7, holdout_days=7),
    search=replace(ORIGINAL.search, rungs=(200,), shards=2),
    operations=replace(
        ORIGINAL.operations, schedule="0 0 29 2 *", compute=Compute(accelerators=1, cpus=1.0, memory_mib=1024)
    ),
)
'''
PROBES = 5
SHARD_SECONDS = 60.0


@dataclass
class Shards:
    """What a watcher sees of shards, by map index: when they were queued, their pods' first and last line."""

    queued: dict[int, datetime] = field(default_factory=dict)
    first: dict[int, datetime] = field(default_factory=dict)
    last: dict[int, datetime] = field(default_factory=dict)


def declare(bench: Bench, name: str) -> str:
    folder = bench.settings.projects / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(DECLARATION.format(name=name))
    return name


async def lines(cluster: Cluster, pod: str) -> list[tuple[datetime, str]]:
    """The lines that the pod has printed, each with the moment at which its node got it."""
    api = cluster._api
    try:
        text = await api.read_namespaced_pod_log(pod, cluster.namespace, container=CONTAINER, timestamps=True)
    except ApiException:  # the container has not started, or the pod is gone
        return []
    found = (line.partition(" ") for line in (text or "").splitlines())
    return [(datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00"), words) for stamp, _, words in found]


def own_start(namespace: str, image: str) -> list[float]:
    """Seconds from the request of a pod of that image to its first line, with nothing of ours in between."""

    async def measure() -> list[float]:
        took = []
        async with Cluster.connected(namespace) as cluster:
            for number in range(PROBES):
                request = PodRequest(
                    namespace=namespace,
                    image=image,
                    compute=Compute(accelerators=1, cpus=1.0, memory_mib=1024),
                    project="probe",
                    run_id=f"probe-{number}",
                    plan="sha256:0",
                    shard=number,
                    fence=0,
                    code_digest="",
                    order_id=f"probe-{number}",
                    digest=f"sha256:{time.time_ns():x}",
                    give_up_at=datetime.now(UTC) + timedelta(minutes=5),
                    command=("echo",),
                )
                asked = datetime.now(UTC)
                await cluster.make_secret(request, b"{}")
                await cluster.make_pod(request, 0, now=asked)
                while not (found := await lines(cluster, request.pod_name(0))):
                    await asyncio.sleep(0.05)
                took.append((found[0][0] - asked).total_seconds())
                await cluster.clear(request.selector)
        return took

    return asyncio.run(measure())


@contextmanager
def watching(client: Client, dag_id: str, namespace: str) -> Iterator[Shards]:
    """Look at the shards of the DAG's running night until the block ends."""
    seen, over = Shards(), threading.Event()

    async def watch() -> None:
        async with Cluster.connected(namespace) as cluster:
            while not over.is_set():
                _look_at_tasks(client, dag_id, seen)
                for pod in await cluster.pods("trainyard/shard"):
                    shard = int(pod.metadata.labels["trainyard/shard"])
                    for stamp, words in await lines(cluster, pod.metadata.name):
                        if words.startswith("trainyard: "):
                            seen.first.setdefault(shard, stamp)
                            seen.last[shard] = max(stamp, seen.last.get(shard, stamp))
                await asyncio.sleep(0.2)

    thread = threading.Thread(target=lambda: asyncio.run(watch()), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _look_at_tasks(client: Client, dag_id: str, seen: Shards) -> None:
    runs = client.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-id&limit=1")["dag_runs"]
    if not runs:
        return
    path = f"/api/v2/dags/{dag_id}/dagRuns/{runs[0]['dag_run_id']}/taskInstances?limit=100"
    for one in client.call("GET", path)["task_instances"]:
        if one["task_id"] == "train" and one["queued_when"]:
            # A task that resumes is queued again: the first time counts.
            seen.queued.setdefault(one["map_index"], datetime.fromisoformat(one["queued_when"]))


def in_pods(bench: Bench, rounds: int) -> list[float]:
    """Walls of nights in pods; notes what each pod cost."""
    starts, overheads, walls = [], [], []
    with process.running(bench.settings, port=8199, progress=lambda line: None) as airflow:
        for turn in range(rounds + 1):
            name = declare(bench, f"pods_{turn}")
            allow(bench, name)
            with airflow.client("dana") as client, watching(client, f"train_{name}", bench.settings.namespace) as seen:
                wall, tasks, _ = night(airflow, name, INSTANT)
            if not turn:
                continue  # the first night is slower: everything is cold
            walls.append(wall)
            for one in tasks:
                if one.task_id == "train" and one.end is not None:
                    shard = one.map_index
                    trained = seen.last[shard] - seen.first[shard]
                    starts.append((seen.first[shard] - seen.queued[shard]).total_seconds())
                    overheads.append((one.end - seen.queued[shard] - trained).total_seconds())
            print({"wall": round(wall, 2), "start": starts[-2:], "overhead": overheads[-2:]}, flush=True)
    bench.note("queued_to_first_line_seconds", [round(value, 2) for value in starts])
    bench.note("overhead_seconds", [round(value, 2) for value in overheads])
    return walls


def here(bench: Bench, rounds: int) -> list[float]:
    """Walls of the same nights with their shards in this machine's workers."""
    walls = []
    with process.running(bench.settings, port=8199, progress=lambda line: None) as airflow:
        for turn in range(rounds + 1):
            name = declare(bench, f"local_{turn}")
            allow(bench, name)
            wall, _, _ = night(airflow, name, INSTANT)
            walls.append(wall)
            print({"local wall": round(wall, 2)}, flush=True)
    return walls[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vault", required=True, help="s3://BUCKET[/PREFIX], which the cluster's pods reach")
    parser.add_argument("--namespace", default="trainyard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--production", type=Path, help="landed flights (default: land them)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "pods.json")
    options = parser.parse_args()
    image = Settings.from_environment().trainer_image
    if image is None:
        raise SystemExit("TRAINYARD_TRAINER_IMAGE names the trainer's image")
    with bench(options.production) as measured:
        local = here(measured, options.rounds)
    os.environ.update(TRAINYARD_VAULT=f"{options.vault}/{time.time_ns():x}", TRAINYARD_TRAINER_IMAGE=image)
    with bench(options.production) as measured:
        measured.settings = replace(
            measured.settings,
            placement=Placement.KUBERNETES,
            namespace=options.namespace,
            accelerators=4,
        )
        own = own_start(options.namespace, image)
        measured.note("own_start_seconds", [round(value, 2) for value in own])
        walls = in_pods(measured, options.rounds)
        figures: dict[str, Any] = measured.figures
        start = statistics.median(figures["queued_to_first_line_seconds"])
        overhead = statistics.median(figures["overhead_seconds"])
        measured.note("wall_seconds", {"local": local, "pods": walls})
        measured.note("start_beyond_own_seconds", round(start - statistics.median(own), 2))
        measured.note("overhead_ratio_of_60_s", round(overhead / SHARD_SECONDS, 3))
        measured.note("night_ratio", round(statistics.median(walls) / statistics.median(local), 3))
        options.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
