"""What is DuckDB's own stays in the room of the engines; everybody else speaks Ibis, Arrow or the port."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "include" / "engines"


def test_nothing_outside_of_the_room_of_engines_names_duckdb() -> None:
    sources = [path for room in ("include", "dags", "plugins", "config") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 300
    named = [path for path in sources if not path.is_relative_to(ROOM) and re.search("duckdb", path.read_text(), re.I)]
    assert named == []


def test_no_step_writes_sql() -> None:
    """Of a project's data: the ledger's and the registry's databases have SQL of their own."""
    rooms = ("data", "declared", "steps", "training", "monitoring")
    sources = [path for room in rooms for path in (ROOT / "include" / room).rglob("*.py")]
    written = [path for path in sources if re.search(r"\bSELECT\b.*\bFROM\b|\bCREATE (TEMP|TABLE)", path.read_text())]
    assert written == []
