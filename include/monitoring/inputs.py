"""How far a champion's inputs lie from those of the weeks before."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from include.core.errors import DataError
from include.core.project import DriftPolicy
from include.core.records import ColumnProfile, FeatureDrift, Profile, Reference, UnfamiliarValues
from include.monitoring.profile import pooled, stability_index

#: With fewer weeks before it that have an index themselves, what is usual of a week is not known.
LEAST_WEEKS = 4
#: Where it is not, a feature has drifted from this many times ``policy.psi`` on: a sensor that fails, no season.
_GROSS = 10
#: This many drifted features are named in a reason.
_NAMED = 3


def drift_of_inputs(policy: DriftPolicy, reference: Reference, weeks: Sequence[Profile]) -> tuple[FeatureDrift, ...]:
    """How far each feature of the newest week lies from the weeks before it, the furthest first.

    A week is held against the last ``policy.baseline_weeks`` before it that had not drifted themselves, all together:
    so a season that passes slowly does not warn. Its limit is the greater of ``policy.psi`` and ``policy.psi_factor``
    times the feature's own greatest index in these weeks. That is known of the ninth week on: four weeks have an index
    then, each of which needs four weeks before it.

    Fewer weeks (a short window) are held against the rows that the model learnt and against the weeks before, whichever
    is nearer, and ten times ``policy.psi`` is accepted at least: a gross break is seen from the first week on.

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
    few = len(held) <= 2 * LEAST_WEEKS
    drifts = [
        _drift_of_few(policy, reference.learnt.column(name), _columns(name, held))
        if few
        else _drift(policy, name, _columns(name, held))
        for name in names
    ]
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


def _drift_of_few(policy: DriftPolicy, learnt: ColumnProfile | None, columns: Sequence[ColumnProfile]) -> FeatureDrift:
    usual: list[ColumnProfile] = []
    indices: list[float] = []
    index, limit = 0.0, _GROSS * policy.psi
    for column in columns:
        against = [each for each in (learnt, pooled(usual) if usual else None) if each is not None]
        index = min(stability_index(each, column) for each in against)
        limit = max(_GROSS * policy.psi, policy.psi_factor * max(indices, default=0.0))
        if index <= limit:
            usual.append(column)
            indices.append(index)
    return FeatureDrift(feature=columns[-1].name, psi=index, limit=limit)


def in_words(inputs: Sequence[FeatureDrift], weeks: Sequence[Profile]) -> Iterable[str]:
    if not inputs:
        yield "inputs: no week of rows to judge"
        return
    week = f"in the week {weeks[-1].first} to {weeks[-1].last}"
    drifted = [each for each in inputs if each.drifted]
    if not drifted:
        yield f"inputs: {week}, none of {len(inputs)} features drifted"
        return
    named = ", ".join(f"{each.feature} {each.psi:.2f}, accepted to {each.limit:.2f}" for each in drifted[:_NAMED])
    more = f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else ""
    yield (
        f"a human looks: {week}, {len(drifted)} of {len(inputs)} features drifted from the weeks before (stability "
        f"index: 0 where shares are equal, from 0.25 on a large shift): {named}{more}"
    )


def lacking_in_words(lacking: Sequence[UnfamiliarValues]) -> Iterable[str]:
    if not lacking:
        return
    named = ", ".join(
        f"{each.feature} ({each.nulls} rows without a value, {each.categories} of an unknown category)"
        for each in lacking[:_NAMED]
    )
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    yield f"a human looks: in the last 7 days, rows lack a value that all rows of the training had: {named}{more}"
