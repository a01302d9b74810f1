"""What the page on one's own data says of PostgreSQL works on one."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from include.contracts import load
from include.settings import ROOT
from tests.data.tables import PASSWORD, database
from tests.docs.conftest import Clone


@pytest.mark.night
@pytest.mark.long
def test_a_contract_is_drafted_from_a_table_as_the_page_says(clone: Clone, postgres_url: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-own-data.md").read_text()
    section = page.split("## Your data is in PostgreSQL")[1].split("\n## ")[0]
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (server,) = re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    with database(postgres_url, tmp_path) as there:
        there.run(
            "CREATE TABLE jetblue AS SELECT '2013-01-01'::timestamptz + n * interval '1 hour' AS departs_at, "
            "n AS flight, n / 7.0 AS distance, n % 9 AS departure_delay, n % 7 AS arrival_delay "
            "FROM generate_series(1, 60) n",
            "GRANT SELECT ON jetblue TO READER",
        )
        where = {"db.example.com:5432": f"{quote(there.host, safe='')}:{there.port}"}
        named = {"db.example.com": there.host, "port: 5432": f"port: {there.port}", '"shop"': f'"{there.url.database}"'}
        more = {"/shop/": f"/{there.url.database}/", "trainyard_reader": there.role, "$READER_PASSWORD": PASSWORD}
        for text, ours in {**where, **named, **more}.items():
            commands, server = commands.replace(text, ours), server.replace(text, ours)
        done = clone.bash(commands)
        assert done.returncode == 0, done.stdout
        assert PASSWORD not in done.stdout
        made = clone.folder / "include" / "contracts" / "departures.odcs.yaml"
        assert load(made).location == there.address("jetblue")
        assert server in made.read_text()
        made.unlink()
