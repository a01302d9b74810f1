"""Training in the pods of a cluster, a shard or the refit in each. All that costs is imported when it is used."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from include.core.clocks import utc_now
from include.core.errors import DeclarationError, LeaseHeld
from include.core.project import Compute, Project
from include.runtime.code.projects import loadable
from include.runtime.pods import images
from include.runtime.trainers.port import Note, OnTraining, Opener, TaskForm, TrainingPool, unheard
from include.settings import Settings

if TYPE_CHECKING:
    from include.core.records import Run
    from include.ledger import Ledger
    from include.runtime.pods.sweeping import Over

#: What a pool has at least whose size nobody said.
_LEAST_SLOTS = 2


@dataclass(frozen=True)
class PodTrainer:
    """All at once: how many run at a time is the cluster's to say, or that of the pools that projects name."""

    settings: Settings
    elsewhere = True
    preloaded = (
        "airflow.providers.cncf.kubernetes.operators.pod",
        "kubernetes_asyncio.client",
        "kubernetes_asyncio.config",
        "include.runtime.airflow.pods",
        "include.runtime.pods.shards",
    )

    def image(self, project: Project) -> str | None:
        """The project's own, or the deployment's; ``None``: neither is named."""
        return images.named(self.settings, project)

    def train(
        self,
        run: "Run",
        plan: str,
        shards: Sequence[int | None],
        opened: Opener,
        note: Note,
        on_training: OnTraining = unheard,
    ) -> list[str]:
        """Each is attended in a thread; a signal has each remove its pod, and is raised when all have."""
        ending = Event()
        with ThreadPoolExecutor(len(shards), thread_name_prefix="shard") as pool:
            each = partial(self._train, run, plan, opened=opened, note=note, on_training=on_training, ending=ending)
            futures = [pool.submit(each, shard) for shard in shards]
            try:
                for future in as_completed(futures):
                    future.result()
            except (KeyboardInterrupt, SystemExit):
                ending.set()
                raise
        return [future.result() for future in futures]

    def _train(
        self,
        run: "Run",
        plan: str,
        shard: int | None,
        *,
        opened: Opener,
        note: Note,
        on_training: OnTraining,
        ending: Event,
    ) -> str:
        """One of them, in a run of this process's code."""
        import asyncio

        from include import steps
        from include.runtime.pods import shards
        from include.runtime.pods.attendance import Attention

        platform, project = opened()
        platform = replace(platform, code=lambda _: run.code_digest)
        run = steps.resume(platform, project, run_id=run.run_id, now=utc_now())
        placed = shards.StepInPods(
            settings=self.settings, platform=platform, project=project, run=run, plan=plan, shard=shard
        )
        allowed = shards.still_allowed(platform, run)

        def check() -> None:
            if ending.is_set():
                raise LeaseHeld(
                    "a night runs until it is interrupted", value=run.run_id, remedy="Run it again to go on."
                )
            allowed()

        def say(what: str) -> None:
            note(f"{steps.step_of(shard)}: {what}")

        found = placed.begin(note=say, check=check)
        if isinstance(found, str):
            return found
        heard = shards.HeardProgress(platform, found)

        def log(line: str) -> None:
            far = heard.line(line)
            if far is None:
                say(line)
            else:
                on_training(steps.step_of(shard), far)

        attention = Attention(
            log=log,
            note=say,
            check=heard.checking(check),
            stored=shards.stored(platform, run, found),
            ended=partial(shards.record, platform.ledger, found),
        )
        return placed.finish(found, asyncio.run(shards.attend(found, attention)))

    def task(self, step: str, project: Project) -> TaskForm:
        """Deferred while its pod waits and runs.

        Raises:
            DeclarationError: it asks for more slots than its pool has.
        """
        compute, most = project.operations.compute, self.settings.accelerators
        slots = max(1, compute.accelerators)
        if most and slots > most:
            raise DeclarationError(
                "a pool has the slots that a task asks for, or the task waits for ever",
                value=f"{slots} asked of {compute.pool!r}, TRAINYARD_ACCELERATORS gives each pool {most}",
                remedy="Lower `accelerators` of the project's Compute, or raise TRAINYARD_ACCELERATORS.",
            )
        given = {
            "namespace": self.settings.namespace,
            "image": self.image(project),
            "pool": compute.pool,
            "pool_slots": slots,
        }
        return TaskForm(operator="include.runtime.airflow.pods:TrainingPodOperator", given=given)

    def pools(self) -> Iterable[TrainingPool]:
        """Those that declared projects name; each has enough for what a task asks of it."""
        asked = {Compute().pool: 0}
        for project in loadable(self.settings.projects):
            compute = project.operations.compute
            asked[compute.pool] = max(asked.get(compute.pool, 0), compute.accelerators)
        said = self.settings.accelerators
        return [
            TrainingPool(name=name, slots=said or max(_LEAST_SLOTS, most), keep=said is None)
            for name, most in sorted(asked.items())
        ]

    def require_ready(self, project: Project) -> str:
        """Asked of cluster and bucket: :func:`include.runtime.pods.readiness.require_ready`."""
        from include.runtime.pods.readiness import require_ready

        return f"pods of {require_ready(self.settings, project)}"

    def sweep(self, ledger: "Ledger", *, over: "Over", now: datetime) -> None:
        """Pods, and the orders that they mount."""
        from include.runtime.pods.sweeping import sweep

        sweep(self.settings, ledger, over=over, now=now)
