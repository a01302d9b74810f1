"""What runs took: observations by their attempts, trials and pods, and the sums of any of these.

They stand in streams of their own, one a run, which no night reads. Each second is told once: whatever was recorded
may be summed, and the sum of parts is that of the whole.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from include.core import streams
from include.core.clocks import clocks
from include.core.events import Event, PodMeasured, StepMeasured, TrialsMeasured
from include.core.records import Run, TrialCost, TrialState
from include.ledger.entry import Entry
from include.ledger.ledger import Ledger

#: When an attempt first records what it took so far.
FIRST_RECORD_SECONDS = 15.0


def pauses(*, longest_seconds: float) -> Iterator[float]:
    """How long an attempt goes on before it records what it took so far, and between each time and the next.

    It does when :data:`FIRST_RECORD_SECONDS` have passed, and again whenever the time since it began has doubled, or
    after the longest pause: of one that is killed, half of its time at least is known, or all but that pause.
    """
    pause = min(FIRST_RECORD_SECONDS, longest_seconds)
    passed = 0.0
    while True:
        yield pause
        passed += pause
        pause = min(passed, longest_seconds)


class AttemptMeter:
    """What an attempt takes, by the clocks of this process. Each second of it is told once."""

    def __init__(self, run: Run, step: str, attempt: str) -> None:
        self._run, self._step, self._attempt = run, step, attempt
        self._lock, self._since, self._ended = threading.Lock(), clocks(), False

    def rest(self) -> tuple[str, Event]:
        """The stream, and what was not told before, for the end of the attempt: after it nothing is told so far."""
        with self._lock:
            self._ended = True
            return self._told(clocks(), so_far=False)

    def record_so_far(self, record: Callable[[str, Event], object]) -> None:
        """Hand what was not told before to *record*; told, unless that raises."""
        with self._lock:
            if self._ended:
                return
            now = clocks()
            record(*self._told(now, so_far=True))
            self._since = now

    def _told(self, now: tuple[float, float], *, so_far: bool) -> tuple[str, Event]:
        wall, cpu = (round(then - since, 3) for then, since in zip(now, self._since, strict=True))
        return measured(self._run.project, self._run.run_id, self._step, self._attempt, wall, cpu, so_far=so_far)


def measured(
    project: str, run_id: str, step: str, attempt: str, wall: float, cpu: float, *, so_far: bool
) -> tuple[str, Event]:
    """The stream, and the event that says that the attempt took so much since what was told of it before."""
    event = StepMeasured(
        project=project,
        run_id=run_id,
        step=step,
        attempt=attempt,
        wall_seconds=wall,
        cpu_seconds=cpu,
        so_far=so_far,
    )
    return streams.cost_of_run(project, run_id), event


@dataclass(kw_only=True)
class Spent:
    """A sum over so many ``times`` (attempts, pods, or trainings of a trial).

    Of ``at_least`` of these only a part is known: what is told is less than they took, or as much.
    """

    times: int = 0
    at_least: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def add(self, wall: float, cpu: float, gpu: float) -> None:
        self.wall_seconds += wall
        self.cpu_seconds += cpu
        self.gpu_seconds += gpu


@dataclass(kw_only=True)
class TrialSpent(Spent):
    """What all trainings of a trial took; ``ended``: how it ended, ``None`` where no training came to its end."""

    ended: TrialState | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was observed, by step and by trial (the first digits of its id).

    ``pods`` are the training pods of a step. The trials are parts of the attempts and pods that trained them, and are
    added to none; only the accelerators of this machine are known by them alone, and are in ``steps``.
    """

    steps: Mapping[str, Spent] = field(default_factory=dict)
    pods: Mapping[str, Spent] = field(default_factory=dict)
    trials: Mapping[str, TrialSpent] = field(default_factory=dict)

    @property
    def attempts(self) -> Spent:
        return total(self.steps.values())

    @property
    def in_pods(self) -> Spent:
        return total(self.pods.values())

    @property
    def all(self) -> Spent:
        """Attempts and pods together: of time the sum, though they pass beside each other."""
        return total([self.attempts, self.in_pods])

    def in_words(self) -> str:
        """A sentence's end."""
        steps, pods = self.attempts, self.in_pods
        told = _in_words(steps, "attempt") + " of its steps"
        if pods.times:
            told += f"; {_in_words(pods, 'training pod')}"
        if lost := steps.at_least + pods.at_least:
            told += f"; and more: of {lost} of these a part only is known"
        return told


def _in_words(spent: Spent, what: str) -> str:
    held = f", {spent.gpu_seconds:,.1f} s of accelerators" if spent.gpu_seconds else ""
    told = f"{spent.cpu_seconds:,.1f} s of processor{held} and {spent.wall_seconds:,.1f} s of time"
    return f"{told} in {spent.times} {what}{'s' if spent.times != 1 else ''}"


def total(all_spent: Iterable[Spent]) -> Spent:
    found = Spent()
    for spent in all_spent:
        found.add(spent.wall_seconds, spent.cpu_seconds, spent.gpu_seconds)
        found.times += spent.times
        found.at_least += spent.at_least
    return found


def fold(events: Iterable[Event]) -> Cost:
    """The sums of *events*, whatever runs they are of; what is no observation of a cost is passed over."""
    steps: dict[str, Spent] = {}
    pods: dict[str, Spent] = {}
    trials: dict[str, TrialSpent] = {}
    ended: dict[tuple[str, str], bool] = {}
    for event in events:
        if isinstance(event, StepMeasured):
            steps.setdefault(event.step, Spent()).add(event.wall_seconds, event.cpu_seconds, 0.0)
            attempt = (event.step, event.attempt)
            ended[attempt] = ended.get(attempt, False) or not event.so_far
        elif isinstance(event, PodMeasured):
            spent = pods.setdefault(event.step, Spent())
            spent.add(event.wall_seconds, event.cpu_seconds or 0.0, event.gpu_seconds)
            spent.times += 1
            spent.at_least += event.at_least or event.cpu_seconds is None
        elif isinstance(event, TrialsMeasured):
            for each in event.trials:
                _add_trial(trials.setdefault(each.trial, TrialSpent()), each)
            if not event.in_pod:
                steps.setdefault(event.step, Spent()).gpu_seconds += sum(each.gpu_seconds for each in event.trials)
    for (step, _), whole in ended.items():
        steps[step].times += 1
        steps[step].at_least += not whole
    return Cost(steps=steps, pods=pods, trials=trials)


def _add_trial(spent: TrialSpent, each: TrialCost) -> None:
    spent.add(each.wall_seconds, each.cpu_seconds, each.gpu_seconds)
    spent.times += 1
    spent.at_least += each.ended is None
    spent.ended = each.ended or spent.ended


def cost_of(ledger: Ledger, project: str, run_id: str) -> Cost | None:
    """What a run took until now; ``None``: nothing was recorded of it."""
    entries = [*ledger.read(streams.cost(project)), *ledger.read(streams.cost_of_run(project, run_id))]
    events = [entry.event for entry in entries if run_of(entry) == run_id]
    return fold(events) if events else None


def run_of(entry: Entry) -> str | None:
    """The run that an observation of a cost is about."""
    event = entry.event
    return event.run_id if isinstance(event, StepMeasured | PodMeasured | TrialsMeasured) else None
