"""Status and explain tell what is in force, in words."""

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from include.core.errors import StoreError
from include.core.events import PartitionsMade, StepFinished
from include.core.records import Partition
from include.ledger import Ledger
from include.settings import Settings
from include.store import Store
from tests.cli.conftest import Shop


def row_of(name: str, told: str) -> str:
    return next(line for line in told.splitlines() if f" {name} " in line)


def test_status_tells_a_contract_in_effect_from_one_that_was_edited_since(adopted: Shop) -> None:
    assert "in effect" in row_of("orders", adopted.call("status").stdout)
    file: Path = adopted.contracts / "orders.odcs.yaml"
    file.write_text(file.read_text().replace("restricted", "internal"))
    told = adopted.call("status").stdout
    assert "edited since its adoption" in row_of("orders", told)
    assert "contract orders: its file was edited, and nobody adopted the edit" in " ".join(told.split())


@pytest.mark.long
def test_status_tells_what_a_steward_holds_in_the_steward_s_words(adopted: Shop) -> None:
    words = ("hold", "add", "orders", "--as", "maria", "--reason", "a claim [bold]is[/bold] open")
    done = adopted.call(*words)
    assert done.returncode == 0, done.stderr
    assert "held: orders, by maria: a claim [bold]is[/bold] open" in adopted.call("status").stdout
    assert "[bold]is[/bold]" in adopted.call("hold", "list").stdout
    assert adopted.call("hold", "lift", "orders", "--as", "maria", "--reason", "settled").returncode == 0
    assert "held: orders" not in adopted.call("status").stdout
    assert "retention: 0 artifacts removed" in adopted.call("retention").stdout


def test_status_checks_the_ledger_row_by_row_and_tells_first_what_was_altered(adopted: Shop) -> None:
    assert "ledger: in order, and each event as it was sealed" in " ".join(adopted.call("status").stdout.split())
    with sa.create_engine(f"sqlite:///{adopted.folder}/home/ledger.db", poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_inbox_no_update")
        connection.exec_driver_sql("UPDATE ledger_inbox SET stream = 'run/x' WHERE id = 1")
    told = " ".join(adopted.call("status").stdout.split())
    assert "altered ledger: the trigger ledger_inbox_no_update is missing" in told
    assert "altered ledger: position 1 is not what was recorded; nothing is granted on it" in told


def test_status_names_the_champion_of_each_project_or_that_there_is_none(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    assert "none" in row_of("returns", adopted.call("status").stdout)


@pytest.mark.long
def test_status_tells_what_was_refused_until_it_is_asked_for_again(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    asked = adopted.call("run", "returns", "--instant", "2024-05-20")
    assert asked.returncode == 1
    request = next(word for word in adopted.call("status").stdout.split() if word.startswith("r-"))
    assert "refused" not in adopted.call("status").stdout
    refused = adopted.call("deny", request, "--as", "maria", "--reason", "ask [bold]support[/bold] first")
    assert refused.returncode == 0, refused.stderr
    told = adopted.call("status").stdout
    assert "refused, and not asked for again" in " ".join(told.split())
    assert request in row_of("returns", told)
    assert "[bold]" in told  # somebody's words, as they stand
    adopted.call("run", "returns", "--instant", "2024-05-20")
    assert "refused, and not" not in " ".join(adopted.call("status").stdout.split())


def test_status_tells_which_projects_are_broken_and_why_and_still_shows_the_others(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    (adopted.projects / "half").mkdir()
    (adopted.projects / "half" / "__init__.py").write_text("import undefined_name\n")
    done = adopted.call("status")
    assert done.returncode == 0, done.stderr
    assert "half (broken)" in done.stdout
    assert "broken half: project 'half' can be imported" in done.stdout
    assert "undefined_name" in done.stdout
    assert "none" in row_of("returns", done.stdout)


def test_status_tells_which_contract_is_broken_and_what_of_others_has_no_effect_and_still_shows_all(
    adopted: Shop,
) -> None:
    (adopted.contracts / "returns.odcs.yaml").write_text("name: [\n")
    document = yaml.safe_load((adopted.contracts / "orders.odcs.yaml").read_text())
    document["schema"][0]["name"] = "refunds"
    document["schema"][0]["properties"][0] |= {"classification": "pii", "precision": 18}
    text = f"contractCreatedTs: 2024-01-01T09:00:00Z\nsource: hub\n{yaml.safe_dump(document)}"
    (adopted.contracts / "refunds.odcs.yaml").write_text(text)
    done = adopted.call("status")
    assert done.returncode == 0, done.stderr
    assert "broken" in row_of("returns", done.stdout)
    assert "returns.odcs.yaml, line 2: a contract is valid YAML in UTF-8" in done.stdout
    assert "in effect" in row_of("orders", done.stdout)
    told = done.stdout
    assert "contract refunds: not understood, and of no effect: source, schema[0].properties[0].precision" in told
    assert (
        "contract refunds: ordered_at is classified as 'pii', which is no known word and counts as restricted" in told
    )
    refused = adopted.call("contract", "adopt", "returns", "--as", "newcomer")
    assert refused.returncode == 1
    assert "returns.odcs.yaml, line 2: a contract is valid YAML in UTF-8" in refused.stderr
    assert "token" not in refused.stderr


def test_a_night_or_a_score_of_the_future_is_refused_before_anything_is_asked(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    rows = str(adopted.orders / "part.parquet")
    for words in (("run", "returns"), ("score", "returns", rows)):
        done = adopted.call(*words, "--instant", "2999-01-01")
        assert done.returncode == 1
        assert "2999-01-01 00:00 UTC, and it is" in done.stderr
        assert "already stands for a day of that year" in done.stderr
    assert "r-" not in adopted.call("status").stdout


def test_explain_reads_no_data_and_shows_ranges_in_words(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    for file in adopted.folder.rglob("part.parquet"):
        file.write_bytes(b"")
    done = adopted.call("explain", "returns")
    assert done.returncode == 0, done.stderr
    assert "0.02 to 0.2, on a logarithmic scale" in done.stdout


def test_lineage_of_what_never_ran_is_refused_in_words(adopted: Shop) -> None:
    done = adopted.call("lineage", "returns")
    assert done.returncode == 1
    assert "lineage is drawn of a run that has recorded some" in done.stderr


def test_explain_warns_of_a_feature_that_reads_an_outcome_of_its_own_row(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    assert "warning" not in adopted.call("explain", "returns").stdout
    file = adopted.projects / "returns" / "features.py"
    text = file.read_text()
    assert "amount=" in text
    file.write_text(text.replace("amount=orders.amount", "amount=orders.returned.cast('int8')"))
    done = adopted.call("explain", "returns")
    assert done.returncode == 0, done.stderr
    assert "reads orders.returned of the very row" in done.stdout
    assert "known only at ordered_at + 1 day" in done.stdout


@pytest.mark.long
def test_status_names_datasets_that_were_adopted_for_the_same_files(adopted: Shop) -> None:
    document = yaml.safe_load((adopted.contracts / "orders.odcs.yaml").read_text())
    document["schema"][0]["name"] = "copies"
    (adopted.contracts / "copies.odcs.yaml").write_text(yaml.safe_dump(document))
    assert "files of one" not in adopted.call("status").stdout
    done = adopted.call("contract", "adopt", "copies", "--as", "maria")
    assert done.returncode == 0, done.stderr
    assert "contracts copies and orders: files of one are files of the other" in adopted.call("status").stdout


def test_status_names_what_was_altered_what_it_was_and_whether_it_was_made_again(adopted: Shop) -> None:
    assert "altered" not in adopted.call("status").stdout
    home = adopted.folder / "home"
    store = Store(home / "vault")
    ledger = Ledger.open(Settings.from_environment({"TRAINYARD_HOME": str(home)}).ledger)
    model, day = (store.put(data) for data in (b"a model", b"a day"))
    finished = StepFinished(project="returns", run_id="night", step="refit", attempt="1", inputs="i", output=model)
    part = Partition(table="orders", day=date(2024, 5, 2), inputs="i", content=day, rows=1, size_bytes=5, complete=True)
    ledger.record("run/returns/night", finished)
    ledger.record("partitions/returns", PartitionsMade(project="returns", run_id="night", partitions=(part,)))
    for digest in (model, day):
        path = store.path(digest)
        path.chmod(0o600)
        path.write_bytes(b"other")
        with pytest.raises(StoreError, match="altered"):
            store.get(digest)
    store.put(b"a day")
    told = adopted.call("status").stdout
    (of_model, of_day) = (line for line in told.splitlines() if line.startswith("altered "))
    assert model in of_model
    assert "by the step refit of returns, run night: set aside as altered/" in of_model
    assert of_model.endswith("missing until it is made again")
    assert "by orders of 2024-05-02, for returns, run night" in of_day
    assert of_day.endswith("made again since")
