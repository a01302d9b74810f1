"""A project's champion at work: score a file with it, or load it, from the command line, a script or a notebook."""

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include import declared, steps
from include.contracts.files import write_rows
from include.core.errors import RegistryError
from include.core.project import Project
from include.core.records import DAY, Run, Scope, UnfamiliarValues, day_start
from include.core.runs import RunKind, run_id_of
from include.registry import bundle
from include.registry.bundle import Champion
from include.runtime.nights.platform import open_platform, signed_in_here, utc_now
from include.settings import Settings
from include.steps import Platform

if TYPE_CHECKING:
    import pyarrow as pa


def load_champion(settings: Settings, project: Project) -> Champion:
    """The champion of *project*, its signature verified; it predicts from feature columns.

    Beside ``predict`` it has ``unfamiliar``: of which features the given rows are unlike all that it learnt from.

    A model is made of personal data: it is opened under the project's grants, by a run of its own, with a receipt.

    Raises:
        RegistryError: the project has no champion yet, or it may not be used.
        AccessDenied: no grant in force covers what the project reads.

    Warns of what must be said beside it: that its promotion is not signed, say.
    """
    platform = open_platform(settings)
    champion = platform.champions.in_force(project.name)
    if champion is None:
        raise RegistryError("a champion is loaded", value=f"{project.name} has none", remedy="Run a night first.")
    digest = champion.usable().registered.bundle
    run = _beside(platform, project, RunKind.LOAD, utc_now())
    scope = steps.scope_of(platform, run)
    opened = platform.vault.open([digest], run=run, step="load", scope=scope, now=utc_now(), serving=True)
    for note in champion.notes:
        warnings.warn(f"{project.name} version {champion.number}: {note}", stacklevel=2)
    return bundle.load_version(opened.bytes(digest), platform.verifier, champion.version)


@dataclass(frozen=True, kw_only=True)
class ScoringResult:
    """How many rows were scored by which ``version``, from features of what the data knew at ``instant``.

    ``ahead`` of them lie on UTC days after those that had ended then: of such a day the features see no other rows than
    the scored ones, so that all rows of it must be given. ``unfamiliar`` says what the version learnt nothing of, and
    ``notes`` what must be said beside the version.
    """

    version: int
    notes: tuple[str, ...]
    rows: int
    ahead: int
    instant: datetime
    unfamiliar: tuple[UnfamiliarValues, ...]


def score_file(
    settings: Settings, project: Project, file: Path, target: Path, *, instant: datetime | None
) -> ScoringResult:
    """Write key and ``prediction`` of each row of *file* to *target* (Parquet, CSV or JSON lines, as its name says).

    *file* holds the columns of the target's dataset that the project reads; outcomes may be left out.

    *instant* is what the data knew; none: the end of the last row's UTC day, or of the last day before it that is filed
    of every dataset. The scoring is a run of its own in the ledger, with its receipts.

    Raises:
        RegistryError: the project has no champion yet.
        AccessDenied: no grant in force covers what the project reads.
        DataError: the file cannot be used.
    """
    from include.data.scoring import ahead, read_rows

    platform = open_platform(settings)
    contract, scope = (
        platform.contracts[project.learning.target.dataset],
        declared.scope_of(project, platform.contracts),
    )
    read = scope.dataset(contract.dataset)
    rows = read_rows(file, contract, read.names if read else ())
    at = instant or _end_of_last_day(platform, project, scope, rows)
    scored = steps.score(platform, project, _beside(platform, project, RunKind.SCORE, at), rows, now=utc_now())
    write_rows(scored.table, target)
    return ScoringResult(
        version=scored.version,
        notes=scored.notes,
        rows=int(scored.table.num_rows),
        ahead=ahead(rows, contract, at),
        instant=at,
        unfamiliar=scored.unfamiliar,
    )


def _beside(platform: "Platform", project: Project, kind: RunKind, instant: datetime) -> Run:
    """A run of its own that needs no lease, so that it goes on beside a night."""
    now = utc_now()
    run_id = run_id_of(kind, f"{now:%Y-%m-%dT%H:%M:%S.%f}")
    return steps.begin(platform, project, run_id=run_id, instant=instant, now=now, kind=kind, start=signed_in_here())


def _end_of_last_day(platform: "Platform", project: Project, scope: Scope, rows: "pa.Table") -> datetime:
    import pyarrow.compute as pc

    from include.data.sources import source_of

    column = platform.contracts[project.learning.target.dataset].partition_column or ""
    last = pc.max(pc.cast(rows[column], "date32")).as_py()
    for dataset in scope.datasets:
        filed = None
        if dataset.window_days is not None:
            contract = platform.contracts[dataset.dataset]
            filed = source_of(contract, platform.production, platform.source_credentials).filed()
        if filed is not None:
            last = min(last, filed.last)
    return day_start(last + DAY)
