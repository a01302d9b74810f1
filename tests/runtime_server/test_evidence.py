"""What stands beside a request: the project's code, compared with what a run began with, as it lies there now."""

import os
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from include.core.records import Run
from include.ledger import Ledger
from include.runtime.code import kept
from include.runtime.code.digest import code_digest
from include.runtime.server import evidence as room
from include.runtime.server.evidence import Evidence
from include.settings import ROOT, Settings
from include.store import Store


def run_of(code: str) -> Run:
    instant = datetime(2013, 9, 1, tzinfo=UTC)
    return Run(
        project="delays", run_id="night", instant=instant, code_digest=code, declaration_digest="sha256:d", fence=1
    )


def test_code_is_hashed_again_only_when_a_file_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projects = tmp_path / "projects"
    (projects / "delays").mkdir(parents=True)
    file = projects / "delays" / "project.py"
    file.write_text("A = 1\n")
    (projects / "delays" / "__init__.py").touch()
    hashed: list[str] = []

    def counted(include: Path, folder: Path, project: str) -> str:
        hashed.append(project)
        return code_digest(include, folder, project)

    monkeypatch.setattr(room, "code_digest", counted)
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    shown = Evidence(ledger=ledger, store=Store(str(tmp_path / "store")), projects=projects)
    run = run_of(code_digest(ROOT / "include", projects, "delays"))
    assert [shown.code("delays", run).begun_with for _ in range(3)] == [True] * 3
    assert hashed == ["delays"]
    before = file.stat()
    file.write_text("A = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # of the same size, and said to be as old
    assert shown.code("delays", run).begun_with is False
    assert hashed == ["delays"] * 2


def test_the_code_of_a_run_is_shown_as_the_run_began_with_it_whatever_lies_here_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And still nothing that a link led to, which only those who run the project may read."""
    projects, secret = tmp_path / "projects", tmp_path / "pseudonym.key"
    (projects / "delays").mkdir(parents=True)
    file = projects / "delays" / "__init__.py"
    file.write_text("A = 1\n")
    secret.write_text("KEPT-FROM-STEWARDS")
    (projects / "delays" / "linked.py").symlink_to(secret)
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path), "TRAINYARD_PROJECTS": str(projects)})
    ledger, code = Ledger.open(settings.ledger), code_digest(ROOT / "include", projects, "delays")
    kept.keep(settings, ledger, "delays", code)
    file.write_text("A = 0\n")
    of_before = code_digest(ROOT / "include", projects, "delays")
    with monkeypatch.context() as an_earlier_release:
        an_earlier_release.setattr(kept, "OWN", 0o644)
        kept.keep(settings, ledger, "delays", of_before)
    unpack = partial(kept.unpack, settings, ledger)
    shown = Evidence(ledger=ledger, store=Store(str(tmp_path / "store")), projects=projects, unpack=unpack)
    assert not shown.code("delays", run_of(of_before)).copied

    def of_then() -> dict[str, str]:
        found = shown.code("delays", run_of(code))
        assert (found.begun_with, found.copied) == (True, True)
        return {file.name: file.text for file in found.files}

    file.write_text("A = 2\n")
    withheld = "(what a link led to, 18 bytes: it counts, and is not shown)"
    assert of_then() == {"__init__.py": "A = 1\n", "linked.py": withheld}
    assert not shown.code("delays", run_of(of_before)).copied, "that copy does not say what in it a link led to"
    shutil.rmtree(projects / "delays")
    assert of_then()["__init__.py"] == "A = 1\n", "the project is here no more"
    of_another = shown.code("delays", run_of("sha256:of which there is no copy"))
    assert (of_another.files, of_another.copied) == ((), False)


def test_all_that_counts_of_a_project_is_named_and_its_texts_are_shown(tmp_path: Path) -> None:
    folder, secret = tmp_path / "projects" / "delays", tmp_path / "authority.key"
    (folder / "deep").mkdir(parents=True)
    for name, data in {"__init__.py": b"A = 1\n", "deep/rates.csv": b"1,2\n", "model.bin": b"\0\1\2"}.items():
        (folder / name).write_bytes(data)
    secret.write_text("KEPT-BY-ANOTHER")
    (folder / "linked.py").symlink_to(secret)
    (folder / "same.csv").symlink_to("deep/rates.csv")
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    shown = Evidence(ledger=ledger, store=Store(str(tmp_path / "store")), projects=tmp_path / "projects")
    texts = {file.name: file.text for file in shown.code("delays", None).files}
    assert texts == {
        "__init__.py": "A = 1\n",
        "deep/rates.csv": "1,2\n",
        "linked.py": f"(a link to {secret}, 15 bytes: its content counts, and is not shown)",
        "model.bin": "(no text, 3 bytes: they count)",
        "same.csv": "1,2\n",
    }
