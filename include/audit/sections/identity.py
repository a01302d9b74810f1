"""Which model it is, who vouches for it, what it is for, and in what it was made."""

from include.audit.evidence import Evidence, Section
from include.audit.version_records import VersionRecords
from include.core import streams
from include.core.events import CodeKept, EnvironmentRecorded, PodEnded, TrainerImageNamed

_EARLIER = "the release that ran the night did not record it"


def identity(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(id="identity", title="Identity and signatures")
    registered, evaluated = evidence.event(known.registered), evidence.event_or_none(known.evaluated)
    section.say("project", registered, "event", "project")
    section.say("version", registered, "event", "model_version")
    section.say("registered at", registered, "header", "recorded_at")
    section.say("run", registered, "event", "run_id")
    section.say("model", evaluated, "event", "evaluation", "model")
    section.say("bundle", registered, "event", "bundle")
    section.say("evaluation", registered, "event", "evaluation")
    decided = evidence.event_or_none(known.decided)
    if decided is None or evaluated is None:
        section.missing("the authority's decision", "NOT SIGNED: the authority has not decided about this version")
        return section
    said = ("event", "envelope", "@dsse")
    section.say("promoted", decided, *said, "verdict", "promote")
    section.say("decided at", decided, "header", "recorded_at")
    section.say("signed with key", decided, "event", "envelope", "@json", "signatures", 0, "keyid")
    model = [(evaluated, ("event", "evaluation", "model"))]
    section.say("the decision is about this model", decided, *said, "model", take="same", also=model)
    figures = [(registered, ("event", "evaluation"))]
    section.say("the decision is about these figures", decided, *said, "evaluation", take="same", also=figures)
    return section


def deployment(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="deployment",
        title="Deployment, and controls that are only convention",
        about="A control is shown where the ledger holds that it was in force; what rests on people's word is not.",
    )
    began = evidence.event_or_none(known.began)
    section.say("separation of duties", began, "event", "separation_of_duties")
    if began is not None and str(began.document["event"].get("separation_of_duties", "")).startswith("NOT SHOWN"):
        section.missing(
            "that no process of a night could sign a decision itself", "separation of duties was not shown to the run"
        )
    trigger = evidence.event_or_none(known.fact(streams.triggered_key(known.project, known.run_id)))
    section.say("set off by", trigger, "event", "trigger")
    section.say("who set it off", trigger, "event", "who", why="no person is recorded")
    return section


def purpose(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(id="purpose", title="Purpose, owner and limits")
    card = evidence.event_or_none(known.fact(streams.card_key(known.project, known.run_id)))
    if card is None:
        declared = evidence.event_or_none(known.declared)
        manifest = None if declared is None else evidence.manifest(declared.document["event"]["output"])
        section.say("purpose", manifest, "scope", "purpose")
        section.missing("owner", _EARLIER)
        section.missing("card", _EARLIER)
        return section
    section.say_all(card, "event", purpose="purpose", owner="owner")
    names = ("limits", "not_for", "assumptions", "special_categories", "lawful_basis", "tier", "tier_reason")
    for name in (*names, "third_party", "findings", "by", "on"):
        label = {"by": "said by", "on": "said on", "findings": "open findings"}.get(name, name.replace("_", " "))
        why = "its project declares no card" if card.document["event"]["card"] is None else "its card does not say it"
        section.say(label, card, "event", "card", name, why=why)
    return section


def environment(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(id="environment", title="Code and environment")
    began = evidence.event_or_none(known.began)
    section.say("code", began, "event", "run", "code_digest")
    section.say("declaration", began, "event", "run", "declaration_digest")
    code = known.run.code_digest if known.run is not None else ""
    kept = [
        each
        for each in known.ledger.read(streams.code(known.project))
        if isinstance(each.event, CodeKept) and each.event.code == code
    ]
    section.say("kept copies of the code", evidence.event_or_none(kept[-1] if kept else None), "event", "copies")
    recorded = known.in_run(EnvironmentRecorded)
    began_in = evidence.event(recorded[0]) if recorded else None
    manifest = None if began_in is None else evidence.manifest(began_in.document["event"]["environment"])
    why = _EARLIER if began_in is None else "its manifest is gone from the store"
    section.say_all(manifest, why=why, python="python", system="system", machine="machine", processor="processor")
    section.say("cores", manifest, "cores", why=why)
    section.say("packages", manifest, "packages", "*", take="count", why=why)
    if manifest is not None:
        table = section.table("Installed packages", "package", "version", "digest of its RECORD")
        for place in range(len(manifest.document["packages"])):
            table.row(*manifest.cells(*(("packages", place, name) for name in ("name", "version", "record"))))
    for each in known.in_run(TrainerImageNamed):
        section.say("image of training pods", evidence.event(each), "event", "image")
    _pods(known, evidence, section)
    section.missing("commit", "code is named by the digest of its bytes, which are kept; no commit is recorded")
    return section


def _pods(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    ended = known.in_run(PodEnded)
    if not ended:
        return
    names = ("step", "pod", "node", "image_digest", "code_digest", "outcome")
    table = section.table("Where it was trained", *(name.replace("_", " ") for name in names))
    for each in ended:
        table.row(*evidence.event(each).cells(*(("event", name) for name in names)))
