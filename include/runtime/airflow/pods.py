"""The operator that trains in a pod: its task waits without a worker, and its result is what the pod stored.

Imported only where training is placed on Kubernetes: the provider costs a second and a half of imports.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.sdk.definitions.context import Context

from include.core.canonical import decode, encode
from include.core.errors import ClusterUnavailable
from include.runtime.airflow.attendance import TrainingPodTrigger
from include.runtime.airflow.operators import one_of_ours
from include.runtime.pods.request import PodRequest

if TYPE_CHECKING:
    from kubernetes.client import V1Pod  # type: ignore[import-untyped]  # it publishes no types

    from include.runtime.pods.shards import StepInPods


class TrainingPodOperator(KubernetesPodOperator):
    """Does one step of a project's night in a pod of its own, deferred while the pod waits and runs.

    It trains the shard ``shard`` of the plan whose digest ``inputs`` holds or, if that is ``None``, refits its winner.
    Returns the digest that the local step returns. A pod that runs is
    taken up by the next attempt; one that is lost is replaced. Of the provider's operator it keeps what Airflow's users
    know: deferral, the labels of the task on the pod, the pod's deletion with the task, ``dry_run``.
    """

    template_fields: Sequence[str] = ("inputs", "namespace", "image")
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        project: str,
        inputs: Mapping[str, Any],
        shard: int | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, durable=True, do_xcom_push=True, **kwargs)
        self.project = project
        self.inputs = dict(inputs)
        self.shard = shard
        self._request: PodRequest | None = None

    def execute(self, context: Context) -> str:
        """Ask for the pod and defer to its trigger; the digest itself, where all of it is recorded already."""
        try:
            placed = self._taken_up(context)
            if isinstance(placed, str):
                return placed
            found = placed.begin(note=lambda what: self.log.info("Trainyard: %s", what))
        except Exception as error:  # a foreign text must reach no log: ours takes its place
            raise one_of_ours(error, self.task_id) from None
        if isinstance(found, str):
            return found
        self._request = found
        self.log.info("Asked for pod %s in namespace %s", found.pod_name(0), found.namespace)
        self.defer(trigger=TrainingPodTrigger(encode(found).decode()), method_name="execute_complete")

    def execute_complete(self, context: Context, event: Mapping[str, str]) -> str:
        """Verify and record what the pods stored, whatever they ended like, and remove them."""
        from include.runtime.pods.endings import PodEnding

        try:
            self._request = decode(PodRequest, event["request"].encode())
            endings = decode(tuple[PodEnding, ...], event["endings"].encode())
            placed = self._placed(context)
        except Exception as error:  # as above; and whoever tries again, or nobody, orders it anew
            self._remove()
            raise one_of_ours(error, self.task_id) from None
        try:
            return placed if isinstance(placed, str) else placed.finish(self._request, endings)
        except Exception as error:  # as above
            raise one_of_ours(error, self.task_id) from None

    def on_kill(self) -> None:
        """Remove pods and secret: a user ended the task while a worker had it."""
        self._remove()

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> "V1Pod":
        """The pod as it would be asked for, for ``dry_run``: the order's id and digest are known only when it is."""
        from datetime import UTC, datetime, timedelta

        from include import steps
        from include.runtime.code.projects import load_project
        from include.runtime.pods.request import pod_manifest
        from include.settings import Settings

        compute = load_project(self.project, Settings.from_environment().projects).operations.compute
        now = datetime.now(UTC)
        request = PodRequest(
            namespace=str(self.namespace),
            image=str(self.image),
            compute=compute,
            project=self.project,
            run_id=context["run_id"] if context else "dry-run",
            plan=str(self.inputs["plan"]),
            step=steps.step_of(self.shard),
            fence=0,
            code_digest="",
            order_id="order",
            digest="sha256:",
            give_up_at=now + timedelta(minutes=compute.maximum_minutes),
        )
        return PodGenerator.deserialize_model_dict(pod_manifest(request, 0, now=now))

    def _taken_up(self, context: Context) -> "StepInPods | str":
        """The step; where it is ours no more (the code moved, another night began), what is left of it is removed.

        An error that heals leaves a pod that runs to the next attempt.
        """
        from include import steps
        from include.runtime.pods import shards
        from include.settings import Settings

        try:
            return self._placed(context)
        except Exception as error:
            if not one_of_ours(error, self.task_id).retry_heals:
                settings, plan, run_id = Settings.from_environment(), str(self.inputs["plan"]), context["run_id"]
                step = steps.step_of(self.shard)
                left = shards.selector(settings, project=self.project, run_id=run_id, plan=plan, step=step)
                self._clear(settings.namespace, left)
            raise

    def _remove(self) -> None:
        if self._request is not None:
            self._clear(self._request.namespace, self._request.selector)

    def _clear(self, namespace: str, selector: str) -> None:
        from include.runtime.pods import shards

        try:
            shards.clear(namespace, selector)
        except ClusterUnavailable as error:
            self.log.warning("Trainyard: pods and secrets of %s may be left: %s", selector, error)

    def _placed(self, context: Context) -> "StepInPods | str":
        """The step; where its run began with other code, what that code's process, which waits for its pod, returns."""
        from include.runtime.airflow import tasks
        from include.runtime.pods.shards import StepInPods

        step, inputs = ("refit", self.inputs) if self.shard is None else ("train", {**self.inputs, "shard": self.shard})
        done = tasks.perform_if_moved(step, self.project, context["run_id"], inputs)
        if done is not None:
            return done
        night = tasks.resume(self.project, context["run_id"])
        return StepInPods(
            settings=night.settings,
            platform=night.platform,
            project=night.project,
            run=night.run,
            plan=str(self.inputs["plan"]),
            shard=self.shard,
            labels=self._get_ti_pod_labels(context),
        )
