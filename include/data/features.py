"""Point-in-time features and labels: one partition a table and a UTC day, computed where new, reused otherwise."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from include import engines
from include.core.canonical import record_digest
from include.core.project import Project
from include.core.records import Contract, Days, FeatureSet, Run, Snapshot, Split
from include.data.feature_tables import BuiltTables, write
from include.data.leak_alarm import Alarm
from include.data.point_in_time import PointInTime
from include.data.probe import probe, sampled
from include.data.reuse import divided, made, needed, plan, record, stretches
from include.data.writer import Writer
from include.declared.compiled import CompiledProject
from include.ledger import Ledger

if TYPE_CHECKING:
    from include.governance.vault import OpenedArtifacts, Vault


def build(
    *,
    run: Run,
    snapshot: Snapshot,
    snapshot_digest: str,
    project: Project,
    compiled: CompiledProject,
    contracts: Mapping[str, Contract],
    vault: "Vault",
    open: "Callable[[Iterable[str]], OpenedArtifacts]",
    ledger: Ledger,
    engine: engines.OpenEngine = engines.opened,
) -> FeatureSet:
    """The features and labels of the project's window.

    A partition of a group holds the target's key and the group's features (numbers and booleans as float32, categories
    as strings) for exactly the rows of the table ``label`` (key, ``day``, ``predicted_at``, ``label``), both sorted by
    key. What was computed from the same inputs before is reused; the rest is computed in one query a group, over tables
    that hold the new days and the lookback before them. Day by day or all at once, the bytes are the same as long as a
    project adds up whole numbers (a sum of fractions depends on the order of its rows).

    *open* gives access to what is read: of the snapshot the days that new days and probes may use, of earlier nights'
    partitions those that are probed again and those that hold categories. Categories are learnt from the training days
    alone, and only those of at least ``tables.CATEGORY_ROWS`` rows there; a model sees the others as missing. The
    truncation law is checked before anything is recorded. Which *engine* computes makes no difference to a byte.

    Raises:
        DataError: two of the rows that are read have one key, or a row has none.
        DeclarationError: a label depends on other days than its own.
        FeatureLeak: a feature knows the future, or predicts too well to be true.
    """
    split = Split.of(project.learning.window, snapshot.last_matured)
    window = Days(first=split.train.first, last=split.holdout.last)
    work = plan(compiled, project, snapshot, window, made(ledger, run.project), vault.has, contracts)
    seed = record_digest((run.project, run.instant, snapshot_digest))
    tasks = {task.derived: task for task in work}
    samples = sampled(window, compiled.groups, lambda group, day: tasks[group].spans(day), seed)
    read = needed(snapshot, compiled, work, samples)
    again = [part for task in work for part in task.read_again(split.train, samples)]
    division = divided(project, snapshot, contracts, work, read)
    opened = open([part.content for part in (*read, *again)])
    with (
        division.room(vault) as room,
        engine(snapshot, contracts, opened.path, partitions=read, room=room) as held,
    ):
        rows = PointInTime(held, project, contracts, compiled, stretches(work, samples, snapshot))
        alarm = Alarm(project, {task.derived: task.span for task in work if task.span}, seed=seed)
        looked_at = {sample.day for sample in samples}
        tables = BuiltTables(rows, work, opened, division, train=split.train, looked_at=looked_at, alarm=alarm)
        contract = contracts[project.learning.target.dataset]
        with Writer(vault) as writer:  # beside the probes; nothing of it counts before it is recorded
            written = write(tables, project.learning.target.key, writer)
            probed = probe(rows, samples=samples, built=tables.built, contract=contract, seed=seed)
            alarm.check()
            rounded = tables.rounded(window.last)
    fresh = [partition() for partition in written]
    record(ledger, run, fresh)
    partitions = [partition for task in work for partition in task.reused.values()] + fresh
    return FeatureSet(
        snapshot=snapshot_digest,
        objective=project.learning.target.objective,
        key=project.learning.target.key,
        label=(*compiled.label.definitions, tasks[compiled.label].definition)[0],
        features=tuple(spec for task in work for spec in tables.specs(task)),
        split=split,
        partitions=tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min))),
        probed=probed.instants,
        removal_only=probed.removal_only,
        rounded=rounded,
    )
