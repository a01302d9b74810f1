"""A session of DuckDB gives the same on every machine."""

import os
import subprocess
import sys
from pathlib import Path

_MIDNIGHT = """
from include.engines.session import Session

sql = "SELECT epoch(CAST(TIMESTAMP '2026-01-01 00:00' AS TIMESTAMPTZ))"
with Session.opened([]) as session, session.beside() as other:
    print(session.count(sql), other.count(sql))
"""


def test_a_time_that_names_no_zone_is_utc_in_whatever_zone_the_machine_is() -> None:
    environment = {**os.environ, "TZ": "America/New_York", "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", _MIDNIGHT], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["1767225600"] * 2
