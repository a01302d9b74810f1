"""One round of a search: every trial drawn before the first one runs, as a seeded function of what is known."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from include.core.canonical import encode, record_digest
from include.core.project import Choice, FloatRange, IntRange, Project, Search
from include.core.records import FeatureSet, Params, Plan, PlannedTrial, Trial, TrialState
from include.core.search import LearnerName
from include.data.labelled import LabelledRows
from include.learner import learner
from include.training import benchmark, engine
from include.training.matrix import encoded

if TYPE_CHECKING:
    import optuna

#: A finite space may hold fewer trials than were asked for: drawing stops after this many draws a wanted trial.
_DRAWS_PER_TRIAL = 20


class BinnedVault(Protocol):
    """Where the prepared rows go (:class:`include.governance.vault.Vault`)."""

    def put_made(self, write: Callable[[Path], None]) -> str: ...


def plan(
    *,
    project: Project,
    features: FeatureSet,
    features_digest: str,
    rows: LabelledRows,
    training_rows: int,
    profile: str,
    vault: BinnedVault,
    threads: int = 1,
    warm: Sequence[Trial] = (),
) -> Plan:
    """Draw the trials of one round and prepare the training and validation rows once for all of them.

    *rows* and *training_rows* are those of :func:`include.training.matrix.learnt`, *profile* the vault's digest of
    their profile. *warm* are trials of earlier instants and of the same :func:`task`; the sampler sees those that have
    a loss and come from the same space and fixed parameters, in the order of their ids, and the plan records which.
    No two trials of a plan are equal, so a space with fewer points than ``search.trials`` gives fewer trials. The same
    arguments give the same plan, whatever the *threads*.

    Raises:
        TrainingError: the learner refuses the rows.
    """
    search = project.learning.search
    seed = _seed(search.seed, features_digest)
    whole = prepare_rows(search.learner, rows, features, search.fixed, vault, threads=threads)
    usable = _usable(warm, search)
    drawn = [{**search.fixed, **params} for params in _draw(search, usable, seed)]
    costs = [learner(search.learner).cost(params) for params in drawn]
    shards = _shards(costs, min(search.shards, len(drawn)))
    context = {
        "objective": features.objective,
        "binned": [whole, training_rows],
        "rungs": search.rungs,
        "reduction": search.reduction,
        "seed": seed,
        "engine": engine.digest(search.learner),
    }
    trials = {index: trial for shard in shards for index, trial in _planned(shard, drawn, context, search.learner)}
    return Plan(
        features=features_digest,
        task=task(features, search),
        objective=features.objective,
        binned=whole,
        training_rows=training_rows,
        profile=profile,
        trials=tuple(trials[index] for index in range(len(drawn))),
        shards=shards,
        rungs=search.rungs,
        reduction=search.reduction,
        seed=seed,
        warm=tuple(trial.trial_id for trial in usable),
        constant=float(rows.label.mean()),
        benchmark=benchmark.planned(project.quality.benchmark, rows, training_rows, features, vault),
    )


def task(features: FeatureSet, search: Search) -> str:
    """The digest of what a search learns: objective, label, features by name and definition; how far, and what.

    A loss says something about the parameters of another search only if both have the same.
    """
    learnt = sorted((feature.name, feature.definition) for feature in features.features)
    named = () if search.learner is LearnerName.BOOSTED_TREES else (search.learner,)  # there was no other once
    return record_digest((features.objective, features.label, learnt, search.rungs, *named))


def _seed(seed: int, features_digest: str) -> int:
    """From 0 (inclusive) to 2**31 (exclusive), as learners want it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{features_digest}".encode()).digest()[:4]) >> 1


def _shards(costs: Sequence[float], count: int) -> tuple[tuple[int, ...], ...]:
    """The trials' places in *count* shards that take about as long, and differ by one trial at most."""
    shards: list[list[int]] = [[] for _ in range(count)]
    spent = [0.0] * count
    dearest = sorted(range(len(costs)), key=lambda index: (-costs[index], index))
    for start in range(0, len(costs), count):
        # As many trials as shards at a time, the dearest to the shard that has the least to do.
        least = sorted(range(count), key=lambda shard: (spent[shard], shard))
        for shard, index in zip(least, dearest[start : start + count], strict=False):
            shards[shard].append(index)
            spent[shard] += costs[index]
    return tuple(tuple(sorted(shard)) for shard in shards)


def _planned(
    shard: tuple[int, ...], drawn: Sequence[Params], context: Mapping[str, object], name: LearnerName
) -> Iterator[tuple[int, PlannedTrial]]:
    """A trial's id covers its rivals too: halving stops it, or not, by their losses."""
    rivals = sorted(record_digest(drawn[index]) for index in shard)
    for index in shard:
        identity = record_digest({**context, "params": drawn[index], "rivals": rivals})
        yield index, PlannedTrial(trial_id=identity, params=drawn[index], learner=name)


def prepare_rows(
    name: LearnerName, rows: LabelledRows, features: FeatureSet, fixed: Params, vault: BinnedVault, *, threads: int = 1
) -> str:
    """Prepare *rows* for the learner *name*, by the *fixed* parameters of its trials; the vault's digest.

    The same rows give the same bytes. Validation rows are among them: no label decides how they are prepared.
    """
    matrix = encoded(rows, features.features)
    return vault.put_made(learner(name).prepare(matrix, rows.label, features.features, fixed, threads=threads))


def _usable(warm: Sequence[Trial], search: Search) -> tuple[Trial, ...]:
    distributions = _distributions(search)
    usable = {
        trial.trial_id: trial
        for trial in warm
        if trial.state is not TrialState.FAILED
        and set(trial.params) == {*search.space, *search.fixed}
        and all(trial.params[name] == value for name, value in search.fixed.items())
        and all(_holds(distribution, trial.params[name]) for name, distribution in distributions.items())
    }
    return tuple(usable[trial_id] for trial_id in sorted(usable))


def _holds(distribution: "optuna.distributions.BaseDistribution", value: float | int | str | bool) -> bool:
    """Whether *value* may have been drawn from *distribution*: where a range became one of whole numbers, few may."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(value, str | bool) or not distribution.low <= value <= distribution.high:
        return False
    return isinstance(distribution, FloatDistribution) or float(value).is_integer()


def _distributions(search: Search) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    def distribution(part: IntRange | FloatRange | Choice) -> "optuna.distributions.BaseDistribution":
        if isinstance(part, Choice):
            return CategoricalDistribution(part.options)
        if isinstance(part, IntRange):
            return IntDistribution(part.low, part.high, log=part.log)
        return FloatDistribution(part.low, part.high, log=part.log)

    return {name: distribution(search.space[name]) for name in sorted(search.space)}


def _draw(search: Search, warm: Sequence[Trial], seed: int) -> list[Params]:
    """Up to ``search.trials`` different points of the space, by a tree-structured Parzen estimator.

    Of *warm* it ranks complete trials by their loss, and after them pruned ones: those that came further first, then
    by the last loss.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it reports every study and trial on stderr otherwise
    distributions = _distributions(search)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # `constant_liar`: trials that are drawn but not yet run count as poor, so that a round spreads out.
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    for trial in warm:
        params = {name: trial.params[name] for name in distributions}
        complete = trial.state is TrialState.COMPLETE
        known = optuna.trial.create_trial(
            state=optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED,
            value=trial.loss if complete else None,
            params=params,
            distributions=distributions,
            intermediate_values=dict(zip(search.rungs, trial.losses, strict=False)),
        )
        study.add_trial(known)
    drawn: dict[bytes, Params] = {}
    for _ in range(search.trials * _DRAWS_PER_TRIAL):
        params = study.ask(distributions).params
        drawn.setdefault(encode(params), params)
        if len(drawn) == search.trials:
            break
    return list(drawn.values())
