"""The rows that a watch scores: which days they are of, and how they lie beside those that the champion learnt."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.project import DriftPolicy, Project
from include.core.records import (
    DAY,
    Contract,
    Days,
    LiveProfiles,
    LiveScores,
    Partition,
    Reference,
    Run,
    UnfamiliarValues,
    window_days,
)
from include.steps.platform import Platform, contents, open_artifacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.data.live_rows import LiveRows
    from include.monitoring.report import Explanation
    from include.registry.bundle import Champion

_WEEK = 7


def scored_days(policy: DriftPolicy, project: Project, contract: Contract, due: date, last: date) -> Days:
    """What is scored: the days from the first that is *due* on, the weeks that tell what is usual, and what the
    constant of the first due day is taken from.

    Each week of the baseline is held against as many before it. No further back than a night's window reaches: the
    snapshot holds no more.
    """
    from include.monitoring.series import CONSTANT_DAYS

    back = max(policy.days, (2 * policy.baseline_weeks + 1) * _WEEK)
    first = min(due - (CONSTANT_DAYS + contract.matures_after_days) * DAY, last - (back - 1) * DAY)
    return Days(first=max(first, window_days(project.learning.window, last).first), last=last)


def opened_rows(
    platform: Platform,
    project: Project,
    run: Run,
    step: str,
    partitions: Sequence[Partition],
    features: Sequence[str],
    *,
    now: datetime,
) -> "LiveRows":
    from include.data.live_rows import LiveRows
    from include.data.memory import DataMemory

    memory = DataMemory(mib=project.operations.compute.data_memory_mib)
    return LiveRows(partitions, features, open_artifacts(platform, run, step, contents(partitions), now=now), memory)


def unfamiliar_of(model: "Champion", rows: "LiveRows", days: Days) -> tuple[UnfamiliarValues, ...]:
    """What the last week's rows have that the model learnt nothing of."""
    from include.monitoring.profile import of_groups

    week = Days(first=days.last - (_WEEK - 1) * DAY, last=days.last)
    return of_groups(model.unfamiliar(rows.within(week).table))


def profiles_of(
    policy: DriftPolicy, reference: Reference, days: Days, rows: "LiveRows", scores: "NDArray[np.float64]"
) -> LiveProfiles:
    """All whole weeks of *days*, and the days that are judged: those that came after the model, the last ones."""
    import numpy as np
    import pyarrow as pa

    from include.monitoring.figures import LABEL, SCORE
    from include.monitoring.profile import joined, profile_like, weekly

    first = max(reference.last_seen + DAY, days.first, days.last - (policy.days - 1) * DAY)
    start = int(np.searchsorted(rows.day, first.toordinal()))
    judged, learnt = Days(first=first, last=days.last), reference.learnt
    found = [
        (*weekly(table, rows.day, days, learnt), profile_like(table.slice(start), judged, learnt))
        for table in rows.column_batches()
    ]
    *weeks, inputs = (joined(parts, learnt) for parts in zip(*found, strict=True))
    outcomes = pa.table({LABEL: rows.label, SCORE: scores})
    return LiveProfiles(
        weeks=tuple(weeks),
        inputs=inputs,
        outcomes=profile_like(outcomes.slice(start), judged, reference.holdout),
    )


def explanation_of(reference: Reference, profiles: LiveProfiles) -> "Explanation | None":
    """Evidently's report of then and now; ``None``: one of them has too few rows to show."""
    from include.monitoring.report import explain

    then, now = (reference.learnt, reference.holdout), (profiles.inputs, profiles.outcomes)
    return explain(then, now) if all(each.rows for each in (*then, *now)) else None


def labels_of(scored: LiveScores) -> list[Partition]:
    from include.declared.compiled import LABEL

    return [part for part in scored.partitions if part.table == LABEL]
