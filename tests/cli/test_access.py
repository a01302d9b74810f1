"""`access`: what the page shows and decides, from the command line."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Shop
from tests.forked import Forking


@pytest.fixture(scope="module")
def asked_once(adopted_once: Path, tmp_path_factory: pytest.TempPathFactory, forking: Forking) -> tuple[Path, str]:
    """A shop with a project whose first night was refused, to be copied; its request's id."""
    folder = tmp_path_factory.mktemp("asked")
    shutil.copytree(adopted_once, folder, dirs_exist_ok=True)
    shop = Shop(folder=folder, forking=forking)
    words = ("--dataset", "orders", "--label", "returned", "--purpose", "Order replacements.", "--owner", "logistics")
    assert shop.call("new", "returns", *words).returncode == 0
    night = shop.call("run", "returns", "--instant", "2024-05-21")
    assert night.returncode == 1
    found = re.search(r"request (r-[0-9a-f]{16}) waits for a decision", night.stderr)
    assert found, night.stderr
    return folder, found[1]


@pytest.fixture
def shop(asked_once: tuple[Path, str], tmp_path: Path, forking: Forking) -> Shop:
    shutil.copytree(asked_once[0], tmp_path, dirs_exist_ok=True)
    return Shop(folder=tmp_path, forking=forking)


@pytest.fixture
def asking(asked_once: tuple[Path, str]) -> str:
    return asked_once[1]


def said(shop: Shop, *words: str) -> str:
    done = shop.call("access", *words, "--as", "maria")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_request_is_listed_shown_denied_asked_again_approved_revoked_and_remembered(shop: Shop, asking: str) -> None:
    assert asking in said(shop, "list")
    shown = said(shop, "show", asking)
    assert "Order replacements." in shown
    assert "amount" in shown
    assert "refused by" not in shown, "what the names of before say as well, for programs"
    assert asking in said(shop, "deny", asking, "--reason", "Not yet, see [/jira-7]")
    again = shop.call("run", "returns", "--instant", "2024-05-21")
    assert again.returncode == 1
    granted = re.search(r"g-[0-9a-f]{16}", said(shop, "approve", "--reason", "Agreed", "--days", "9"))
    assert granted
    assert json.loads(said(shop, "show", granted[0], "--json"))["reason"] == "Agreed"
    assert [one["grant_id"] for one in json.loads(said(shop, "list", "--json"))["grants"]] == [granted[0]]
    assert granted[0] in said(shop, "revoke", granted[0], "--reason", "Enough")
    lines = json.loads(said(shop, "history", "--json"))
    acts = [(line["act"], line["who"], line["reason"]) for line in lines if line["project"] == "returns"]
    assert acts == [
        ("revoked", "maria", "Enough"),
        ("granted", "maria", "Agreed"),
        ("requested", "dana", "Order replacements."),
        ("denied", "maria", "Not yet, see [/jira-7]"),
        ("requested", "dana", "Order replacements."),
    ]
    assert "[/jira-7]" in said(shop, "history", "--project", "returns")


def test_what_is_not_there_is_named(shop: Shop, asking: str) -> None:
    for words in (("show", "r-none"), ("show", "g-none"), ("deny", "r-none", "--reason", "x")):
        done = shop.call("access", *words, "--as", "maria")
        assert done.returncode == 1
        assert words[1] in done.stderr


def test_the_words_of_before_go_on_working(shop: Shop, asking: str) -> None:
    assert asking in shop.call("approve", "--as", "maria").stdout
    assert shop.call("approve", "--as", "maria").stdout.startswith("nothing waits for maria")


@pytest.mark.long
def test_impact_names_what_stands_on_a_dataset_and_on_a_grant(shop: Shop, asking: str) -> None:
    found = json.loads(shop.call("impact", "orders", "--json").stdout)
    assert (found["projects"], found["versions"], found["grants"]) == (["returns"], [], [])
    assert "orders.amount" in found["columns"]
    grant = re.search(r"g-[0-9a-f]{16}", said(shop, "approve", asking, "--reason", "Agreed", "--days", "9"))
    assert grant
    told = shop.call("impact", grant[0])
    assert told.returncode == 0, told.stderr
    assert "champions in force:  none" in told.stdout
    assert "projects:            returns" in told.stdout
    revoked = said(shop, "revoke", grant[0], "--reason", "Poisoned", "--kind", "quarantine")
    assert f"revoked {grant[0]} (quarantine)" in revoked
    assert "lifted the quarantine" in said(shop, "lift", grant[0], "--reason", "All is well")
    unknown = shop.call("impact", "nothing")
    assert unknown.returncode == 1
    assert "UnknownId" in unknown.stderr
