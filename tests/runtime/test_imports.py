"""A project's code comes from its own folder, `include.core` and installed packages: what the steward is shown runs."""

import importlib
import importlib.util
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.runtime.code.projects import load_project

PROJECT = """
from include.core.project import (
    FeatureGroup,
    FloatRange,
    Gates,
    Learning,
    Objective,
    Ownership,
    Project,
    Quality,
    Search,
    Target,
)

PROJECT = Project(
    name="mine",
    ownership=Ownership(
        owner="tests",
        purpose="tests",
    ),
    learning=Learning(
        target=Target(dataset="d", key=("k",), population=lambda d: d, label=lambda d: d, objective=Objective.BINARY),
        features=(FeatureGroup(name="g", build=lambda d: d),),
        search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}),
    ),
    quality=Quality(
        gates=Gates(margin=0.1, floor_loss=1.0),
    ),
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of projects with `mine`, a project beside it, modules around them; all names are forgotten after."""
    known, paths = set(sys.modules), list(sys.path)
    files = {
        "mine/__init__.py": PROJECT,
        "mine/own.py": "VALUE = 1\n",
        "sibling/__init__.py": PROJECT,
        "beside.py": "VALUE = 2\n",
        "../above.py": "VALUE = 3\n",
    }
    projects = tmp_path / f"declared_{tmp_path.name}" / "projects"
    for name, text in files.items():
        (projects / name).parent.mkdir(parents=True, exist_ok=True)
        (projects / name).write_text(text)
    yield projects
    sys.path[:] = paths
    for name in set(sys.modules) - known:
        if name.split(".")[0] in {"projects", "above", "beside"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("from projects import beside", "'projects.beside'"),
        ("from .. import beside", "'projects.beside'"),
        ("from ..sibling import PROJECT as P", "'projects.sibling.PROJECT'"),
        ("from ... import above", "above the project's folder"),
        ("import above", "'above' of .*above.py"),
        ("from include.projects.flight_delay import PROJECT as P", "'include.projects.flight_delay.PROJECT'"),
        ("from include.runtime import code", "'include.runtime.code'"),
        ("import include", "'include'"),
        ("import tests.conftest", "'tests.conftest'"),
        ("def later():\n    from projects import beside", "'projects.beside'"),
        ("try:\n    import above\nexcept BaseException:\n    pass", "'above'"),
        ("import importlib\nimportlib.import_module('above')", "'importlib'"),
        (
            "import importlib.resources as r\nimport importlib.resources\nimportlib.import_module('above')",
            "import_module",
        ),
        ("from importlib import import_module", "'importlib'"),
        ("__import__('above')", r"__import__\(\)"),
        ("exec('import above')", r"exec\(\)"),
        ("import runpy", "'runpy'"),
        ("import sys\nsys.path.append('/elsewhere')", r"sys\.path"),
        ("from sys import modules", r"sys\.modules"),
        ("import unittest.mock\nunittest.mock.patch('above.VALUE').__enter__()", "'above' of .*above.py"),
        (
            "from unittest import mock\ntry:\n    mock.patch('above.VALUE').__enter__()\nexcept Exception:\n    pass",
            "'above' of .*above.py",
        ),
    ],
)
def test_what_comes_from_elsewhere_is_refused_each_time_the_project_is_loaded(
    code: str, named: str, folder: Path
) -> None:
    (folder / "mine" / "__init__.py").write_text(f"{code}\n{PROJECT}")
    for _ in range(2):
        with pytest.raises(DeclarationError, match=f"include.core, modules of its own folder and .*found: .*{named}"):
            load_project("mine", folder)
    assert "above" not in sys.modules


def test_a_module_that_only_another_of_the_folder_imports_is_held_to_the_same(folder: Path) -> None:
    (folder / "mine" / "__init__.py").write_text(f"from .own import VALUE\n{PROJECT}")
    (folder / "mine" / "own.py").write_text("from include.settings import ROOT as VALUE\n")
    with pytest.raises(DeclarationError, match=r"own\.py:1: module 'include\.settings\.ROOT'"):
        load_project("mine", folder)


def test_a_module_that_hides_one_of_python_is_refused(folder: Path) -> None:
    hidden = next(name for name in ("sndhdr", "nntplib", "imghdr", "chunk") if name not in sys.modules)
    (folder.parent / f"{hidden}.py").write_text("VALUE = 1\n")
    (folder / "mine" / "__init__.py").write_text(f"import {hidden}\n{PROJECT}")
    with pytest.raises(DeclarationError, match=rf"module '{hidden}' of .*{hidden}\.py"):
        load_project("mine", folder)


def test_a_link_to_a_module_elsewhere_is_refused(folder: Path) -> None:
    (folder / "mine" / "linked.py").symlink_to(folder / "beside.py")
    (folder / "mine" / "__init__.py").write_text(f"from .linked import VALUE\n{PROJECT}")
    with pytest.raises(DeclarationError, match=r"'projects\.mine\.linked', a link to .*linked\.py"):
        load_project("mine", folder)


def test_the_source_runs_and_never_what_is_kept_compiled_of_it(folder: Path) -> None:
    package, own = folder / "mine", folder / "mine" / "own.py"
    (package / "__init__.py").write_text(f"def value():\n    from .own import VALUE\n    return VALUE\n{PROJECT}")
    own.write_text("VALUE = 'forged'\n")
    py_compile.compile(str(own), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    own.write_text("VALUE = 'source'\n")
    load_project("mine", folder)
    assert sys.modules["projects.mine"].value() == "source"


def test_core_the_own_folder_and_installed_packages_are_imported_however_it_is_written(folder: Path) -> None:
    allowed = """
import json
import importlib.resources
import numpy as np
import sys
from importlib import metadata
from . import own
from .own import VALUE
from .deep.er import DEPTH
from include import core
from include.core import project
import include.core.project as again
try:
    import surely_not_installed
except ImportError:
    surely_not_installed = None
assert (own.VALUE, VALUE, DEPTH, sys.version) == (1, 1, 2, sys.version)
"""
    (folder / "mine" / "deep").mkdir()
    (folder / "mine" / "deep" / "er.py").write_text("from ..own import VALUE\nDEPTH = VALUE + 1\n")
    (folder / "mine" / "__init__.py").write_text(allowed + PROJECT)
    assert load_project("mine", folder).name == "mine"
    assert importlib.import_module("above").VALUE == 3, "what is no project's is found as ever"
