"""``python -m include.cli``: every command, and how errors are shown."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from include import __version__
from include.cli import (
    access,
    backtest,
    calibrate,
    contract,
    demo,
    doctor,
    explain,
    impact,
    land,
    lease,
    lineage,
    night,
    override,
    passport,
    registry,
    retention,
    rollback,
    scaffold,
    service,
    start,
    status,
    verify,
    watch,
)
from include.core.errors import DeclarationError, TrainyardError
from include.core.words import visible
from include.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"trainyard {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Build, train and retrain models on production data, with data stewards in the loop and an audit trail."""


for command in (
    demo.demo,
    start.start,
    service.setup,
    service.stop,
    service.reset,
    status.status,
    doctor.doctor,
    night.run,
    night.score,
    backtest.backtest,
    land.land,
    lease.lease,
    explain.explain,
    watch.watch,
    calibrate.calibrate,
    lineage.runs,
    lineage.lineage,
    scaffold.new,
    rollback.rollback,
    rollback.retire,
    rollback.served,
    override.override,
    impact.impact,
    passport.passport,
    passport.audit,
    passport.inventory,
    retention.retention,
    verify.verify,
    verify.witness,
):
    app.command()(command)
for former in (access.approve, access.deny, access.revoke):  # their words before they were a group: they go on working
    app.command(hidden=True)(former)
for name, group in (
    ("contract", contract.contracts),
    ("access", access.access),
    ("registry", registry.registry),
    ("hold", retention.hold),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run one command. One of our own errors is printed as a sentence and ends with status 1; others are bugs.

    So is a home that this user may not use, or that can be none.
    """
    try:
        app(prog_name="./trainyard")
    except TrainyardError as error:
        _end(error)
    except OSError as error:
        home = Settings.from_environment().home
        if error.filename is None or not Path(os.fsdecode(error.filename)).is_relative_to(home):
            raise
        _end(
            DeclarationError(
                "a deployment's home is a folder of the user who works with it",
                value=f"{error.filename}: {error.strerror}",
                remedy="Work as the user whose home it is, or set TRAINYARD_HOME to a folder of your own.",
            )
        )
    except KeyboardInterrupt:
        sys.exit(130)


def _end(error: TrainyardError) -> NoReturn:
    sys.stderr.write(visible(f"trainyard: {type(error).__name__}: {error}\n"))
    sys.exit(1)


if __name__ == "__main__":
    main()
