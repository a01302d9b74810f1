"""README, CONTRIBUTING and the pages under docs name what there is: settings, commands, laws' tests, files, links."""

import re
import tomllib
from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

from include import __version__
from include.cli.__main__ import app
from include.core import errors, project
from include.core.errors import TrainyardError
from include.projects.flight_delay import PROJECT
from include.settings import KNOWN, ROOT

PAGES = {path.name: path.read_text() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))}


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(TRAINYARD_\w+)` \|", PAGES["settings.md"], re.MULTILINE))
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    for_tests = {name for text in sources for name in re.findall(r'environ[^"\n]*"(TRAINYARD_TEST_\w+)"', text)}
    assert documented == KNOWN | for_tests


def test_every_command_is_documented() -> None:
    group = typer.main.get_command(app)
    rows = "\n".join(line for line in PAGES["commands.md"].splitlines() if line.startswith("| `"))
    missing = [name for name in group.commands if not re.search(rf"`{name}\b", rows)]  # type: ignore[attr-defined]
    assert not missing


def test_every_path_that_a_document_names_is_there() -> None:
    named: set[str] = set()
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        text = document.read_text()
        links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
        named |= {str((document.parent / link).resolve().relative_to(ROOT)) for link in links}
        named |= set(re.findall(r"`((?:include|tests|notebooks|benchmarks|config|dags|docs)/[\w./-]+\.\w+)`", text))
    # Written by the commands of the pages.
    named -= {"benchmarks/night.json", "tests/projects/test_late_jetblue.py", "include/contracts/jetblue.odcs.yaml"}
    assert named
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_ops_are_told_what_to_do_about_every_error_that_no_repetition_heals() -> None:
    rows = (ROOT / "docs" / "ops.md").read_text().split("## When a night stops")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in rows.splitlines() if "|" in line)))
    ours = (kind for kind in vars(errors).values() if isinstance(kind, type) and TrainyardError in kind.__bases__)
    lasting = {kind.__name__ for kind in ours if not kind.retry_heals}
    assert lasting <= named


def test_every_law_names_its_tests() -> None:
    laws = PAGES["architecture.md"].split("## Laws, and the tests that state them")[1].split("\n## ")[0]
    assert all("`tests/" in law for law in re.split(r"^\d\. ", laws, flags=re.MULTILINE)[1:])


def test_every_link_to_a_heading_of_a_page_finds_it() -> None:
    for name, text in PAGES.items():
        for page, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", text):
            target = PAGES[page.rpartition("/")[2] or name]
            headings = {
                re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                for heading in re.findall(r"^#+ (.+)$", target, re.MULTILINE)
            }
            assert anchor in headings, (name, page, anchor)


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 120


def test_what_the_readme_declares_is_a_project() -> None:
    (declared,) = re.findall(r"^```python\n(.*?)^```$", PAGES["README.md"], re.MULTILINE | re.DOTALL)
    stubs = {name: lambda table: table for name in ("population", "label", "known")}
    names = {**{name: getattr(project, name) for name in dir(project)}, **stubs, "KEY": ("flight",)}
    exec(declared, names)  # noqa: S102  # our own page
    assert isinstance(names["PROJECT"], project.Project)


def test_every_field_that_a_project_declares_is_documented_in_its_group() -> None:
    table = PAGES["data-scientist.md"].split("## What you declare")[1].split("\n## ")[0]
    documented: dict[str, set[str]] = {}
    for group, names in re.findall(r"^\| (?:`(\w+)`)? ?\| ([^|]+) \|", table, re.MULTILINE):
        group = group or list(documented)[-1]
        documented.setdefault(group, set()).update(re.findall(r"`(\w+)`", names))
    declared = {each.name: {part.name for part in fields(getattr(PROJECT, each.name))} for each in fields(PROJECT)[1:]}
    assert documented == declared


def _additions() -> dict[str, set[str]]:
    """The files that each row of CONTRIBUTING names, by what is added."""
    rows = re.findall(r"^\| ((?:an?) [^|]+) \| (.+) \|$", PAGES["CONTRIBUTING.md"], re.MULTILINE)
    return {
        added: set(re.findall(r"`([\w./-]+\.(?:py|md|ipynb|toml|txt|Dockerfile))`", files)) for added, files in rows
    }


@pytest.mark.parametrize("added", _additions())
def test_what_to_change_to_add_something_is_named_and_is_at_most_six_files(added: str) -> None:
    named = _additions()[added]
    assert 1 <= len(named) <= 6
    assert not [path for path in named if not (ROOT / path).exists()]


#: What stands behind each port already: its own files, and how others would name it.
BEHIND_PORTS = {
    "a source": ("include/data/sources/bucket.py", r"DayPrefix|sources\.bucket|bucket_of"),
    "an engine": ("include/engines/duckdb_engine.py", r"duckdb_engine|DuckDBEngine"),
    "a learner": ("include/learner/linear/", r"LinearModels|learner\.linear"),
    "an executor": ("include/runtime/trainers/pods.py", r"PodTrainer|trainers\.pods"),
}


@pytest.mark.parametrize("added", BEHIND_PORTS)
def test_what_stands_behind_a_port_is_named_in_the_files_that_one_more_would_change_and_in_no_other(added: str) -> None:
    own, names = BEHIND_PORTS[added]
    rooms = ("include", "plugins", "dags", "config")
    files = {str(path.relative_to(ROOT)): path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py")}
    found = {name for name, text in files.items() if re.search(names, text) and not name.startswith(own)}
    assert found
    assert found <= _additions()[added]


def test_the_version_is_shown_and_is_that_of_the_package_and_of_the_newest_release() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (newest, *_) = re.findall(r"^## (\d+\.\d+\.\d+)$", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert CliRunner().invoke(app, ["--version"]).stdout == f"trainyard {__version__}\n"
    assert __version__ == package == newest
