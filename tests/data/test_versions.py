"""The versions of a folder's days, wherever a process dies that lands one, and whoever reads meanwhile."""

import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from include.core.errors import DataError, SourceUnavailable
from include.data.sources import folder as folder_module
from include.data.sources.folder import DayFolder
from include.data.sources.versions import DayVersions

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(microseconds=1)
#: One has files of its own names and folders, one is the same as landings write it, one is new.
OLD = {"day=2013-07-04": ["a.parquet", "shop=north/b.parquet"], "day=2013-07-05": ["part.parquet"]}
NEW = {folder: b"new" for folder in (*OLD, "day=2013-07-06")}


def filed(root: Path) -> Path:
    for folder, names in OLD.items():
        for name in names:
            (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (root / folder / name).write_bytes(b"old")
    return root


def seen(root: Path, instant: datetime | None) -> dict[str, list[bytes]]:
    place = DayFolder("sales", root, instant=instant)
    return {folder: [file.data for file in place.read(folder)] for folder in NEW}


def land(root: Path) -> None:
    versions = DayVersions(root)
    with versions.alone():
        versions.land(NEW, lambda: NOW)


WAS = {folder: [b"old" for _ in OLD.get(folder, ())] for folder in NEW}
IS = {folder: [b"new"] for folder in NEW}
#: A new day is the first version, which stands for the instants before it too.
THEN = {**WAS, "day=2013-07-06": [b"new"]}


def killed_at(line: int, act: Callable[[], object]) -> bool:
    """Whether *act* was killed before it was done: at the *line*-th of what writes, in a process of its own."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.endswith("sources/versions.py"):
                return None
            left -= event == "line"
            if left < 0:
                os._exit(9)
            return trace

        sys.settrace(trace)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_landing_that_is_killed_at_any_line_has_landed_whole_or_not_at_all_and_the_next_finishes_it(
    tmp_path: Path,
) -> None:
    line, outcomes = 0, set[bool]()
    while True:
        root = filed(tmp_path / f"{line}")
        killed = killed_at(line, partial(land, root))
        if not killed:
            break
        now = seen(root, NOW)
        outcomes.add(now == IS)
        assert now in (WAS, IS), line
        assert seen(root, None) == now, line
        assert seen(root, BEFORE) == (THEN if now == IS else WAS), line
        assert set(DayFolder("sales", root).folders()) == set(NEW if now == IS else OLD), line
        land(root)
        assert seen(root, None) == IS
        assert seen(root, BEFORE) == THEN
        assert sorted(path.name for path in root.iterdir()) == [".landed", *sorted(NEW)]
        left = {path.name for path in (root / ".landed").rglob("*")}
        assert not left & {"after", ".draft"}
        shutil.rmtree(root)
        line += 3 if line % 2 else 2
    assert outcomes == {True, False}
    assert line > 50, "it is killed at many lines"


def test_a_folder_without_landings_is_what_it_was(tmp_path: Path) -> None:
    root = filed(tmp_path / "sales")
    assert seen(root, NOW) == seen(root, None) == WAS
    assert not (root / ".landed").exists()


def _between_reads(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], object]) -> list[int]:
    """Each time that a day has been listed, *act* before its files are read; the attempts so far."""
    attempts: list[int] = []
    listed = DayFolder._listed

    def then_act(self: DayFolder, folder: str) -> object:
        found = listed(self, folder)
        if len(attempts) % 2 == 0:
            act(len(attempts) // 2)
        attempts.append(len(attempts))
        return found

    monkeypatch.setattr(folder_module.DayFolder, "_listed", then_act)
    return attempts


@pytest.mark.parametrize("change", ["rewritten", "removed", "landed"])
@pytest.mark.parametrize("instant", [NOW, BEFORE])
def test_a_day_that_is_rewritten_while_it_is_read_is_read_as_a_whole_of_one_moment(
    change: str, instant: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, day = filed(tmp_path / "sales"), "day=2013-07-04"

    def act(attempt: int) -> None:
        if attempt == 0 and change == "landed":
            land(root)
        elif attempt == 0:
            (root / day / "a.parquet").unlink()
            if change == "rewritten":
                (root / day / "a.parquet").write_bytes(b"rewritten")

    _between_reads(monkeypatch, act)
    whole = {
        "rewritten": [b"rewritten", b"old"],
        "removed": [b"old"],
        "landed": IS[day] if instant == NOW else WAS[day],
    }
    assert [file.data for file in DayFolder("sales", root, instant=instant).read(day)] == whole[change]


def test_a_day_that_never_rests_is_given_up_with_what_to_do_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = filed(tmp_path / "sales")
    file = root / "day=2013-07-04" / "a.parquet"
    _between_reads(monkeypatch, lambda attempt: file.write_bytes(b"x" * attempt))
    with pytest.raises(SourceUnavailable, match=r"stay as they are.*changed at each of 3 attempts.*landed as a whole"):
        DayFolder("sales", root).read("day=2013-07-04")


def test_what_a_landing_says_of_its_days_is_not_guessed_where_it_is_damaged(tmp_path: Path) -> None:
    root = filed(tmp_path / "sales")
    land(root)
    (said,) = (root / ".landed").glob("*/days.json")
    said.write_text("{")
    with pytest.raises(DataError, match="says which days it replaced"):
        seen(root, BEFORE)
