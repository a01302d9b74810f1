"""``demo``, ``setup``, ``stop``, ``reset``: the services of this deployment."""

import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from include.cli import night as night_commands
from include.core.errors import DeclarationError
from include.runtime.lineage import deliver
from include.settings import ROOT, Settings, without_password

if TYPE_CHECKING:
    from include.runtime.airflow.process import RunningAirflow

Port = Annotated[int, typer.Option(min=1, max=65535, help="The port of Airflow's UI and API, on loopback.")]

console = Console()


def add_to(app: typer.Typer) -> None:
    for command in (demo, setup, stop, reset):
        app.command()(command)


def setup(
    flights: Annotated[bool, typer.Option(help="Land the demo's flights as production data.")] = True,
    adopt: Annotated[bool, typer.Option(help="Adopt the contracts as the steward that they name.")] = True,
) -> None:
    """Make this deployment's folders and keys, land the flights, and put the contracts into effect."""
    from include.runtime import demo as demonstration
    from include.runtime import deployment
    from include.runtime.authority_client import authority

    settings = Settings.from_environment()
    deployment.prepare(settings)
    if flights:
        _land(settings)
    with authority(settings, demonstration.STEWARD):
        pass  # its first start makes the grant-signing key and publishes the public one
    if adopt:
        demonstration.adopt(settings, console.print)
    console.print(f"ready: {settings.home}")


def demo(port: Port = 8080) -> None:
    """Run a training night on real flights through Airflow. Running it again resumes."""
    from include.runtime import demo as demonstration
    from include.runtime.airflow import process

    settings = Settings.from_environment()
    attended = sys.stdin.isatty() and sys.stdout.isatty()
    _land(settings)
    with _ended_by_sigterm(), process.running(settings, port=port, progress=console.print) as airflow:
        demonstration.adopt(settings, console.print)
        run_id = demonstration.start_night(airflow)
        console.print(f"night [bold]{run_id}[/bold]: {airflow.url}/dags/train_{demonstration.PROJECT}/runs/{run_id}")
        _follow(settings, airflow, run_id, attended=attended)
        night_commands.show(demonstration.outcome(settings, run_id))
        delivered = deliver(settings)
        console.print(f"\nlineage: {delivered} events delivered to {without_password(settings.lineage)}")
        console.print(f"models:  .venv/bin/mlflow ui --backend-store-uri {without_password(settings.mlflow)}")
        if attended:
            console.print(f"\nAirflow stays up at {airflow.url} until Ctrl-C; {_who(settings)}")
            while process.attach(settings) is not None:
                time.sleep(1)
            console.print("Airflow was stopped.")


def stop() -> None:
    """End every process that `./trainyard demo` started."""
    from include.runtime.airflow import process

    settings = Settings.from_environment()
    running = process.attach(settings) is not None
    process.stop(settings)
    console.print("stopped" if running else "nothing was running")


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete this deployment's home: ledger, keys, artifacts, models, landed data."""
    from include.runtime.airflow import process

    settings = Settings.from_environment()
    home = settings.home
    if home in {Path.home(), ROOT, Path("/")} or not _ours(home):
        raise DeclarationError(
            "only a folder that Trainyard made is deleted", value=str(home), remedy="Check TRAINYARD_HOME."
        )
    if not yes:
        typer.confirm(f"Delete {home}, with its ledger and all models?", abort=True)
    process.stop(settings)
    shutil.rmtree(home, ignore_errors=False)
    console.print(f"deleted {home}")


def _ours(home: Path) -> bool:
    return not home.exists() or (home / "keys").is_dir() or (home / "production").is_dir()


def _land(settings: Settings) -> None:
    from include.runtime import demo as demonstration

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("landing a year of real flights", total=None)
        demonstration.prepare(settings, lambda done, total: bar.update(task, completed=done, total=total))
    console.print(f"production data: {settings.production}")


def _follow(settings: Settings, airflow: "RunningAirflow", run_id: str, *, attended: bool) -> None:
    """Tell what the night does until it ends; at its gate, ask for the steward or act as the demo's.

    Raises:
        DemoFailed: the night failed.
    """
    from include.runtime import demo as demonstration

    told: dict[str, str] = {}
    asked = False
    with console.status("starting the night") as spinner:
        while True:
            seen = demonstration.progress(airflow, run_id)
            for task, state in seen.tasks.items():
                if told.get(task) != state and state in {"success", "failed", "up_for_retry"}:
                    mark = "[green]✓[/green]" if state == "success" else "[red]✗[/red]"
                    spinner.console.print(f"  {mark} {task}: {state}")
                told[task] = state
            running = [task for task, state in seen.tasks.items() if state in {"running", "deferred"}]
            spinner.update(", ".join(running) or seen.state)
            if seen.state == "success":
                return
            if seen.state == "failed":
                raise demonstration.failure(airflow, run_id)
            if seen.waiting and not asked and demonstration.open_requests(settings):
                asked = True
                _ask(settings, attended=attended)
            if seen.waiting:
                for refusal in demonstration.refusals(settings, run_id):
                    if refusal not in told:
                        told[refusal] = refusal
                        spinner.console.print(f"  [red]✗[/red] {refusal}")
            time.sleep(0.5)


def _ask(settings: Settings, *, attended: bool) -> None:
    from include.runtime import demo as demonstration

    if not attended:
        console.print(
            "no terminal: approving as the demo's steward, through the authority's API; recorded as any other"
        )
        demonstration.approve(settings, console.print)
        return
    console.print("the gate waits for a data steward: `./trainyard approve --as steward` in another terminal,")
    console.print(f"or press [bold]a[/bold] and Enter here to approve as the demo's steward. {_who(settings)}")

    def listen() -> None:
        for line in sys.stdin:
            if line.strip().lower() == "a" and demonstration.open_requests(settings):
                demonstration.approve(settings, console.print)
                return

    threading.Thread(target=listen, daemon=True).start()


def _who(settings: Settings) -> str:
    from include.runtime.airflow.environment import passwords_file

    people = "steward (data steward), dana (data scientist), olly (ops) or ada (admin)"
    return f"sign in as {people}; their passwords are in {passwords_file(settings)}"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the block like Ctrl-C, so that what it started ends with it; the status is then 143."""

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
