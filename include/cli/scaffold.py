"""``new``: a project that trains as it stands, to be made one's own."""

import json
import keyword
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from include.cli.console import console
from include.contracts import load_folder
from include.core.errors import DeclarationError
from include.core.project import Window
from include.core.records import DAY, Column, ColumnType, Contract, Days, Treatment
from include.core.words import require_sentence
from include.runtime.code.projects import package_of
from include.settings import ROOT, Settings

TEMPLATES = Path(__file__).parent / "templates"

_LABELS = {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER}
_FULL = Window(days=90, validation_days=7, holdout_days=21)
#: With fewer days the last quarter is held out, and half as many days choose among trials.
_HOLDS_OUT_FULLY = 42
_SHORTEST = 8
_LINE = 100


def new(
    project: Annotated[str, typer.Argument(help="The project's name: lower-case letters, digits and _.")],
    dataset: Annotated[str, typer.Option(help="The dataset to predict for; it has a contract and a day column.")],
    label: Annotated[
        str, typer.Option(help="The column to predict: a number, true/false, or a text and what counts: 'status=YES'.")
    ],
    purpose: Annotated[
        str, typer.Option(prompt="What may the data be used for, in a sentence", help="Bound into every grant.")
    ],
    owner: Annotated[str, typer.Option(prompt="Which team answers for it", help="The team that answers for it.")],
    at: Annotated[
        float | None, typer.Option(help="For a yes/no label of a number: yes if it is at least this much.")
    ] = None,
) -> None:
    """Scaffold the project PROJECT: features from what is known in time, a search, gates, and tests that pass."""
    from include.data.sources import source_of
    from include.declared.compiled import PREDICTED_AT

    settings = Settings.from_environment()
    _require_name(project)
    require_sentence("a project's purpose", " ".join(purpose.split()))
    require_sentence("a project's owner", owner.strip())
    contract = _contract(settings, dataset)
    label, yes = _parsed(contract, label)
    column, partition = _label(contract, label, yes, at)
    history = source_of(contract, settings.production, settings.source_credentials_file).filed()
    features = list(_known_in_time(contract, label))
    values: dict[str, object] = {
        "project": project,
        "package": f"{package_of(settings.projects)}.{project}",
        "purpose": _python(" ".join(purpose.split())),
        "owner": _python(owner.strip()),
        "dataset": dataset,
        "key": contract.key,
        "partition": partition,
        "beside": "" if partition in (*contract.key, PREDICTED_AT) else f"{_quoted(partition)}, ",
        "label": label,
        "local": {name: f"the_{name}" if name == dataset else name for name in ("asked", "outcome", "yes", "moment")},
        "binary": column.type is ColumnType.BOOLEAN or at is not None or yes is not None,
        "yes": yes,
        "at": at,
        "features": features,
        "window": _window(contract, history),
        "history": history,
    }
    folder = settings.projects / project
    ours = settings.projects == ROOT / "include" / "projects"
    tests = (ROOT / "tests" / "projects" if ours else settings.projects.with_name("tests")) / f"test_{project}.py"
    for target in (folder, tests):
        if target.exists():
            raise DeclarationError("a project is never overwritten", value=str(target), remedy="Choose another name.")
    _write({folder / "__init__.py": "project", folder / "features.py": "features", tests: "tests"}, values)
    _tell(project, folder, tests, history, features)
    _tell_left_out(contract, label)


def _require_name(project: str) -> None:
    if not (project.isidentifier() and project.islower()) or keyword.iskeyword(project):
        raise DeclarationError(
            "a project's name is a lower-case identifier", value=project, remedy="Use letters, digits and _."
        )


def _contract(settings: Settings, dataset: str) -> Contract:
    contracts = load_folder(settings.contracts, settings.classes)
    if dataset not in contracts:
        raise DeclarationError(
            "a project's dataset has a contract",
            value=dataset,
            remedy=f"Use one of {sorted(contracts)}, or `./trainyard contract new {dataset} PATH --time COLUMN`.",
        )
    return contracts[dataset]


def _tell_left_out(contract: Contract, label: str) -> None:
    if restricted := _names(contract, label, lambda column: _restricted(column) and not _identifies(contract, column)):
        console.say(
            f"left out, as {contract.dataset}'s contract restricts them: {restricted}; have a steward classify them as "
            "`internal` to make categories of them"
        )
    if identifiers := _names(contract, label, lambda column: _identifies(contract, column)):
        console.say(f"left out, as they identify rows, of which nothing can be learnt: {identifiers}")


def _parsed(contract: Contract, label: str) -> tuple[str, str | None]:
    """The label's column, and the text of it that counts as yes, of ``column`` or ``column=text``."""
    if contract.column(label) is None:
        places = [place for place, sign in enumerate(label) if sign == "=" and contract.column(label[:place])]
        if places:
            return label[: places[0]], label[places[0] + 1 :]
    return label, None


def _label(contract: Contract, label: str, yes: str | None, at: float | None) -> tuple[Column, str]:
    """The label's column, and the column that divides its dataset by day."""
    partition, column = contract.partition_column, contract.column(label)
    if partition is None:
        raise DeclarationError(
            "a project predicts for rows that belong to a day",
            value=f"{contract.dataset} is one undivided table",
            remedy="Draft its contract with `--time COLUMN`.",
        )
    if column is None or column.type not in {ColumnType.STRING, *_LABELS} or column.treatment is not Treatment.CLEAR:
        usable = sorted(c.name for c in contract.columns if c.type in _LABELS and c.treatment is Treatment.CLEAR)
        raise DeclarationError(
            "a label is a number, true/false or a text, in clear", value=label, remedy=f"Use one of {usable}."
        )
    if (column.type is ColumnType.STRING) != (yes is not None):
        raise DeclarationError(
            "of a text, and of nothing else, the label says what counts as yes",
            value=f"{label} is {column.type}",
            remedy=f"Write --label {shlex.quote(f'{label}=YES' if yes is None else label)}.",
        )
    if at is not None and column.type not in {ColumnType.INTEGER, ColumnType.NUMBER}:
        raise DeclarationError("--at is for numbers", value=f"{label} is {column.type}", remedy="Leave it out.")
    if _in_time(column, partition):
        raise DeclarationError(
            "a label becomes known after its row's time, or there is nothing to predict",
            value=f"the contract of {contract.dataset} says that {label} is known in time",
            remedy=f"Correct its knownAt (`{partition} + P1D`, say) and maturesAfterDays, and adopt the contract. "
            "To ask some hours ahead of the row's time, start from include/projects/temperature_tomorrow.",
        )
    return column, partition


def _in_time(column: Column, partition: str | None) -> bool:
    """Whether the contract says that the value is known at the row's time."""
    known_at = column.known_at
    return known_at.column is None or (known_at.column == partition and known_at.offset.total_seconds() <= 0)


@dataclass(frozen=True, kw_only=True)
class ScaffoldFeature:
    """A feature that is a column of the row itself."""

    name: str
    column: str


def _restricted(column: Column) -> bool:
    """Whether no feature may be made of a text: its values would be recorded as its categories."""
    return column.type is ColumnType.STRING and column.restricted


def _identifies(contract: Contract, column: Column) -> bool:
    """Whether a value stands for one row or so: nothing can be learnt of it. A category that a key needs is none."""
    alone = contract.key == (column.name,)
    return column.identifier or (column.key and (alone or column.type is ColumnType.INTEGER))


def _names(contract: Contract, label: str, holds: Callable[[Column], bool]) -> str:
    return ", ".join(each.name for each in _candidates(contract, label) if holds(each))


def _candidates(contract: Contract, label: str) -> Iterator[Column]:
    """Columns whose values could be features as they are, if nothing speaks against it."""
    for column in contract.columns:
        usable = column.treatment is Treatment.CLEAR and column.type in {ColumnType.STRING, *_LABELS}
        if usable and column.name != label and _in_time(column, contract.partition_column):
            yield column


def _known_in_time(contract: Contract, label: str) -> Iterator[ScaffoldFeature]:
    from include.declared.compiled import DAY_COLUMN, LABEL, PREDICTED_AT

    taken = {name.casefold() for name in ("hour_of_day", "weekday", LABEL, PREDICTED_AT, DAY_COLUMN, *contract.key)}
    for column in _candidates(contract, label):
        if not _restricted(column) and not _identifies(contract, column):
            name = re.sub(r"\W", "_", column.name)
            while name.casefold() in taken or not name.isidentifier() or keyword.iskeyword(name):
                name = f"the_{name}"
            taken.add(name.casefold())
            yield ScaffoldFeature(name=name, column=column.name)


def _window(contract: Contract, history: Days | None) -> Window:
    """A window that fits the history, at most 90 days.

    Raises:
        DeclarationError: the history is too short to train, choose and hold out.
    """
    if history is None:
        return _FULL
    days = len(history) - contract.matures_after_days - 1
    if days < _SHORTEST:
        raise DeclarationError(
            f"there are at least {_SHORTEST + contract.matures_after_days + 1} days to learn from",
            value=f"{len(history)} days of {contract.dataset}",
            remedy="File more days.",
        )
    if days < _HOLDS_OUT_FULLY:
        return Window(days=days, validation_days=max(1, days // 8), holdout_days=days // 4)
    return Window(days=min(days, _FULL.days), validation_days=7, holdout_days=21)


def _write(files: dict[Path, str], values: dict[str, object]) -> None:
    import ibis
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 -- Python is written here, not HTML
    )

    def of(dataset: str, column: str) -> str:
        """The column's Python expression: by its name, unless tables call something else that."""
        plain = column.isidentifier() and not keyword.iskeyword(column) and not hasattr(ibis.Table, column)
        return f"{dataset}.{column}" if plain else f"{dataset}[{_quoted(column)}]"

    environment.filters |= {"of": lambda column, dataset: of(dataset, column), "tuple": _tuple, "quoted": _quoted}
    rendered = {path: environment.get_template(f"{name}.py.j2").render(values) for path, name in files.items()}
    for path, text in rendered.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _quoted(text: str) -> str:
    """*text* as a string of Python, in the quotes that need fewer escapes."""
    if text.count('"') <= text.count("'"):
        return json.dumps(text, ensure_ascii=False)
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _python(text: str) -> str:
    """*text* as a string of Python, on several lines if it is long."""
    if len(text) < _LINE:
        return _quoted(text)
    parts = textwrap.wrap(text, _LINE, drop_whitespace=False)
    return "\n".join(["(", *(f"            {_quoted(part)}" for part in parts), "        )"])


def _tuple(names: tuple[str, ...]) -> str:
    one_line = f"({', '.join(map(_quoted, names))}{',' if len(names) == 1 else ''})"
    return one_line if len(one_line) < _LINE else "\n".join(["(", *(f"    {_quoted(name)}," for name in names), ")"])


def _tell(project: str, folder: Path, tests: Path, history: Days | None, features: Iterable[ScaffoldFeature]) -> None:
    run = f"./trainyard run {project}"
    if history is not None and history.last < datetime.now(UTC).date() - DAY:
        run += f" --instant {history.last + DAY}"  # a night of today would find no rows
    shown = tests.relative_to(ROOT) if tests.is_relative_to(ROOT) else tests
    for line in (
        f"made {folder} and {tests}",
        "features: " + ", ".join(["hour_of_day", "weekday", *(feature.name for feature in features)]),
        f"next: `./trainyard explain {project}`, `./trainyard test {shown}`, `{run}`",
    ):
        console.say(line)
