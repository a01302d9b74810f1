"""One shard of a round: its trials, by successive halving, each recorded as soon as its outcome is certain."""

from collections.abc import Callable, Mapping
from math import ceil, isfinite
from typing import Any

from include.core.project import Objective
from include.core.records import Plan, PlannedTrial, Trial, TrialState
from include.training.booster import booster_settings, dataset_settings
from include.training.matrix import Artifacts
from include.training.metrics import Numbers, row_losses


def train_shard(
    plan: Plan,
    shard: int,
    *,
    opened: Artifacts,
    recorded: Mapping[str, Trial],
    record: Callable[[Trial], None],
    threads: int = 1,
) -> None:
    """Train the trials of ``plan.shards[shard]`` and hand each outcome to *record* once.

    All trials train to the first rung; of the n that reach a rung, the best ``ceil(n / reduction)`` go on to the next,
    in memory; equal losses are told apart by trial id. *opened* holds ``plan.binned`` and ``plan.binned_validation``.
    *recorded* maps trial ids to outcomes that an earlier attempt recorded: those are not trained again, and the cuts
    are decided from their losses, so that an attempt that is stopped anywhere and repeated records what one without
    interruption would have. *threads* changes no result. A trial that LightGBM refuses is recorded as failed.
    """
    race = _Race(plan, shard, opened, recorded, record, threads)
    alive = sorted(race.planned)
    for depth in range(len(plan.rungs)):
        losses = {trial_id: loss for trial_id in alive if (loss := race.loss(trial_id, depth)) is not None}
        ranked = sorted(losses, key=lambda trial_id: (losses[trial_id], trial_id))
        alive = ranked[: ceil(len(ranked) / plan.reduction)]
        if depth < len(plan.rungs) - 1:
            for trial_id in ranked[len(alive) :]:
                race.finish(trial_id, TrialState.PRUNED)


class _Race:
    """The boosters of a shard and what is known of each trial. Data are loaded when the first trial needs them."""

    def __init__(
        self,
        plan: Plan,
        shard: int,
        opened: Artifacts,
        recorded: Mapping[str, Trial],
        record: Callable[[Trial], None],
        threads: int,
    ) -> None:
        trials = [plan.trials[index] for index in plan.shards[shard]]
        self.planned: dict[str, PlannedTrial] = {trial.trial_id: trial for trial in trials}
        self._known = {trial_id: recorded[trial_id] for trial_id in self.planned if trial_id in recorded}
        self._plan, self._opened, self._record, self._threads = plan, opened, record, threads
        self._boosters: dict[str, Any] = {}
        self._losses: dict[str, list[float]] = {trial_id: [] for trial_id in self.planned}
        self._data: tuple[Any, Any] | None = None

    def loss(self, trial_id: str, depth: int) -> float | None:
        """The validation loss at rung *depth*, trained for if it is not recorded; ``None``: the trial failed."""
        if trial_id in self._known:
            losses = self._known[trial_id].losses
            return losses[depth] if depth < len(losses) else None
        import lightgbm

        try:
            loss = self._train(trial_id, depth)
        except lightgbm.basic.LightGBMError:
            # LightGBM's own text may quote a label or a cell: only the kind of the error is recorded.
            self.finish(trial_id, TrialState.FAILED, "LightGBMError: LightGBM refused these parameters")
            return None
        if not isfinite(loss):
            self.finish(trial_id, TrialState.FAILED, "the validation loss is not a finite number")
            return None
        self._losses[trial_id].append(loss)
        if depth == len(self._plan.rungs) - 1:
            self.finish(trial_id, TrialState.COMPLETE)
        return loss

    def finish(self, trial_id: str, state: TrialState, error: str | None = None) -> None:
        self._boosters.pop(trial_id, None)
        if trial_id in self._known:
            return
        losses = tuple(self._losses[trial_id])
        trial = Trial(
            trial_id=trial_id,
            params=self.planned[trial_id].params,
            state=state,
            losses=losses,
            rounds=self._plan.rungs[len(losses) - 1] if losses else 0,
            error=error,
        )
        self._record(trial)
        self._known[trial_id] = trial

    def _train(self, trial_id: str, depth: int) -> float:
        booster = self._boosters.get(trial_id) or self._start(trial_id)
        reached = self._plan.rungs[depth - 1] if depth else 0
        for _ in range(self._plan.rungs[depth] - reached):
            booster.update()
        (result,) = booster.eval_valid(_loss_of(self._plan.objective))
        return float(result[2])

    def _start(self, trial_id: str) -> Any:
        import lightgbm

        train, validation = self._data = self._data or self._load()
        settings = booster_settings(
            self.planned[trial_id].params, objective=self._plan.objective, seed=self._plan.seed, threads=self._threads
        )
        booster = lightgbm.Booster(settings, train)
        booster.add_valid(validation, "validation")
        self._boosters[trial_id] = booster
        return booster

    def _load(self) -> tuple[Any, Any]:
        import lightgbm

        # All trials of a plan have the same binning parameters, as these are fixed.
        settings = dataset_settings(next(iter(self.planned.values())).params, threads=self._threads)
        train, validation = (
            lightgbm.Dataset(str(self._opened.path(digest)), params=settings).construct()
            for digest in (self._plan.binned, self._plan.binned_validation)
        )
        return train, validation


def _loss_of(objective: Objective) -> Callable[[Numbers, Any], tuple[str, float, bool]]:
    def loss(prediction: Numbers, data: Any) -> tuple[str, float, bool]:
        return "loss", float(row_losses(objective, data.get_label(), prediction).mean()), False

    return loss
