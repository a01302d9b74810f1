"""A run's own pages in the ledger: which attempts of which steps began, how they ended, and what they made."""

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from include.core import streams
from include.core.canonical import record_digest
from include.core.clocks import utc_now
from include.core.errors import LedgerError, LedgerUnavailable, TrainyardError
from include.core.events import Event, RunStarted, StepFailed, StepFinished, StepReused, StepStarted
from include.core.records import Run
from include.ledger import lease
from include.ledger.costs import AttemptMeter, pauses
from include.ledger.entry import Fence
from include.ledger.ledger import Ledger
from include.ledger.lost_attempts import WITHOUT_A_LEASE, close


def begun(ledger: Ledger, project: str, run_id: str) -> Run | None:
    """The run as it began, with its fence of that time; ``None``: it has not."""
    return all_begun(ledger, project, {run_id}).get(run_id)


def all_begun(ledger: Ledger, project: str, run_ids: Collection[str]) -> dict[str, Run]:
    """Those of the runs *run_ids* that have begun, as :func:`begun`, by their ids, in one query."""
    by_key = {streams.run(project, run_id): run_id for run_id in run_ids}
    found = ledger.find_all(by_key)
    return {by_key[key]: entry.event.run for key, entry in found.items() if isinstance(entry.event, RunStarted)}


def under_way(ledger: Ledger, run: Run, *, position: int) -> bool:
    """Whether *run* has gone on without an end since before *position* of the ledger.

    A night has if it took the lease that it holds before that, and gave it back at no time since. What watches or
    scores beside a night takes none: it has if it began before that, within a day.
    """
    if run.fence:
        since = lease.held_since(ledger, run.project, run_id=run.run_id)
        return since is not None and since < position
    began, at = ledger.find(streams.run(run.project, run.run_id)), ledger.read_all(after=position - 1, limit=1)
    if began is None or not at or began.position > position:
        return False
    return at[0].recorded_at - began.recorded_at < WITHOUT_A_LEASE


class Journal:
    """Writes for one run, under the fence that it holds: a run that lost its lease writes nothing any more.

    While an attempt runs, a thread beside it renews the lease for *duration* every third of that at the latest.
    """

    def __init__(
        self,
        ledger: Ledger,
        run: Run,
        *,
        duration: timedelta = lease.DURATION,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger, self._run = ledger, run
        self._duration, self._clock = duration, clock
        self._stream = streams.run(run.project, run.run_id)
        self._meters: dict[str, AttemptMeter] = {}
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
        known = self.finished(step, inputs)
        return None if known is None else known.output

    def finished(self, step: str, inputs: str) -> StepFinished | None:
        """The recorded fact of what *step* made of the digest *inputs*."""
        return self._ledger.fact(self._key(step, inputs), StepFinished)

    def position(self, step: str, inputs: str) -> int | None:
        """Where the fact of what *step* made of the digest *inputs* was recorded; ``None``: it never was."""
        entry = self._ledger.find(self._key(step, inputs))
        return None if entry is None else entry.position

    def finish(self, step: str, attempt: str, *, inputs: str, output: str) -> None:
        """Record the fact that *inputs* make *output* or, where it is known, that it was taken again.

        Raises:
            LedgerError: the ledger says that *inputs* make something else.
        """
        project, run_id = self._run.project, self._run.run_id
        finished = StepFinished(
            project=project, run_id=run_id, step=step, attempt=attempt, inputs=inputs, output=output
        )
        known, cost = self.finished(step, inputs), self._cost(attempt)
        if known is None:
            try:
                key = self._key(step, inputs)
                self._ledger.record(self._stream, finished, key=key, fence=self.fence, beside=cost)
                return
            except LedgerError:  # an attempt that was thought dead came first, or only the answer was lost
                known = self.finished(step, inputs)
                if known is None or known.output != output:
                    raise
        elif known.output != output:
            raise LedgerError(
                f"the same inputs make the same output of {step!r}",
                value=f"{output}, recorded is {known.output}",
                remedy="Something that is no input decided the result: find it before the next night.",
            )
        if known == finished:
            return
        reused = StepReused(project=project, run_id=run_id, step=step, attempt=attempt, output=output)
        self._ledger.record(self._stream, reused, fence=self.fence, beside=cost)

    def fact(self, stream: str, event: Event, *, key: str, beside: Sequence[tuple[str, Event]] = ()) -> None:
        """Record *event* as the fact *key*, unless an earlier run did, and what stands *beside* it in either case."""
        if self._ledger.find(key) is None:
            self._ledger.record(stream, event, key=key, fence=self.fence, beside=beside)
            return
        for elsewhere, observation in beside:
            self._ledger.record(elsewhere, observation)

    def under_way(self, step: str) -> str | None:
        """The attempt of *step* that began last and has no end yet."""
        return next((started.attempt for started in reversed(self._open(step))), None)

    def close_lost(self, step: str) -> None:
        """Record the end of the step's attempts that ended without a word: no other attempt of it may be running."""
        for started in self._open(step):
            close(self._ledger, self._stream, started)

    def _open(self, step: str) -> list[StepStarted]:
        """The attempts of *step* that have no end, in the order in which they began."""
        events = [entry.event for entry in self._ledger.read(self._stream)]
        ended = {event.attempt for event in events if isinstance(event, StepFinished | StepReused | StepFailed)}
        begun = [event for event in events if isinstance(event, StepStarted) and event.step == step]
        return [event for event in begun if event.attempt not in ended]

    @contextmanager
    def attempt(self, step: str) -> Iterator[str]:
        """Record that an attempt begins and how it fails; close earlier ones that ended without a word.

        A failure that the ledger is out of reach for is recorded by the next attempt, as that of a lost one.
        """
        self.close_lost(step)
        attempt = uuid.uuid4().hex
        started = StepStarted(project=self._run.project, run_id=self._run.run_id, step=step, attempt=attempt)
        self._ledger.record(self._stream, started, fence=self.fence)
        meter = self._meters[attempt] = AttemptMeter(self._run, step, attempt)
        try:
            with self._heartbeat(meter):
                yield attempt
        except Exception as error:  # whatever ended the attempt is recorded, then raised
            project, run_id = self._run.project, self._run.run_id
            cost = self._cost(attempt)
            record_failure(self._ledger, error, project=project, run_id=run_id, step=step, attempt=attempt, beside=cost)
            raise
        finally:
            del self._meters[attempt]

    def _cost(self, attempt: str) -> list[tuple[str, Event]]:
        """What the attempt took until now and was not told yet, to be recorded beside its end."""
        meter = self._meters.get(attempt)
        return [] if meter is None else [meter.rest()]

    @contextmanager
    def _heartbeat(self, meter: AttemptMeter) -> Iterator[None]:
        """Renew the lease beside the block, and tell what it took so far, in a thread that is joined at its end.

        A run without a lease has neither. One that lost its lease goes on until its fence refuses what it writes.
        """
        if self.fence is None:
            yield
            return
        stopped = threading.Event()
        thread = threading.Thread(target=self._beat, args=(self.fence, meter, stopped), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _beat(self, fence: Fence, meter: AttemptMeter, stopped: threading.Event) -> None:
        seconds = pauses(longest_seconds=self._duration.total_seconds() / 3)
        while not stopped.wait(next(seconds)):
            with suppress(LedgerUnavailable):  # the next beat may reach it, and two are left before the lease ends
                if not lease.renew(self._ledger, fence, now=self._clock(), duration=self._duration):
                    return
                meter.record_so_far(self._ledger.record)

    def _key(self, step: str, inputs: str) -> str:
        return streams.step_key(self._run.project, step, inputs)


def record_failure(
    ledger: Ledger,
    error: Exception,
    *,
    project: str,
    run_id: str,
    step: str,
    attempt: str = "",
    beside: Sequence[tuple[str, Event]] = (),
) -> None:
    """Record that *attempt* of *step* (one of its own, if none began) failed, if the ledger can be reached.

    What it took stands *beside* it.

    Of the error :func:`recorded_text` is recorded. Needs no lease: it is an observation about who may have none.
    """
    failed = StepFailed(
        project=project,
        run_id=run_id,
        step=step,
        attempt=attempt or uuid.uuid4().hex,
        error=type(error).__name__,
        message=recorded_text(error),
    )
    with suppress(LedgerError):
        ledger.record(streams.run(project, run_id), failed, beside=beside)


def recorded_text(error: Exception) -> str:
    """What is recorded of *error*: our own error's sentence, a foreign one's type: its text may quote a value."""
    return str(error) if isinstance(error, TrainyardError) else type(error).__name__


def failure_in_words(ledger: Ledger, project: str, run_id: str) -> str:
    """Which step of the run failed last and was not done since, by which error, and of ours its rule: a sentence.

    Without what was found in its place. Empty: nothing failed, or all of it was done since.
    """
    failed: dict[str, StepFailed] = {}
    for entry in ledger.read(streams.run(project, run_id)):
        event = entry.event
        if isinstance(event, StepFailed):
            failed[event.step] = event
        elif isinstance(event, StepFinished | StepReused):
            failed.pop(event.step, None)
    if not failed:
        return ""
    last = next(reversed(failed.values()))
    rule, found, _ = last.message.partition("; found: ")
    return f"{last.step} ended with {last.error}{f', {rule}' if found else ''}. "
