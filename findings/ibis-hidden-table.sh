#!/usr/bin/env bash
# Ibis 12.0.0 with DuckDB 2.0.0 and sqlglot 30.30.0, seen on 2026-11-30: a table called t3 is hidden by an inner query.
#
# One would expect: an expression over a table gives the same answer whatever the table is called.
# What happens: an inner query that is used twice is written as `WITH "t3" AS (…)`, named by its place and not by what
# names are free. A table of the user's of that name is then read from the inner query: a wrong answer in silence if the
# columns fit, an error if not. (ibis-project/ibis#1386 and #104 took the clash of aliases for a cosmetic matter.)
# Instead: no tables named `t` and a number; or name the schema as well, `ibis.table(…, database="main")`, which the
# inner query cannot hide.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ibis-framework[duckdb]==12.0.0' 'duckdb==2.0.0' 'sqlglot==30.30.0'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys

import duckdb
import ibis
import sqlglot

print("Python", platform.python_version(), "Ibis", ibis.__version__, "DuckDB", duckdb.__version__, end=" ")
print("sqlglot", sqlglot.__version__)
SCHEMA = {"item": "int64", "amount": "int64"}


def query(name: str, database: str | None = None) -> str:
    lines = ibis.table(SCHEMA, name="lines")
    prices = ibis.table(SCHEMA, name=name, database=database)
    large = lines.filter(lines.amount > 100)
    counts = large.group_by("item").agg(number=large.count())
    joined = large.join(counts, "item").join(prices, "item", rname="{name}_of_price")
    return ibis.to_sql(joined.select("item", "amount", "number", "amount_of_price"), dialect="duckdb")


def answer(name: str, sql: str) -> list[tuple[int, ...]]:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE lines AS FROM (VALUES (1::INT8, 50::INT8), (2, 200), (3, 300)) x(item, amount)")
    connection.execute(f"CREATE TABLE {name} AS FROM (VALUES (1::INT8, 1::INT8), (2, 2), (3, 3)) x(item, amount)")
    return sorted(connection.execute(sql).fetchall())


print(query("t3"))
right = answer("prices", query("prices"))
names = [f"t{number}" for number in range(10)]
wrong = {name: rows for name in names if (rows := answer(name, query(name))) != right}
print("item, amount, number, amount_of_price where the prices' table is called prices:", right)
print("other answers from t0 to t9:", wrong)
qualified = {name: rows for name in names if (rows := answer(name, query(name, "main"))) != right}
print("other answers with the schema named:", qualified)

if right != [(2, 200, 1, 2), (3, 300, 1, 3)] or qualified:
    sys.exit("changed: a table of another name, and one with its schema named, gave the right answer")
if wrong != {"t3": [(2, 200, 1, 200), (3, 300, 1, 300)]}:
    sys.exit("changed: the prices of a table called t3, and of no other, were the amounts of the inner query")
print("as seen on 2026-11-30")
EOF_PYTHON
