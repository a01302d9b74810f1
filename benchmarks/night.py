"""What a training night costs beside the bare script: the ratios B1 to B5, from one run on one machine.

    python benchmarks/night.py [--rounds 3] [--origins 8] [--output benchmarks/night.json]

The bare script and the nights through a warm Airflow take turns, so that a machine whose speed drifts slows both. Every
night is a first one: its project is new, so nothing of an earlier one is found again. Prints each figure with what it
says as it comes, and writes all of them as JSON. Wall times are worth something on a machine that does nothing else.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include import steps  # noqa: E402  # needs the path above
from include.core import streams  # noqa: E402
from include.core.events import StepFinished, StepReused, StepStarted  # noqa: E402
from include.core.records import Evaluation, Plan  # noqa: E402
from include.demo import chain as demo  # noqa: E402
from include.governance import secrets  # noqa: E402
from include.projects.flight_delay import PROJECT as ORIGINAL  # noqa: E402
from include.runtime import deployment  # noqa: E402
from include.runtime.airflow.names import dag_id_of  # noqa: E402
from include.runtime.code.projects import load_project  # noqa: E402
from include.runtime.embedded import process, process_sessions  # noqa: E402
from include.runtime.embedded.client import TaskState  # noqa: E402
from include.runtime.nights import local  # noqa: E402
from include.runtime.server.client import authority  # noqa: E402
from include.settings import Settings  # noqa: E402
from include.steps.chain import NIGHT  # noqa: E402

INSTANT = datetime(2013, 7, 3, 4, tzinfo=UTC)
#: A night whose window is as long as the project declares.
LATE = datetime(2013, 12, 20, 4, tzinfo=UTC)
DAY = timedelta(days=1)
SETTLE_SECONDS = 2.0  # a project that was just declared has been read by then: a warm night's is an old one
DATA_TASKS = ("snapshot", "validate", "features")

#: The flights project, with 90 days and a holdout of one week or the window that it declares. It halves as the project
#: does, or stops no trial.
DECLARATION = '''"""A copy of flight_delay, for measuring."""

from dataclasses import replace

from include.core.project import FloatRange, Window

from .original import PROJECT as ORIGINAL

SHORT = Window(days=90, validation_days=7, holdout_days=7)
#: Whatever is drawn of it takes as long.
EVEN = dict(space={{"learning_rate": FloatRange(low=0.1, high=0.101)}}, fixed={{"num_leaves": 31}})

PROJECT = ORIGINAL.varied(
    name="{name}",
    window={window},
    search=replace(ORIGINAL.learning.search, {search}),
    benchmark={benchmark},
    schedule="0 0 29 2 *",
)
'''
#: As few lines as declare a project, for what a hundred of them cost to parse.
SMALL = '''"""A project, for measuring."""

from include.core.project import (
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Operations,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
)

PROJECT = Project(
    name="{name}",
    ownership=Ownership(
        owner="benchmarks",
        purpose="Measures what it costs to parse many projects",
    ),
    learning=Learning(
        target=Target(
            dataset="flights",
            key=("flight",),
            population=lambda flights: flights,
            label=lambda flights: flights,
            objective=Objective.BINARY,
        ),
        features=(FeatureGroup(name="none", build=lambda flights: flights),),
        search=Search(space={{"learning_rate": FloatRange(low=0.1, high=0.2)}}),
    ),
    quality=Quality(
        gates=Gates(margin=0.1, floor_loss=1.0),
    ),
    operations=Operations(schedule="0 0 29 2 *"),
)
'''
#: What each figure says; the first sentence of a ratio names what it divides by what.
MEANING = {
    "wall_seconds": "each turn, as a whole process (bare) or from trigger to success (nights)",
    "b1_ratio": "B1: a night with the project's own search / the bare script, which trains all trials fully",
    "b1_full_ratio": "B1: a night that trains all 16 trials fully / the bare script",
    "b1_bare_halving_ratio": "for comparison: the bare script with the same halving / the bare script",
    "benchmark_ratio": "a night with the linear benchmark that its project declares / the same night without it, the "
    "medians of turns in which each comes first once",
    "b2_ratio": "B2: the same night again, nothing changed / the bare script",
    "b3_ratio": "B3: snapshot, validation and features of the next day's night / those of the first night, of the "
    "project as it is declared (320 days at the end of the year). The steps' own wall seconds, from where the ledger "
    "says that a step began to where it says that it ended; what Airflow adds to each task is B5's",
    "b3_task_ratio": "the same by the whole tasks' wall seconds, Airflow's start of each included",
    "b3_short_ratio": "as b3_ratio, with the 90 days of B1: what every night costs weighs more there",
    "b4_added_seconds": "B4: what 100 declared projects add to the parse time of one",
    "b4_task_added_seconds": "what they add to a task, which parses only its own project",
    "b5_cpu_seconds": "B5: CPU seconds per Airflow task beyond its step's own work",
    "auc_full_minus_bare": "mean holdout AUC of nights that train all trials fully, minus the bare script's",
    "log_loss_halving_minus_full": "mean holdout log loss of the project's own search, minus that of full training of "
    "the same trials",
}
SEARCHES = {
    "full": {"window": "SHORT", "search": "reduction=1", "benchmark": "None"},
    "halving": {"window": "SHORT", "search": "", "benchmark": "None"},
    "declared": {"window": "ORIGINAL.learning.window", "search": "", "benchmark": "ORIGINAL.quality.benchmark"},
    "without": {"window": "SHORT", "search": "**EVEN", "benchmark": "None"},
    "with": {"window": "SHORT", "search": "**EVEN", "benchmark": "ORIGINAL.quality.benchmark"},
}


@dataclass
class Bench:
    """The home of one measurement, and what was measured."""

    home: Path
    settings: Settings
    figures: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, value: object) -> None:
        self.figures[name] = value
        print(f"{name} = {json.dumps(value)}\n    {MEANING[name]}", flush=True)

    def declare(self, name: str, search: str) -> str:
        """A project folder of its own, so that no earlier night has computed anything for it."""
        copied(self.settings.projects / name, DECLARATION.format(name=name, **SEARCHES[search]))
        return name


def copied(folder: Path, text: str) -> None:
    """Write a project of *text* beside a copy of flight_delay, `original`: no project imports another."""
    (folder / "original").mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "include" / "projects" / "flight_delay").glob("*.py"):
        code = file.read_text().replace("from include.projects.flight_delay import", "from . import")
        code = code.replace("from include.projects.flight_delay.", "from .")
        (folder / "original" / file.name).write_text(code)
    (folder / ".draft").write_text(text)
    (folder / ".draft").rename(folder / "__init__.py")


@contextmanager
def bench(production: Path | None) -> Iterator[Bench]:
    """A fresh home with keys, data and adopted contracts; deleted at the end.

    The key of the pseudonyms is given: tokens are features, and a home's own would give a model of its own.
    """
    home = Path(tempfile.mkdtemp(prefix="trainyard-bench-"))
    projects = home / "declared"
    projects.mkdir()
    environment = {"TRAINYARD_HOME": str(home), "TRAINYARD_PROJECTS": str(projects)}
    if production:
        environment["TRAINYARD_PRODUCTION"] = str(production)
    os.environ.update(environment)
    try:
        settings = Settings.from_environment()
        secrets.keep(settings.keys / deployment.PSEUDONYM_KEY, lambda: bytes(range(32)).hex().encode())
        demo.prepare(settings, lambda done, total: None)
        deployment.prepare(settings)
        demo.adopt(settings, lambda line: None)
        yield Bench(home=home, settings=settings)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def allow(bench: Bench, name: str) -> None:
    """Grant what the project asks for, so that its night meets a grant in force."""
    platform = local.open_platform(bench.settings)
    project = load_project(name, bench.settings.projects)
    now = datetime.now(UTC)
    run = steps.begin(platform, project, run_id="access", instant=INSTANT, now=now)
    requests = steps.request_access(platform, run, requester="bench", now=now)
    steps.finish(platform, run)
    with authority(bench.settings, demo.STEWARD) as client:
        for request_id in requests:
            client.grant(request_id, reason="measuring", days=1)


Night = tuple[float, tuple[TaskState, ...], str]


def night(airflow: process.RunningAirflow, name: str, instant: datetime) -> Night:
    """Wall seconds from trigger to success, the tasks, and the run id.

    Airflow says when the run ended: who asks ten times a second takes a tenth of a core from the training.
    """
    dag_id = dag_id_of(name)
    with airflow.client("dana") as client:
        deadline = time.monotonic() + 120
        while not client.has_dag(dag_id) and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(SETTLE_SECONDS)
        began = datetime.now(UTC)
        run_id = client.trigger(dag_id, instant=instant)
        state = client.wait(dag_id, run_id, timeout_seconds=600, poll_seconds=1)
        ended = client.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["end_date"]
        wall = (datetime.fromisoformat(ended) - began).total_seconds()
        if state != "success":
            raise SystemExit(str(demo.failure(airflow, dag_id, run_id)))
        return wall, client.tasks(dag_id, run_id), run_id


def first_night(airflow: process.RunningAirflow, bench: Bench, name: str, search: str) -> Night:
    """The first night of a new project."""
    bench.declare(name, search)
    allow(bench, name)
    return night(airflow, name, INSTANT)


def bare(bench: Bench, trials: Path, *, halving: bool, instant: datetime = INSTANT) -> dict[str, Any]:
    """One run of the bare script with the trials of ours; its figures, and its whole-process wall time."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bare_night.py"), str(bench.settings.production)]
    command += ["--instant", f"{instant:%Y-%m-%d}", "--trials", str(trials), *(["--halving"] if halving else [])]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["process_wall_seconds"] = time.perf_counter() - began
    return figures


def outcome(bench: Bench, name: str, run_id: str) -> tuple[Evaluation, Plan]:
    """What the night found, from the ledger."""
    platform = local.open_platform(bench.settings)
    outputs = {
        entry.event.step: entry.event.output
        for entry in platform.ledger.read(streams.run(name, run_id))
        if hasattr(entry.event, "output")
    }
    return platform.load(Evaluation, outputs["evaluate"]), platform.load(Plan, outputs["plan"])


def trials_of(bench: Bench, plan: Plan, target: Path) -> Path:
    target.write_text(json.dumps([dict(trial.params) for trial in plan.trials]))
    return target


def task_seconds(tasks: Sequence[TaskState], names: Sequence[str]) -> float:
    """The summed wall time of the named tasks."""
    return sum(
        (task.end - task.start).total_seconds() for task in tasks if task.task_id in names and task.end and task.start
    )


def step_seconds(bench: Bench, name: str, run_id: str, steps_of: Sequence[str]) -> float:
    """The summed wall time of the named steps, by the ledger's times of their beginning and end."""
    ledger = local.open_platform(bench.settings).ledger
    began, total = {}, 0.0
    for entry in ledger.read(streams.run(name, run_id)):
        event = entry.event
        if isinstance(event, StepStarted):
            began[event.attempt] = entry.recorded_at
        elif isinstance(event, StepFinished | StepReused) and event.step in steps_of:
            total += (entry.recorded_at - began[event.attempt]).total_seconds()
    return total


def share(bench: Bench, name: str, following: Night, first: Night) -> float:
    """What the data steps of a night cost, of what they cost on the first."""
    seconds = [step_seconds(bench, name, run_id, DATA_TASKS) for _, _, run_id in (following, first)]
    return seconds[0] / seconds[1]


def task_cpu_seconds(airflow: process.RunningAirflow) -> float:
    """CPU seconds of all task processes that have ended: what the executor's workers have reaped so far."""
    import psutil

    total = 0.0
    for pid, command in process_sessions.processes(airflow.settings).items():
        if "scheduler" in command or "worker" in command:
            times = psutil.Process(pid).cpu_times()
            total += times.children_user + times.children_system
    return total


def own_cpu_seconds(bench: Bench, name: str, instant: datetime) -> float:
    """CPU seconds of the steps of a night in which nothing has changed, without Airflow."""
    project = load_project(name, bench.settings.projects)
    began = time.process_time()
    platform, now = local.open_platform(bench.settings), datetime.now(UTC)
    run = steps.begin(platform, project, run_id=f"own_{time.time_ns()}", instant=instant, now=now)
    made: dict[str, str] = {}
    for step in NIGHT:
        inputs = {name: made[maker] for name, maker in step.makers.items()}
        for shard in steps.shards(platform, made["plan"]) if step.mapped else [None]:
            given = {**inputs, "shard": shard}
            made[step.name] = step.perform(platform, project, run, given, clock=lambda: now)
    steps.finish(platform, run)
    return time.process_time() - began


def measure_nights(bench: Bench, rounds: int) -> None:
    """B1, B2, B3 and B5, and what the benchmark costs."""
    walls: dict[str, list[float]] = {key: [] for key in ("bare", "bare_halving", "full", "halving", "again")}
    walls |= {"without": [], "with": []}
    shares: dict[str, list[float]] = {key: [] for key in ("b3_ratio", "b3_task_ratio", "b3_short_ratio")}
    with process.running(bench.settings, port=8199, progress=lambda line: None) as airflow:
        warm = bench.declare("warm_up", "halving")
        allow(bench, warm)
        night(airflow, warm, INSTANT)
        for turn in range(rounds):
            for search in ("full", "halving"):
                name = f"{search}_{turn}"
                first = first_night(airflow, bench, name, search)
                walls[search].append(first[0])
                plan = outcome(bench, name, first[2])[1]
                rival, halving = ("bare_halving", True) if search == "halving" else ("bare", False)
                trials = trials_of(bench, plan, bench.home / "trials.json")
                walls[rival].append(bare(bench, trials, halving=halving)["process_wall_seconds"])
            for search in ("without", "with") if turn % 2 else ("with", "without"):
                walls[search].append(first_night(airflow, bench, f"{search}_{turn}", search)[0])
            own_cpu_seconds(bench, name, INSTANT)  # imports what the next call uses
            own, before = own_cpu_seconds(bench, name, INSTANT), task_cpu_seconds(airflow)
            wall, again, _ = night(airflow, name, INSTANT)
            walls["again"].append(wall)
            time.sleep(2)
            spent = task_cpu_seconds(airflow) - before
            bench.figures.setdefault("cpu_seconds_per_task", []).append(round((spent - own) / len(again), 3))
            shares["b3_short_ratio"].append(share(bench, name, night(airflow, name, INSTANT + DAY), first))
            name = bench.declare(f"declared_{turn}", "declared")
            allow(bench, name)
            first, following = night(airflow, name, LATE), night(airflow, name, LATE + DAY)
            shares["b3_ratio"].append(share(bench, name, following, first))
            shares["b3_task_ratio"].append(task_seconds(following[1], DATA_TASKS) / task_seconds(first[1], DATA_TASKS))
            print({key: round(values[-1], 3) for key, values in (walls | shares).items()}, flush=True)
    medians = {key: statistics.median(values) for key, values in walls.items()}
    bench.note("wall_seconds", {key: [round(value, 2) for value in values] for key, values in walls.items()})
    bench.note("b1_full_ratio", round(medians["full"] / medians["bare"], 3))
    bench.note("b1_ratio", round(medians["halving"] / medians["bare"], 3))
    bench.note("b1_bare_halving_ratio", round(medians["bare_halving"] / medians["bare"], 3))
    bench.note("benchmark_ratio", round(medians["with"] / medians["without"], 3))
    bench.note("b2_ratio", round(medians["again"] / medians["bare"], 3))
    for key, values in shares.items():
        bench.note(key, round(statistics.median(values), 3))
    bench.note("b5_cpu_seconds", round(statistics.median(bench.figures["cpu_seconds_per_task"]), 3))


PARSE = """
import resource, sys, time
from include.runtime.airflow.training_assembly import training_dags
began = time.perf_counter()
count = len(list(training_dags(only=sys.argv[1] if len(sys.argv) > 1 else None)))
print(count, time.perf_counter() - began)
"""


def measure_parsing(bench: Bench) -> None:
    """B4: what 100 declared projects add to the parse time of one, and what a task then parses."""

    def parse(folder: Path, *only: str) -> float:
        environment = {**os.environ, "TRAINYARD_PROJECTS": str(folder), "PYTHONPATH": str(ROOT)}
        times = []
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", PARSE, *only], env=environment, capture_output=True, text=True, check=True
            )
            times.append(float(done.stdout.split()[-1]))
        return min(times)

    folders = {}
    for count in (1, 100):
        folder = bench.home / f"parse_{count}"
        for number in range(count):
            project = folder / f"p{number}"
            project.mkdir(parents=True)
            (project / "__init__.py").write_text(SMALL.format(name=f"p{number}"))
        folders[count] = folder
    one, hundred = parse(folders[1]), parse(folders[100])
    bench.note("b4_added_seconds", round(hundred - one, 3))
    bench.note("b4_task_added_seconds", round(parse(folders[100], dag_id_of("p7")) - one, 3))


def measure_origins(bench: Bench, origins: int) -> None:
    """Holdout log loss and AUC over several origins, of the same trials: ours, trained fully and halved, and the bare
    script's.
    """
    rows = []
    for number in range(origins):
        instant = datetime(2013, 5, 1, 4, tzinfo=UTC) + number * timedelta(days=26)
        row: dict[str, Any] = {"instant": f"{instant:%Y-%m-%d}"}
        name = bench.declare(f"origin_{number}", "full")
        allow(bench, name)
        declared = load_project(name, bench.settings.projects)
        halving = declared.varied(
            search=replace(declared.learning.search, reduction=ORIGINAL.learning.search.reduction)
        )
        for search, project in (("full", declared), ("halving", halving)):
            found = local.run_night(bench.settings, project, run_id=search, instant=instant)
            row[search] = {key: found.evaluation.metrics[key] for key in ("log_loss", "auc")}
            plan = local.open_platform(bench.settings).load(Plan, found.evaluation.plan)
            trials = trials_of(bench, plan, bench.home / f"{search}.json")
        if (bench.home / "full.json").read_bytes() != (bench.home / "halving.json").read_bytes():
            raise SystemExit(f"the two searches of {instant:%Y-%m-%d} drew different trials")
        figures = bare(bench, trials, halving=False, instant=instant)
        row["bare"] = {key: figures[f"holdout_{key}"] for key in ("log_loss", "auc")}
        print(json.dumps(row), flush=True)
        rows.append(row)
    bench.figures["origins"] = rows

    def mean(which: str, metric: str) -> float:
        return statistics.mean(row[which][metric] for row in rows)

    bench.note("auc_full_minus_bare", round(mean("full", "auc") - mean("bare", "auc"), 4))
    bench.note("log_loss_halving_minus_full", round(mean("halving", "log_loss") - mean("full", "log_loss"), 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of bare script and nights (0: leave them out)")
    parser.add_argument("--origins", type=int, default=0, help="nights at different instants, for the quality")
    parser.add_argument("--production", type=Path, help="landed flights (default: land them)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "night.json")
    options = parser.parse_args()
    with bench(options.production) as measured:
        measure_parsing(measured)
        if options.rounds:
            measure_nights(measured, options.rounds)
        if options.origins:
            measure_origins(measured, options.origins)
        options.output.write_text(json.dumps(measured.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
