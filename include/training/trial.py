"""One shard of a round: its trials, by successive halving, each recorded as soon as its outcome is certain."""

from collections.abc import Callable, Mapping
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from include.core.errors import MachineFault
from include.core.project import Objective
from include.core.records import Params, PlannedTrial, Shard, Trial, TrialState
from include.training.artifacts import Artifacts
from include.training.booster import booster_settings, dataset_settings, probe_settings
from include.training.meter import ShardMeter
from include.training.metrics import Numbers, row_losses

#: Why a trial failed: all that its record may say.
REFUSED = "LightGBMError: LightGBM refused these parameters"
NOT_FINITE = "the validation loss is not a finite number"

#: All that LightGBM says where memory is short.
_NO_MEMORY = "std::bad_alloc"


def train_shard(
    shard: Shard,
    *,
    opened: Artifacts,
    recorded: Mapping[str, Trial],
    record: Callable[[Trial], None],
    threads: int = 1,
    allowed: Callable[[], None] = lambda: None,
    meter: ShardMeter | None = None,
) -> None:
    """Train the trials of *shard* and hand each outcome to *record* once.

    All trials train to the first rung; of the n that reach a rung, the best ``ceil(n / reduction)`` go on to the next,
    in memory; equal losses are told apart by trial id. *opened* holds ``shard.binned``.
    *recorded* maps trial ids to outcomes that an earlier attempt recorded: those are not trained again, and the cuts
    are decided from their losses, so that an attempt that is stopped anywhere and repeated records what one without
    interruption would have. *threads* changes no result. A trial that LightGBM refuses is recorded as failed, if one
    with plain parameters can be trained. *allowed* is called before each boosting round, and ends the shard by raising.
    *meter* counts what each takes, and knows it when the outcome is handed on.

    Raises:
        MachineFault: no trial can be trained here: no device, no memory, data that cannot be read.
    """
    race = _Race(shard, opened, recorded, record, threads, allowed, meter or ShardMeter())
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
    """The boosters of a shard and what is known of each trial. Data are loaded when the first trial needs them."""

    def __init__(
        self,
        shard: Shard,
        opened: Artifacts,
        recorded: Mapping[str, Trial],
        record: Callable[[Trial], None],
        threads: int,
        allowed: Callable[[], None],
        meter: ShardMeter,
    ) -> None:
        self._planned: dict[str, PlannedTrial] = {trial.trial_id: trial for trial in shard.trials}
        self._known = {trial_id: recorded[trial_id] for trial_id in self._planned if trial_id in recorded}
        self._shard, self._opened, self._record, self._threads = shard, opened, record, threads
        self._allowed, self._meter = allowed, meter
        self._boosters: dict[str, Any] = {}
        self._losses: dict[str, list[float]] = {trial_id: [] for trial_id in self._planned}
        self._data: tuple[Any, Any] | None = None

    def loss(self, trial_id: str, depth: int) -> float | None:
        """The validation loss at rung *depth*, trained for if it is not recorded; ``None``: the trial failed."""
        if trial_id in self._known:
            losses = self._known[trial_id].losses
            return losses[depth] if depth < len(losses) else None
        import lightgbm

        data = self._data = self._data or self._load()
        try:
            with self._meter.training(trial_id, self._planned[trial_id].params):
                loss = self._train(trial_id, depth, data)
        except lightgbm.basic.LightGBMError as error:
            # LightGBM's own text may quote a label or a cell: only the kind of the error is recorded.
            if str(error) == _NO_MEMORY:
                raise fault("there is memory for a trial where it is trained", "not enough memory") from None
            self._boosters.pop(trial_id, None)
            self._probe(trial_id, data)
            self.finish(trial_id, TrialState.FAILED, REFUSED)
            return None
        if not isfinite(loss):
            self.finish(trial_id, TrialState.FAILED, NOT_FINITE)
            return None
        self._losses[trial_id].append(loss)
        if depth == len(self._shard.rungs) - 1:
            self.finish(trial_id, TrialState.COMPLETE)
        return loss

    def finish(self, trial_id: str, state: TrialState, error: str | None = None) -> None:
        self._boosters.pop(trial_id, None)
        if trial_id in self._known:
            return
        losses = tuple(self._losses[trial_id])
        trial = outcome(self._shard, self._planned[trial_id], state, losses, error)
        self._meter.end(trial_id, state)
        self._record(trial)
        self._known[trial_id] = trial

    def _train(self, trial_id: str, depth: int, data: tuple[Any, Any]) -> float:
        booster = self._boosters.get(trial_id) or self._start(trial_id, data)
        reached = self._shard.rungs[depth - 1] if depth else 0
        for _ in range(self._shard.rungs[depth] - reached):
            self._allowed()
            booster.update()
        (result,) = booster.eval_valid(_loss_of(self._shard.objective))
        return float(result[2])

    def _start(self, trial_id: str, data: tuple[Any, Any]) -> Any:
        import lightgbm

        train, validation = data
        settings = booster_settings(
            self._planned[trial_id].params,
            objective=self._shard.objective,
            seed=self._shard.seed,
            threads=self._threads,
        )
        booster = lightgbm.Booster(settings, train)
        booster.add_valid(validation, "validation")
        self._boosters[trial_id] = booster
        return booster

    def _probe(self, trial_id: str, data: tuple[Any, Any]) -> None:
        """Raise MachineFault unless plain parameters train a round on the same data and the device of the trial."""
        import lightgbm

        settings = probe_settings(
            self._planned[trial_id].params, objective=self._shard.objective, threads=self._threads
        )
        try:
            lightgbm.Booster(settings, data[0]).update()
        except lightgbm.basic.LightGBMError:
            device = settings.get("device_type", "cpu")
            raise fault(
                "plain parameters can be trained where a shard is trained", f"not on the device type {device!r}"
            ) from None

    def _load(self) -> tuple[Any, Any]:
        # All trials of a plan have the same binning parameters, as these are fixed.
        params = next(iter(self._planned.values())).params
        rows = load(self._opened.path(self._shard.binned), params, threads=self._threads)
        cut = self._shard.training_rows
        return rows.subset(range(cut)).construct(), rows.subset(range(cut, rows.num_data())).construct()


def load(path: Path, params: Params, *, threads: int) -> Any:
    """The binned rows of a plan, as a constructed ``lightgbm.Dataset``; *params* are those of any of its trials.

    Raises:
        MachineFault: LightGBM cannot load them here.
    """
    import lightgbm

    try:
        return lightgbm.Dataset(str(path), params=dataset_settings(params, threads=threads)).construct()
    except lightgbm.basic.LightGBMError:
        raise fault("the binned data can be read where a model is trained", "LightGBM cannot load them") from None


def fault(rule: str, found: str) -> MachineFault:
    """What ends training where nothing can be trained: *found* instead of what *rule* says, and what to do about it."""
    return MachineFault(
        rule,
        value=found,
        remedy="It is tried again by itself; if it stays, see that the machine has the device, its driver and enough "
        "memory, and the version of LightGBM that binned the data.",
    )


def _loss_of(objective: Objective) -> Callable[[Numbers, Any], tuple[str, float, bool]]:
    def loss(prediction: Numbers, data: Any) -> tuple[str, float, bool]:
        return "loss", float(row_losses(objective, data.get_label(), prediction).mean()), False

    return loss
