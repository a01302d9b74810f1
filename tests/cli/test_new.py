"""A scaffold is a good start: formatted, tested, fitted to the history, and honest about what it cannot know."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator

import ibis
import pyarrow as pa
import pytest

from include.cli import contract, explain, scaffold
from include.core.errors import DeclarationError
from include.settings import ROOT
from tests.cli.conftest import NewContract, Shop, orders

STEWARD = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned", "--outcome", "amount")
WORDS = ("--purpose", "Order replacements before returns arrive.", "--owner", "logistics")


def new(shop: Shop, *words: str, label: str = "returned") -> "subprocess.CompletedProcess[str]":
    return shop.call("new", "returns", "--dataset", "orders", "--label", label, *(words or WORDS))


def python(shop: Shop, *words: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{shop.folder}", "TRAINYARD_CONTRACTS": str(shop.contracts)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=shop.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check(shop: Shop) -> None:
    """The scaffold's tests pass, and it is written as the house writes."""
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    written = ("projects/returns", "tests/test_returns.py")
    python(shop, "ruff", "format", "--check", *config, *written)
    python(shop, "ruff", "check", *config, "--ignore", "I001", *written)  # imports are sorted for the house's folder
    python(shop, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_returns.py")


@pytest.mark.long
def test_a_scaffold_s_tests_pass_at_once_and_it_is_formatted(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*STEWARD)
    done = new(shop)
    assert done.returncode == 0, done.stderr
    assert "run returns --instant 2024-05-21" in done.stdout
    check(shop)
    explained = shop.call("explain", "returns")
    assert explained.returncode == 0, explained.stderr
    assert "Order replacements before returns arrive." in explained.stdout
    assert "(UTC)" in explained.stdout, "the zone of its schedule"


@pytest.mark.long
def test_a_yes_no_question_about_a_number_and_a_number_itself_can_be_predicted(
    shop: Shop, new_contract: NewContract
) -> None:
    new_contract(*STEWARD)
    assert new(shop, *WORDS, "--at", "3", label="amount").returncode == 0
    check(shop)
    assert "Objective.BINARY" in (shop.projects / "returns" / "__init__.py").read_text()


@pytest.mark.parametrize(
    "purpose", ['Say "no" to \\ and {braces}', 'the "firm\'s" purpose', "a sentence that goes on, " * 12]
)
def test_any_names_and_any_sentence_make_python(shop: Shop, new_contract: NewContract, purpose: str) -> None:
    odd = ["ordered_at", "the count", "amount", "returned"]
    shop.write(orders(20).rename_columns(odd).append_column("schema", pa.array(["a"] * 80)))
    new_contract(*STEWARD)
    done = new(shop, "--purpose", purpose, "--owner", "o'hara")
    assert done.returncode == 0, done.stderr
    check(shop)


@pytest.fixture
def scaffolded(here: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The features of a project for *label* of *table*, of which all but it is known in time."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(table: pa.Table, label: str, at: float | None = None, dataset: str = "orders") -> str:
        here.write(table)
        outcomes = [name for name in table.column_names if name in ("returned", "status", "a=status")]
        contract.new(dataset, str(here.orders), steward=["maria"], time="ordered_at", outcome=outcomes)
        scaffold.new("returns", dataset=dataset, label=label, purpose="A reason.", owner="logistics", at=at)
        return (here.projects / "returns" / "features.py").read_text()

    yield call
    for name in [name for name in sys.modules if name.partition(".")[0] == "projects"]:
        del sys.modules[name]


def test_a_text_is_a_label_by_what_counts_as_yes_and_null_where_it_is_null(
    shop: Shop, scaffolded: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = pa.array(["YES", "NO", None, 'it\'s "Yes"'] * 20)
    scaffolded(orders(20).append_column("a=status", status), "a=status=YES")
    assert "Objective.BINARY" in (shop.projects / "returns" / "__init__.py").read_text()
    written = runpy.run_path(str(shop.projects / "returns" / "features.py"))
    asked = ibis.memtable({"ordered_at": [1, 2, 3, 4], "a=status": ["YES", "NO", None, "yes"]})
    assert written["label"](asked).order_by("ordered_at").to_pyarrow()["label"].to_pylist() == [1, 0, None, 0]
    explain.explain("returns")
    assert "a=status" in capsys.readouterr().out


@pytest.mark.parametrize("dataset", ["asked", "outcome", "yes", "moment"])
def test_a_dataset_may_be_called_what_the_scaffold_s_functions_hold(
    scaffolded: Callable[..., str], dataset: str
) -> None:
    scaffolded(orders(20).append_column("status", pa.array(["YES", "NO"] * 40)), "status=YES", dataset=dataset)
    explain.explain("returns")


@pytest.mark.parametrize(
    ("label", "at", "words"),
    [
        ("status", None, "--label status=YES"),
        ("returned=True", None, "--label returned"),
        ("status=YES", 3.0, "--at is for numbers"),
        ("stats=YES", None, "'amount', 'returned'"),
    ],
)
def test_a_label_that_says_too_much_or_too_little_is_refused_with_what_to_write(
    scaffolded: Callable[..., str], label: str, at: float | None, words: str
) -> None:
    table = orders(20).append_column("status", pa.array(["YES", "NO"] * 40))
    with pytest.raises(DeclarationError, match=words):
        scaffolded(table, label, at)


def test_what_identifies_a_row_is_not_proposed_as_a_feature(
    scaffolded: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = orders(20).append_column("id", pa.array(range(80))).append_column("serial_no", pa.array(range(80, 160)))
    text = scaffolded(table, "returned")
    assert "amount=orders.amount" in text
    assert "serial_no" not in text
    assert "identify rows, of which nothing can be learnt: id, serial_no" in capsys.readouterr().out


def test_what_identifies_a_row_nobody_is_asked_to_classify_as_a_category(
    scaffolded: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = orders(20).append_column("serial_no", pa.array([f"S{row}" for row in range(80)]))
    scaffolded(table, "returned")
    said = capsys.readouterr().out
    assert "nothing can be learnt" in said
    assert "serial_no" in said.partition("nothing can be learnt")[2]
    assert "serial_no" not in said.partition("restricts them")[2].partition("; have a steward")[0]


def test_the_window_fits_a_short_history_and_says_so(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*STEWARD)
    new(shop)
    text = (shop.projects / "returns" / "__init__.py").read_text()
    assert "Window(days=18, validation_days=2, holdout_days=4)" in text
    assert "20 days of history" in text
    assert "`minimum_days`" in text


def test_a_history_that_is_too_short_is_refused(shop: Shop, new_contract: NewContract) -> None:
    shop.write(orders(9))
    new_contract(*STEWARD)
    done = new(shop)
    assert done.returncode == 1
    assert "at least 10 days" in done.stderr


def test_a_label_that_is_known_in_time_is_refused(shop: Shop, new_contract: NewContract) -> None:
    new_contract("--time", "ordered_at", "--steward", "maria")
    done = new(shop)
    assert done.returncode == 1
    assert "knownAt" in done.stderr


def test_purpose_and_owner_are_asked_for_and_never_made_up(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*STEWARD)
    done = new(shop, "--owner", "logistics")
    assert done.returncode == 1
    assert not list(shop.projects.iterdir())


def test_a_project_is_never_overwritten(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*STEWARD)
    new(shop)
    before = (shop.projects / "returns" / "features.py").read_text()
    assert new(shop).returncode == 1
    assert (shop.projects / "returns" / "features.py").read_text() == before


def test_a_name_that_python_could_not_import_is_refused(shop: Shop, new_contract: NewContract) -> None:
    new_contract(*STEWARD)
    for name in ("Returns", "my-returns", "class"):
        done = shop.call("new", name, "--dataset", "orders", "--label", "returned", *WORDS)
        assert (done.returncode, name in done.stderr) == (1, True)
