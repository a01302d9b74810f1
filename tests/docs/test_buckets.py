"""What the page on one's own data says of buckets works in one."""

import os
import re
from datetime import datetime, timedelta
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contracts import load
from include.settings import ROOT
from tests import buckets
from tests.docs.conftest import Clone

TYPES = {"flight": pa.int64(), "distance": pa.float64(), "departure_delay": pa.float64(), "arrival_delay": pa.float64()}


def day_of_flights(day: datetime) -> bytes:
    rows = range(30)
    table = {"departs_at": pa.array([day + timedelta(minutes=row) for row in rows], pa.timestamp("us"))}
    numbers = {name: pa.array(rows, kind) for name, kind in TYPES.items()}
    sink = BytesIO()
    pq.write_table(pa.table({**table, **numbers}), sink)
    return sink.getvalue()


@pytest.mark.night
@pytest.mark.long
def test_a_contract_is_drafted_from_a_bucket_as_the_page_says(clone: Clone, s3_bucket: str) -> None:
    bucket = s3_bucket.removeprefix("s3://")
    for day in (datetime(2013, 1, 1), datetime(2013, 1, 2)):  # noqa: DTZ001  # as stored
        key = f"jetblue/day={day:%Y-%m-%d}/part.parquet"
        buckets.client().put_object(Bucket=bucket, Key=key, Body=day_of_flights(day))
    section = (ROOT / "docs" / "your-own-data.md").read_text().split("## Your data is in S3")[1].split("\n## ")[0]
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    done = clone.bash(commands.replace("my-lake", bucket))
    assert done.returncode == 0, done.stdout
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in done.stdout
    made = clone.folder / "include" / "contracts" / "lake.odcs.yaml"
    assert load(made).location == f"{s3_bucket}/jetblue"
    (server,) = re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert server.replace("my-lake", bucket) in made.read_text()
    made.unlink()
