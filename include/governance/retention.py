"""When an artifact's time is over: what its contracts declare, counted from its last recorded use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core.records import ArtifactKind

#: The steps of a run take up what those before left, so nothing is removed on the day of its last use.
SHORTEST = timedelta(days=1)

#: By dataset, the days that the contract in effect declares for each kind.
Times = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class ArtifactReference:
    """One reason to keep an artifact: of which ``kind`` it is to ``project``, and what it was made of.

    ``last_use`` (UTC): when a run last made it or took it up.
    """

    artifact: str
    kind: ArtifactKind
    project: str
    datasets: tuple[str, ...]
    last_use: datetime


@dataclass(frozen=True, kw_only=True)
class RemovalDue:
    """From when on (UTC, inclusive) an artifact is due to be removed, by which rule; the other fields are those of the
    reference that keeps it until then.
    """

    artifact: str
    kind: ArtifactKind
    datasets: tuple[str, ...]
    due_since: datetime
    rule: str


def endings(references: Iterable[ArtifactReference], times: Times) -> dict[str, RemovalDue]:
    """The end of each artifact that has one, by its digest.

    An artifact stays as long as one of its references does. A reference stays for the shortest of the times that its
    datasets declare for its kind, and a day at least; for a kind without a time of its own a dataset has the time of
    its snapshots. Where no dataset declares either, it stays for good.
    """
    found: dict[str, RemovalDue | None] = {}
    for reference in references:
        ending, digest = _ending(reference, times), reference.artifact
        known = found.get(digest, ending)
        later = None if known is None or ending is None else max(known, ending, key=lambda each: each.due_since)
        found[digest] = later
    return {digest: ending for digest, ending in found.items() if ending is not None}


def _ending(reference: ArtifactReference, times: Times) -> RemovalDue | None:
    declared = [
        (days, dataset, kind)
        for dataset in reference.datasets
        for known in (times.get(dataset, {}),)
        for kind in (reference.kind if reference.kind in known else ArtifactKind.SNAPSHOT,)
        if (days := known.get(kind)) is not None
    ]
    if not declared:
        return None
    days, dataset, kind = min(declared)
    rule = f"{days:g} days after the last use, as {dataset} declares for {kind}"
    return RemovalDue(
        artifact=reference.artifact,
        kind=reference.kind,
        datasets=reference.datasets,
        due_since=reference.last_use + max(timedelta(days=days), SHORTEST),
        rule=rule,
    )
