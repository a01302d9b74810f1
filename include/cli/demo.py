"""``demo``: the whole chain on real flights, from an empty folder to a champion that drift had retrained."""

import sys
import threading
import time
from dataclasses import replace
from typing import Annotated

import typer

from include.cli import passport
from include.cli.console import bold, console, line, styled
from include.cli.service import Port, land
from include.cli.signals import unwound_by_signals
from include.cli.summary import show_holdout
from include.core.addresses import without_credentials
from include.core.events import RetrainingAsked
from include.demo import chain as demonstration
from include.runtime.airflow.names import access_path
from include.runtime.code.projects import load_project
from include.runtime.embedded import process
from include.runtime.embedded.environment import passwords_file
from include.runtime.embedded.process import RunningAirflow
from include.runtime.nights.platform import open_platform
from include.runtime.nights.watch import WatchResult
from include.runtime.trainers import trainer_of
from include.runtime.upkeep.lineage import deliver
from include.settings import Placement, Settings


def demo(
    port: Port = 8080,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Train in pods, in the cluster that KUBECONFIG names.")
    ] = False,
) -> None:
    """Train on real flights through Airflow, watch the days that follow, and retrain when they ask for it.

    Running it again resumes.
    """
    settings = Settings.from_environment()
    if kubernetes:
        settings = replace(settings, placement=Placement.KUBERNETES)
    if (trainer := trainer_of(settings)).elsewhere:  # refuse now what would otherwise end the night at its first pod
        where = trainer.require_ready(load_project(demonstration.PROJECT, settings.projects))
        console.say(f"training in {where}, namespace {settings.namespace}; vault: {settings.vault}")
    process.require_startable(settings, port=port)
    attended = sys.stdin.isatty() and sys.stdout.isatty()
    land(settings)
    with unwound_by_signals(), process.running(settings, port=port, progress=console.print) as airflow:
        demonstration.adopt(settings, console.print)
        chain = _Chain(settings, airflow, attended=attended)
        if demonstration.in_flight(settings) is None:
            chain.train()
            chain.watch()
        chain.retrain()
        console.print()
        for told in demonstration.recipe(settings):
            console.say(told)
        _show_passport(settings)
        delivered = deliver(settings)
        console.print(f"lineage: {delivered} events delivered to {without_credentials(settings.lineage)}")
        console.print(f"         ./trainyard lineage {demonstration.PROJECT} --svg lineage.svg draws it")
        console.print(f"models:  .venv/bin/mlflow ui --backend-store-uri {without_credentials(settings.mlflow)}")
        if attended:
            console.print(f"\nAirflow stays up at {airflow.url} until Ctrl-C; {_who(settings)}")
            airflow.wait()
            console.print("Airflow was stopped.")


def _show_passport(settings: Settings) -> None:
    """Write the champion's passport, and verify it."""
    if open_platform(settings).champions.known(demonstration.PROJECT).champion() is None:
        console.print("no version is champion, so that no passport is written")
        return
    console.print()
    passport.verify(passport.write(settings, demonstration.PROJECT, settings.home / "passports"))


class _Chain:
    """The links of the demo, one after the other, shown as they happen."""

    def __init__(self, settings: Settings, airflow: "RunningAirflow", *, attended: bool) -> None:
        self._settings, self._airflow, self._attended = settings, airflow, attended

    def train(self) -> None:
        """The training night, with its steward."""
        run_id = demonstration.start(self._airflow, demonstration.TRAINING, demonstration.INSTANT)
        self._follow("night", demonstration.TRAINING, run_id)
        show_holdout(demonstration.outcome(self._settings, run_id))

    def watch(self) -> None:
        """The champion on the days that followed, until a verdict asks for a retraining or the recorded year ends."""
        instant = None
        for instant in demonstration.looks(self._settings):
            run_id = demonstration.start(self._airflow, demonstration.WATCH, instant)
            self._follow("watch", demonstration.WATCH, run_id)
            watched = demonstration.verdict(self._settings, run_id)
            _show_verdict(watched)
            if isinstance(watched.answer, RetrainingAsked):
                return
        if instant is None:
            console.print("\nnothing to watch: the champion was judged on every recorded day that follows it")

    def retrain(self) -> None:
        """The training night that drift asked for, if it did."""
        flying = demonstration.in_flight(self._settings)
        if flying is None:
            last = demonstration.last_retraining(self._settings)
            if last is None:
                console.print("no verdict asks for a retraining under the declared policy: the champion stays")
            else:
                console.say(
                    f"nothing asks for another retraining; the last, as of {last.ask.instant:%Y-%m-%d}, ended as "
                    f"{last.outcome} (run {last.started})"
                )
            return
        console.say(
            f"\nthe ledger asks for one retraining as of {flying.ask.instant:%Y-%m-%d %H:%M}Z ({flying.ask.ask_id}); "
            "Airflow's asset event starts it"
        )
        run_id = demonstration.retraining_night(self._settings)
        self._follow("retraining", demonstration.TRAINING, run_id)
        show_holdout(demonstration.outcome(self._settings, run_id))

    def _follow(self, what: str, dag_id: str, run_id: str) -> None:
        """Show what the run does until it ends; at its gate, ask for the steward or act as the demo's.

        Raises:
            DemoFailed: the run failed.
        """
        address = f"{self._airflow.url}/dags/{dag_id}/runs/{run_id}"
        console.say(line(f"{what} ", bold(run_id), f": {address}"))
        told: dict[str, str] = {}
        asked = False
        with console.status(f"starting the {what}") as spinner:
            while True:
                seen = demonstration.progress(self._airflow, dag_id, run_id)
                for task, state in seen.tasks.items():
                    if told.get(task) != state and state in {"success", "failed", "up_for_retry"}:
                        mark = styled("✓", "green") if state == "success" else styled("✗", "red")
                        console.print(line("  ", mark, f" {task}: {state}"))
                    told[task] = state
                running = [task for task, state in seen.tasks.items() if state in {"running", "deferred"}]
                spinner.update(", ".join(running) or seen.state)
                if seen.state == "success":
                    return
                if seen.state == "failed":
                    raise demonstration.failure(self._airflow, dag_id, run_id)
                if seen.waiting and not asked and demonstration.open_requests(self._settings):
                    asked = True
                    self._ask(access_path(dag_id, run_id))
                if seen.waiting:
                    for denial in demonstration.denials(self._settings, run_id):
                        if denial not in told:
                            told[denial] = denial
                            console.print(line("  ", styled("✗", "red"), f" {denial}"))
                time.sleep(0.5)

    def _ask(self, page: str) -> None:
        settings = self._settings
        if not self._attended:
            console.print(
                "no terminal: approving as the demo's steward, through the authority's API; recorded as any other"
            )
            demonstration.approve(settings, console.print)
            return
        console.say(line("the gate waits for a data steward: ", bold(f"{self._airflow.url}{page}")))
        console.print("or by `./trainyard access approve --as steward` in another terminal;")
        console.print(line(bold("a"), f" and Enter here approves as the demo's steward. {_who(settings)}"))

        def listen() -> None:
            for typed in sys.stdin:
                if typed.strip().lower() == "a" and demonstration.open_requests(settings):
                    demonstration.approve(settings, console.print)
                    return

        threading.Thread(target=listen, daemon=True).start()


def _show_verdict(watched: "WatchResult") -> None:
    """A verdict in a few lines: which days, which figures, why."""
    if watched.judged is None:
        console.say(f"  {watched.nothing}")
        return
    judged, verdict = watched.judged, watched.judged.verdict
    figures = ", ".join(f"{name.replace('_', ' ')} {value:+.4f}" for name, value in verdict.figures.items())
    console.say(
        line(
            f"  version {judged.model_version} on {judged.days.first} to {judged.days.last}: ",
            bold(verdict.state.value),
            f"; {figures}",
        )
    )
    for reason in (*verdict.reasons, *watched.unjudged):
        console.say(f"  · {reason}")
    if watched.answer is not None and not isinstance(watched.answer, RetrainingAsked):
        console.say(f"  no retraining: {watched.answer.reason}")


def _who(settings: Settings) -> str:
    people = "steward (data steward), dana (data scientist), olly (ops) or ada (admin)"
    return f"sign in as {people}; their passwords are in {passwords_file(settings)}"
