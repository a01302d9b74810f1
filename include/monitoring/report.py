"""Evidently's drift report of two profiles: it explains what moved, and decides nothing.

It sees no row and no value: only how many rows lie in which bin, as that many rows of bin numbers.
"""

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from include.core.errors import DataError
from include.core.records import ColumnProfile, Profile
from include.monitoring.profile import aligned

#: This many rows stand for each side: shares are exact to a fiftieth of a percent.
ROWS = 5_000
#: Evidently's threshold for its own mark "drifted", by the usual rule of thumb.
_THRESHOLD = 0.1
#: An id, with dashes or without.
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
#: The page holds all that it shows: the reader's browser may ask no host for anything.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    'img-src data: blob:; font-src data:; worker-src blob:">'
)


class _Code(str):
    """A bin's name that hashes alike in every process: Evidently adds a column's bins up in the order of a set."""

    __slots__ = ("_hash",)

    def __init__(self, name: str) -> None:
        self._hash = zlib.crc32(name.encode())

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A self-contained HTML page, and the same figures as JSON; both UTF-8, without a value of any column."""

    html: bytes
    figures: bytes


def explain(then: Sequence[Profile], now: Sequence[Profile]) -> Explanation:
    """Evidently's report of all columns that *then* and *now* share, in the bins that they share.

    Each may be several profiles of one stretch (features, and score and label).

    Raises:
        DataError: they share no column, or one of them has no rows.
    """
    earlier, later = _columns(then), _columns(now)
    shared = sorted(earlier.keys() & later.keys())
    if not shared or not all(profile.rows for profile in (*then, *now)):
        raise DataError(
            "a drift report compares two stretches of rows with columns in common",
            value=f"{len(shared)} columns in common",
            remedy="Profile both with at least 20 rows, in the bins of one reference.",
        )
    codes = {name: _codes(earlier[name], later[name]) for name in shared}
    return _report({name: pair[0] for name, pair in codes.items()}, {name: pair[1] for name, pair in codes.items()})


def _columns(profiles: Sequence[Profile]) -> dict[str, ColumnProfile]:
    return {column.name: column for profile in profiles for column in profile.columns}


def _codes(then: ColumnProfile, now: ColumnProfile) -> tuple[list[str], list[str]]:
    kind = "group" if then.categories is not None else "bin"
    counts = aligned(then, now)
    names = [*(f"{kind} {number + 1:03}" for number in range(len(counts[0]) - 1)), "null"]
    if kind == "group":
        names[-2] = "others"
    return _spread(counts[0].tolist(), names), _spread(counts[1].tolist(), names)


def _spread(counts: Sequence[float], names: Sequence[str]) -> list[str]:
    """``ROWS`` names, each as often as its share of *counts*, by largest remainders."""
    total = sum(counts)
    exact = [count * ROWS / total for count in counts]
    whole = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: (whole[index] - exact[index], index))
    for index in by_remainder[: ROWS - sum(whole)]:
        whole[index] += 1
    return [code for name, count in zip(names, whole, strict=True) for code in [_Code(name)] * count]


def _report(then: dict[str, list[str]], now: dict[str, list[str]]) -> Explanation:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(categorical_columns=list(then))

    def dataset(codes: dict[str, list[str]]) -> Dataset:
        frame: pd.DataFrame = pd.DataFrame(codes)
        return Dataset.from_pandas(frame, definition)

    preset = DataDriftPreset(cat_method="psi", cat_threshold=_THRESHOLD)
    made = Report([preset]).run(dataset(now), dataset(then))
    html: str = made.get_html_str(as_iframe=False)
    figures = json.dumps(json.loads(made.json()), sort_keys=True)
    page = _numbered(html).replace("<head>", f"<head>{_POLICY}", 1)
    return Explanation(html=page.encode(), figures=figures.encode())


def _numbered(html: str) -> str:
    """*html* with Evidently's random ids numbered as they come: the same profiles make the same page."""
    ids: dict[str, str] = {}
    return _ID.sub(lambda found: ids.setdefault(found[0], f"{len(ids):032}"), html)
