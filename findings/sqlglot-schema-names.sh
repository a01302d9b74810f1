#!/usr/bin/env bash
# sqlglot 30.30.0, seen on 2026-11-30: MappingSchema parses the names of columns as SQL.
#
# One would expect: the keys of `MappingSchema({"t": {"id;": "text"}})` are names, kept as they are where the dialect's
# normalization strategy is case_sensitive. What happens: each is parsed as an SQL identifier, so that a semicolon and
# what follows, a comment, blanks at the ends and surrounding quotes are lost, in silence: "Ä;" becomes "Ä",
# "price; eur" becomes "". Two names that end the same are one column with the later one's type, and `SELECT *` is
# expanded without the other.
# Instead: pass `normalize=False`; or write the keys as SQL, `exp.to_identifier(name, quoted=True).sql(dialect)`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'sqlglot==30.30.0'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys

import sqlglot
from sqlglot import MappingSchema, exp, parse_one
from sqlglot.optimizer.qualify import qualify

print("Python", platform.python_version(), "sqlglot", sqlglot.__version__)
DIALECT = "duckdb, normalization_strategy=case_sensitive"
SEEN = {"Ä;": "Ä", "price; eur": "", "note--": "note", "a /* b */": "a", " a": "a", '"a"': "a", "a b": "a b", "A": "A"}
COLUMNS = {"id": "int", "id;": "text"}


def kept(names: list[str], **options: bool) -> list[str]:
    return [MappingSchema({"t": {name: "int"}}, dialect=DIALECT, **options).column_names("t")[0] for name in names]


def star(columns: dict[str, str], **options: bool) -> str:
    schema = MappingSchema({"t": columns}, dialect=DIALECT, **options)
    return qualify(parse_one("SELECT * FROM t", dialect=DIALECT), dialect=DIALECT, schema=schema).sql(DIALECT)


names = list(SEEN)
found = dict(zip(names, kept(names)))
print("names given and kept:", found)
print("the star of", COLUMNS, "is", star(COLUMNS))
print("with normalize=False:", star(COLUMNS, normalize=False))
as_sql = [exp.to_identifier(name, quoted=True).sql(DIALECT) for name in names]
print("with keys written as SQL:", kept(as_sql))

if kept(names, normalize=False) != names or kept(as_sql) != names:
    sys.exit("changed: normalize=False, and keys written as SQL, kept every name")
if found != SEEN:
    sys.exit(f"changed: the names that were kept were {SEEN}")
if "id;" in star(COLUMNS) or "id;" not in star(COLUMNS, normalize=False):
    sys.exit("changed: the star left out `id;` unless normalize=False")
print("as seen on 2026-11-30")
EOF_PYTHON
