"""The verdict: a pure function of recorded figures under a declared policy."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import fmean

from include.core.errors import DataError
from include.core.project import DriftPolicy
from include.core.records import (
    DAY,
    ColumnProfile,
    DayFigures,
    DriftState,
    DriftVerdict,
    FeatureDrift,
    Profile,
    Reference,
    Unfamiliar,
)
from include.monitoring.profile import pooled, stability_index

#: With fewer weeks before it, no week's inputs are judged: what is usual is not known yet.
LEAST_WEEKS = 4
#: So many drifted features are named in a reason.
_NAMED = 3
_OUTCOMES = {True: "asks for a retraining", False: "as declared", None: "not judged"}


def judge(
    policy: DriftPolicy,
    reference: Reference,
    figures: Iterable[DayFigures],
    weeks: Sequence[Profile] = (),
    *,
    last: date | None = None,
    unfamiliar: Sequence[Unfamiliar] = (),
) -> DriftVerdict:
    """What *policy* makes of the champion's *figures* by day and of its inputs by *weeks*, oldest first.

    *unfamiliar* is what the model learnt nothing of in the last seven days.

    Judged are those of the ``policy.days`` days up to *last*, the last that had matured (``None``: the last that has
    figures): where labels stop coming, what a model cost long ago is not held against it for ever. Days up to the last
    that decided on the model are left out; the order of the others does not matter. *weeks* are profiles in the bins of
    ``reference.learnt``; the last is judged. The state is

    * ``RETRAIN``: at least ``policy.minimum_days`` days are there, and a figure is above its limit;
    * ``WARNING``: else, inputs drifted, or lack values that none lacked in training: a human looks, however many days
      there are;
    * ``TOO_FEW_TO_KNOW``: else, there are fewer days;
    * ``STABLE``: else.

    Raises:
        DataError: a day has two figures, or weeks are not in the order of their days.
    """
    judged = _judged(policy, reference, figures, last)
    inputs = drift_of_inputs(policy, reference, weeks)
    found = _means(reference, judged) if judged else {}
    enough = len(judged) >= policy.minimum_days
    moved = [sentence for over, sentence in _outcomes(policy, found) if over] if enough else []
    drifted = [each for each in inputs if each.drifted]
    lacking = [each for each in unfamiliar if not each.missing_learnt and (each.nulls or each.categories)]
    if moved:
        state = DriftState.RETRAIN
    elif drifted or lacking:
        state = DriftState.WARNING
    else:
        state = DriftState.STABLE if enough else DriftState.TOO_FEW_TO_KNOW
    return DriftVerdict(
        state=state,
        reasons=(*_of_days(policy, judged, found, enough), *_of_inputs(inputs, weeks), *_of_lacking(lacking)),
        figures=found,
        days=tuple(each.day for each in judged),
        inputs=inputs,
    )


def drift_of_inputs(policy: DriftPolicy, reference: Reference, weeks: Sequence[Profile]) -> tuple[FeatureDrift, ...]:
    """How far each feature of the newest week lies from the weeks before it, the furthest first.

    A week is held against the last ``policy.baseline_weeks`` before it that had not drifted themselves, all together:
    so a season that passes slowly does not warn. Its limit is the greater of ``policy.psi`` and ``policy.psi_factor``
    times the feature's own greatest index in these weeks; there is none before four weeks have an index, each of which
    needs four weeks before it.

    Raises:
        DataError: weeks are not in the order of their days, or the last lacks a feature.
    """
    if any(earlier.last >= later.first for earlier, later in pairwise(weeks)):
        raise DataError(
            "weeks are judged in the order of their days, without overlap",
            value=[str(week.last) for week in weeks],
            remedy="Sort them.",
        )
    held = [week for week in weeks if week.rows]
    if not held or held[-1] is not weeks[-1]:
        return ()
    names = [column.name for column in reference.learnt.columns if column.name not in policy.calendar]
    drifts = [_drift(policy, name, _columns(name, held)) for name in names]
    return tuple(sorted(drifts, key=lambda each: (not each.drifted, -each.psi, each.feature)))


def _columns(name: str, weeks: Sequence[Profile]) -> list[ColumnProfile]:
    columns = [week.column(name) for week in weeks]
    if columns[-1] is None:
        raise DataError(
            "a week has all features of the model",
            value=f"no {name} in that to {weeks[-1].last}",
            remedy="Build these features, or name a calendar feature in the policy.",
        )
    return [column for column in columns if column is not None]


def _drift(policy: DriftPolicy, name: str, columns: Sequence[ColumnProfile]) -> FeatureDrift:
    usual: list[ColumnProfile] = []
    indices: list[float] = []
    index, limit = 0.0, None
    for column in columns:
        before = usual[-policy.baseline_weeks :]
        index = stability_index(pooled(before), column) if len(before) >= LEAST_WEEKS else 0.0
        recent = indices[-policy.baseline_weeks :]
        limit = max(policy.psi, policy.psi_factor * max(recent)) if len(recent) >= LEAST_WEEKS else None
        if limit is None or index <= limit:
            usual.append(column)
            indices += [index] if len(before) >= LEAST_WEEKS else []
    return FeatureDrift(feature=name, psi=index, limit=limit)


def _judged(
    policy: DriftPolicy, reference: Reference, figures: Iterable[DayFigures], last: date | None
) -> list[DayFigures]:
    by_day: dict[date, DayFigures] = {}
    for each in figures:
        if each.day in by_day:
            raise DataError("a day is judged once", value=f"two figures of {each.day}", remedy="Give one a day.")
        by_day[each.day] = each
    end = last or max(by_day, default=reference.last_seen)
    seen = max(reference.last_seen, end - policy.days * DAY)
    return [by_day[day] for day in sorted(by_day) if seen < day <= end]


def _means(reference: Reference, judged: Sequence[DayFigures]) -> dict[str, float]:
    """Each day counts once: rows of one day are not independent, and a busy day is no more evidence than a calm one."""
    own = [each.expected_loss for each in judged if each.expected_loss is not None]
    expected = own if len(own) == len(judged) else [each.loss for each in reference.holdout_days]
    loss = fmean(each.loss for each in judged)
    score, label = fmean(each.mean_score for each in judged), fmean(each.mean_label for each in judged)
    found = {"loss": loss, "mean_score": score, "mean_label": label, "calibration_gap": score - label}
    if expected:
        found |= {"expected_loss": fmean(expected), "excess_loss": loss - fmean(expected)}
    return found


def _outcomes(policy: DriftPolicy, found: Mapping[str, float]) -> list[tuple[bool | None, str]]:
    """Of each figure that decides: whether it is above its limit (``None``: nobody knows), and a sentence of it."""
    outcomes: list[tuple[bool | None, str]] = []
    if policy.excess_loss is not None and "excess_loss" not in found:
        outcomes.append(
            (
                None,
                f"the loss is {found['loss']:.4f}, and no holdout day of the model's evaluation has enough labelled "
                "rows to say what to expect",
            )
        )
    elif policy.excess_loss is not None:
        over = found["excess_loss"] > policy.excess_loss
        outcomes.append(
            (
                over,
                f"the loss is {found['loss']:.4f}, {found['excess_loss']:+.4f} against the expected "
                f"{found['expected_loss']:.4f}; {'above' if over else 'within'} the accepted {policy.excess_loss:+.4f}",
            )
        )
    if policy.calibration_gap is not None:
        over = abs(found["calibration_gap"]) > policy.calibration_gap
        outcomes.append(
            (
                over,
                f"{found['mean_score']:.4f} is predicted on average and {found['mean_label']:.4f} came, a gap of "
                f"{found['calibration_gap']:+.4f}; {'beyond' if over else 'within'} ±{policy.calibration_gap:.4f}",
            )
        )
    return outcomes


def _of_days(
    policy: DriftPolicy, judged: Sequence[DayFigures], found: Mapping[str, float], enough: bool
) -> Iterable[str]:
    if not enough:
        yield (
            f"{len(judged)} of the last {policy.days} matured days came after the model's evaluation and have labels; "
            f"fewer than {policy.minimum_days} decide nothing"
        )
        return
    stretch = f"over {len(judged)} matured days, {judged[0].day} to {judged[-1].day}"
    for over, sentence in sorted(_outcomes(policy, found), key=lambda outcome: not outcome[0]):
        yield f"{_OUTCOMES[over]}: {stretch}, {sentence}"


def _of_inputs(inputs: Sequence[FeatureDrift], weeks: Sequence[Profile]) -> Iterable[str]:
    if not inputs:
        yield "inputs: no week of rows to judge"
        return
    week = f"in the week {weeks[-1].first} to {weeks[-1].last}"
    if all(each.limit is None for each in inputs):
        yield f"inputs: fewer than {2 * LEAST_WEEKS} weeks before {weeks[-1].first} tell what is usual"
        return
    drifted = [each for each in inputs if each.drifted]
    if not drifted:
        yield f"inputs: {week}, none of {len(inputs)} features drifted"
        return
    named = ", ".join(f"{each.feature} ({each.psi:.2f}, usual to {each.limit:.2f})" for each in drifted[:_NAMED])
    more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
    yield f"a human looks: {week}, {len(drifted)} of {len(inputs)} features drifted (stability index): {named}{more}"


def _of_lacking(lacking: Sequence[Unfamiliar]) -> Iterable[str]:
    if not lacking:
        return
    named = ", ".join(
        f"{each.feature} ({each.nulls} rows without a value, {each.categories} of an unknown category)"
        for each in lacking[:_NAMED]
    )
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    yield f"a human looks: in the last 7 days, rows lack a value that all rows of the training had: {named}{more}"
