"""Nothing outside of its own room knows what library a learner stands on; and a learner's files and packages count."""

import re
import shutil
from pathlib import Path

import pytest

from include.core.search import LearnerName
from include.learner import learner
from include.training import engine

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"


@pytest.mark.parametrize(("library", "room"), [("lightgbm", "boosted"), ("threadpoolctl", "linear")])
def test_no_source_outside_of_its_room_names_the_library_of_a_learner(library: str, room: str) -> None:
    own = {INCLUDE / "learner" / "__init__.py", INCLUDE / "learner" / "port.py"}  # the tour; what a learner promises
    sources = [path for folder in (INCLUDE, ROOT / "dags", ROOT / "plugins") for path in folder.rglob("*.py")]
    naming = [path for path in sources if re.search(library, path.read_text(), re.IGNORECASE)]
    inside = [path for path in naming if path.is_relative_to(INCLUDE / "learner" / room)]
    assert inside
    assert {*naming} - {*inside} <= own


@pytest.mark.parametrize("name", list(LearnerName))
def test_a_change_of_a_learner_changes_the_digest_of_its_trials_and_of_no_others(
    name: LearnerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("data", "learner", "training"):
        shutil.copytree(INCLUDE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    before = {each: engine.digest.__wrapped__(each) for each in LearnerName}
    whole = engine.digest.__wrapped__()
    monkeypatch.setattr(engine, "__file__", str(tmp_path / "training" / "engine.py"))
    assert {each: engine.digest.__wrapped__(each) for each in LearnerName} == before
    folder = tmp_path.joinpath(*type(learner(name)).__module__.split(".")[1:])
    file = sorted(folder.glob("*.py"))[-1]
    file.write_text(file.read_text() + "\n# changed\n")
    assert {each for each in LearnerName if engine.digest.__wrapped__(each) != before[each]} == {name}
    assert engine.digest.__wrapped__() != whole


def test_another_version_of_its_package_changes_the_digest_of_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {each: engine.digest.__wrapped__(each) for each in LearnerName}
    known = engine.version
    monkeypatch.setattr(engine, "version", lambda name: "0" if name == "lightgbm" else known(name))
    after = {each: engine.digest.__wrapped__(each) for each in LearnerName}
    assert {each for each in LearnerName if after[each] != before[each]} == {LearnerName.BOOSTED_TREES}


def test_no_library_of_a_learner_is_loaded_before_it_trains() -> None:
    """A night that declares no other learner loads none of it."""
    source = "\n".join(path.read_text() for path in (INCLUDE / "learner").rglob("*.py"))
    assert not re.search(r"^(import|from) (lightgbm|numpy|threadpoolctl|mlflow)", source, re.MULTILINE)
