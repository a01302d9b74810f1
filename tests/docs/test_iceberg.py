"""What the page on one's own data says of Iceberg works with a table."""

import re
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contracts import load
from include.settings import ROOT
from tests import icebergs
from tests.docs.conftest import Clone
from tests.docs.test_buckets import day_of_flights


@pytest.mark.night
@pytest.mark.long
def test_a_contract_is_drafted_from_a_table_of_iceberg_as_the_page_says(clone: Clone) -> None:
    days = (datetime(2013, 1, 1), datetime(2013, 1, 2))  # noqa: DTZ001  # as stored
    rows = pa.concat_tables(pq.read_table(pa.BufferReader(day_of_flights(day))) for day in days)
    lake = icebergs.here(clone.home / "lake")
    lake.catalog.create_namespace("jetblue")
    lake.create(rows, "jetblue.flights")
    section = (ROOT / "docs" / "your-own-data.md").read_text().split("## Your data is in Iceberg")[1].split("\n## ")[0]
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    done = clone.bash(commands)
    assert done.returncode == 0, done.stdout
    made = clone.folder / "include" / "contracts" / "jetblue_lake.odcs.yaml"
    assert load(made).location == "iceberg://lake/jetblue.flights"
    (server,) = re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert server in made.read_text()
    made.unlink()
