"""The rights that docs/ops.md gives to whoever runs nights: enough to record, too few to change what is recorded."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.events import Event, LineageEmitted
from include.ledger import Fence, Ledger, lease
from include.ledger.delivery import deliver_to_file
from include.settings import ROOT

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def statements() -> list[str]:
    """What the page tells the owner of a ledger to say."""
    (block,) = re.findall(r"^```sql\n(.*?)^```$", (ROOT / "docs" / "ops.md").read_text(), re.MULTILINE | re.DOTALL)
    return [statement for statement in str(block).splitlines() if statement]


@pytest.fixture
def nightly_url(postgres_ledger_url: str) -> Iterator[str]:
    """The ledger's address for a role with these rights; another role made the ledger."""
    role = f"trainyard_{uuid.uuid4().hex}"  # roles are the server's, and the tests share one
    Ledger.open(postgres_ledger_url).close()
    owner = sa.create_engine(postgres_ledger_url, poolclass=sa.NullPool)
    with owner.begin() as connection:
        for statement in statements():
            connection.exec_driver_sql(re.sub(r"\btrainyard\b", role, statement))
    (password,) = re.findall(r"PASSWORD '(\w+)'", "\n".join(statements()))
    yield sa.make_url(postgres_ledger_url).set(username=role, password=password).render_as_string(hide_password=False)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")


def said(text: str) -> Event:
    return LineageEmitted(event=text)


@pytest.mark.postgres
def test_with_the_documented_rights_all_is_recorded_that_nights_stewards_and_deliveries_record(
    nightly_url: str, tmp_path: Path
) -> None:
    ledger = Ledger.open(nightly_url)
    taken = lease.take(ledger, "p", run_id="r", now=NOW, duration=timedelta(minutes=30))
    fence = Fence(project="p", token=taken.token)
    ledger.record("run/p/r", said("fact"), key="fact", fence=fence)
    assert ledger.append("run/p/r", [said("next")], expected_version=1) == 2
    ledger.receive("lineage", said("received"))
    ledger.receive("lineage", said("received"))
    assert [entry.event for entry in ledger.read("run/p/r")] == [said("fact"), said("next")]
    assert ledger.find("fact") is not None
    for count in (3, 0):
        assert deliver_to_file(ledger, tmp_path / "lineage.jsonl") == count
    lease.release(ledger, "p", run_id="r")
    assert len(ledger.read_all()) == 5
    ledger.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET stream = 'x'",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "DROP TRIGGER {}_append_only ON {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {} CASCADE",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    ],
)
def test_with_the_documented_rights_nothing_recorded_is_changed_removed_or_opened_to_change(
    nightly_url: str, change: str
) -> None:
    ledger = Ledger.open(nightly_url)
    ledger.record("run/p/r", said("kept"))
    before = ledger.read_all()
    engine = sa.create_engine(nightly_url, poolclass=sa.NullPool)
    for table in ("ledger_inbox", "ledger_log"):
        refused = pytest.raises(sa.exc.DBAPIError, match=r"permission denied|must be (owner|superuser)")
        with refused, engine.begin() as connection:
            connection.exec_driver_sql(change.replace("{}", table))
    assert ledger.read_all() == before
    ledger.close()
