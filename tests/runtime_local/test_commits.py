"""A project's commit is told where its folder lies in a git checkout, and whether that is all of its code."""

import shutil
import subprocess
from pathlib import Path

import pytest

from include.registry.mlflow_nights import Commit
from include.runtime.code.commits import commit_of


def git(folder: Path, *words: str) -> str:
    as_somebody = ["-c", "user.name=dana", "-c", "user.email=dana@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *as_somebody, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_of_a_project_is_that_of_its_folders_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "projects" / "p"
    project.mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_of(project) is None
    git(tmp_path, "init", "-q")
    assert commit_of(project) is None, "nothing is committed yet"
    (project / "__init__.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Declare it")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "elsewhere").write_text("of no project")
    assert commit_of(project) == Commit(digest=head, changed=False)
    (project / "rates.csv").write_text("2")
    assert commit_of(project) == Commit(digest=head, changed=True)
    copy = tmp_path / "home" / "p"
    shutil.copytree(project, copy)
    assert commit_of(copy) is None, "it lies in the checkout, and is not of it"
    (tmp_path / ".gitignore").write_text("home")
    assert commit_of(copy) is None
    monkeypatch.setenv("PATH", "")
    assert commit_of(project) is None
