"""The README names what there is: settings, commands, laws' tests, links, and the benchmark's keys."""

import re

import typer

from include.cli.__main__ import app
from include.core import errors
from include.core.errors import TrainyardError
from include.settings import KNOWN, ROOT

README = (ROOT / "README.md").read_text()


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(TRAINYARD_\w+)` \|", README, re.MULTILINE))
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    for_tests = {name for text in sources for name in re.findall(r'environ[^"\n]*"(TRAINYARD_TEST_\w+)"', text)}
    assert documented == KNOWN | for_tests


def test_every_command_is_documented() -> None:
    group = typer.main.get_command(app)
    rows = "\n".join(line for line in README.splitlines() if line.startswith("| `"))
    missing = [name for name in group.commands if not re.search(rf"`{name}\b", rows)]  # type: ignore[attr-defined]
    assert not missing


def test_every_path_that_a_document_names_is_there() -> None:
    named: set[str] = set()
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text()
        links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
        named |= {str((document.parent / link).resolve().relative_to(ROOT)) for link in links}
        named |= set(re.findall(r"`((?:tests|notebooks|benchmarks|config|dags|docs)/[\w./-]+\.\w+)`", text))
    named -= {"benchmarks/night.json", "tests/projects/test_late_jetblue.py"}  # written by what the text tells to run
    assert named
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_ops_are_told_what_to_do_about_every_error_that_no_repetition_heals() -> None:
    rows = (ROOT / "docs" / "ops.md").read_text().split("## When a night stops")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in rows.splitlines() if "|" in line)))
    ours = (kind for kind in vars(errors).values() if isinstance(kind, type) and TrainyardError in kind.__bases__)
    lasting = {kind.__name__ for kind in ours if not kind.retry_heals}
    assert lasting <= named


def test_every_law_names_its_tests() -> None:
    laws = README.split("### Laws, and the tests that state them")[1].split("###")[0]
    assert all("`tests/" in law for law in re.split(r"^\d\. ", laws, flags=re.MULTILINE)[1:])
