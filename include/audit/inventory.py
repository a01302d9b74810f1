"""All registered versions of all projects, a line each: what a model inventory asks for, as far as it is recorded."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from include.core import streams
from include.core.card import Card
from include.core.events import CardDeclared, DataRead, DriftJudged, GatesDeclared, ModelRegistered, RunTriggered
from include.ledger import Entry, Ledger
from include.registry.champions import Champions, ProjectVersions, Tenure, Version

NOT_SHOWN = "NOT SHOWN"


@dataclass(frozen=True, kw_only=True)
class InventoryLine:
    """A registered version. What is not recorded of it says NOT SHOWN; times are UTC."""

    id: str
    project: str
    version: int
    purpose: str
    risk_rating: str
    risk_reason: str
    owner: str
    developer: str
    origin: str
    approved_uses: str
    limits: str
    not_for: str
    data_sources: str
    depends_on_models: str
    needed_by: str
    state: str
    in_production_since: str
    last_validation: str
    validated_by: str
    open_findings: str
    review_trigger: str
    next_review: str
    monitoring: str
    deprecation: str


def inventory(ledger: Ledger, champions: Champions) -> tuple[InventoryLine, ...]:
    """Every version that was ever registered, by project and number."""
    projects = sorted({event.project for _, event in ledger.all_of(ModelRegistered)})
    return tuple(line for project in projects for line in _Project(ledger, champions, project).lines())


def as_csv(lines: Sequence[InventoryLine]) -> str:
    """*lines* as CSV, with a header. No cell begins as a formula would."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow([each.name for each in fields(InventoryLine)])
    for line in lines:
        table.writerow([_no_formula(value) for value in asdict(line).values()])
    return written.getvalue()


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


class _Project:
    def __init__(self, ledger: Ledger, champions: Champions, project: str) -> None:
        self._ledger, self._project = ledger, project
        self._known: ProjectVersions = champions.known(project)
        self._tenures: Sequence[Tenure] = champions.tenures(project)
        runs = {each.registered.run_id for each in self._known.versions}
        keys = (streams.card_key, streams.gates_key, streams.triggered_key)
        self._facts = ledger.find_all(key(project, run) for run in runs for key in keys)
        evaluations = [each.registered.evaluation for each in self._known.versions]
        self._evaluated = ledger.find_all(streams.evaluated_key(project, each) for each in evaluations)
        self._read: dict[str, set[str]] = {}
        for entry in ledger.read(streams.receipt(project)):
            if isinstance(entry.event, DataRead) and entry.event.run_id in runs:
                self._read.setdefault(entry.event.run_id, set()).add(entry.event.scope.dataset)
        verdicts = ledger.events(streams.drift(project), DriftJudged)
        self._verdicts = {event.model_version: event for event in verdicts}

    def lines(self) -> Iterator[InventoryLine]:
        champion = self._known.champion()
        for version in self._known.versions:
            yield self._line(version, is_champion=champion is not None and champion.number == version.number)

    def _line(self, version: Version, *, is_champion: bool) -> InventoryLine:
        run = version.registered.run_id
        declared = self._facts.get(streams.card_key(self._project, run))
        described = declared.event if declared is not None and isinstance(declared.event, CardDeclared) else None
        card = described.card if described is not None else None
        evaluated = self._evaluated.get(streams.evaluated_key(self._project, version.registered.evaluation))
        return InventoryLine(
            id=f"{self._project}@{version.number}",
            project=self._project,
            version=version.number,
            purpose=described.purpose if described else NOT_SHOWN,
            owner=described.owner if described else NOT_SHOWN,
            **_of_card(card),
            developer=self._developer(run),
            approved_uses=described.purpose if described else NOT_SHOWN,
            data_sources=", ".join(sorted(self._read.get(run, ()))) or NOT_SHOWN,
            depends_on_models=NOT_SHOWN,
            needed_by=NOT_SHOWN,
            state=self._state(version, is_champion=is_champion),
            in_production_since=self._since(version),
            last_validation=_moment(evaluated),
            validated_by="the project's gates, signed by the authority" if version.decision else NOT_SHOWN,
            review_trigger=self._trigger(run),
            next_review=NOT_SHOWN,
            monitoring=self._monitoring(version),
            deprecation="retired" if version.number in self._known.retired else "none",
        )

    def _developer(self, run: str) -> str:
        entry = self._facts.get(streams.triggered_key(self._project, run))
        who = entry.event.who if entry is not None and isinstance(entry.event, RunTriggered) else ""
        return who or NOT_SHOWN

    def _state(self, version: Version, *, is_champion: bool) -> str:
        if is_champion:
            return "champion"
        if version.number in self._known.retired:
            return "retired"
        return "replaced" if version.promoted else "candidate"

    def _since(self, version: Version) -> str:
        found = [each.since for each in self._tenures if each.version.number == version.number]
        return _written(found[0]) if found else "never"

    def _trigger(self, run: str) -> str:
        entry = self._facts.get(streams.gates_key(self._project, run))
        watched = entry.event.watched if entry is not None and isinstance(entry.event, GatesDeclared) else None
        return {True: "the verdict of the watch", False: "none: nobody watches it", None: NOT_SHOWN}[watched]

    def _monitoring(self, version: Version) -> str:
        verdict = self._verdicts.get(version.number)
        return "not judged yet" if verdict is None else f"{verdict.verdict.state} as of {_written(verdict.instant)}"


def _of_card(card: Card | None) -> dict[str, str]:
    if card is None:
        names = ("risk_rating", "risk_reason", "origin", "limits", "not_for", "open_findings")
        return dict.fromkeys(names, NOT_SHOWN)
    return {
        "risk_rating": card.tier or NOT_SHOWN,
        "risk_reason": card.tier_reason or NOT_SHOWN,
        "origin": f"third-party parts: {card.third_party}" if card.third_party else NOT_SHOWN,
        "limits": card.limits,
        "not_for": card.not_for,
        "open_findings": card.findings or NOT_SHOWN,
    }


def _moment(entry: Entry | None) -> str:
    return NOT_SHOWN if entry is None else _written(entry.recorded_at)


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
