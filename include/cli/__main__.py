"""``python -m include.cli``: every command, and how errors are shown."""

import sys

import typer

from include.cli import access, contract, demo, lineage, night, scaffold, service, status, watch
from include.core.errors import TrainyardError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build, train and retrain models on production data, with data stewards in the loop and an audit trail.",
)
for module in (demo, service, status, night, watch, lineage, scaffold, contract, access):
    module.add_to(app)


def main() -> None:
    """Run one command. One of our own errors is printed as a sentence and ends with status 1; others are bugs."""
    try:
        app(prog_name="./trainyard")
    except TrainyardError as error:
        sys.stderr.write(f"trainyard: {type(error).__name__}: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
