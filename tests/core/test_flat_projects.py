"""A project that is declared as 0.1 did is the same project, and whoever wrote it is told what to write."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from include.core.errors import DeclarationError
from include.core.flat_projects import FlatDeclaration
from include.core.project import Operations, Project, Quality, Window
from include.projects.flight_delay import PROJECT
from include.settings import ROOT

OWNERSHIP, LEARNING, QUALITY = PROJECT.ownership, PROJECT.learning, PROJECT.quality
FIELDS: dict[str, Any] = {
    "name": PROJECT.name,
    "owner": OWNERSHIP.owner,
    "purpose": OWNERSHIP.purpose,
    "target": LEARNING.target,
    "features": LEARNING.features,
    "window": LEARNING.window,
    "search": LEARNING.search,
    "gates": QUALITY.gates,
    "drift": QUALITY.drift,
    "expectations": QUALITY.expectations,
    "operations": PROJECT.operations,
}


def test_a_flat_declaration_makes_the_project_of_its_groups_and_says_what_to_write() -> None:
    with pytest.warns(FlatDeclaration) as shown:
        assert Project(**FIELDS) == PROJECT.varied(benchmark=None, card=None)  # which are younger than groups are
    (said,) = shown
    assert said.filename == __file__
    assert (
        "Project(name=..., ownership=Ownership(owner=..., purpose=...), "
        "learning=Learning(target=..., features=..., window=..., search=...), "
        "quality=Quality(gates=..., drift=..., expectations=...), operations=...)"
    ) in str(said.message)


def test_what_a_flat_declaration_leaves_out_has_its_default() -> None:
    least = {name: FIELDS[name] for name in ("name", "owner", "purpose", "target", "features", "search", "gates")}
    with pytest.warns(FlatDeclaration):
        made = Project(**least)
    assert made.learning.window == Window()
    assert made.quality == Quality(gates=QUALITY.gates)
    assert made.operations == Operations()


def test_replace_of_a_flat_field_varies_the_project() -> None:
    window = Window(days=50)
    with pytest.warns(FlatDeclaration, match=r"PROJECT\.varied\(window=\.\.\.\)") as shown:
        made = replace(PROJECT, name="later", window=window)  # type: ignore[call-arg]
    assert made == PROJECT.varied(name="later", window=window)
    assert shown[0].filename == __file__


@pytest.mark.parametrize("name", ["owner", "purpose", "target", "features", "window", "search", "gates", "drift"])
def test_a_flat_field_is_read_of_its_group(name: str) -> None:
    with pytest.warns(FlatDeclaration, match=rf"PROJECT\.\w+\.{name}; ") as shown:
        assert getattr(PROJECT, name) is FIELDS[name]
    assert shown[0].filename == __file__


def test_a_project_has_no_other_attribute() -> None:
    with pytest.raises(AttributeError, match="'Project' object has no attribute 'windows'"):
        _ = PROJECT.windows  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "found", "remedy"),
    [
        ({"windows": 1}, "windows", "Correct the name"),
        ({"window": Window()}, "window beside learning, ownership, quality", r"Write learning=Learning\(window=\.\.\."),
        ({"learning": Window()}, "one Window", r"Write learning=Learning\(\.\.\.\)"),
    ],
)
def test_what_a_project_cannot_be_made_of_is_refused(change: dict[str, Any], found: str, remedy: str) -> None:
    groups = {"name": "p", "ownership": OWNERSHIP, "learning": LEARNING, "quality": QUALITY}
    with pytest.raises(DeclarationError, match=remedy) as refused:
        Project(**{**groups, **change})
    assert refused.value.value == found


def test_a_flat_declaration_is_shown_by_a_python_that_nobody_told_to() -> None:
    code = "from include.projects.flight_delay import PROJECT\nPROJECT.window\nPROJECT.window\n"
    imported = f"exec({code!r}, {{'__name__': 'late_flights'}})"  # Python shows more of its own program
    ran = subprocess.run([sys.executable, "-c", imported], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert ran.stderr.count("FlatDeclaration: ") == 2
