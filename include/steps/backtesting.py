"""How a night of an earlier instant would have done on its holdout: nothing is registered, and no champion is asked."""

from datetime import datetime

from include.core import streams
from include.core.events import HoldoutBacktested
from include.core.project import Project
from include.core.records import BacktestResult, FeatureSet, Plan, Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.steps.inputs import require_made
from include.steps.platform import Platform, declaration_of, emit, once, open_artifacts


def backtest(platform: Platform, project: Project, run: Run, plan: str, model: str, *, now: datetime) -> str:
    """Score the refitted *model* of *plan* on the holdout. Returns the digest of the :class:`BacktestResult`.

    That its days were looked at is recorded before anybody sees a figure of them.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run drew no such plan, or made no such
            model of it.
        DataError: rows or labels that cannot be scored.
    """
    from include.lineage import walk
    from include.training import matrix

    require_made(platform, project, run, "backtest", now=now, plan=plan, model=model)
    drawn = platform.load(Plan, plan)
    built = platform.load(FeatureSet, drawn.features)

    def compute() -> str:
        from include.learner import load
        from include.monitoring.figures import day_figures

        wanted = [model, *matrix.contents(built, built.split.holdout)]
        opened = open_artifacts(platform, run, "backtest", wanted, now=now)
        rows = matrix.rows_of(built, built.split.holdout, opened, stretch="holdout")
        score = load(opened.path(model).read_text()).predict(
            rows.matrix(built.features), threads=project.operations.threads
        )
        found = BacktestResult(
            plan=plan,
            model=model,
            objective=drawn.objective,
            label=built.label,
            holdout=built.split.holdout,
            figures=day_figures(drawn.objective, day=rows.day, label=rows.label, score=score),
        )
        return platform.keep(found)

    digest = once(platform, project, run, "backtest", (plan, model), compute, now=now)
    looked = HoldoutBacktested(
        project=project.name, run_id=run.run_id, instant=run.instant, days=built.split.holdout, backtested=digest
    )
    key = streams.backtested_key(project.name, run.run_id)
    Journal(platform.ledger, run).fact(streams.backtests(project.name), looked, key=key)
    took = [*walk.features(project.name, built, declaration_of(platform, run)), *walk.model(project.name, built, model)]
    emit(platform, project, run, "backtest", took, walk.evaluation(project.name, digest), now=now)
    return digest


def looks(ledger: Ledger, project: str) -> tuple[HoldoutBacktested, ...]:
    """Every look of a backtest at days of *project*, in the order in which they were recorded."""
    events = (entry.event for entry in ledger.read(streams.backtests(project)))
    return tuple(event for event in events if isinstance(event, HoldoutBacktested))
