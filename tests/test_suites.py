"""What runs beside what where tests run in several processes."""

import re
from pathlib import Path

import pytest

from tests.conftest import SHARED, group_of

TESTS = Path(__file__).parent


@pytest.mark.parametrize("system", ["airflow", "kubernetes"])
def test_all_tests_that_share_a_running_system_are_of_one_group(system: str) -> None:
    marked = [
        path.relative_to(TESTS.parent).as_posix()
        for path in TESTS.rglob("*.py")
        if re.search(rf"pytest\.mark\.{system}\b", path.read_text())
    ]
    assert marked
    assert {group_of(f"{path}::test") for path in marked} == {system}
    assert system in SHARED.values()


def test_any_other_file_is_a_group_of_its_own() -> None:
    assert group_of("tests/night/test_night.py::test_one[a/b]") == "tests/night/test_night.py"


def test_what_needs_all_cores_lies_in_files_that_the_check_looks_for_by_this_text() -> None:
    marked = [path for path in TESTS.rglob("*.py") if re.search(r"mark\.alone\b", path.read_text())]
    assert marked
    assert all(path.name.startswith("test_") and "pytest.mark.alone" in path.read_text() for path in marked)
