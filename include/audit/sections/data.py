"""From which rows the model was made, whether they were sound, and what was computed of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.audit.evidence import Evidence, Section, Source, Step
from include.audit.version_records import VersionRecords
from include.core import streams
from include.core.canonical import digest_of
from include.core.events import ContractAdopted, ContractKept, DataValidated
from include.ledger import Entry

_GONE = "the manifest is gone from the store"
#: So many earlier validations are listed.
_VALIDATIONS = 60


def manifests(known: VersionRecords, evidence: Evidence) -> tuple[Source | None, Source | None]:
    """The manifests of the night's features and of its snapshot."""
    evaluation = known.evaluation
    built = None if evaluation is None else evidence.manifest(evaluation.features)
    evidence.event_or_none(known.evaluated)
    return built, None if built is None else evidence.manifest(built.document["snapshot"])


def declaration(known: VersionRecords, evidence: Evidence) -> Source | None:
    """What the night's code declares, compiled."""
    declared = evidence.event_or_none(known.declared)
    return None if declared is None else evidence.manifest(declared.document["event"]["output"])


def data(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="data", title="Data", about="Rows that were known at the instant of the night, frozen by digest."
    )
    built, snapshot = manifests(known, evidence)
    began = evidence.event_or_none(known.began)
    section.say("instant", began, "event", "run", "instant")
    section.say("snapshot", built, "snapshot", why=_GONE)
    section.say("rows read", snapshot, "partitions", "*", "rows", take="sum", why=_GONE)
    section.say("first day", snapshot, "days", "first", why=_GONE)
    section.say("last day", snapshot, "days", "last", why=_GONE)
    if built is not None:
        _split(section, built)
    if snapshot is not None:
        _datasets(section, snapshot)
        _months(section, snapshot)
        _contracts(known, evidence, section, snapshot)
    return section


def _split(section: Section, built: Source) -> None:
    table = section.table(
        "Split", "first day", "last day", "rows", note="The days that train, choose among trials, and are held out."
    )
    for name in ("train", "validation", "holdout"):
        days = built.document["split"][name]
        rows: tuple[Step, ...] = ("partitions", {"table": "label", "day": [days["first"], days["last"]]}, "rows")
        first, last = built.cells(("split", name, "first"), ("split", name, "last"))
        table.row(first, last, built.cell(*rows, take="sum"), label=name)


def _datasets(section: Section, snapshot: Source) -> None:
    table = section.table("Data sets", "rows", "files", "first day", "last day", "days back", "contract")
    for place, scope in enumerate(snapshot.document["scope"]["datasets"]):
        parts: Step = {"table": scope["dataset"]}
        window, contract = snapshot.cells(
            ("scope", "datasets", place, "window_days"), ("scope", "datasets", place, "contract_digest")
        )
        table.row(
            snapshot.cell("partitions", parts, "rows", take="sum"),
            snapshot.cell("partitions", parts, "content", take="count"),
            snapshot.if_said("partitions", parts, "day", take="least"),
            snapshot.if_said("partitions", parts, "day", take="greatest"),
            window,
            contract,
            label=scope["dataset"],
        )


def _months(section: Section, snapshot: Source) -> None:
    names = [each["dataset"] for each in snapshot.document["scope"]["datasets"]]
    days = sorted({each["day"] for each in snapshot.document["partitions"] if each["day"] is not None})
    if not days:
        return
    table = section.table("Rows by month", *names)
    for month in sorted({day[:7] for day in days}):
        cells = [
            snapshot.cell("partitions", {"table": name, "day": [f"{month}-01", f"{month}-31"]}, "rows", take="sum")
            for name in names
        ]
        table.row(*cells, label=month)


def _contracts(known: VersionRecords, evidence: Evidence, section: Section, snapshot: Source) -> None:
    table = section.table("Contracts", "version", "digest", "stewards", "adopted by", "adopted at")
    for scope in snapshot.document["scope"]["datasets"]:
        name, digest = scope["dataset"], scope["contract_digest"]
        entries = [
            each
            for each in known.ledger.read(streams.contract(name))
            if isinstance(each.event, ContractAdopted) and each.event.digest == digest
        ]
        for adopted in evidence.proven(entries[-1:], section):
            paths = ("contract_version", "digest", "stewards", "adopted_by")
            cells = adopted.cells(*(("event", "envelope", "@dsse", path) for path in paths))
            table.row(*cells, adopted.cell("header", "recorded_at"), label=name)
        if not entries:
            section.missing(f"adoption of the contract of {name}", "no event adopts this version")


def contract_text(known: VersionRecords, evidence: Evidence, dataset: str, digest: str) -> Source | None:
    """What the contract *digest* of *dataset* says, as it was kept when it was adopted."""
    for entry in known.ledger.read(streams.contract_text(dataset)):
        event = entry.event
        if isinstance(event, ContractKept) and event.digest == digest == digest_of(event.text.encode()):
            return evidence.event(entry)
    return None


def quality(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="quality",
        title="Quality",
        about="What was expected of the data. Complete days are checked once; counts only, and no value.",
    )
    made = known.made("validate")
    wanted = getattr(made.event, "output", None) if made is not None else None
    entries = known.validations
    own = [each for each in entries if isinstance(each.event, DataValidated) and each.event.validation == wanted]
    if not own:
        section.missing("validation of the snapshot", "no event holds it")
        return section
    event = evidence.event(own[-1])
    section.say("validated at", event, "header", "recorded_at")
    section.say("snapshot that was validated", event, "event", "snapshot")
    section.say("worst failure", event, "event", "worst", why="no expectation failed")
    outcome = evidence.manifest(wanted)
    section.say("expectations checked", outcome, "checks", "*", take="count", why=_GONE)
    if outcome is not None:
        _checks(section, outcome)
    _history(evidence, section, entries)
    return section


def _checks(section: Section, outcome: Source) -> None:
    names = ("dataset", "expectation", "column", "severity", "success", "rows", "unexpected", "limits")
    table = section.table("Expectations of this night", *names)
    for place in range(len(outcome.document["checks"])):
        table.row(*outcome.cells(*(("checks", place, name) for name in names)))


def _history(evidence: Evidence, section: Section, entries: Sequence[Entry]) -> None:
    table = section.table(
        "Validations until then", "recorded", "run", "worst failure", "partitions", "failed", note="The newest last."
    )
    for each in entries[-_VALIDATIONS:]:
        event = evidence.event(each)
        outcome = evidence.manifest(event.document["event"]["validation"])
        failed = None if outcome is None else outcome.if_said("checks", {"success": False}, "expectation", take="all")
        table.row(
            event.cell("header", "recorded_at"),
            event.cell("event", "run_id"),
            event.if_said("event", "worst"),
            event.cell("event", "covered", "*", take="count"),
            failed,
        )
    if len(entries) > _VALIDATIONS:
        section.missing(
            f"{len(entries) - _VALIDATIONS} earlier validations", f"only the last {_VALIDATIONS} are listed"
        )


def features(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="features",
        title="Features",
        about="Each feature with the columns that its values come from; each group with its SQL, and all that decides "
        "its rows: join keys and filters too.",
    )
    built, _ = manifests(known, evidence)
    declared = declaration(known, evidence)
    if built is None or declared is None:
        section.missing("features", _GONE)
        return section
    section.say("features", built, "features", "*", take="count")
    section.say("definition of the label", built, "label")
    section.say("checked that the past stays, for instants", built, "probed")
    table = section.table("Features", "group", "type", "made of", "definition", "categories")
    for place, feature in enumerate(built.document["features"]):
        origin: Step = {"table": feature["group"], "column": feature["name"]}
        group, definition = built.cells(("features", place, "group"), ("features", place, "definition"))
        table.row(
            group,
            declared.if_said("origins", origin, "type"),
            declared.if_said("origins", origin, "sources", "*", take="all"),
            definition,
            built.if_said("features", place, "categories", "*", take="count") if feature["categories"] else None,
            label=feature["name"],
        )
    _tables(section, declared)
    section.missing("a drawing of the lineage", "`./trainyard lineage PROJECT --svg FILE` draws it")
    return section


def _tables(section: Section, declared: Source) -> None:
    table = section.table("How they are computed", "SQL", "days back", "reads (joins and filters too)")
    compiled = declared.document["compiled"]
    table.row(declared.if_said("compiled", "population"), None, None, label="population")
    for name, path in _derived(compiled):
        sql, days = declared.cells((*path, "sql"), (*path, "lookback_days"))
        reads = declared.if_said("readings", {"table": name}, "sources", "*", take="all")
        table.row(sql, days, reads, label=name)


def _derived(compiled: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    yield "label", ("compiled", "label")
    for place, group in enumerate(compiled["groups"]):
        yield group["name"], ("compiled", "groups", place)
