"""One shard of a round: its trials, by successive halving, each recorded as soon as its outcome is certain."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil, isfinite
from typing import Any

from include.core.records import PlannedTrial, Shard, Trial, TrialState
from include.core.search import LearnerName
from include.learner import learner
from include.learner.port import Learner, ParametersRefused, Training
from include.training.artifacts import Artifacts
from include.training.checkpoints import Checkpoints, Unfinished, begin
from include.training.meter import ShardMeter

#: Why a trial failed, beside what its learner refuses: all that its record may say.
NOT_FINITE = "the validation loss is not a finite number"


def train_shard(
    shard: Shard,
    *,
    opened: Artifacts,
    recorded: Mapping[str, Trial],
    record: Callable[[Trial], None],
    threads: int = 1,
    allowed: Callable[[], None] = lambda: None,
    meter: ShardMeter | None = None,
    checkpoints: Checkpoints | None = None,
    resumed: Callable[[int], None] = lambda rounds: None,
) -> None:
    """Train the trials of *shard* and hand each outcome to *record* once.

    All trials train to the first rung; of the n that reach a rung, the best ``ceil(n / reduction)`` go on to the next,
    in memory; equal losses are told apart by trial id. *opened* holds ``shard.artifacts``.
    *recorded* maps trial ids to outcomes that an earlier attempt recorded: those are not trained again, and the cuts
    are decided from their losses, so that an attempt that is stopped anywhere and repeated records what one without
    interruption would have. *threads* changes no result. A trial that its learner refuses is recorded as failed, if
    one with plain parameters can be trained. *allowed* is called before each round, and ends the shard by raising.
    *meter* counts what each takes, and knows it when the outcome is handed on. *checkpoints* keeps what is under way,
    by trial id: where an earlier attempt was killed there is nothing to train again but the rounds since. *resumed* is
    called with the rounds that are not.

    Raises:
        MachineFault: no trial can be trained here: no device, no memory, data that cannot be read.
    """
    kept = checkpoints or Checkpoints()
    race = _Race(shard, opened, recorded, record, threads, allowed, meter or ShardMeter(), kept, resumed)
    halve(shard, race.loss, lambda trial_id, depth: race.finish(trial_id, TrialState.PRUNED))


def halve(shard: Shard, loss: Callable[[str, int], float | None], cut: Callable[[str, int], None]) -> None:
    """Successive halving: *cut* is called with each trial that does not go on, and the rung (from 0) that stopped it.

    *loss* is asked, rung by rung, for the loss of each trial that is still in the race; ``None``: it has failed.
    """
    alive = sorted(trial.trial_id for trial in shard.trials)
    for depth in range(len(shard.rungs)):
        losses = {trial_id: found for trial_id in alive if (found := loss(trial_id, depth)) is not None}
        ranked = sorted(losses, key=lambda trial_id: (losses[trial_id], trial_id))
        alive = ranked[: ceil(len(ranked) / shard.reduction)]
        if depth < len(shard.rungs) - 1:
            for trial_id in ranked[len(alive) :]:
                cut(trial_id, depth)


def outcome(
    shard: Shard, planned: PlannedTrial, state: TrialState, losses: tuple[float, ...], error: str | None
) -> Trial:
    """The record of a trial that ended at the last rung for which it has a loss."""
    return Trial(
        trial_id=planned.trial_id,
        params=planned.params,
        state=state,
        losses=losses,
        rounds=shard.rungs[len(losses) - 1] if losses else 0,
        error=error,
    )


class _Race:
    """The trainings of a shard and what is known of each trial. Data are loaded when the first trial needs them."""

    def __init__(
        self,
        shard: Shard,
        opened: Artifacts,
        recorded: Mapping[str, Trial],
        record: Callable[[Trial], None],
        threads: int,
        allowed: Callable[[], None],
        meter: ShardMeter,
        checkpoints: Checkpoints,
        resumed: Callable[[int], None],
    ) -> None:
        self._planned: dict[str, PlannedTrial] = {trial.trial_id: trial for trial in shard.trials}
        self._known = {trial_id: recorded[trial_id] for trial_id in self._planned if trial_id in recorded}
        self._shard, self._opened, self._record, self._threads = shard, opened, record, threads
        self._allowed, self._meter, self._checkpoints, self._resumed = allowed, meter, checkpoints, resumed
        self._unfinished: dict[str, Unfinished] = {}
        self._trainings: dict[str, Training] = {}
        self._losses: dict[str, list[float]] = {trial_id: [] for trial_id in self._planned}
        self._rows: dict[tuple[str, LearnerName], Any] = {}

    def loss(self, trial_id: str, depth: int) -> float | None:
        """The validation loss at rung *depth*, trained for if it is not recorded; ``None``: the trial failed."""
        if trial_id in self._known:
            losses = self._known[trial_id].losses
            return losses[depth] if depth < len(losses) else None
        planned = self._planned[trial_id]
        before = self._unfinished_of(trial_id).losses
        loss = before[depth] if depth < len(before) else self._trained(planned, depth)
        if loss is None:
            return None
        self._losses[trial_id].append(loss)
        if depth == len(self._shard.rungs) - 1:
            self.finish(trial_id, TrialState.COMPLETE)
        elif (training := self._trainings.get(trial_id)) is not None:
            self._checkpoints.reached(trial_id, training, tuple(self._losses[trial_id]))
        return loss

    def _trained(self, planned: PlannedTrial, depth: int) -> float | None:
        """The loss at rung *depth*, trained for; ``None``: the trial failed, and is recorded so."""
        chosen, trial_id = learner(planned.learner), planned.trial_id
        rows = self._opened_rows(planned, chosen)
        try:
            with self._meter.training(trial_id, accelerators=chosen.accelerators(planned.params)):
                loss = self._train(planned, depth, chosen, rows)
        except ParametersRefused:
            self._trainings.pop(trial_id, None)
            chosen.probe(rows, planned.params, objective=self._shard.objective, threads=self._threads)
            self.finish(trial_id, TrialState.FAILED, chosen.refused)
            return None
        if not isfinite(loss):
            self.finish(trial_id, TrialState.FAILED, NOT_FINITE)
            return None
        return loss

    def _unfinished_of(self, trial_id: str) -> Unfinished:
        """What an earlier attempt left of the trial."""
        if trial_id not in self._unfinished:
            found = self._checkpoints.of(trial_id)
            self._unfinished[trial_id] = replace(found, checkpoint=None)  # as large as its rows: read when it goes on
            reached = self._shard.rungs[len(found.losses) - 1] if found.losses else 0
            self._resumed(max(reached, found.rounds))
        return self._unfinished[trial_id]

    def finish(self, trial_id: str, state: TrialState, error: str | None = None) -> None:
        self._trainings.pop(trial_id, None)
        if trial_id in self._known:
            return
        losses = tuple(self._losses[trial_id])
        trial = outcome(self._shard, self._planned[trial_id], state, losses, error)
        self._meter.end(trial_id, state)
        self._record(trial)
        self._known[trial_id] = trial
        self._checkpoints.ended(trial_id)

    def _train(self, planned: PlannedTrial, depth: int, chosen: Learner, rows: Any) -> float:
        training = self._trainings.get(planned.trial_id) or self._start(planned, chosen, rows)
        losses = tuple(self._losses[planned.trial_id])
        while training.rounds < self._shard.rungs[depth]:
            self._allowed()
            training.advance()
            self._checkpoints.reached(planned.trial_id, training, losses)
        return training.loss()

    def _start(self, planned: PlannedTrial, chosen: Learner, rows: Any) -> Training:
        kept = self._unfinished_of(planned.trial_id).rounds > 0
        training = begin(
            chosen,
            rows,
            planned.params,
            objective=self._shard.objective,
            seed=self._shard.seed,
            threads=self._threads,
            checkpoint=self._checkpoints.of(planned.trial_id).checkpoint if kept else None,
        )
        self._trainings[planned.trial_id] = training
        return training

    def _opened_rows(self, planned: PlannedTrial, chosen: Learner) -> Any:
        """The rows of a trial, opened once for all that share them: their parameters of preparation are the same."""
        digest = planned.rows or self._shard.binned
        if (known := self._rows.get((digest, planned.learner))) is not None:
            return known
        path, cut = self._opened.path(digest), self._shard.training_rows
        rows = chosen.open(path, planned.params, training_rows=cut, threads=self._threads)
        return self._rows.setdefault((digest, planned.learner), rows)
