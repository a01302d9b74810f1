"""What is an engine's own stays in the room of the engines; everybody else speaks Ibis, Arrow or the port."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "include" / "engines"


@pytest.mark.parametrize(("library", "room"), [("duckdb", ROOM), (r"import pyspark|from pyspark|py4j", ROOM / "spark")])
def test_nothing_outside_of_its_room_names_the_library_of_an_engine(library: str, room: Path) -> None:
    sources = [path for room in ("include", "dags", "plugins", "config") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 300
    naming = {path for path in sources if re.search(library, path.read_text(), re.IGNORECASE)}
    assert naming
    assert [path for path in naming if not path.is_relative_to(room)] == []


def test_no_step_writes_sql() -> None:
    """Of a project's data: the ledger's and the registry's databases have SQL of their own, and so have sources."""
    rooms, servers = ("data", "declared", "steps", "training", "monitoring"), ROOT / "include" / "data" / "sources"
    sources = [path for room in rooms for path in (ROOT / "include" / room).rglob("*.py")]
    sources = [path for path in sources if not path.is_relative_to(servers)]
    written = [path for path in sources if re.search(r"\bSELECT\b.*\bFROM\b|\bCREATE (TEMP|TABLE)", path.read_text())]
    assert written == []
