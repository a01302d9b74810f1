"""What was decided of the model and by which rules, how it has done since, and what it changed."""

from collections.abc import Iterator, Sequence

from include.audit.evidence import Evidence, Section, Source, Step
from include.audit.sections.data import manifests
from include.audit.version_records import VersionRecords
from include.core import streams
from include.core.events import (
    ArtifactsRemoved,
    ChampionRolledBack,
    DayJudged,
    DriftJudged,
    GateOverridden,
    GateOverrideEnded,
    GatesDeclared,
    LookTaken,
    RetentionCarriedOut,
    RetrainingAsked,
)

_SIGNED: tuple[Step, ...] = ("event", "envelope", "@dsse")
#: So many judged days are listed.
_DAYS = 180


def decision(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="decision",
        title="Decision",
        about="Gates that were declared before the night began decide on recorded figures; the authority signs.",
    )
    declared = known.in_run(GatesDeclared)
    section.say("gates", evidence.event_or_none(declared[0] if declared else None), "event", "gates")
    decided = evidence.event_or_none(known.decided)
    if decided is None:
        section.missing("the authority's decision", "NOT SIGNED: the authority has not decided about this version")
        return section
    section.say("promoted", decided, *_SIGNED, "verdict", "promote")
    section.say("champion before", decided, *_SIGNED, "champion", why="it was the first")
    section.say("asked by", decided, *_SIGNED, "asked_by", why="nobody: the gates decide about each version once")
    section.say("earlier looks at the same days", decided, *_SIGNED, "standing", "looks", why="none, or not recorded")
    table = section.table("Reasons", "reason")
    for place in range(len(decided.get(*_SIGNED, "verdict", "reasons", "*"))):
        table.row(decided.cell(*_SIGNED, "verdict", "reasons", place), label=str(place + 1))
    _overrides(known, evidence, section, decided)
    return section


def _overrides(known: VersionRecords, evidence: Evidence, section: Section, decided: Source) -> None:
    in_force = decided.get(*_SIGNED, "standing", "overrides", "*")
    if decided.get(*_SIGNED, "standing", "overrides"):
        section.say("overrides in force at the decision", decided, *_SIGNED, "standing", "overrides", "*", take="count")
    else:
        section.missing("overrides in force at the decision", "it was decided before that was recorded")
    table = section.table("Overrides", "gate", "by", "until", "reason")
    for place in range(len(in_force)):
        path = (*_SIGNED, "standing", "overrides", place)
        table.row(*decided.cells(*((*path, name) for name in ("gate", "by", "until", "reason"))), label="in force")
    entries = [
        each
        for each in known.ledger.read(streams.override(known.project))
        if isinstance(each.event, GateOverridden | GateOverrideEnded)
    ]
    for source in evidence.proven(entries, section):
        where: tuple[Step, ...] = ("event", "override") if "override" in source.document["event"] else ("event",)
        table.row(*source.cells(*((*where, name) for name in ("gate", "by", "until", "reason"))), label="recorded")


def since(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="since",
        title="Since then",
        about="Each matured day is judged once, by the champion that was in force before it.",
    )
    _judged(known, evidence, section)
    _verdicts(known, evidence, section)
    _rollbacks(known, evidence, section)
    _asked(known, evidence, section)
    _removed(known, evidence, section)
    section.missing("what each user did with a prediction", "predictions leave Trainyard as files")
    return section


def _judged(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    found = [each for each in known.since(streams.drift(known.project), DayJudged) if known.judges(each.event)]
    if not found:
        section.missing("days that it was judged on", "the watch has judged none yet")
        return
    names = ("day", "rows", "loss", "expected_loss", "constant_loss", "predecessor_loss", "best_loss", "unjudged")
    table = section.table("Judged days", *(name.replace("_", " ") for name in names))
    for each in found[-_DAYS:]:
        table.row(*evidence.event(each).cells(*(("event", "judged", name) for name in names)))
    if len(found) > _DAYS:
        section.missing(f"{len(found) - _DAYS} earlier judged days", f"only the last {_DAYS} are listed")


def _verdicts(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    table = section.table("Verdicts of the watch", "recorded", "instant", "state", "figures", "reasons")
    for each in known.since(streams.drift(known.project), DriftJudged):
        if known.judges(each.event):
            verdict: tuple[Step, ...] = ("event", "verdict")
            paths = (("header", "recorded_at"), ("event", "instant"), (*verdict, "state"), (*verdict, "figures"))
            table.row(*evidence.event(each).cells(*paths, (*verdict, "reasons")))
    if not table.rows:
        section.missing("a verdict of the watch", "there is none yet")


def _rollbacks(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    table = section.table("Rollbacks", "recorded", "back to", "left", "why", "asked by", "by the look", "from")
    entries = list(known.since(streams.promotion(known.project), ChampionRolledBack))
    for source in evidence.proven(entries, section):
        names = ("version", "left", "reason", "asked_by", "look", "instant")
        table.row(source.cell("header", "recorded_at"), *source.cells(*((*_SIGNED, name) for name in names)))
    looks = section.table(
        "Looks at it beside the champion before", "recorded", "days", "estimate", "at least", "outcome"
    )
    for each in known.since(streams.drift(known.project), LookTaken):
        if known.judges(each.event):
            source, shown = evidence.event(each), ("days", "estimate", "lower", "outcome")
            looks.row(source.cell("header", "recorded_at"), *source.cells(*(("event", name) for name in shown)))


def _asked(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    table = section.table("Retrainings that were asked for", "recorded", "ask", "instant")
    for each in known.since(streams.retraining(known.project), RetrainingAsked):
        if known.judges(each.event):
            table.row(*evidence.event(each).cells(("header", "recorded_at"), ("event", "ask_id"), ("event", "instant")))


def _removed(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    name = f"{known.project}/{known.number}"
    carried = [each for each in known.ledger.read(streams.RETENTION) if isinstance(each.event, RetentionCarriedOut)]
    last = evidence.event_or_none(carried[-1] if carried else None)
    section.say("retention last carried out", last, "header", "recorded_at", why="it was never carried out yet")
    section.say("artifacts left though due", last, "event", "left", why="it was never carried out yet")
    table = section.table(
        "Removed by retention: NOT REBUILDABLE since", "recorded", "kind", "rule", "due since", "artifacts"
    )
    for each in known.ledger.read(streams.RETENTION):
        if isinstance(each.event, ArtifactsRemoved) and name in each.event.versions:
            source = evidence.event(each)
            paths = (("header", "recorded_at"), ("event", "artifact_kind"), ("event", "rule"), ("event", "due_since"))
            table.row(*source.cells(*paths), source.cell("event", "artifacts", "*", take="count"))


def difference(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(id="difference", title="Difference to the version before")
    before = known.predecessor
    if before is None:
        section.say("first version of the project", evidence.event(known.registered), "event", "model_version")
        return section
    section.say("version before", evidence.event(before.registered), "event", "model_version")
    table = section.table("What changed", "before", "now", "same")
    for label, now, earlier, path in _compared(known, before, evidence):
        if now is None or earlier is None:
            section.missing(f"difference: {label}", "one of the two is not recorded")
            continue
        same = now.cell(*path, take="same", also=[(earlier, path)])
        table.row(earlier.if_said(*path), now.if_said(*path), same, label=label)
    return section


def _compared(
    known: VersionRecords, before: VersionRecords, evidence: Evidence
) -> Iterator[tuple[str, Source | None, Source | None, tuple[Step, ...]]]:
    """What is held side by side: how it is called, the two sources, and where in both."""
    pairs = [_sources(each, evidence) for each in (known, before)]

    def beside(
        name: str, *paths: tuple[str, tuple[Step, ...]]
    ) -> Iterator[tuple[str, Source | None, Source | None, tuple[Step, ...]]]:
        for label, path in paths:
            yield label, pairs[0][name], pairs[1][name], path

    run: Sequence[tuple[str, tuple[Step, ...]]] = (
        ("code", ("event", "run", "code_digest")),
        ("declaration", ("event", "run", "declaration_digest")),
        ("instant", ("event", "run", "instant")),
    )
    yield from beside("run", *run)
    yield from beside("environment", ("environment", ("event", "environment")))
    yield from beside("features", ("first day", ("split", "train", "first")), ("label", ("label",)))
    yield from beside("features", ("first day held out", ("split", "holdout", "first")))
    yield from beside("features", ("snapshot", ("snapshot",)))
    evaluation = ("event", "evaluation")
    names = ("recipe", "params", "metrics", "constant_loss", "rows")
    yield from beside("evaluation", *((name.replace("_", " "), (*evaluation, name)) for name in names))
    yield from beside("card", ("card", ("event", "card")))
    yield from beside("gates", ("gates", ("event", "gates")))


def _sources(known: VersionRecords, evidence: Evidence) -> dict[str, Source | None]:
    def fact(key: str) -> Source | None:
        return evidence.event_or_none(known.fact(key))

    return {
        "run": evidence.event_or_none(known.began),
        "environment": fact(streams.environment_key(known.project, known.run_id)),
        "features": manifests(known, evidence)[0],
        "evaluation": evidence.event_or_none(known.evaluated),
        "card": fact(streams.card_key(known.project, known.run_id)),
        "gates": fact(streams.gates_key(known.project, known.run_id)),
    }
