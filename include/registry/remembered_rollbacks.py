"""What a project went back from is remembered: the next night does not promote the same recipe with the same fault."""

from collections.abc import Iterator
from dataclasses import replace

from include.core import streams
from include.core.events import ModelEvaluated
from include.core.records import Days, Evaluation, Run, Verdict, day_start
from include.ledger import Ledger
from include.ledger.journal import begun
from include.registry.champions import Change, ProjectVersions
from include.registry.rollback import Rollback

#: Whether it lets the model through, the sentence that says what is asked for, and what figure of the holdout answers.
_Outcome = tuple[bool, str, str]


def remembering(
    verdict: Verdict,
    ledger: Ledger,
    known: ProjectVersions,
    run: Run | None,
    evaluation: Evaluation,
    *,
    before: int | None,
) -> Verdict:
    """*verdict* on the model that *run* made, or where a rollback stands, with what that asks for beside.

    A rollback stands until the next promotion. Until then no night of an earlier instant is promoted, and one of the
    recipe (declaration and code) that was left only where it is evaluated on days after the rollback alone and, with
    95 % confidence, loses less on these than the version that is in force. *before* is its own number, if it has one.
    """
    outcomes = tuple(_outcomes(ledger, known, run, evaluation, before)) if run is not None else ()
    return replace(
        verdict,
        promote=verdict.promote and all(passed for passed, _, _ in outcomes),
        reasons=(*verdict.reasons, *(asked + shown for _, asked, shown in outcomes)),
        refusals=(*verdict.refusals, *(asked for passed, asked, _ in outcomes if not passed)),
    )


def _outcomes(
    ledger: Ledger, known: ProjectVersions, run: Run, evaluation: Evaluation, before: int | None
) -> Iterator[_Outcome]:
    change, standing = known.change(before=before), _standing(known, before)
    if change is None or not standing:
        return
    last = standing[-1]
    if run.instant < last.instant:
        yield (
            False,
            f"its night stands for an instant before {last.instant:%Y-%m-%d %H:%M}Z: a rollback of that time stands",
            "",
        )
    left = next((each for each in reversed(standing) if _same_recipe(ledger, known, each, run, evaluation)), None)
    if left is not None:
        yield _beats(change, left, evaluation)


def _standing(known: ProjectVersions, before: int | None) -> list[Rollback]:
    """The rollbacks since the last promotion, oldest first."""
    end = known.change(before=before)
    found: list[Rollback] = []
    for each in known.changes[: list(known.changes).index(end) + 1] if end is not None else ():
        found = [*found, each.rollback] if each.rollback is not None else []
    return found


def _beats(change: Change, left: Rollback, evaluation: Evaluation) -> _Outcome:
    days: Days | None = evaluation.holdout if change.version is None else evaluation.compared
    later = days is not None and day_start(days.first) >= left.instant
    name = f"the recipe of version {left.left}, which the project {left.did()} on {left.instant:%Y-%m-%d}"
    if not later:
        first = days.first if days else "no day"
        return False, f"{name}, is evaluated again on holdout days after that only; these begin on {first}", ""
    if change.version is None:
        return True, f"{name}, is evaluated on days after that", ""
    upper = evaluation.difference.upper if evaluation.difference else None
    shown = "no bound" if upper is None else f"at most {upper:+.4f}"
    beaten = upper is not None and upper < 0
    return beaten, f"{name}, must lose less than version {change.version.number} on days after that", f": {shown}"


def _same_recipe(ledger: Ledger, known: ProjectVersions, rollback: Rollback, run: Run, evaluation: Evaluation) -> bool:
    """Whether the model of *run* is of the recipe that was left: as evaluations name it or, of before, by the runs."""
    version = known.numbered(rollback.left)
    if version is None:
        return False
    registered = version.registered
    evaluated = ledger.fact(streams.evaluated_key(rollback.project, registered.evaluation), ModelEvaluated)
    recipe = evaluated.evaluation.recipe if evaluated is not None else None
    if recipe is not None and evaluation.recipe is not None:
        return recipe == evaluation.recipe
    left = begun(ledger, rollback.project, registered.run_id)
    return left is not None and (left.declaration_digest, left.code_digest) == (run.declaration_digest, run.code_digest)
