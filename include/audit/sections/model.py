"""How the model was found, and how it does on days that nothing had seen."""

from collections.abc import Sequence

from include.audit.evidence import Evidence, Section, Source, Step, Table
from include.audit.version_records import VersionRecords
from include.core import streams

_EVALUATION: tuple[Step, ...] = ("event", "evaluation")
_NO_FIGURES = "it was registered before this was recorded"


def search(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="search",
        title="Search",
        about="Every trial that was planned, failed and stopped ones too. The complete trial with the lowest loss on "
        "the validation days, at any rung, is chosen, equal ones by their ids; it is trained again, to that rung, on "
        "all rows that are not held out.",
    )
    evaluated = evidence.event_or_none(known.evaluated)
    evaluation = known.evaluation
    plan = None if evaluation is None else evidence.manifest(evaluation.plan)
    section.say("trials planned", plan, "trials", "*", take="count", why="the plan's manifest is gone from the store")
    section.say_all(plan, why="the plan's manifest is gone from the store", rounds_of_the_rungs="rungs", seed="seed")
    section.say("one of so many goes on", plan, "reduction")
    section.say("trials of earlier nights that the sampler had seen", plan, "warm", "*", take="count")
    section.say("chosen trial", evaluated, *_EVALUATION, "trial_id")
    section.say("parameters of the model", evaluated, *_EVALUATION, "params")
    if plan is not None and evaluated is not None:
        _trials(known, evidence, section, plan, evaluated)
        _benchmark(known, evidence, section, plan)
    return section


def _trials(known: VersionRecords, evidence: Evidence, section: Section, plan: Source, evaluated: Source) -> None:
    table = section.table(
        "Trials",
        "state",
        "loss by rung",
        "lowest loss",
        "rounds",
        "parameters",
        "chosen",
        "error",
        note="In the plan's order.",
    )
    planned = plan.document["trials"]
    entries = known.ledger.find_all([streams.trial_key(each["trial_id"]) for each in planned])
    for number, each in enumerate(planned, start=1):
        entry = entries.get(streams.trial_key(each["trial_id"]))
        if entry is None:
            section.missing(f"trial {number}", "its outcome is not recorded")
            continue
        trial = evidence.event(entry)
        state, losses = trial.cells(("event", "trial", "state"), ("event", "trial", "losses"))
        chosen = trial.cell("event", "trial", "trial_id", take="same", also=[(evaluated, (*_EVALUATION, "trial_id"))])
        rounds, params, error = trial.cells(*(("event", "trial", name) for name in ("rounds", "params", "error")))
        lowest = trial.if_said("event", "trial", "losses", "*", take="least")
        table.row(state, losses, lowest, rounds, params, chosen, error, label=str(number))


def _benchmark(known: VersionRecords, evidence: Evidence, section: Section, plan: Source) -> None:
    planned = plan.document.get("benchmark")
    if planned is None:
        section.missing("a simple model beside it", "the project declares no benchmark")
        return
    trained = evidence.event_or_none(known.fact(streams.benchmark_key(planned["trial_id"])))
    section.say("benchmark", plan, "benchmark", "kind")
    section.say("benchmark's losses by penalty", trained, "event", "benchmark", "losses")
    section.say("benchmark's penalties", trained, "event", "benchmark", "penalties")


def performance(known: VersionRecords, evidence: Evidence) -> Section:
    section = Section(
        id="performance",
        title="Performance",
        about="On the holdout, which nothing had seen when the model was chosen. Bounds are one-sided, with 95 % "
        "confidence, whole days resampled.",
    )
    evaluated = evidence.event_or_none(known.evaluated)
    section.say("first day of the holdout", evaluated, *_EVALUATION, "holdout", "first")
    section.say("last day of the holdout", evaluated, *_EVALUATION, "holdout", "last")
    section.say("rows of the holdout", evaluated, *_EVALUATION, "rows")
    section.say("loss of the constant", evaluated, *_EVALUATION, "constant_loss", why=_NO_FIGURES)
    section.say("mean prediction minus mean label", evaluated, *_EVALUATION, "calibration_gap", why=_NO_FIGURES)
    if evaluated is not None:
        _metrics(section, evaluated)
        _differences(section, evaluated)
        _slices(section, evaluated)
    _calibration(known, evidence, section)
    _days(known, evidence, section)
    _importance(known, evidence, section)
    section.missing("exact contributions of the features (SHAP)", "they are not computed yet")
    section.missing("reason codes for a single decision", "they are not computed yet")
    return section


def _metrics(section: Section, evaluated: Source) -> None:
    table = section.table(
        "Figures",
        "this model",
        "this model where compared",
        "champion before",
        "benchmark",
        note="The champion before is scored on the days of the holdout that it had not learnt, as this model is there.",
    )
    for name in evaluated.document["event"]["evaluation"]["metrics"]:
        paths: Sequence[tuple[Step, ...]] = (
            ("metrics", name),
            ("compared_metrics", name),
            ("champion_metrics", name),
            ("benchmark", "metrics", name),
        )
        table.row(*evaluated.cells(*((*_EVALUATION, *path) for path in paths)), label=name)


def _differences(section: Section, evaluated: Source) -> None:
    names = ("estimate", "at least", "at most", "days")
    constant = section.table("Beside the constant", *names, note="By how much the deciding loss is lower.")
    _difference(section, constant, evaluated, "less than the constant", ("skill",))
    challengers = section.table(
        "Challengers", *names, note="By how much the deciding loss is higher; below 0 is better."
    )
    for label, path in (
        ("more than the champion before", ("difference",)),
        ("more than the frozen reference", ("reference_difference",)),
        ("more than the benchmark", ("benchmark", "difference")),
    ):
        _difference(section, challengers, evaluated, label, path)


def _difference(section: Section, table: Table, evaluated: Source, label: str, path: tuple[Step, ...]) -> None:
    cells = evaluated.cells(*((*_EVALUATION, *path, name) for name in ("estimate", "lower", "upper", "days")))
    if any(cells):
        table.row(*cells, label=label)
    else:
        section.missing(f"comparison: {label}", "nothing was compared")


def _slices(section: Section, evaluated: Source) -> None:
    found = evaluated.document["event"]["evaluation"].get("slices", [])
    if not found:
        section.missing("figures by slice", "the project's gates name no slices")
        return
    table = section.table(
        "Slices",
        "feature",
        "value",
        "rows",
        "days",
        "loss",
        "skill",
        "at least",
        "at most",
        note="Bounds hold for all slices at once.",
    )
    for place in range(len(found)):
        path: tuple[Step, ...] = (*_EVALUATION, "slices", place)
        names = ("feature", "category", "rows", "days", "loss")
        bounds = ("estimate", "lower", "upper")
        table.row(
            *evaluated.cells(*((*path, name) for name in names)),
            *evaluated.cells(*((*path, "skill", name) for name in bounds)),
        )


def _calibration(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    entry = known.fact(streams.fit_key(known.project, known.version.registered.evaluation))
    if entry is None:
        section.missing("calibration by groups of predictions", _NO_FIGURES)
        return
    fit = evidence.event(entry)
    names = ("rows", "mean_score", "mean_label", "mean_squared_error")
    table = section.table("Calibration", *(name.replace("_", " ") for name in names), note="Rows by rising prediction.")
    for place in range(len(fit.document["event"]["fit"]["groups"])):
        table.row(*fit.cells(*(("event", "fit", "groups", place, name) for name in names)), label=str(place + 1))


def _days(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    entry = known.fact(streams.holdout_days_key(known.project, known.version.registered.evaluation))
    if entry is None:
        section.missing("figures by day of the holdout", _NO_FIGURES)
        return
    days = evidence.event(entry)
    names = ("day", "rows", "loss", "expected_loss", "mean_score", "mean_label")
    table = section.table("Holdout by day", *(name.replace("_", " ") for name in names))
    for place in range(len(days.document["event"]["figures"])):
        table.row(*days.cells(*(("event", "figures", place, name) for name in names)))


def _importance(known: VersionRecords, evidence: Evidence, section: Section) -> None:
    entry = known.fact(streams.importance_key(known.project, known.version.registered.evaluation))
    if entry is None:
        section.missing("how much the model uses each feature", _NO_FIGURES)
        return
    found = evidence.event(entry)
    shares = found.document["event"]["importance"]
    table = section.table("Importance", "share of the gain", note="Of all splits of the model.")
    for name in sorted(shares, key=lambda each: -shares[each]):
        table.row(found.cell("event", "importance", name), label=name)
