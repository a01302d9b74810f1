"""On a ledger that was altered behind its triggers nothing is granted; what takes something away still counts."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from include.core.errors import AuthorityError
from tests.governance.conftest import NOW, STEWARD, House


def alter(house: House, *changes: str) -> None:
    house.ledger.close()
    engine = sa.create_engine(f"sqlite:///{house.folder / 'ledger.db'}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        made = dict(connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all())
        for change in changes:
            connection.exec_driver_sql(change.format(**made))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["DROP TRIGGER ledger_log_no_delete"], "the trigger ledger_log_no_delete is missing"),
        (["DROP TRIGGER ledger_log_no_delete", "DELETE FROM ledger_log WHERE position = 2"], "positions have a gap"),
        (
            [
                "DROP TRIGGER ledger_inbox_no_update",
                "UPDATE ledger_inbox SET stream = 'run/x' WHERE id = 1",
                "{ledger_inbox_no_update}",
            ],
            "position 1 is not what was recorded",
        ),
    ],
)
def test_nothing_is_granted_adopted_or_lifted_on_an_altered_ledger_and_much_is_still_ended(
    house: House, changes: list[str], told: str
) -> None:
    scope = house.scope("planes")
    (grant_id,) = house.granted(scope)
    (first, second) = (house.access.request(house.scope("weather"), requester="ada", now=NOW)[0] for _ in range(2))
    file = house.folder / "contracts" / "weather.odcs.yaml"
    before = house.access.adopted("weather")
    alter(house, *changes)
    allowing: list[Callable[[], object]] = [
        lambda: house.authority.grant(first, user=STEWARD, reason="Agreed", days=30, now=NOW),
        lambda: (
            file.write_text(file.read_text() + "# edited\n"),
            house.authority.adopt("weather", user=STEWARD),
        ),
    ]
    for decide in allowing:
        with pytest.raises(AuthorityError, match=f"nothing is granted on a ledger that was altered.*{told}"):
            decide()
    assert house.access.adopted("weather") == before
    house.authority.deny(second, user=STEWARD, reason="No")
    house.authority.revoke(grant_id, user=STEWARD, reason="Enough")
    assert house.access.grants(now=datetime.now(UTC)) == ()
