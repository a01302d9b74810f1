"""Whether an evaluated model becomes champion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.core.project import Gates, Objective
from include.core.records import DAY, Days, Evaluation, Verdict

_UNNAMED = "its objective, its label or a feature that it needs is not built any more or is defined otherwise now"
_LOSS = {Objective.BINARY: "log_loss", Objective.REGRESSION: "mae"}

#: A gate's outcome: whether it lets the model through, and the sentence that says why.
Outcome = tuple[bool, str]


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version in force, and the days on which it was evaluated itself.

    ``changed`` says what is declared otherwise now than when it was made.
    """

    version: int
    holdout: Days
    changed: Sequence[str] = ()


def decide(evaluation: Evaluation, gates: Gates, champion: Champion | None = None) -> Verdict:
    """The verdict of all *gates*, each with its reason: one that does not let the model through is enough.

    Every model must reach the floors and show, by the one-sided 95 % bound, more skill over the constant than
    ``gates.skill``. One that replaces a champion must show, by the one-sided 95 % bound over at least
    ``gates.minimum_days`` holdout days that the champion has not learnt, that it loses no more than ``gates.margin``
    against the champion; for binary labels its AUC on these may lie at most ``gates.auc_guard`` below the champion's.
    The project may let it supersede a champion which cannot be compared any more. Limits are inclusive, that of skill
    is not.

    An evaluation of before skill was recorded is decided as then: by the floors only where nothing was compared.

    Whatever the gates say, *champion* stays if the model was not compared with it, or is of an earlier night (a
    backfill): the champion may have learnt the days that they are compared on.
    """
    outcomes: list[Outcome] = []
    if evaluation.champion is not None and evaluation.compared is None:
        outcomes += _superseding(evaluation, gates, champion.changed if champion else ())
    elif evaluation.champion is not None:
        outcomes += _against_champion(evaluation, gates)
    if evaluation.constant_loss is not None or evaluation.compared is None:
        outcomes += _floors(evaluation, gates)
    outcomes += _skill(evaluation, gates)
    if champion is not None:
        outcomes += _replaces(evaluation, champion)
    return Verdict(promote=all(passed for passed, _ in outcomes), reasons=tuple(reason for _, reason in outcomes))


def _replaces(evaluation: Evaluation, champion: Champion) -> Iterator[Outcome]:
    name = f"champion version {champion.version}"
    if evaluation.champion != champion.version:
        yield False, f"{name} stays: the model was not compared with it"
    last, champion_last = evaluation.holdout.last, champion.holdout.last
    if last < champion_last:
        yield (
            False,
            f"{name} stays: its holdout ends on {champion_last}, that of this model, of an earlier night, on {last}",
        )


def _floors(evaluation: Evaluation, gates: Gates) -> Iterator[Outcome]:
    name = _LOSS[evaluation.objective]
    loss = evaluation.metrics[name]
    yield loss <= gates.floor_loss, f"{name} {loss:.4f}, at most {gates.floor_loss:.4f} is asked for"
    if evaluation.objective is Objective.BINARY:
        auc = evaluation.metrics["auc"]
        yield auc >= gates.floor_auc, f"AUC {auc:.4f}, at least {gates.floor_auc:.4f} is asked for"


def _skill(evaluation: Evaluation, gates: Gates) -> Iterator[Outcome]:
    if evaluation.constant_loss is None or gates.skill is None:
        return
    over = f"skill over the constant, whose {_LOSS[evaluation.objective]} is {evaluation.constant_loss:.4f}"
    skill = evaluation.skill
    if skill is None:
        yield False, f"{over}: one holdout day gives no bound on it; hold out more, or declare Gates(skill=None)"
    else:
        yield (
            skill.lower > gates.skill,
            (
                f"{over}: {skill.estimate:+.4f}, with 95 % confidence at least {skill.lower:+.4f}; "
                f"more than {gates.skill:+.4f} is asked for"
            ),
        )


def _against_champion(evaluation: Evaluation, gates: Gates) -> Iterator[Outcome]:
    champion, difference = f"champion version {evaluation.champion}", evaluation.difference
    days = difference.days if difference else int(bool(evaluation.champion_metrics))
    unseen = "holdout days"
    if evaluation.compared is not None and evaluation.compared.first > evaluation.holdout.first:
        unseen += f" after {evaluation.compared.first - DAY}, the last that {champion} learnt"
    yield days >= gates.minimum_days, f"{days} {unseen}; at least {gates.minimum_days} are asked for"
    if difference is None:
        yield False, f"{days or 'no'} holdout day gives no bound on the difference to {champion}"
    else:
        yield (
            difference.upper <= gates.margin,
            (
                f"{_LOSS[evaluation.objective]} differs from {champion} by {difference.estimate:+.4f}, "
                f"with 95 % confidence by at most {difference.upper:+.4f}; at most {gates.margin:+.4f} is accepted"
            ),
        )
    if evaluation.objective is Objective.BINARY and evaluation.champion_metrics:
        auc, rival = evaluation.compared_metrics["auc"], evaluation.champion_metrics["auc"]
        yield (
            rival - auc <= gates.auc_guard,
            (f"AUC {auc:.4f} beside {rival:.4f} of {champion}; at most {gates.auc_guard:.4f} less is accepted"),
        )


def _superseding(evaluation: Evaluation, gates: Gates, changed: Sequence[str]) -> Iterator[Outcome]:
    other = f"champion version {evaluation.champion} could not be compared: {'; '.join(changed) or _UNNAMED}"
    if gates.supersedes != evaluation.champion:
        yield False, f"{other}; put it back, or declare Gates(supersedes={evaluation.champion}) for another instant"
        return
    yield True, f"{other}; the project declares that it may be superseded, by the floors"
