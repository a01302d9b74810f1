"""What a linear model sees of each feature: how the training rows say that it is standardised, and which categories and
nulls have a coefficient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING

from include.learner.port import FEWEST_ROWS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.linear.rows import PreparedRows

#: So many categories of all features have a coefficient, the most frequent ones.
MOST_CATEGORIES = 200
#: How many scales from the centre a value counts at most: infinite ones, too.
FARTHEST = 10.0


@dataclass(frozen=True, kw_only=True)
class Column:
    """What is seen of one feature.

    A number, if ``scale`` is not 0: its distance from ``centre`` in scales; it lay from ``low`` to ``high``. Categories
    with an indicator are ``codes``, rising, and ``shares`` are how many of the rows had each. ``missing`` is the share
    of the rows without a value, 0 if that has no indicator.
    """

    centre: float = 0.0
    scale: float = 0.0
    low: float | None = None
    high: float | None = None
    codes: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    missing: float = 0.0

    @property
    def width(self) -> int:
        return bool(self.scale) + len(self.codes) + bool(self.missing)

    def fill(self, design: "NDArray[np.float32]", values: "NDArray[np.float32]") -> None:
        """Write what it is of *values* into *design*, of shape (``width``, values)."""
        import numpy as np

        absent = np.isnan(values)
        if self.scale:
            np.subtract(values, np.float32(self.centre), out=design[0])
            design[0] /= np.float32(self.scale)
            np.clip(design[0], -FARTHEST, FARTHEST, out=design[0])
            design[0][absent] = 0
        if self.codes:
            np.equal(values, np.asarray(self.codes, dtype=np.float32)[:, None], out=design[: len(self.codes)])
        if self.missing:
            design[-1] = absent


def columns_of(rows: "PreparedRows") -> list[Column]:
    """One for each feature. What fewer than :data:`FEWEST_ROWS` rows say is left out."""
    kept = _kept_categories(rows)
    return [
        _of_categories(values, kept.get(place, ())) if rows.categories[place] else _of_numbers(values)
        for place, values in enumerate(rows.by_feature)
    ]


def _kept_categories(rows: "PreparedRows") -> dict[int, tuple[int, ...]]:
    import numpy as np

    counted: list[tuple[int, int, int]] = []
    for place, values in enumerate(rows.by_feature):
        if rows.categories[place]:
            codes, counts = np.unique(values[~np.isnan(values)], return_counts=True)
            often = (counts >= FEWEST_ROWS) & (counts <= rows.count - FEWEST_ROWS)
            counted += [
                (-int(count), place, int(code)) for code, count in zip(codes[often], counts[often], strict=True)
            ]
    kept: dict[int, tuple[int, ...]] = {}
    for _, place, code in sorted(counted)[:MOST_CATEGORIES]:
        kept[place] = (*kept.get(place, ()), code)
    return {place: tuple(sorted(codes)) for place, codes in kept.items()}


def _of_categories(values: "NDArray[np.float32]", codes: Sequence[int]) -> Column:
    import numpy as np

    shares = tuple(float(np.mean(values == np.float32(code))) for code in codes)
    return Column(codes=tuple(codes), shares=shares, missing=_missing(values))


def _of_numbers(values: "NDArray[np.float32]") -> Column:
    import numpy as np

    known = values[np.isfinite(values)].astype(np.float64)
    missing = _missing(values)
    if len(known) < FEWEST_ROWS or not (spread := float(known.std())):
        return Column(missing=missing)
    scale = two_digits(spread)
    return Column(
        centre=nearest(float(known.mean()), scale),
        scale=scale,
        low=two_digits(float(known.min()), up=False),
        high=two_digits(float(known.max())),
        missing=missing,
    )


def _missing(values: "NDArray[np.float32]") -> float:
    """The share of rows without a value, if enough have none and enough have one."""
    import numpy as np

    absent = int(np.isnan(values).sum())
    return absent / len(values) if FEWEST_ROWS <= absent <= len(values) - FEWEST_ROWS else 0.0


def two_digits(number: float, *, up: bool = True) -> float:
    """*number* to two digits, the next that is not below it, or not above: nobody's own where it has more."""
    if not number or not isfinite(number):
        return number
    step = floor(log10(abs(number))) - 1
    whole = (ceil if up else floor)(number / 10.0**step)
    return float(f"{whole}e{step}")


def nearest(number: float, scale: float) -> float:
    """*number* to a tenth of *scale*: nobody's own."""
    step = floor(log10(scale)) - 1
    return float(f"{round(number / 10.0**step)}e{step}")
