"""The operator that runs one step of a night, and the rule by which it is tried again."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.context import Context
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import NothingToWatch, StepCrashed, StepDisconnected, TrainyardError
from include.runtime.airflow.names import run_of
from include.settings import ROOT

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
    digest of the step's manifest. Is skipped, and all after it, where a watch was overtaken and has nothing to judge.
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
        try:
            run_id = run_of(self.dag_id, context["run_id"])
            return tasks.perform(self.step, self.project, run_id, {**self.inputs, **shard})
        except NothingToWatch as error:
            self.log.info("%s", error)
            raise AirflowSkipException(str(error)) from None
        except Exception as error:
            raise one_of_ours(error, self.step) from None


def one_of_ours(error: Exception, step: str) -> TrainyardError:
    """*error* itself if it is ours, else one that says only its type and where in our code it arose.

    Airflow logs what a task raises and hands its text and its traceback to OpenLineage, both with whatever it was
    raised from. The text of a foreign error may quote a personal value: raise what this returns ``from None``.
    """
    if isinstance(error, TrainyardError):
        return error
    kind = StepDisconnected if isinstance(error, ConnectionError | TimeoutError) else StepCrashed
    return kind(
        f"the step {step!r} ends with its result or with an error of Trainyard's own",
        value=f"{type(error).__name__} at {_place(error)}",
        remedy="It is tried again by itself; see that what it connects to runs."
        if kind.retry_heals
        else "Repair the code there (`./trainyard run` shows the whole traceback), then start a new run.",
    )


def _place(error: Exception) -> str:
    """File and line of the innermost frame that is our own code."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path.relative_to(ROOT), line) for path, line in frames if path.is_relative_to(ROOT / "include")]
    return "{}:{}".format(*own[-1]) if own else "an unknown place"


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
