"""What a Python worker of an executor does: opens the files of some days, and gives back Arrow or an error."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import errors
from include.core.errors import DataError, DeclarationError, StepCrashed, StoreError, TrainyardError
from include.core.records import Contract, Days, Partition, Snapshot
from include.engines.port import AskedRows, OpenEngine, Part, Population, Query

if TYPE_CHECKING:
    import pyarrow as pa

#: What Spark is told of an answer's columns.
ANSWERS = "task long, place long, kind long, data binary"
#: How many rows come back in one piece.
_ROWS = 100_000


class Kind(IntEnum):
    """What an answer's bytes are."""

    COUNTED = 0  # the rows to predict for, counted
    EMPTY = 1  # how many rows lack part of their key
    ROWS = 2  # some of the rows, as a stream of Arrow
    FAILED = 3  # an error, and the columns that cannot be computed by themselves


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is computed together: ``part``, of the rows that the population gives for each of the days ``asked``.

    ``None``: these rows are only counted.
    """

    asked: tuple[Days, ...]
    part: Part | None
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, kw_only=True)
class Work:
    """The tasks of one query, or of counting the rows to predict for, with all that an executor needs for them.

    ``engine`` opens the engine that computes there, ``version`` says which it is, and ``expected`` which it is here;
    ``paths`` are those of the partitions, by their contents.
    """

    engine: OpenEngine
    version: Callable[[], str]
    expected: str
    snapshot: Snapshot
    contracts: Mapping[str, Contract]
    paths: Mapping[str, str]
    population: Population
    query: Query | None
    tasks: tuple[Task, ...]


def answers(work: Work, numbers: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """For each task whose number comes in, what was found: :data:`ANSWERS`, a row a batch.

    What fails is an answer too. An error of Python or of a library is told by its kind alone: its text, which Spark
    would write to the logs of the cluster, may quote a value.
    """
    import pyarrow as pa

    schema = pa.schema([("task", pa.int64()), ("place", pa.int64()), ("kind", pa.int64()), ("data", pa.binary())])
    for batch in numbers:
        for number in batch.column(0).to_pylist():
            for place, (kind, data) in enumerate(_found(work, work.tasks[number])):
                values = ([number], [place], [int(kind)], [data])
                columns = [pa.array(*each) for each in zip(values, schema.types, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _found(work: Work, task: Task) -> Iterator[tuple[Kind, bytes]]:
    try:
        yield from _computed(work, task)
    except TrainyardError as error:
        yield Kind.FAILED, failure(error)
    except Exception as error:  # whatever ended it is told, by its kind
        yield (
            Kind.FAILED,
            failure(
                StepCrashed(
                    "an executor computes what it is given",
                    value=type(error).__name__,
                    remedy="Compute it in the reader's own process, without TRAINYARD_ENGINE, to see where it fails.",
                )
            ),
        )


def _computed(work: Work, task: Task) -> Iterator[tuple[Kind, bytes]]:
    if work.version() != work.expected:
        raise DeclarationError(
            "executors compute with what computes in the reader's process",
            value=f"{work.version()} there, {work.expected} here",
            remedy="Install on the workers what requirements.txt pins.",
        )
    path = partial(_verified, work.paths)
    with work.engine(work.snapshot, work.contracts, path, partitions=task.partitions) as engine:
        counted = engine.ask(work.population, task.asked)
        if work.query is None or task.part is None:
            yield Kind.COUNTED, _as_bytes(counted)
            return
        try:
            ((table, empty),) = engine.derive(work.query, [task.part])
        except DataError as error:
            yield Kind.FAILED, failure(error, engine.failing(work.query))
            return
    yield Kind.EMPTY, str(empty).encode()
    for first in range(0, max(table.num_rows, 1), _ROWS):
        yield Kind.ROWS, _stream(table.slice(first, _ROWS))


def _verified(paths: Mapping[str, str], content: str) -> Path:
    """Where the partition lies, if its bytes are those that the reader opened."""
    path = Path(paths[content])
    try:
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        found = type(error).__name__
    if found != content:
        raise StoreError(
            "an executor finds the partitions that the reader opened, where the reader finds them",
            value=f"{found} in {path.parent}",
            remedy="Mount the vault's folder at this path on every worker, readable by the account of executors.",
        )
    return path


def _stream(table: "pa.Table") -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def rows_of(data: bytes) -> "pa.Table":
    """The rows that a :attr:`Kind.ROWS` holds."""
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all()


def _as_bytes(counted: AskedRows) -> bytes:
    by_day = {day.isoformat(): rows for day, rows in counted.by_day.items()}
    return json.dumps([by_day, counted.repeated, counted.empty]).encode()


def counted_of(data: bytes) -> AskedRows:
    """The counts that a :attr:`Kind.COUNTED` holds."""
    by_day, repeated, empty = json.loads(data)
    return AskedRows(
        by_day={date.fromisoformat(day): rows for day, rows in by_day.items()}, repeated=repeated, empty=empty
    )


def failure(error: TrainyardError, columns: Iterable[str] = ()) -> bytes:
    return json.dumps([type(error).__name__, error.rule, str(error.value), error.remedy, list(columns)]).encode()


def failed_of(data: bytes) -> tuple[TrainyardError, tuple[str, ...]]:
    """The error that a :attr:`Kind.FAILED` holds, and the columns that fail by themselves."""
    kind, rule, value, remedy, columns = json.loads(data)
    found: TrainyardError = getattr(errors, kind)(rule, value=value, remedy=remedy)
    return found, tuple(columns)
