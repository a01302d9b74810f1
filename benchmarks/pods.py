"""What training in pods costs: the start of a pod, the overhead of each, and a night beside the local one.

    python benchmarks/pods.py --vault s3://BUCKET [--namespace trainyard] [--rounds 2] [--output benchmarks/pods.json]

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
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientTimeout
from night import INSTANT, MEANING, ROOT, Bench, allow, bench, copied, night

from include.core.project import Compute
from include.runtime.airflow.names import dag_id_of
from include.runtime.embedded import process
from include.runtime.embedded.client import Client
from include.runtime.pods import shards
from include.runtime.pods.cluster import Cluster
from include.runtime.pods.request import CONTAINER, PodRequest
from include.settings import Placement, Settings

#: The flights project, its 16 trials trained fully in two shards, each with an accelerator and a core.
DECLARATION = '''"""A copy of flight_delay, for measuring."""

from dataclasses import replace

from include.core.project import Compute, Window

from .original import PROJECT as ORIGINAL

PROJECT = ORIGINAL.varied(
    name="{name}",
    window=Window(days=90, validation_days=7, holdout_days=7),
    search=replace(ORIGINAL.learning.search, rungs=(200,), shards={shards}),
    schedule="0 0 29 2 *",
    compute=Compute(accelerators=1, cpus=1.0, memory_mib=1024),
)
'''
PROBES, SHARDS = 5, 2
SHARD_SECONDS = 60.0
MEANING |= {
    "load_average_before": "what else the machine did: its load over 1, 5 and 15 minutes (own preparation included)",
    "own_start_seconds": "from the request of a pod to its first line, nothing of ours in between",
    "queued_to_first_line_seconds": "from a shard's task being queued to the first line of its pod, each shard",
    "overhead_seconds": "from a shard's task being queued to its end, less the time between its pod's first and last "
    "line, each shard",
    "wall_seconds": "each night from trigger to success, all 16 trials trained fully in two shards",
    "start_beyond_own_seconds": "median of queued_to_first_line_seconds less the median of own_start_seconds",
    "overhead_ratio_of_60_s": "median of overhead_seconds / 60 s",
    "night_ratio": "median night in pods / median local night",
}


@dataclass
class Shards:
    """What a watcher sees of shards, by number: when their tasks were queued, their pods' first and last line."""

    queued: dict[int, datetime] = field(default_factory=dict)
    first: dict[int, datetime] = field(default_factory=dict)
    last: dict[int, datetime] = field(default_factory=dict)

    def __str__(self) -> str:
        trained = {shard: (self.last[shard] - self.first[shard]).total_seconds() for shard in sorted(self.last)}
        return f"trained {trained} s"


def declare(bench: Bench, name: str) -> str:
    copied(bench.settings.projects / name, DECLARATION.format(name=name, shards=SHARDS))
    return name


async def lines(cluster: Cluster, pod: str, *, follow: bool = False) -> AsyncIterator[tuple[datetime, str]]:
    """The lines that the pod prints, each with the moment at which its node got it; none before it has started."""
    api, given = cluster._api, {"container": CONTAINER, "timestamps": True, "follow": follow}
    answer = await api.read_namespaced_pod_log(
        pod, cluster.namespace, _preload_content=False, _request_timeout=ClientTimeout(total=None), **given
    )
    async with answer:
        if answer.status == 200:
            async for line in answer.content:
                stamp, _, words = line.decode().rstrip("\n").partition(" ")
                yield datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00"), words


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
                    step=f"train-{number}",
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
                while not (found := [stamp async for stamp, _ in lines(cluster, request.pod_name(0))]):
                    await asyncio.sleep(0.05)
                took.append((found[0] - asked).total_seconds())
                await cluster.clear(request.selector)
        return took

    return asyncio.run(measure())


class Watcher:
    """Sees the shards of a project's running night. It looks seldom and then follows: it runs on the same cores."""

    def __init__(self, airflow: process.RunningAirflow, project: str) -> None:
        self.seen = Shards()
        self._airflow, self._project, self._over = airflow, project, threading.Event()

    @contextmanager
    def watching(self) -> Iterator[Shards]:
        """What is seen until the block ends."""

        async def watch() -> None:
            await asyncio.gather(self._tasks(), self._pods())

        thread = threading.Thread(target=lambda: asyncio.run(watch()), daemon=True)
        thread.start()
        try:
            yield self.seen
        finally:
            self._over.set()
            thread.join(30)

    async def _tasks(self) -> None:
        with self._airflow.client("dana") as client:
            while len(self.seen.queued) < SHARDS and not self._over.is_set():
                await asyncio.to_thread(self._look, client)
                await asyncio.sleep(1)

    def _look(self, client: Client) -> None:
        dag_id = dag_id_of(self._project)
        if not client.has_dag(dag_id):
            return
        for one in client.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances?limit=100")["task_instances"]:
            if one["task_id"] == "train" and one["map_index"] >= 0 and one["queued_when"]:
                # A task that resumes is queued again: the first time counts.
                self.seen.queued.setdefault(one["map_index"], datetime.fromisoformat(one["queued_when"]))

    async def _pods(self) -> None:
        following: dict[int, asyncio.Task[None]] = {}
        async with Cluster.connected(self._airflow.settings.namespace) as cluster:
            while len(following) < SHARDS and not self._over.is_set():
                for pod in await cluster.pods(f"trainyard/project={self._project}"):
                    step, _, number = pod.metadata.labels["trainyard/step"].partition("-")
                    if step != "train" or pod.status.phase != "Running":
                        continue
                    if (shard := int(number)) not in following:
                        following[shard] = asyncio.create_task(self._follow(cluster, shard, pod.metadata.name))
                await asyncio.sleep(0.5)
            await asyncio.gather(*following.values())

    async def _follow(self, cluster: Cluster, shard: int, pod: str) -> None:
        while not self._over.is_set() and shard not in self.seen.last:
            async for stamp, words in lines(cluster, pod, follow=True):
                if words.startswith("trainyard: "):
                    self.seen.first.setdefault(shard, stamp)
                    self.seen.last[shard] = stamp
            await asyncio.sleep(0.5)


def turns(local: Bench, pods: Bench, rounds: int) -> None:
    """Nights here and in pods, by turns, each with an Airflow of its own; notes what each pod cost, and the walls."""
    starts, overheads = [], []
    walls: dict[str, list[float]] = {"local": [], "pods": []}
    quiet = {"progress": lambda line: None}
    with (
        process.running(local.settings, port=8198, **quiet) as here,
        process.running(pods.settings, port=8199, **quiet) as there,
    ):
        for turn in range(rounds + 1):  # the first turn is slower, everything is cold: it does not count
            name = declare(local, f"local_{turn}")
            allow(local, name)
            walls["local"].append(night(here, name, INSTANT)[0])
            name = declare(pods, f"pods_{turn}")
            allow(pods, name)
            with Watcher(there, name).watching() as seen:
                wall, tasks, _ = night(there, name, INSTANT)
            walls["pods"].append(wall)
            for one in tasks if turn else ():
                if one.task_id == "train" and one.end is not None:
                    shard = one.map_index
                    trained = seen.last[shard] - seen.first[shard]
                    starts.append((seen.first[shard] - seen.queued[shard]).total_seconds())
                    overheads.append((one.end - seen.queued[shard] - trained).total_seconds())
            last = {key: round(each[-1], 2) for key, each in walls.items()}
            print(last, str(seen), {"load": os.getloadavg()[0], "starts": starts, "overheads": overheads}, flush=True)
    pods.note("queued_to_first_line_seconds", [round(value, 2) for value in starts])
    pods.note("overhead_seconds", [round(value, 2) for value in overheads])
    pods.note("wall_seconds", {key: [round(value, 2) for value in each[1:]] for key, each in walls.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vault", required=True, help="s3://BUCKET[/PREFIX], which the cluster's pods reach")
    parser.add_argument("--namespace", default="trainyard")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--production", type=Path, help="landed flights (default: land them)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "pods.json")
    options = parser.parse_args()
    image = Settings.from_environment().trainer_image
    if image is None:
        raise SystemExit("TRAINYARD_TRAINER_IMAGE names the trainer's image")
    with bench(options.production) as local:
        os.environ.update(TRAINYARD_VAULT=f"{options.vault}/{time.time_ns():x}", TRAINYARD_TRAINER_IMAGE=image)
        with bench(local.settings.production) as measured:
            in_cluster = {"placement": Placement.KUBERNETES, "namespace": options.namespace, "accelerators": 4}
            measured.settings = replace(measured.settings, **in_cluster)
            try:
                own = own_start(options.namespace, image)
                measured.note("load_average_before", [round(value, 2) for value in os.getloadavg()])
                measured.note("own_start_seconds", [round(value, 2) for value in own])
                turns(local, measured, options.rounds)
            finally:
                shards.clear(options.namespace, f"trainyard/deployment={shards.deployment_of(measured.settings)}")
        conclude(measured)
        options.output.write_text(json.dumps(measured.figures, indent=2) + "\n")


def conclude(measured: Bench) -> None:
    """Note the ratios that the goals speak of."""
    figures: dict[str, Any] = measured.figures
    medians = {key: statistics.median(values) for key, values in figures["wall_seconds"].items()}
    start = statistics.median(figures["queued_to_first_line_seconds"])
    overhead = statistics.median(figures["overhead_seconds"])
    measured.note("start_beyond_own_seconds", round(start - statistics.median(figures["own_start_seconds"]), 2))
    measured.note("overhead_ratio_of_60_s", round(overhead / SHARD_SECONDS, 3))
    measured.note("night_ratio", round(medians["pods"] / medians["local"], 3))


if __name__ == "__main__":
    main()
