"""The verdict: a pure function of a project's series of judged days under a declared policy."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise

from include.core.errors import DataError
from include.core.project import DriftPolicy
from include.core.records import DayOfSeries, DriftState, DriftVerdict, Profile, Reference, UnfamiliarValues
from include.monitoring import inputs as moving
from include.monitoring.outcomes import JudgedSeries
from include.monitoring.retrained import FigureOutcome

#: Of several outcomes the first of these is the verdict's state.
_ORDER = (DriftState.FAILING, DriftState.RETRAIN, DriftState.TOO_FEW_TO_KNOW, DriftState.STABLE)
_ASKS = {
    DriftState.FAILING: "a human is asked",
    DriftState.RETRAIN: "asks for a retraining",
    DriftState.TOO_FEW_TO_KNOW: "waits",
    DriftState.STABLE: "as declared",
}


def judge(
    policy: DriftPolicy,
    series: Iterable[DayOfSeries],
    reference: Reference,
    weeks: Sequence[Profile] = (),
    *,
    last: date | None = None,
    champion: int | None = None,
    blind_days: int = 0,
    unfamiliar: Sequence[UnfamiliarValues] = (),
) -> DriftVerdict:
    """What *policy* makes of the *series* of a project's judged days, and of the champion's inputs by *weeks*.

    *reference* is that of *champion*, the version in force, which may have judged no day yet. A model that takes over
    on a day has learnt nothing of the *blind_days* before it. *weeks* are profiles in the bins of ``reference.learnt``,
    oldest first; the last is judged. *unfamiliar* is what the model learnt nothing of in the last seven days.

    Judged are those of the ``policy.days`` days up to *last*, the last that had matured (``None``: the last of the
    series): where labels stop coming, what a model cost long ago is not held against it for ever. Of the recipe's skill
    the whole series is judged. The order of its days does not matter. The state is

    * ``FAILING``: a figure is beyond its limit, and so it is over 14 days or more by champions that have learnt from
      the days since it began, and these days are not surely nearer to it than those before them
      (:func:`include.monitoring.retrained.surely_nearer`): retraining does not help;
    * ``RETRAIN``: else, a figure is beyond its limit, and no champion took over since it began, or those that did
      bring back none of it over 14 days or more, or a part only;
    * ``WARNING``: else, inputs drifted, or lack values that none lacked in training: a human looks, however many days
      there are;
    * ``TOO_FEW_TO_KNOW``: else, there are fewer days than ``policy.minimum_days``, or fewer than 14 by champions that
      took over since a figure went beyond its limit;
    * ``STABLE``: else.

    Raises:
        DataError: a day is there twice, or weeks are not in the order of their days.
    """
    days = _sorted(series)
    end = last or (days[-1].day if days else reference.last_seen)
    case = JudgedSeries(
        policy=policy,
        reference=reference,
        series=[each for each in days if each.day <= end],
        last=end,
        champion=champion,
        blind_days=blind_days,
    )
    outcomes = sorted(case.outcomes(), key=lambda each: _ORDER.index(each.state))
    drifts = moving.drift_of_inputs(policy, reference, weeks)
    lacking = [each for each in unfamiliar if not each.missing_learnt and (each.nulls or each.categories)]
    state = outcomes[0].state
    asks = state in (DriftState.RETRAIN, DriftState.FAILING)
    if not asks and (lacking or any(each.drifted for each in drifts)):
        state = DriftState.WARNING
    return DriftVerdict(
        state=state,
        reasons=(*_reasons(outcomes), *moving.in_words(drifts, weeks), *moving.lacking_in_words(lacking)),
        figures=case.figures(),
        days=tuple(each.day for each in case.judged),
        inputs=drifts,
        began=outcomes[0].began if asks else None,
        guarantee=case.level.guarantee if case.level else None,
    )


def _sorted(series: Iterable[DayOfSeries]) -> list[DayOfSeries]:
    days = sorted(series, key=lambda each: each.day)
    twice = next((later.day for earlier, later in pairwise(days) if earlier.day == later.day), None)
    if twice is not None:
        raise DataError("a day is judged once", value=f"two figures of {twice}", remedy="Give one a day.")
    return days


def _reasons(outcomes: Sequence[FigureOutcome]) -> Iterator[str]:
    for each in outcomes:
        if each.known:
            yield f"{_ASKS[each.state]}: {each.sentence}"
        else:
            yield each.sentence if each.state is DriftState.TOO_FEW_TO_KNOW else f"not judged: {each.sentence}"
