"""What a night and a sample say at their end."""

from typing import TYPE_CHECKING

from rich.table import Table

from include.cli.console import console, line, styled
from include.core.project import Objective
from include.core.records import Evaluation, FeatureSet, Interval, TrialState

if TYPE_CHECKING:
    from include.runtime.nights.local import NightResult
    from include.runtime.nights.sample import Sample
    from include.steps.showing import NightFigures


def show(night: "NightResult") -> None:
    """The summary that ends a night, to whoever iterates: what was learnt, and what was decided.

    Nothing of it is a figure of the holdout: whoever chose by these would have looked.
    """
    learnt, verdict = night.learnt, night.promotion.verdict
    _show_state(night)
    _show_learnt(learnt)
    for refusal in verdict.refusals:
        console.say(f"  · did not pass {refusal}")
    console.say(
        f"  · decided on the holdout, {night.evaluation.holdout.first} to {night.evaluation.holdout.last}, whose "
        "figures MLflow shows: what is chosen by them looks better on it than it is"
    )
    if verdict.promote and night.evaluation.champion is None:
        told = f"  · `./trainyard calibrate {night.run.project}` proposes a floor and limits of the watch from its days"
        console.say(told)
    _show_features(night.features)


def show_sample(found: "Sample") -> None:
    """What a sample shows: that the declaration goes through, and about how a small model of it does."""
    split, features = found.features.split, found.features
    rows = sum(partition.rows for partition in features.of("label"))
    console.say(
        f"\nsample of {found.run.project}: {len(features.features)} features of {rows:,} rows, "
        f"{split.train.first} to {split.holdout.last}; nothing is registered, and no night learns from it"
    )
    loss = _show_learnt(found.learnt)
    for day in found.scored.figures:
        console.say(f"  {loss} {day.loss:.4f} on {day.day}, {day.rows:,} rows that the model has not learnt")
    console.say(
        f"  · {found.kept_out.first} to {found.kept_out.last} are held out by a night: no label of theirs was used"
    )
    _show_features(features)


def _show_learnt(learnt: "NightFigures") -> str:
    """Show which trial was chosen, and what was found on the way; what its loss is called."""
    loss = "log loss" if learnt.objective is Objective.BINARY else "mean absolute error"
    told = "–" if learnt.trial.loss is None else f"{learnt.trial.loss:.4f}"
    console.say(
        f"  trial {learnt.number} was chosen: {loss} {told} on the validation days, {learnt.days.first} to "
        f"{learnt.days.last}, after {learnt.trial.rounds} rounds"
    )
    benchmark = learnt.benchmark
    if benchmark is not None:
        beside = "" if benchmark.validation_loss is None else f": {loss} {benchmark.validation_loss:.4f} on these days"
        console.say(f"  beside the trials, {benchmark.in_words}{beside}")
    ended = ", ".join(f"{learnt.ended[state]} {state}" for state in TrialState if learnt.ended.get(state))
    console.say(f"  trials: {ended}")
    for warning in learnt.warnings:
        console.say(line("  ", styled("warning", "yellow"), f" {warning}"))
    return loss


def show_holdout(night: "NightResult") -> None:
    """How the model did on the holdout beside the champion before, and each gate's reason: for who does not iterate."""
    evaluation, promotion = night.evaluation, night.promotion
    _show_state(night)
    columns = [f"version {promotion.version}", f"version {evaluation.champion or '-'} (champion before)"]
    alike = evaluation.compared_metrics if evaluation.champion_metrics else evaluation.metrics
    figures, benchmark = [alike, evaluation.champion_metrics], evaluation.benchmark
    if benchmark is not None:
        columns.append(f"{benchmark.kind} benchmark")
        figures.append(benchmark.beside(evaluation))
    table = Table("holdout", *columns)
    for metric in alike:
        table.add_row(metric, *(f"{each[metric]:.4f}" if metric in each else "–" for each in figures))
    console.print(table)
    console.print(f"{evaluation.rows:,} rows, {evaluation.holdout.first} to {evaluation.holdout.last}")
    if benchmark is not None and benchmark.error is not None:
        console.say(f"  {benchmark.in_words}")
    _show_slices(evaluation)
    for reason in promotion.verdict.reasons:
        console.say(f"  · {reason}")
    _show_features(night.features)


def _show_state(night: "NightResult") -> None:
    promotion = night.promotion
    left = "the champion stays" if night.evaluation.champion else "no version is champion"
    state = styled("champion", "green") if promotion.verdict.promote else f"candidate ({left})"
    console.print(line(f"\n{night.run.project} version {promotion.version}: ", state))


def _show_features(built: "FeatureSet") -> None:
    """What must be said of the features, whatever is learnt from them."""
    if features := built.removal_only:
        console.say(
            f"  · the past was checked by removing later values only, not by changing them, for {', '.join(features)}"
        )
    if features := built.rounded:
        console.say(f"  · models see float32, so integers from 2**24 on were rounded: {', '.join(features)}")


def _show_slices(evaluation: "Evaluation") -> None:
    """How the model does on each slice: its skill over the constant and its difference to the champion before."""
    for each in evaluation.slices:
        told = f"  {each.feature} {each.category}: {each.rows:,} rows, loss {each.loss:.4f}"
        told += f", skill over the constant {_bounds(each.skill)}" if each.skill else ""
        told += f", beside the champion before {_bounds(each.difference)}" if each.difference else ""
        console.say(told)


def _bounds(interval: "Interval") -> str:
    return f"{interval.estimate:+.4f} ({interval.lower:+.4f} to {interval.upper:+.4f})"
