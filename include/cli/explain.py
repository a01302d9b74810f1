"""``explain``: what a night of a project would read, build and search, shown without reading data."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from include import steps
from include.cli.console import bold, console, line
from include.contracts import load_folder
from include.core.errors import LedgerUnavailable
from include.core.project import Choice, DriftPolicy, FloatRange, Gates, IntRange, Objective, Project
from include.core.records import Contract
from include.declared.compiled import LABEL
from include.declared.declaration import Declaration
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.code.projects import load_project
from include.settings import Settings


def explain(project: Annotated[str, typer.Argument(help="A folder under include/projects.")]) -> None:
    """Show what a night of PROJECT would read, build and search, and warn of leaks that show already. Reads no data.

    It refuses all that `run` refuses before it reads.
    """
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    contracts = load_folder(settings.contracts, settings.classes)
    declaration = steps.declare(declared, contracts)
    console.print(line(bold(declared.name), f" · {declared.ownership.owner}\n{declared.ownership.purpose}\n"))
    _tell(_predicts(declared, declaration))
    reads = Table("dataset", "days back", "columns read", "treatment", "approved by", title="reads")
    for dataset in declaration.scope.datasets:
        treated = ", ".join(f"{name}: {how}" for name, how in dataset.columns if how.value != "clear") or "all clear"
        reads.add_row(
            dataset.dataset,
            "all rows" if dataset.window_days is None else str(dataset.window_days),
            ", ".join(dataset.names),
            treated,
            ", ".join(contracts[dataset.dataset].stewards),
        )
    console.print(reads)
    console.print(_builds(declared, declaration))
    _explain_search(declared)
    _tell([_gates(declared), *_showable(settings, declared), _drift(declared.quality.drift)])
    _warn(declared, contracts)


def _warn(declared: Project, contracts: Mapping[str, Contract]) -> None:
    from include.declared.late_reads import late_reads
    from include.declared.lost_digits import rounded

    for read in late_reads(declared, contracts):
        late = f"{read.known_at.column}{_offset(read.known_at.offset)}"
        console.flag(
            f"feature {read.group}.{read.feature} reads {read.dataset}.{read.column} of the very row that it is "
            f"asked for, which is known only at {late}: a night will end with FeatureLeak. Use it of earlier rows, "
            "or leave it out."
        )
    for each in rounded(declared, contracts):
        named = f"feature {each.group}.{each.feature}" if each.group else "the label"
        console.flag(
            f"{named} is {each.kind}, an integer; models see float32, which rounds it from 2**24 on. Use a "
            "difference (to `predicted_at`, say), or cast it to float64 where rounding does no harm."
        )


def _tell(lines: Iterable[str]) -> None:
    for told in lines:
        console.say(told)


def _predicts(project: Project, declaration: Declaration) -> Iterable[str]:
    target = project.learning.target
    kind = "0 or 1 (binary)" if target.objective is Objective.BINARY else "a number (regression)"
    sources = next(origin.sources for origin in declaration.of(LABEL) if origin.column == LABEL)
    made = ", ".join(f"{dataset}.{column}" for dataset, column in sources)
    yield f"predicts {kind} of rows of {target.dataset} by {', '.join(target.key)}"
    yield f"label: {_what(target.label).rstrip('.') or 'no docstring says what it is'}; made of {made or 'no column'}"


def _builds(project: Project, declaration: Declaration) -> Table:
    table = Table("feature group", "days back", "features", "what", title="builds")
    categories = {name for group in declaration.compiled.groups for name in group.categories}
    for group, compiled in zip(project.learning.features, declaration.compiled.groups, strict=True):
        names = [f"{name} (category)" if name in categories else name for name in compiled.names]
        table.add_row(group.name, str(group.lookback_days), ", ".join(names), _what(group.build))
    return table


def _what(function: object) -> str:
    """The first line of its docstring."""
    return next(iter((function.__doc__ or "").strip().splitlines()), "")


def _explain_search(project: Project) -> None:
    window, search = project.learning.window, project.learning.search
    trials = f"{search.trials} trials in {search.shards} shards"
    table = Table("parameter", "range", title=f"searches {search.learner.words} ({trials})")
    for name, part in search.space.items():
        table.add_row(name, _in_words(part))
    for name, value in search.fixed.items():
        table.add_row(name, f"always {value}")
    console.print(table)
    train = window.days - window.validation_days - window.holdout_days
    since = "" if window.since is None else f" at most, none before {window.since}"
    console.print(
        f"trains on {train} days{since}, chooses on the next {window.validation_days}, reports on the last "
        f"{window.holdout_days}; rounds {' → '.join(map(str, search.rungs))}, "
        f"the best 1/{search.reduction} of a shard go on; seed {search.seed}; schedule {project.operations.schedule} "
        f"({project.operations.timezone})"
    )


def _in_words(part: IntRange | FloatRange | Choice) -> str:
    if isinstance(part, Choice):
        return "one of " + ", ".join(map(str, part.options))
    return f"{part.low} to {part.high}" + (", on a logarithmic scale" if part.log else "")


def _gates(project: Project) -> str:
    gates: Gates = project.quality.gates
    binary = project.learning.target.objective is Objective.BINARY
    loss = "log loss" if binary else "mean absolute error"
    most = [] if gates.floor_loss is None else [f"of {gates.floor_loss:g} at most"]
    most += [] if gates.floor_share is None else [f"{gates.floor_share:.1%} below the constant's"]
    floors = f"a {loss} {' and '.join(most)}" + (f" and an AUC of {gates.floor_auc:g}" if binary else "")
    guard = f", with an AUC at most {gates.auc_guard:g} lower" if binary else ""
    more = f"; version {gates.supersedes} may be replaced without a comparison" if gates.supersedes else ""
    skill = "" if gates.skill is None else f", and beats the constant by more than {gates.skill:g} for sure"
    more += (
        f"; all promotions since the frozen champion give away {gates.given_away_limit:g} together at most, with "
        f"{1 - gates.given_away_error:.3g} confidence"
    )
    if gates.calibration is not None:
        more += f"; mean prediction and mean label differ by {gates.calibration:g} at most"
    if gates.slices:
        more += f"; no slice by {', '.join(gates.slices)} is worse than the champion by more than the margin for sure"
    if project.quality.benchmark is not None:
        asked = "must be shown to cost less than" if gates.beats_benchmark else "is held against"
        more += f"; every version {asked} the {project.quality.benchmark} benchmark"
        more += "" if gates.beats_benchmark else ", which stops nothing"
    return (
        f"gates: every version reaches {floors}{skill}; a later one is at most {gates.margin:g} worse than the "
        f"champion over {gates.minimum_days} holdout days or more{guard}{more}"
    )


def _showable(settings: Settings, project: Project) -> Iterable[str]:
    """What the last evaluation says of the gates; nothing in a home that was not set up yet."""
    from include.registry.standing import showable

    if not (settings.keys / deployment.AUTHORITY_PUBLIC_KEY).exists():
        return ()
    try:
        return tuple(showable(Ledger.open(settings.ledger), project.name, project.quality.gates))
    except LedgerUnavailable as error:
        return (f"what the last evaluation could show is not known: {error}",)


def _drift(policy: DriftPolicy | None) -> str:
    if policy is None:
        return "drift: none declared, so nobody watches the champion"
    limits = {"excess loss": policy.excess_loss, "calibration gap": policy.calibration_gap}
    figures = [f"{name} above {limit:g}" for name, limit in limits.items() if limit is not None]
    if policy.skill is not None:
        drop = policy.skill.drop
        lost = "half of it" if drop is None else f"{drop:g} of the loss, as on the usual days,"
        figures.append(f"its skill score where more than {lost} is lost")
    asks = " or ".join(figures)
    spared = f", {', '.join(policy.calendar)} never" if policy.calendar else ""
    return (
        f"drift: a retraining is asked for by {asks} over the last {policy.days} matured days, {policy.minimum_days} "
        f"of them at least; {policy.cooldown_days} days lie between two, {policy.monthly_budget} in 30 days are the "
        f"most; inputs warn from a stability index of {policy.psi:g} on{spared}"
    )


def _offset(offset: timedelta) -> str:
    return f" {'+' if offset > timedelta(0) else '-'} {abs(offset)}" if offset else ""
