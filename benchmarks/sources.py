"""Rows per second of the source in PostgreSQL, to those of ``COPY … TO STDOUT`` into nothing on the same server.

    python benchmarks/sources.py [--rows 2000000] [--rounds 3] [--output benchmarks/sources.json]

A server of the benchmark's own holds one day with so many rows of ten columns. Each way runs in a process of its own,
in turns: the server's own ``psql`` copies the same columns of the same rows into ``/dev/null``; the source loads the
day, which has its digest computed, and takes its batches, typed as the contract says, and keeps none. Figures are
medians. The peak is that of the process that reads, with Python and its libraries in it; that of a tenth of the rows is
beside it.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from include.core.records import Column, ColumnType, Contract, KnownAt, PersonalKind, Treatment  # noqa: E402  # needs the path above
from tests import postgres_server  # noqa: E402
from tests.data.sales import DAY, sales_contract  # noqa: E402
from tests.data.tables import TYPES, Database, database  # noqa: E402

COLUMNS = {
    "at": ColumnType.TIMESTAMP,
    "id": ColumnType.INTEGER,
    "shop": ColumnType.STRING,
    "item": ColumnType.STRING,
    "amount": ColumnType.NUMBER,
    "price": ColumnType.NUMBER,
    "pieces": ColumnType.INTEGER,
    "returned": ColumnType.BOOLEAN,
    "ordered_on": ColumnType.DATE,
    "paid_at": ColumnType.TIMESTAMP,
}
ROWS = (
    "SELECT '{day}'::timestamp + n * interval '86400 s' / {rows}, n, 'shop ' || n % 97, md5(n::text), random(), "
    "n / 7.0, n % 12, n % 3 = 0, date '{day}' - (n % 30)::int, CASE WHEN n % 5 > 0 THEN '{day}'::timestamp + n % 99 * "
    "interval '1 min' END FROM generate_series(0, {rows} - 1) n"
)
MEANING = {
    "ratio": "rows per second of the source, without the digest, to those of psql's COPY into nothing; to reach: 0.7",
    "ratio_with_digest": "the same with the seconds in which the server computes the day's digest",
    "peak_mib": "most resident memory of the process that reads all rows, its libraries in it",
    "peak_mib_of_a_tenth": "the same with a tenth of the rows: memory is flat where both are alike",
}


def contract_of(location: str) -> Contract:
    columns = tuple(
        Column(
            name=name,
            type=kind,
            classification="internal",
            restricted=False,
            personal=PersonalKind.NONE,
            treatment=Treatment.CLEAR,
            known_at=KnownAt(column=None),
            required=False,
            key=name == "id",
            description="",
        )
        for name, kind in COLUMNS.items()
    )
    return sales_contract(columns=columns, location=location)


def filled(there: Database, name: str, rows: int) -> Contract:
    defined = ", ".join(f"{column} {TYPES[kind]}" for column, kind in COLUMNS.items())
    statement = ROWS.format(day=DAY, rows=rows)
    there.run(
        f"CREATE TABLE {name} ({defined})",
        f"INSERT INTO {name} {statement}",
        f"VACUUM ANALYZE {name}",
        f"GRANT SELECT ON {name} TO READER",
    )
    return contract_of(there.address(name))


def read(there: Database, contract: Contract, found: "multiprocessing.Queue[tuple[int, float, float, float]]") -> None:
    """Put the rows, the seconds of the digest, those of the rows, and the peak in MiB."""
    source = there.source(contract)
    source.filed()  # connected
    started = time.perf_counter()
    held = source.load(DAY)
    digested = time.perf_counter()
    rows = sum(batch.num_rows for batch in held.batches(tuple(COLUMNS)))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found.put((rows, digested - started, ended - digested, peak))


def in_process(there: Database, contract: Contract) -> tuple[int, float, float, float]:
    context = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[tuple[int, float, float, float]] = context.Queue()
    process = context.Process(target=read, args=(there, contract, found))
    process.start()
    result = found.get(timeout=3600)
    process.join()
    return result


def copied(there: Database, table: str) -> float:
    """Seconds of psql, without its start."""
    programs = postgres_server.programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    command = [
        *(str(programs / "psql"), "-X", "-q", "-h", there.host, "-p", str(there.port)),
        *("-U", str(there.url.username), "-d", str(there.url.database), "-c"),
    ]
    seconds = []
    for statement in ("SELECT", f"COPY {table} ({', '.join(COLUMNS)}) TO STDOUT"):
        started = time.perf_counter()
        subprocess.run([*command, statement], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return seconds[1] - seconds[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    with postgres_server.started() as url, TemporaryDirectory() as folder, database(url, Path(folder)) as there:
        whole, tenth = filled(there, "whole", given.rows), filled(there, "tenth", given.rows // 10)
        rounds = []
        for _ in range(given.rounds):
            bare = copied(there, "whole")
            rows, digest, seconds, peak = in_process(there, whole)
            if rows != given.rows:
                raise ValueError(f"{rows} rows of {given.rows} were read")
            rounds.append({"bare": bare, "digest": digest, "rows": seconds, "peak": peak})
        small = in_process(there, tenth)[3]
    middle = {name: median(each[name] for each in rounds) for name in rounds[0]}
    figures = {
        "rows": given.rows,
        "columns": len(COLUMNS),
        "rounds": given.rounds,
        "bare_rows_per_second": round(given.rows / middle["bare"]),
        "rows_per_second": round(given.rows / middle["rows"]),
        "ratio": round(middle["bare"] / middle["rows"], 3),
        "ratio_with_digest": round(middle["bare"] / (middle["rows"] + middle["digest"]), 3),
        "peak_mib": round(middle["peak"]),
        "peak_mib_of_a_tenth": round(small),
        "MEANING": MEANING,
    }
    text = json.dumps({"postgres": figures}, indent=2)
    given.output.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
