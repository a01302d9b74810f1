"""How far a training is, counted where it trains: figures of the search, and nothing of its rows."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from include.core.records import Shard, Trial

#: A training says how far it is no more often than that.
EVERY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """``ended`` of ``trials`` have an outcome, the lowest loss among them is ``best``.

    ``rounds`` of ``all_rounds`` are trained, in ``seconds``; those that an earlier attempt had trained count in
    neither. Where a trial fails, fewer are needed.
    """

    trials: int
    ended: int
    best: float | None
    rounds: int
    all_rounds: int
    seconds: float

    @property
    def left_seconds(self) -> float | None:
        """About how long it goes on, if each round takes as long as those before; ``None``: there are none yet."""
        return self.seconds / self.rounds * (self.all_rounds - self.rounds) if self.rounds else None

    def __add__(self, beside: "TrainingProgress") -> "TrainingProgress":
        """That of two trainings which run at a time."""
        losses = [each.best for each in (self, beside) if each.best is not None]
        return TrainingProgress(
            trials=self.trials + beside.trials,
            ended=self.ended + beside.ended,
            best=min(losses, default=None),
            rounds=self.rounds + beside.rounds,
            all_rounds=self.all_rounds + beside.all_rounds,
            seconds=max(self.seconds, beside.seconds),
        )

    def in_words(self) -> str:
        told = [f"{self.ended:,} of {self.trials:,} trials"]
        if self.best is not None:
            told.append(f"best loss {self.best:.4f}")
        told.append(f"{self.rounds:,} of {self.all_rounds:,} rounds")
        if self.left_seconds and self.ended < self.trials:
            told.append(f"about {_duration(self.left_seconds)} left")
        return ", ".join(told)

    def line(self) -> str:
        """In words that :func:`read_line` reads, for a process that can say it in no other way."""
        best = "" if self.best is None else f", best loss {self.best!r}"
        rounds = f"{self.rounds} of {self.all_rounds} rounds in {self.seconds:.1f} s"
        return f"progress: {self.ended} of {self.trials} trials{best}, {rounds}"


def read_line(line: str) -> TrainingProgress | None:
    """What :meth:`TrainingProgress.line` says at the end of *line*; ``None``: that says nothing of it."""
    found = _LINE.search(line)
    if found is None:
        return None
    ended, trials, best, rounds, all_rounds, seconds = found.groups()
    return TrainingProgress(
        trials=int(trials),
        ended=int(ended),
        best=None if best is None else float(best),
        rounds=int(rounds),
        all_rounds=int(all_rounds),
        seconds=float(seconds),
    )


#: No number of more digits is read: lines come from elsewhere.
_LINE = re.compile(
    r"progress: (\d{1,9}) of (\d{1,9}) trials(?:, best loss (-?\d{1,320}(?:\.\d{1,320})?(?:e[-+]?\d{1,3})?))?, "
    r"(\d{1,9}) of (\d{1,9}) rounds in (\d{1,9}\.\d) s$"
)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{ceil(seconds)} s"


#: Told how far a training is.
Report = Callable[[TrainingProgress], None]


class ProgressCounter:
    """Counts rounds and outcomes as they are handed through it, and tells *report* now and then, and at the end."""

    def __init__(
        self,
        *,
        trials: int,
        all_rounds: int,
        recorded: Iterable[Trial] = (),
        report: Report = lambda progress: None,
    ) -> None:
        self._report, self._trials, self._all_rounds = report, trials, all_rounds
        self._ended, self._rounds = 0, 0
        self._best: float | None = None
        for trial in recorded:
            self._count(trial)
            self._all_rounds -= trial.rounds
        self._began = self._told = time.monotonic()

    @classmethod
    def of_shard(
        cls, shard: Shard, recorded: Mapping[str, Trial], *, report: Report = lambda progress: None
    ) -> "ProgressCounter":
        """Of the trials of *shard* of which *recorded* has no outcome yet."""
        known = [recorded[trial.trial_id] for trial in shard.trials if trial.trial_id in recorded]
        return cls(trials=len(shard.trials), all_rounds=rounds_of(shard), recorded=known, report=report)

    def counting(self, allowed: Callable[[], None]) -> Callable[[], None]:
        """*allowed*, which is called before each round."""

        def counted() -> None:
            allowed()
            if time.monotonic() - self._told >= EVERY_SECONDS:
                self._tell()
            self._rounds += 1

        return counted

    def resumed(self, rounds: int) -> None:
        """So many rounds, which an earlier attempt had trained, are not trained again."""
        self._all_rounds -= rounds

    def recording(self, record: Callable[[Trial], None]) -> Callable[[Trial], None]:
        """*record*, which is given each outcome."""

        def recorded(trial: Trial) -> None:
            record(trial)
            self._count(trial)
            if self._ended == self._trials:
                self._tell()

        return recorded

    def _count(self, trial: Trial) -> None:
        self._ended += 1
        losses = [loss for loss in (self._best, *trial.losses) if loss is not None]
        self._best = min(losses, default=None)

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._report(self.progress())

    def progress(self) -> TrainingProgress:
        return TrainingProgress(
            trials=self._trials,
            ended=self._ended,
            best=self._best,
            rounds=self._rounds,
            all_rounds=max(self._all_rounds, self._rounds),
            seconds=time.monotonic() - self._began,
        )


def rounds_of(shard: Shard) -> int:
    """How many rounds halving trains in all, where no trial fails."""
    alive, reached, rounds = len(shard.trials), 0, 0
    for rung in shard.rungs:
        rounds += alive * (rung - reached)
        alive, reached = ceil(alive / shard.reduction), rung
    return rounds


def every(seconds: float, say: Report) -> Report:
    """*say*, so many *seconds* apart at least, the first time after them too."""
    due = time.monotonic() + seconds

    def report(progress: TrainingProgress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + seconds
            say(progress)

    return report


def by_tenths(say: Callable[[str], None], *, least_seconds: float = 10.0) -> Callable[[str, TrainingProgress], None]:
    """Says in words how far a step is when another tenth of it is done, *least_seconds* apart, and at its end.

    So a log has a dozen lines of it, however long it takes.
    """
    known: dict[str, tuple[int, float]] = {}

    def report(step: str, progress: TrainingProgress) -> None:
        tenth, seconds = known.get(step, (0, 0.0))
        reached = progress.rounds * 10 // max(progress.all_rounds, 1)
        waited = progress.seconds - seconds >= least_seconds
        if progress.ended == progress.trials or (reached > tenth and waited):
            known[step] = reached, progress.seconds
            say(f"{step}: {progress.in_words()}")

    return report
