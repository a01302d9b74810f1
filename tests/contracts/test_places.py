"""Whether two locations lie in the same place does not depend on how they are spelled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from include.contracts.places import FolderPaths


def linked(root: Path) -> Path:
    (root / "link").symlink_to(root / "flights")
    return root / "link"


def linked_above(root: Path) -> Path:
    (root / "up").symlink_to(root)
    return root / "up" / "flights" / "day=2013-01-01"


def linked_day(root: Path) -> Path:
    (root / "mine" / "carrier=UA").mkdir(parents=True)
    (root / "mine" / "carrier=UA" / "day=2013-01-01").symlink_to(root / "flights" / "day=2013-01-01")
    return root / "mine"


def linked_file(root: Path) -> Path:
    (root / "mine").mkdir()
    (root / "mine" / "part.parquet").symlink_to(root / "flights" / "day=2013-01-01" / "part.parquet")
    return root / "mine"


def linked_by_a_link(root: Path) -> Path:
    (root / "other").mkdir()
    (root / "mine").mkdir()
    (root / "other" / "day=2013-01-01").symlink_to(root / "flights" / "day=2013-01-01")
    (root / "mine" / "x=1").symlink_to(root / "other")
    return root / "mine"


SAME: list[Callable[[Path], Path]] = [
    lambda root: root / "flights",
    lambda root: root / "flights" / "day=2013-01-01",
    lambda root: root,
    lambda root: Path(f"{root}//flights/./"),
    lambda root: root / "weather" / ".." / "flights",
    lambda root: root / "fl*",
    lambda root: root / "fl[iy]ghts" / "day=*",
    *(linked, linked_above, linked_day, linked_file, linked_by_a_link),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("flights", "weather"):
        day = tmp_path / name / "day=2013-01-01"
        day.mkdir(parents=True)
        (day / "part.parquet").write_text(name)
    return tmp_path


@pytest.mark.parametrize("spelled", SAME)
def test_another_spelling_a_link_a_parent_and_a_child_overlap(root: Path, spelled: Callable[[Path], Path]) -> None:
    place, other = FolderPaths.of(root / "flights"), FolderPaths.of(spelled(root))
    assert place.overlaps(other)
    assert other.overlaps(place)


@pytest.mark.parametrize(
    "spelled", [lambda root: root / "weather", lambda root: root / "flights_2", lambda root: root / "fl"]
)
def test_a_sibling_does_not_overlap_whatever_its_name_begins_with(root: Path, spelled: Callable[[Path], Path]) -> None:
    spelled(root).mkdir(exist_ok=True)
    assert not FolderPaths.of(root / "flights").overlaps(FolderPaths.of(spelled(root)))


def test_a_folder_that_is_not_there_overlaps_by_its_name(tmp_path: Path) -> None:
    assert FolderPaths.of(tmp_path / "a").overlaps(FolderPaths.of(tmp_path / "a" / "b"))
    assert not FolderPaths.of(tmp_path / "a").overlaps(FolderPaths.of(tmp_path / "b"))


def test_a_link_to_a_folder_that_is_not_there_yet_overlaps_with_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "later")
    assert FolderPaths.of(tmp_path / "later").overlaps(FolderPaths.of(tmp_path / "link"))
