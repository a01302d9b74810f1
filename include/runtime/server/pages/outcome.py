"""What a run came to, from the ledger and the open store: of a night its decision and why, of a watch its verdict.

Counts and figures only, and no group of fewer than 20 rows. Figures of the holdout are shown once the night is decided.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from include.core import streams
from include.core.errors import StoreError, StoreUnavailable
from include.core.events import DriftJudged
from include.core.project import Severity
from include.core.records import CheckResult, Evaluation, LiveFigures, Plan, Promotion, Run, Validation, short_id
from include.ledger import Ledger
from include.ledger.costs import Cost, TrialSpent, cost_of
from include.ledger.journal import begun
from include.registry.spending import cost_of_version
from include.steps.platform import loaded
from include.steps.progress import SeenProgress, seen
from include.steps.showing import NightFigures, made_by, recorded_learnt
from include.steps.training import step_of
from include.store import Store

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class HoldoutFigure:
    """A figure of the holdout. ``before`` is that of the champion before, ``benchmark`` that of the benchmark, on the
    same rows; ``None``: it has none.
    """

    name: str
    value: float
    before: float | None
    benchmark: float | None


@dataclass(frozen=True, kw_only=True)
class ValidationSummary:
    """What validation found. ``report``: its page is still there."""

    checks: int
    failed: tuple[CheckResult, ...]
    report: bool


@dataclass(frozen=True, kw_only=True)
class ModelDecision:
    """A night's model, and what was made of it. ``figures`` are those that the gates compared, where they compared."""

    promotion: Promotion
    evaluation: Evaluation
    figures: tuple[HoldoutFigure, ...]


@dataclass(frozen=True, kw_only=True)
class WatchSummary:
    """What a watch came to. ``report``: that of its drift is still there."""

    event: DriftJudged
    report: bool


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the run took. ``trials`` are in the plan's order, each as it is called there (``None``: it is not there).

    ``led`` is the sum of all nights that led to the night's version since the one before; ``None``: it made none yet.
    """

    own: Cost
    trials: tuple[tuple[str | None, TrialSpent], ...]
    led: Cost | None


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """All of a run's page; ``None``: the run has not come so far, or never does.

    ``training`` is how far those steps are that train, by name, as they said last themselves.
    ``cost`` is what it took until now. ``lacking`` says why something of it is not shown, empty if all is.
    """

    run: Run
    training: Mapping[str, SeenProgress]
    cost: Costs | None
    checked: ValidationSummary | None
    learnt: NightFigures | None
    decided: ModelDecision | None
    judged: WatchSummary | None
    lacking: str


def outcome_of(ledger: Ledger, store: Store, project: str, run_id: str) -> RunOutcome | None:
    """What the run came to until now, by its id in the ledger; ``None``: no such run has begun.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    run = begun(ledger, project, run_id)
    if run is None:
        return None
    made, lacking = made_by(ledger, project, run_id), list[str]()

    def unless_lost(part: Callable[[Ledger, Store, Run, Mapping[str, str]], Part | None]) -> Part | None:
        try:
            return part(ledger, store, run, made)
        except StoreUnavailable:
            raise
        except StoreError as error:  # its time was over, or an earlier release wrote it
            lacking.append(f"{error.rule}: {error.value}")
            return None

    return RunOutcome(
        run=run,
        training=unless_lost(_training) or {},
        cost=unless_lost(_costs),
        checked=unless_lost(_checked),
        learnt=unless_lost(_learnt),
        decided=unless_lost(_decided),
        judged=unless_lost(_judged),
        lacking="; ".join(dict.fromkeys(lacking)),
    )


def _training(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> Mapping[str, SeenProgress] | None:
    if "plan" not in made or "evaluate" in made or not store.has(made["plan"]):
        return None
    shards = range(len(loaded(store, Plan, made["plan"]).shards))
    steps = [step for step in (*map(step_of, shards), step_of(None)) if step not in made]
    found = ((step, seen(store, run.project, run.run_id, step)) for step in steps)
    return {step: known for step, known in found if known is not None}


def _costs(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> Costs | None:
    own = cost_of(ledger, run.project, run.run_id)
    if own is None:
        return None
    drawn = loaded(store, Plan, made["plan"]) if "plan" in made and store.has(made["plan"]) else None
    names = {short_id(trial.trial_id): str(number) for number, trial in enumerate(drawn.trials if drawn else (), 1)}
    if drawn is not None and drawn.benchmark is not None:
        names[short_id(drawn.benchmark.trial_id)] = "benchmark"
    places = {trial: place for place, trial in enumerate(names)}
    trials = sorted(own.trials, key=lambda trial: places.get(trial, len(places)))
    promotion = made.get("promote")
    version = loaded(store, Promotion, promotion).version if promotion is not None and store.has(promotion) else None
    return Costs(
        own=own,
        trials=tuple((names.get(trial), own.trials[trial]) for trial in trials),
        led=None if version is None else cost_of_version(ledger, run.project, version),
    )


def _checked(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> ValidationSummary | None:
    if "validate" not in made:
        return None
    validation = loaded(store, Validation, made["validate"])
    failed = [check for severity in Severity for check in validation.failed(severity)]
    return ValidationSummary(checks=len(validation.checks), failed=tuple(failed), report=store.has(validation.report))


def _learnt(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> NightFigures | None:
    if "evaluate" not in made:
        return None
    return recorded_learnt(ledger, store, run, loaded(store, Evaluation, made["evaluate"]))


def _decided(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> ModelDecision | None:
    if "promote" not in made:
        return None
    promotion = loaded(store, Promotion, made["promote"])
    evaluation = loaded(store, Evaluation, promotion.evaluation)
    before = evaluation.champion_metrics
    shown = evaluation.compared_metrics if before else evaluation.metrics
    beside = evaluation.benchmark.beside(evaluation) if evaluation.benchmark else {}
    figures = [
        HoldoutFigure(
            name=name.replace("_", " "), value=shown[name], before=before.get(name), benchmark=beside.get(name)
        )
        for name in shown
    ]
    return ModelDecision(promotion=promotion, evaluation=evaluation, figures=tuple(figures))


def _judged(ledger: Ledger, store: Store, run: Run, made: Mapping[str, str]) -> WatchSummary | None:
    event = ledger.fact(streams.judged_key(run.project, run.run_id), DriftJudged)
    if event is None:
        return None
    report = loaded(store, LiveFigures, event.live).report if store.has(event.live) else None
    return WatchSummary(event=event, report=report is not None and store.has(report))
