"""Who was allowed to read what, why, and what was read; and what became of personal data."""

from collections.abc import Mapping

from include.audit.evidence import Cell, Evidence, Section, Source, Step
from include.audit.sections.data import contract_text, manifests
from include.audit.version_records import VersionRecords
from include.core import streams
from include.core.events import (
    AccessGranted,
    AccessLapsed,
    AccessRequested,
    AccessRevoked,
    ArtifactOpened,
    DataOpened,
    DataRead,
    PartitionsMade,
    QuarantineLifted,
    RequestDenied,
)
from include.ledger import Entry

_SIGNED = ("event", "envelope", "@dsse")
#: So many reads are held against their grants.
_READS = 400


def access(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="access",
        title="Access",
        about="Every request, decision and grant for what this model was made of, and each read against its grant.",
    )
    _, snapshot = manifests(known, evidence)
    datasets = [] if snapshot is None else [each["dataset"] for each in snapshot.document["scope"]["datasets"]]
    if not datasets:
        section.missing("requests and grants", "which data sets were read is not known: the manifest is gone")
    grants: dict[str, Source] = {}
    table = section.table("Requests and decisions", "recorded", "what", "who", "why", "request or grant", "until")
    for name in datasets:
        entries = known.ledger.read(streams.access(known.project, name))
        for source in evidence.proven(entries, section):
            table.row(*_decision(source), label=name)
            if source.document["header"]["kind"] == AccessGranted.kind:
                grants[source.document["event"]["grant_id"]] = source
    _purposes(section, grants)
    _reads(known, evidence, section, grants, snapshot)
    _openings(known, evidence, section)
    section.missing(
        "reads that went around Trainyard", "whoever holds a source's credentials needs no grant to read it"
    )
    return section


#: By kind, where who, why, id and until are said.
_SAID: Mapping[str, tuple[tuple[Step, ...] | None, ...]] = {
    AccessRequested.kind: (("event", "requester"), ("event", "purpose"), ("event", "request_id"), None),
    AccessGranted.kind: (
        (*_SIGNED, "steward"),
        (*_SIGNED, "reason"),
        (*_SIGNED, "grant_id"),
        (*_SIGNED, "expires_at"),
    ),
    RequestDenied.kind: (("event", "steward"), ("event", "reason"), ("event", "request_id"), None),
    AccessLapsed.kind: (None, None, ("event", "request_id"), None),
    AccessRevoked.kind: (("event", "steward"), ("event", "reason"), ("event", "grant_id"), None),
    QuarantineLifted.kind: (("event", "steward"), ("event", "reason"), ("event", "grant_id"), None),
}


def _decision(source: Source) -> list[Cell | None]:
    said = _SAID.get(source.document["header"]["kind"], (None, None, None, None))
    first = [source.cell("header", "recorded_at"), source.cell("header", "kind")]
    return [*first, *(None if path is None else source.if_said(*path) for path in said)]


def _purposes(section: Section, grants: Mapping[str, Source]) -> None:
    table = section.table("Grants", "project", "purpose", "columns", "days back", "from", "until", "steward")
    paths: tuple[tuple[Step, ...], ...] = (
        ("project",),
        ("purpose",),
        ("scope", "columns"),
        ("scope", "window_days"),
        ("not_before",),
        ("expires_at",),
        ("steward",),
    )
    for name, grant in grants.items():
        table.row(*grant.cells(*((*_SIGNED, *path) for path in paths)), label=name)


def _reads(
    known: VersionRecords, evidence: Evidence, section: Section, grants: Mapping[str, Source], snapshot: Source | None
) -> None:
    """What the runs behind this version read of production data, each held against the grant that its receipt names."""
    runs = {known.run_id, *_makers(known, snapshot)}
    receipts = [each for each in known.ledger.read(streams.receipt(known.project)) if _of(each, runs, known)]
    read = [each for each in receipts if isinstance(each.event, DataRead)]
    opened = [each for each in receipts if isinstance(each.event, DataOpened)]
    table = section.table(
        "Reads against grants",
        "recorded",
        "run",
        "data set",
        "first day",
        "last day",
        "rows",
        "reused",
        "grant",
        "columns within the grant",
        "within its time",
        note="Of this version's night, and of earlier runs whose partitions it took. An undivided table has no days.",
    )
    for each in read[-_READS:]:
        table.row(*_read(evidence.event(each), grants))
    if len(read) > _READS:
        section.missing(f"{len(read) - _READS} earlier reads", f"only the last {_READS} are listed")
    if len(opened) > len(read):
        section.missing(f"how {len(opened) - len(read)} openings ended", "the process died while it read")


def _of(entry: Entry, runs: set[str], known: VersionRecords) -> bool:
    event = entry.event
    return (
        isinstance(event, DataRead | DataOpened) and event.run_id in runs and entry.position < known.registered.position
    )


def _read(source: Source, grants: Mapping[str, Source]) -> list[Cell | None]:
    paths: tuple[tuple[Step, ...], ...] = (
        ("header", "recorded_at"),
        ("event", "run_id"),
        ("event", "scope", "dataset"),
        ("event", "first"),
        ("event", "last"),
        ("event", "rows"),
        ("event", "reused"),
        ("event", "grant_id"),
    )
    cells = list(source.cells(*paths))
    grant = grants.get(source.document["event"]["grant_id"])
    if grant is None:
        return [*cells, None, None]
    columns = source.cell(
        "event", "scope", "columns", "*", take="within", also=[(grant, (*_SIGNED, "scope", "columns", "*"))]
    )
    ends = [(grant, (*_SIGNED, "not_before")), (grant, (*_SIGNED, "expires_at"))]
    return [*cells, columns, source.cell("header", "recorded_at", take="between", also=ends)]


def _makers(known: VersionRecords, snapshot: Source | None) -> set[str]:
    """The runs that read the partitions of the snapshot."""
    if snapshot is None:
        return set()
    wanted = {each["content"] for each in snapshot.document["partitions"]}
    return {
        each.event.run_id
        for each in known.ledger.read(streams.partitions(known.project))
        if isinstance(each.event, PartitionsMade) and any(part.content in wanted for part in each.event.partitions)
    }


def _openings(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    table = section.table(
        "Artifacts opened by the night",
        "recorded",
        "step",
        "artifacts",
        "grants",
        note="Snapshots, features, training rows and models hold personal data: each opening has a receipt.",
    )
    for each in known.ledger.read(streams.receipt(known.project)):
        if isinstance(each.event, ArtifactOpened) and each.event.run_id == known.run_id:
            paths = (("header", "recorded_at"), ("event", "step"), ("event", "count"), ("event", "grants"))
            table.row(*evidence.event(each).cells(*paths))


def personal(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="personal",
        title="Personal data and its treatment",
        about="“clear”: read as it is. “token”: read as a keyed token, another for each purpose. Direct identifiers "
        "are never read, and so stand in no list.",
    )
    card = evidence.event_or_none(known.fact(streams.card_key(known.project, known.run_id)))
    section.say("special categories", card, "event", "card", "special_categories", why="no card says it")
    section.say("lawful basis", card, "event", "card", "lawful_basis", why="no card says it")
    _, snapshot = manifests(known, evidence)
    table = section.table("Columns that were read", "column", "treatment")
    for place, scope in enumerate([] if snapshot is None else snapshot.document["scope"]["datasets"]):
        assert snapshot is not None  # noqa: S101  # it has a scope
        for column in range(len(scope["columns"])):
            path: tuple[Step, ...] = ("scope", "datasets", place, "columns", column)
            table.row(*snapshot.cells((*path, 0), (*path, 1)), label=scope["dataset"])
        text = contract_text(known, evidence, scope["dataset"], scope["contract_digest"])
        section.say(f"contract of {scope['dataset']}, word for word", text, "event", "text")
    if snapshot is None:
        section.missing("columns and their treatment", "the manifest is gone from the store")
    section.missing("which key made the tokens", "no key, nor a name of one, is recorded")
    section.missing("that nobody can be told from the model", "no attack on the model was tried")
    return section
