"""The operator that runs one step of a night, and the rule by which it is tried again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from include.core.errors import TrainyardError

#: How often, and after how long, a step is tried again: 10 s, 40 s, 160 s, unless its error says that it cannot heal.
#: A killed step has no error to ask, and is tried again too.
RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 4.0,
    "max_retry_delay": timedelta(minutes=10),
}


class StepOperator(BaseOperator):
    """Does one step of a project's night.

    ``inputs`` are the digests that earlier tasks returned, by name; a mapped task adds its ``shard``. Returns the
    digest of the step's manifest.
    """

    template_fields: Sequence[str] = ("inputs",)
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        project: str,
        step: str,
        inputs: Mapping[str, Any] | None = None,
        shard: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.step = step
        self.inputs = dict(inputs or {})
        self.shard = shard

    def execute(self, context: Context) -> str:
        from include.runtime.airflow import tasks

        shard = {} if self.shard is None else {"shard": self.shard}
        return tasks.perform(self.step, self.project, context["run_id"], {**self.inputs, **shard})


def only_what_heals() -> ExceptionRetryPolicy:
    """Try again after our own errors that may heal, and after a lost connection; after nothing else."""
    healing = [kind for kind in _kinds(TrainyardError) if kind.retry_heals]
    return ExceptionRetryPolicy(
        rules=[RetryRule(exception=[*healing, ConnectionError, TimeoutError], action=RetryAction.RETRY)],
        default=RetryAction.FAIL,
    )


def _kinds(kind: type[TrainyardError]) -> Iterator[type[TrainyardError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)
