import sys
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.runtime.code.projects import load_anew, load_project, project_names
from tests.runtime.test_imports import PROJECT

HOUSE = Path(__file__).resolve().parents[2] / "include" / "projects"


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable folder of projects, its package's name used by no other test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / f"declared_{abs(hash(request.node.nodeid))}"
    package.mkdir()
    (package / "__init__.py").touch()
    return package


def _declare(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code, encoding="utf-8")


def test_the_house_declares_two_projects_each_called_like_its_folder() -> None:
    assert project_names(HOUSE) == ("flight_delay", "temperature_tomorrow")
    for name in project_names(HOUSE):
        assert load_project(name, HOUSE).name == name


def test_only_the_named_project_is_imported(folder: Path) -> None:
    _declare(folder, "good", PROJECT.replace('"mine"', '"good"'))
    _declare(folder, "broken", "raise RuntimeError('at import')")
    assert project_names(folder) == ("broken", "good")
    assert load_project("good", folder).name == "good"
    assert f"{folder.name}.broken" not in sys.modules


def test_a_project_that_was_edited_is_loaded_anew_with_its_modules(folder: Path) -> None:
    code = PROJECT.replace('"mine"', '"edited"')
    _declare(folder, "edited", f"from {folder.name}.edited.years import SINCE\n{code}")
    (folder / "edited" / "years.py").write_text("SINCE = 2013\n")
    first = load_project("edited", folder)
    (folder / "edited" / "years.py").write_text("SINCE = 2014\n")
    assert load_project("edited", folder) is first
    assert load_anew("edited", folder) is not first
    assert sys.modules[f"{folder.name}.edited.years"].SINCE == 2014


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("", "declares PROJECT"),
        ("PROJECT = 'a project'", "declares PROJECT"),
        ("\nraise RuntimeError('at import')", r"RuntimeError: at import \(line 2 of __init__\.py\)"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("PROJECT = (", "SyntaxError"),
        (PROJECT, "called like its folder"),
    ],
)
def test_a_package_that_declares_no_project_of_its_name_is_refused(code: str, named: str, folder: Path) -> None:
    _declare(folder, "broken", code)
    with pytest.raises(DeclarationError, match=named):
        load_project("broken", folder)


def test_whoever_names_a_project_that_there_is_not_sees_those_that_there_are(folder: Path) -> None:
    _declare(folder, "late_flights", "")
    _declare(folder, "returns", "")
    with pytest.raises(DeclarationError, match=r"There are: late_flights, returns\."):
        load_project("late_flight", folder)


@pytest.mark.parametrize(
    "name", ["missing", "../projects", "flight-delay", "", ".", "..", "flight_delay/", "./flight_delay", "__pycache__"]
)
def test_a_project_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(DeclarationError, match=r"a folder with an __init__\.py"):
        load_project(name, HOUSE)
