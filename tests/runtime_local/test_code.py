"""What the digest of a project's code stands for: all files of its folder, and what Python runs before them."""

import hashlib
import os
from pathlib import Path

import pytest

from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.runtime.code.digest import code_digest


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """A project whose folder holds nothing but code, as those did that ran before all of its files counted."""
    _write(tmp_path / "include", {"projects/__init__.py": '"""Projects."""\n', "projects/p/__init__.py": "1"})
    _write(tmp_path / "include", {"projects/p/deep/query.sql": "2", "data/a.py": "1"})
    return tmp_path / "include" / "projects"


def test_the_digest_of_a_folder_of_code_alone_is_what_it_was(projects: Path) -> None:
    names = {"data/a.py": b"1", "p/__init__.py": b"1", "p/deep/query.sql": b"2"}
    before = record_digest([(name, hashlib.sha256(data).hexdigest()) for name, data in names.items()])
    (projects / "p" / "empty").mkdir()
    assert code_digest(projects.parent, projects, "p") == before


@pytest.mark.parametrize(
    "name",
    ["p/rates.csv", "p/deep/er/model.bin", "p/gone.pyc", "p/__pycache__/gone.cpython-311.pyc", "p/.hidden", "p/x.so"],
)
def test_every_file_of_the_projects_folder_counts_by_name_and_content(name: str, projects: Path) -> None:
    digests = [code_digest(projects.parent, projects, "p")]
    for text in ("1", "2"):
        _write(projects, {name: text})
        digests.append(code_digest(projects.parent, projects, "p"))
    (projects / name).rename(projects / f"{name}.moved")
    digests.append(code_digest(projects.parent, projects, "p"))
    assert len(set(digests)) == 4


def test_what_python_keeps_compiled_of_a_source_that_is_there_does_not_count(projects: Path) -> None:
    first = code_digest(projects.parent, projects, "p")
    _write(projects, {"p/__pycache__/__init__.cpython-311.pyc": "1", "p/__pycache__/__init__.cpython-311.pyc.17": "1"})
    assert code_digest(projects.parent, projects, "p") == first


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_counts_as_what_it_leads_to(kind: str, projects: Path, tmp_path: Path) -> None:
    _write(tmp_path, {"elsewhere/rates.csv": "1"})
    target = tmp_path / "elsewhere" / ("rates.csv" if kind == "file" else "")
    (projects / "p" / "linked").symlink_to(target)
    first = code_digest(projects.parent, projects, "p")
    _write(tmp_path, {"elsewhere/rates.csv": "2"})
    linked = code_digest(projects.parent, projects, "p")
    assert linked != first
    (projects / "p" / "linked").unlink()
    _write(projects, {"p/linked" if kind == "file" else "p/linked/rates.csv": "2"})
    assert code_digest(projects.parent, projects, "p") == linked


@pytest.mark.parametrize("kind", ["nowhere", "circle", "pipe"])
def test_what_is_no_file_is_refused_by_its_place(kind: str, projects: Path) -> None:
    odd = projects / "p" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("gone" if kind == "nowhere" else projects / "p")
    with pytest.raises(DeclarationError, match=r"files, folders, and links to them; found: .*/p/odd"):
        code_digest(projects.parent, projects, "p")


def test_a_package_that_projects_lie_in_counts_if_it_does_anything(tmp_path: Path) -> None:
    _write(tmp_path, {"include/data/a.py": "1", "own/__init__.py": "", "own/projects/__init__.py": '"""Ours."""\n'})
    _write(tmp_path, {"own/projects/p/__init__.py": "1"})
    include, projects = tmp_path / "include", tmp_path / "own" / "projects"
    digests = [code_digest(include, projects, "p")]
    for name in ("own/projects/__init__.py", "own/__init__.py"):
        _write(tmp_path, {name: "A = 1\n"})
        digests.append(code_digest(include, projects, "p"))
    assert len(set(digests)) == 3
