"""The watch's own work, without the rows: who judges which day, recording that, and folding the series.

    python benchmarks/watch.py [--days 365] [--versions 400] [--output benchmarks/watch.json]

A ledger on SQLite holds a promoted version a night, each decision signed by a real authority, and then a year of judged
days with a verdict each. `all days due` is a first watch after a year without any, `one day due` that of a common night
with all days before in the series. Seconds of the processor, the median of three.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include.contracts import load_folder  # noqa: E402  # needs the path above
from include.core import streams  # noqa: E402
from include.core.canonical import encode  # noqa: E402
from include.core.events import (  # noqa: E402
    DriftJudged,
    Event,
    ModelRegistered,
    PromotionDecided,
    ReferenceMade,
    RunStarted,
)
from include.core.project import DriftPolicy, Objective  # noqa: E402
from include.core.records import (  # noqa: E402
    DAY,
    DayOfSeries,
    Days,
    DriftState,
    DriftVerdict,
    Evaluation,
    Interval,
    Run,
    Verdict,
)
from include.governance.access import Access  # noqa: E402
from include.ledger import Ledger  # noqa: E402
from include.projects import flight_delay  # noqa: E402
from include.registry.champions import Champions, sign_from_here  # noqa: E402
from include.registry.signed_decisions import PROMOTION_TYPE, Decision  # noqa: E402
from include.retraining import series  # noqa: E402
from include.steps import Platform, backlog  # noqa: E402
from include.store import Store  # noqa: E402
from tests.registry.models import signer  # noqa: E402

PROJECT = flight_delay.PROJECT.varied(drift=DriftPolicy(excess_loss=1.0, calibration_gap=1.0))
NAME = PROJECT.name
FIRST = datetime(2025, 1, 1, 4, tzinfo=UTC)
LIMIT_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--versions", type=int, default=400)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "watch.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), days=asked.days, versions=asked.versions)
    asked.output.write_text(json.dumps(figures, indent=2) + "\n")
    for name, seconds in figures["cpu_seconds"].items():
        print(f"{name:32} {seconds:6.3f} CPU-s")
    print(f"at most {LIMIT_SECONDS} each; written to {asked.output}")


def measure(folder: Path, *, days: int, versions: int) -> dict[str, dict[str, float]]:
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}")
    fill(ledger, Store(folder / "store"), versions)
    last = FIRST + timedelta(days=days)

    def fresh() -> Platform:
        """As a task opens it, which has nothing in memory."""
        return open_platform(ledger, Store(folder / "store"))

    def due(run_id: str, instant: datetime) -> backlog.DueDays:
        found = backlog.due(fresh(), PROJECT, run_id=run_id, instant=instant)
        return cast(backlog.DueDays, found)

    all_due = due("watch", last)
    seconds = {"all days due": median(lambda: due("watch", last))}
    judged = [day_of(each.day, each.champion, each.predecessor) for each in all_due.days]
    start = time.process_time()
    series.record(ledger, run_of("watch", last), judged)
    seconds["recording all of them"] = time.process_time() - start
    record_verdicts(ledger, judged)
    seconds["one day due"] = median(lambda: due("next", last + DAY))
    start = time.process_time()
    (one,) = due("next", last + DAY).days
    series.record(ledger, run_of("next", last + DAY), [day_of(one.day, one.champion, one.predecessor)])
    series.series_of(ledger, NAME)
    seconds["due, recorded and folded"] = time.process_time() - start
    seconds["whether retraining helped"] = median(lambda: series.did_it_help(ledger, NAME))
    ledger.close()
    return {
        "size": {"days": len(judged), "versions": versions},
        "cpu_seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def median(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def open_platform(ledger: Ledger, store: Store) -> Platform:
    verifier = signer().verifier
    opened = SimpleNamespace(
        ledger=ledger,
        store=store,
        access=Access(ledger, verifier),
        contracts=load_folder(ROOT / "include" / "contracts"),
        champions=Champions(ledger, verifier),
    )
    opened.load = lambda kind, digest: Platform.load(cast(Platform, opened), kind, digest)
    return cast(Platform, opened)


def run_of(run_id: str, instant: datetime) -> Run:
    return Run(project=NAME, run_id=run_id, instant=instant, code_digest="c", declaration_digest="d", fence=0)


def fill(ledger: Ledger, store: Store, versions: int) -> None:
    """A version a night, each promoted by the authority."""
    sign_from_here(ledger)
    for number in range(1, versions + 1):
        run = run_of(f"night-{number}", FIRST + number * DAY)
        stream = streams.run(NAME, run.run_id)
        ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
        evaluated = store.put(encode(evaluation(number, run.instant)))
        yes = Verdict(promote=True, reasons=("better than its predecessor",))
        registered = ModelRegistered(
            project=NAME, run_id=run.run_id, model_version=number, evaluation=evaluated, bundle="b", verdict=yes
        )
        decision = Decision(
            project=NAME,
            version=number,
            evaluation=evaluated,
            model="m",
            bundle="b",
            gates=PROJECT.quality.gates,
            verdict=yes,
            champion=number - 1 or None,
            position=number,
            asked_by=None,
        )
        envelope = signer().sign(PROMOTION_TYPE, encode(decision))
        reference = ReferenceMade(
            project=NAME, run_id=run.run_id, model_version=number, evaluation=evaluated, reference="r"
        )
        ledger.record(f"model/{NAME}", registered)
        ledger.record(f"promotion/{NAME}", PromotionDecided(project=NAME, envelope=envelope))
        ledger.record(streams.drift(NAME), reference)


def evaluation(number: int, instant: datetime) -> Evaluation:
    last = instant.date() - 3 * DAY
    return Evaluation(
        plan="p",
        features="f",
        objective=Objective.BINARY,
        trial_id=f"trial-{number}",
        params={},
        model="m",
        metrics={"log_loss": 0.5, "auc": 0.7},
        champion=number - 1 or None,
        compared=None,
        compared_metrics={},
        champion_metrics={},
        difference=None,
        holdout=Days(first=last - 6 * DAY, last=last),
        rows=1000,
        constant_loss=0.6,
        skill=Interval(estimate=0.1 + 0.0001 * (number % 7), lower=0.05, upper=0.2, days=7),
    )


def day_of(day: object, champion: int, predecessor: int | None) -> DayOfSeries:
    return DayOfSeries(
        day=day,  # type: ignore[arg-type]
        champion=champion,
        rows=300,
        loss=0.5,
        expected_loss=0.5,
        constant_loss=0.6,
        mean_score=0.2,
        mean_label=0.2,
        predecessor=predecessor,
        predecessor_loss=None if predecessor is None else 0.5 + 0.001 * (champion % 5),
    )


def record_verdicts(ledger: Ledger, judged: list[DayOfSeries]) -> None:
    stable = DriftVerdict(state=DriftState.STABLE, reasons=("as declared",) * 4, figures={}, days=(), inputs=())
    for each in judged:
        event: Event = DriftJudged(
            project=NAME,
            run_id=f"watch-{each.day}",
            instant=FIRST,
            model_version=each.champion,
            policy="p",
            live="l",
            days=Days(first=each.day, last=each.day),
            figures=series.figures_of([each]),
            verdict=stable,
        )
        ledger.record(streams.drift(NAME), event, key=f"judged/{NAME}/watch-{each.day}")


if __name__ == "__main__":
    main()
