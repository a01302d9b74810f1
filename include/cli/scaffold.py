"""``new``: a project that trains as it stands, to be made one's own."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.core.errors import DeclarationError
from include.core.records import ColumnType, Contract, Treatment
from include.settings import ROOT, Settings

console = Console()
TEMPLATES = Path(__file__).parent / "templates"


def add_to(app: typer.Typer) -> None:
    app.command()(new)


def new(
    project: Annotated[str, typer.Argument(help="The project's name: lower-case letters, digits and _.")],
    dataset: Annotated[str, typer.Option(help="The dataset to predict for; it has a contract and a day column.")],
    label: Annotated[str, typer.Option(help="The column to predict: a number, or true/false.")],
    at: Annotated[
        float | None, typer.Option(help="For a yes/no label of a number: yes if it is at least this much.")
    ] = None,
) -> None:
    """Scaffold the project PROJECT: features from what is known in time, a search, gates, and tests that pass."""
    from include.contracts import load_folder

    settings = Settings.from_environment()
    if not (project.isidentifier() and project.islower()):
        raise DeclarationError(
            "a project's name is a lower-case identifier", value=project, remedy="Use letters, digits and _."
        )
    contracts = load_folder(settings.contracts)
    if dataset not in contracts:
        raise DeclarationError(
            "a project's dataset has a contract",
            value=dataset,
            remedy=f"Use one of {sorted(contracts)}, or `./trainyard contract new {dataset} PATH --time COLUMN`.",
        )
    folder = settings.projects / project
    values = _values(project, contracts[dataset], label, at)
    tests = ROOT / "tests" / "projects" / f"test_{project}.py"
    for target in (folder, tests):
        if target.exists():
            raise DeclarationError("a project is never overwritten", value=str(target), remedy="Choose another name.")
    _write({folder / "__init__.py": "project", folder / "features.py": "features", tests: "tests"}, values)
    console.print(f"made {folder} and {tests}")
    console.print(f"next: `./trainyard explain {project}`, `./trainyard test {tests}`, `./trainyard run {project}`")


def _write(files: dict[Path, str], values: dict[str, object]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 -- Python is written here, not HTML
    )
    rendered = {path: environment.get_template(f"{name}.py.j2").render(values) for path, name in files.items()}
    for path, text in rendered.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _values(project: str, contract: Contract, label: str, at: float | None) -> dict[str, object]:
    partition, column = contract.partition_column, contract.column(label)
    if partition is None:
        raise DeclarationError(
            "a project predicts for rows that belong to a day",
            value=f"{contract.dataset} is one undivided table",
            remedy="Draft its contract with `--time COLUMN`.",
        )
    labels = {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER}
    if column is None or column.type not in labels or column.treatment is not Treatment.CLEAR:
        usable = sorted(c.name for c in contract.columns if c.type in labels and c.treatment is Treatment.CLEAR)
        raise DeclarationError(
            "a label is a number or true/false, in clear", value=label, remedy=f"Use one of {usable}."
        )
    known = [
        c.name
        for c in contract.columns
        if c.name != label
        and c.name != partition
        and c.treatment is Treatment.CLEAR
        and c.type in {ColumnType.STRING, *labels}
        and (c.known_at.column is None or (c.known_at.column == partition and c.known_at.offset.total_seconds() <= 0))
    ]
    return {
        "project": project,
        "dataset": contract.dataset,
        "key": contract.key,
        "partition": partition,
        "label": label,
        "binary": column.type is ColumnType.BOOLEAN or at is not None,
        "at": at,
        "matures": contract.matures_after_days,
        "columns": known,
    }
