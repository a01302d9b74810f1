"""A run's own pages in the ledger: which attempts of which steps began, how they ended, and what they made."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from include.core.canonical import record_digest
from include.core.errors import LedgerError, TrainyardError
from include.core.events import Event, RunStarted, StepFailed, StepFinished, StepReused, StepStarted
from include.core.records import Run
from include.ledger import lease
from include.ledger.entry import Fence
from include.ledger.ledger import Ledger


def run_stream(project: str, run_id: str) -> str:
    """The stream of a run, which is also the key of its first event."""
    return f"run/{project}/{run_id}"


class Journal:
    """Writes for one run, under the fence that it holds: a run that lost its lease writes nothing any more."""

    def __init__(self, ledger: Ledger, run: Run) -> None:
        self._ledger, self._run = ledger, run
        self._stream = run_stream(run.project, run.run_id)
        self.fence = Fence.of(run)

    def once(
        self,
        step: str,
        inputs: tuple[object, ...],
        compute: Callable[[], str],
        *,
        allowed: Callable[[], object] = lambda: None,
        kept: Callable[[str], bool] = lambda output: True,
    ) -> str:
        """What the project's *step* made of *inputs*, in whichever run; computed and recorded if it never was.

        The run's code is one of the inputs. *allowed* is called first, and raises unless the output may be used. An
        output that is not *kept* any more (a lost artifact) is computed again. Raises what *allowed* and *compute*
        raise, after recording it.
        """
        digest = record_digest((self._run.code_digest, *inputs))
        with self.attempt(step) as attempt:
            allowed()
            known = self.output(step, digest)
            output = known if known is not None and kept(known) else compute()
            self.finish(step, attempt, inputs=digest, output=output)
            return output

    def output(self, step: str, inputs: str) -> str | None:
        """The recorded output of *step* for the digest *inputs*."""
        entry = self._ledger.find(self._key(step, inputs))
        return entry.event.output if entry is not None and isinstance(entry.event, StepFinished) else None

    def finish(self, step: str, attempt: str, *, inputs: str, output: str) -> None:
        """Record the fact that *inputs* make *output* or, where it is known, that it was taken again.

        Raises:
            LedgerError: the ledger says that *inputs* make something else.
        """
        project, run_id = self._run.project, self._run.run_id
        finished = StepFinished(
            project=project, run_id=run_id, step=step, attempt=attempt, inputs=inputs, output=output
        )
        known = self.output(step, inputs)
        if known is None:
            try:
                self._ledger.record(self._stream, finished, key=self._key(step, inputs), fence=self.fence)
                return
            except LedgerError:  # an attempt that was thought dead came first
                if self.output(step, inputs) != output:
                    raise
        elif known != output:
            raise LedgerError(
                f"the same inputs make the same output of {step!r}",
                value=f"{output}, recorded is {known}",
                remedy="Something that is no input decided the result: find it before the next night.",
            )
        reused = StepReused(project=project, run_id=run_id, step=step, attempt=attempt, output=output)
        self._ledger.record(self._stream, reused, fence=self.fence)

    def fact(self, stream: str, event: Event, *, key: str) -> None:
        """Record *event* as the fact *key*, unless an earlier run did."""
        if self._ledger.find(key) is None:
            self._ledger.record(stream, event, key=key, fence=self.fence)

    def close_lost(self, step: str) -> None:
        """Record the end of the step's attempts that ended without a word: no other attempt of it may be running."""
        events = [entry.event for entry in self._ledger.read(self._stream)]
        ended = {event.attempt for event in events if isinstance(event, StepFinished | StepReused | StepFailed)}
        for event in events:
            if isinstance(event, StepStarted) and event.step == step and event.attempt not in ended:
                self._fail(step, event.attempt, "Lost", "ended without a word")

    @contextmanager
    def attempt(self, step: str) -> Iterator[str]:
        """Record that an attempt begins and how it fails; close earlier ones that ended without a word.

        An error of ours is recorded with its sentence, a foreign one by its type alone: its text may quote a value.
        """
        self.close_lost(step)
        attempt = uuid.uuid4().hex
        started = StepStarted(project=self._run.project, run_id=self._run.run_id, step=step, attempt=attempt)
        self._ledger.record(self._stream, started, fence=self.fence)
        try:
            yield attempt
        except Exception as error:
            name = type(error).__name__
            with suppress(LedgerError):  # out of reach now: the next attempt finds this one open and closes it
                self._fail(step, attempt, name, str(error) if isinstance(error, TrainyardError) else name)
            raise

    def _fail(self, step: str, attempt: str, error: str, message: str) -> None:
        failed = StepFailed(
            project=self._run.project,
            run_id=self._run.run_id,
            step=step,
            attempt=attempt,
            error=error,
            message=message,
        )
        self._ledger.record(self._stream, failed)

    def _key(self, step: str, inputs: str) -> str:
        return f"step/{self._run.project}/{step}/{inputs}"


def close_lost(ledger: Ledger, *, now: datetime) -> int:
    """Record the end of every attempt that ended without a word, in runs that hold no lease at *now*; how many.

    What a killed task leaves open is closed by its next attempt; this is for those that have none.
    """
    opened: dict[str, StepStarted] = {}
    runs: dict[str, Run] = {}
    for entry in ledger.read_all(kinds=(RunStarted, StepStarted, StepFinished, StepReused, StepFailed)):
        event = entry.event
        if isinstance(event, RunStarted):
            runs[entry.stream] = event.run
        elif isinstance(event, StepStarted):
            opened[event.attempt] = event
        elif isinstance(event, StepFinished | StepReused | StepFailed):
            opened.pop(event.attempt, None)
    closed = 0
    for started in opened.values():
        run = runs.get(run_stream(started.project, started.run_id))
        held = lease.holder(list(reversed(ledger.read(lease.stream_of(started.project)))))
        if run is None or (held is not None and held.run_id == started.run_id and held.expires_at > now):
            continue
        Journal(ledger, run).close_lost(started.step)
        closed += 1
    return closed
