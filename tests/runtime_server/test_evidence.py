"""What stands beside a request: the project's code, compared with what a run began with, as it lies there now."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.core.records import Run
from include.ledger import Ledger
from include.runtime.code.digest import code_digest
from include.runtime.server.pages import evidence as room
from include.runtime.server.pages.evidence import Evidence
from include.settings import ROOT
from include.store import Store


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
    run = Run(
        project="delays",
        run_id="night",
        instant=datetime(2013, 9, 1, tzinfo=UTC),
        code_digest=code_digest(ROOT / "include", projects, "delays"),
        declaration_digest="sha256:d",
        fence=1,
    )
    assert [shown.code("delays", run).begun_with for _ in range(3)] == [True] * 3
    assert hashed == ["delays"]
    before = file.stat()
    file.write_text("A = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # of the same size, and said to be as old
    assert shown.code("delays", run).begun_with is False
    assert hashed == ["delays"] * 2


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
