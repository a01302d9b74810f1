"""``contract new`` and ``contract adopt``: a data contract from somebody's own files, and putting it into effect."""

import fcntl
import keyword
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Annotated

import typer

from include.cli.console import bold, console, line
from include.cli.signals import unwound_by_signals
from include.cli.stewards import as_steward
from include.contracts import FileRows, load, not_understood
from include.contracts.origin import TableOrigin
from include.contracts.places import PRODUCTION
from include.contracts.servers import is_table, require_address, scheme_of
from include.core.errors import ContractError, DataError
from include.core.words import is_user
from include.runtime import deployment
from include.runtime.embedded.environment import passwords_file, secrets_of
from include.settings import Settings

contracts = typer.Typer(no_args_is_help=True, help="Data contracts: what stewards promise, and who decides.")

#: What a project calls its rows to predict for, and their key: no dataset may be called so.
_RESERVED = {"population", "KEY"}
#: Where data of a server lies in the home while a contract is drafted from it.
_COPIES = "drafting"


@contracts.command()
def new(
    name: Annotated[str, typer.Argument(help="The dataset's name: letters, digits and _.")],
    path: Annotated[
        str,
        typer.Argument(
            help="A file of Parquet, CSV or JSON lines, or a folder of such; s3://BUCKET/FOLDER; or "
            "postgres://HOST:PORT/DATABASE/SCHEMA/TABLE; or iceberg://CATALOG/NAMESPACE.TABLE."
        ),
    ],
    steward: Annotated[list[str], typer.Option(help="Who decides about it; may be given again.")],
    time: Annotated[
        str | None, typer.Option(help="The timestamp column (UTC) that places a row in its day; needed to train on it.")
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="A column that is known only days later; may be given again.")
    ] = None,
    after_days: Annotated[int, typer.Option(min=1, help="How many days later the outcomes are known.")] = 1,
    without: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be given again.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Leave out the rows of days before.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Leave out the rows of days after.")
    ] = None,
) -> None:
    """Draft a contract for the files at PATH: every column restricted until its steward says otherwise.

    With --time the rows are filed by UTC day under the production folder, as nights read them. So are those of CSV and
    JSON lines; other Parquet stays where it is, and so does what lies in a bucket or a table.
    """
    from include.contracts import draft, rows_of

    settings = Settings.from_environment()
    target = settings.contracts / f"{name}.odcs.yaml"
    _require_free(name, target)
    _require_named(steward)
    _require_writable(target.parent)
    deployment.prepare(settings)
    if scheme_of(path):
        path = require_address(path.rstrip("/"))  # before it is shown: it may hold a password
    with (
        console.status(line("reading ", path)),
        _at_hand(path, settings, without or []) as (
            folder,
            address,
            origin,
        ),
    ):
        rows = rows_of(folder, without=without or [])
        place = folder if address else settings.production / name
        filing = Filing(rows=rows, folder=place, time=time, first=_day(first), last=_day(last), in_table=is_table(path))
        rows = filing.chosen()
        text = draft(
            name,
            rows,
            time=time,
            stewards=steward,
            location=address or (f"{PRODUCTION}/{name}" if filing.copies or filing.in_place else None),
            outcomes=outcome or [],
            known_after_days=after_days if outcome else 0,
            origin=origin,
        )
    with filing.done(rows):
        _write(target, text)
    console.say(f"drafted {target}")
    if time is not None and not outcome:
        console.say(f"it says that every column is known at `{time}`: give those that are not another `knownAt`")
    console.say(f"next: edit what is marked EDIT, then `./trainyard contract adopt {name} --as {steward[0]}`")


@contextmanager
def _at_hand(
    path: str, settings: Settings, without: Sequence[str]
) -> Iterator[tuple[Path, str | None, TableOrigin | None]]:
    """Where the files at *path* can be read; of an address, which is given too, copies of what lies there.

    Beside it what a table of Iceberg says of itself.

    The copies go with the block, however it ends; those that a kill left go with the next.
    """
    if not scheme_of(path):
        if not Path(path).exists():
            raise typer.BadParameter(f"Path {path!r} does not exist.", param_hint="'PATH'")
        yield Path(path), None, None
        return
    from include.data.sources import copy_files

    with unwound_by_signals(), _alone(settings.home / _COPIES) as copies, TemporaryDirectory(dir=copies) as folder:
        origin = copy_files(path, Path(folder), settings.source_credentials_file, without=without)
        yield Path(folder), path, origin


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The empty *folder*, for one process at a time; others wait."""
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.iterdir():
            shutil.rmtree(left)
        yield folder
    finally:
        os.close(handle)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _write(target: Path, text: str) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(target)  # whoever reads the folder meanwhile finds no half of a contract


def _require_free(name: str, target: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED:
        raise ContractError(
            "a dataset's name is an identifier, and no word of Python or of ours",
            value=name,
            remedy="Use letters, digits and _.",
        )
    if target.exists():
        raise ContractError(
            "a contract is never overwritten", value=str(target), remedy="Edit it, or choose another name."
        )


def _require_named(stewards: Sequence[str]) -> None:
    for name in stewards:
        if not is_user(name):
            remedy = "Write one after each `--steward`: letters, digits and _ @ . + -, no dot first."
            raise ContractError("a steward is called as they sign in", value=repr(name), remedy=remedy)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ContractError(
            f"{folder}: contracts can be written",
            value=error.strerror or type(error).__name__,
            remedy="Have its owner let this user write there, or set TRAINYARD_CONTRACTS to another folder.",
        ) from None


@dataclass(frozen=True, kw_only=True)
class Filing:
    """Copying ``rows`` into ``folder`` as nights read them: by the UTC day of ``time``, from ``first`` to ``last``.

    Parquet stays where it is if no time is named, or if it lies in that folder already, in its days; so do rows that
    are ``in_table``, of which files are copies.
    """

    rows: "FileRows"
    folder: Path
    time: str | None
    first: date | None
    last: date | None
    in_table: bool = False

    @property
    def in_place(self) -> bool:
        return self.rows.path.resolve() == self.folder.resolve()

    @property
    def copies(self) -> bool:
        return not self.rows.stored or (self.time is not None and not self.in_place)

    def chosen(self) -> "FileRows":
        """The rows that are to be filed, once nothing stands against it."""
        from include.data.partitioning import chosen, require_filed, require_unfiled

        if (self.first or self.last) and (self.time is None or not self.copies):
            raise DataError(
                "--from and --until choose among rows that are filed by day",
                value="rows that are not",
                remedy="Name the timestamp by which to file them: `--time COLUMN`.",
            )
        if not self.copies:
            self.rows.require_readable()
            if self.time is not None and not self.in_table:
                require_filed(self.rows, time=self.time)
            return self.rows
        require_unfiled(self.folder)
        if self.time is not None:
            return chosen(self.rows, time=self.time, first=self.first, last=self.last)
        if self.rows.by_day:
            raise DataError(
                "texts in folders of days are filed by day", value="no time column", remedy="Add `--time COLUMN`."
            )
        return self.rows

    @contextmanager
    def done(self, rows: "FileRows") -> Iterator[None]:
        """File *rows*; if what follows fails, they are not filed: the same command would find the folder taken."""
        if not self.copies:
            yield
            return
        filed = self._file(rows)
        try:
            yield
        except BaseException:  # Ctrl-C too
            shutil.rmtree(self.folder)
            raise
        console.say(f"filed {filed}, under {self.folder}")

    def _file(self, rows: "FileRows") -> str:
        from include.data.partitioning import file_by_day, file_whole

        if self.time is None:
            file_whole(rows, self.folder)
            return "one undivided table"
        days = file_by_day(rows, self.folder, time=self.time)
        return f"{len(days)} {'day' if len(days) == 1 else 'days'}, {days.first} to {days.last}"


@contracts.command()
def adopt(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    steward: Annotated[str | None, typer.Option("--as", help="The steward who adopts it.")] = None,
) -> None:
    """Put the contract file of NAME, as it is now, into effect. Grants bind its digest."""
    settings = Settings.from_environment()
    # First: the authority knows a new contract's stewards by its file, and could say of one that it cannot read only
    # that it does not know them.
    file = settings.contracts / f"{name}.odcs.yaml"
    if name.isidentifier() and file.exists():
        for told in not_understood(load(file, settings.classes)):
            console.say(f"{name}: {told}")
    with as_steward(steward, introduce=True) as client:
        digest = client.adopt(name)
    console.print(line(f"{name}: contract ", bold(digest[:19]), " is in effect"))
    if passwords_file(settings).exists():
        secrets_of(settings)  # who is new has a password, and may sign in to an Airflow that runs
        console.say(f"its stewards sign in to Airflow with the passwords in {passwords_file(settings)}")
