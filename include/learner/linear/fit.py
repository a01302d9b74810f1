"""The coefficients that cost least: the losses of the training rows, and half of ``l2`` times their squares.

Logistic regression by Newton's steps. The median by weighted least squares again and again (Hunter and Lange, Quantile
regression via an MM algorithm, 2000): the absolute error is rounded off around 0, so that each round costs less than
the one before. A round looks at all rows once, and knows nothing but the coefficients and those it came from: what is
done in pieces is what is done at once.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from include.core.project import Objective
from include.learner.linear.columns import Column, columns_of, nearest, two_digits
from include.learner.linear.text import Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.linear.rows import PreparedRows

    Floats = NDArray[np.float64]

#: So many rows are looked at together, and what they say is added up in their order.
_TOGETHER = 8192
#: How far from 0, in scales of the label, an absolute error is rounded off.
_ROUNDED = 0.03
#: A round that saves less than this part of the cost was the last that is needed.
_ENOUGH = 1e-5
#: Features that say the same leave the equations unsolvable but for this part of their diagonal.
_DAMPED = 1e-5


class Fit:
    """Coefficients in the making. Of the label of a regression they tell its distance from ``centre`` in ``scale``."""

    def __init__(self, rows: "PreparedRows", objective: Objective, *, l2: float) -> None:
        import numpy as np

        self._rows, self._objective = rows, objective
        self.columns = columns_of(rows)
        self.centre, self.scale, start = _label(rows.label, objective)
        self._ends = np.cumsum([0, *(column.width for column in self.columns)])
        self._coefficients = np.zeros(self._ends[-1] + 1)  # the last is that of every row
        self._coefficients[-1] = start
        self._penalty = np.full(len(self._coefficients), l2)
        self._penalty[-1] = 0.0
        self._before: tuple[Floats, float] | None = None
        self._done = False

    @property
    def intercept(self) -> float:
        return float(self._coefficients[-1])

    def advance(self) -> None:
        """One step. One that went too far is halved by the next."""
        import numpy as np

        if self._done:
            return
        now = self._coefficients
        cost, slope, curvature = self._look(now)
        if self._before is not None:
            earlier, least = self._before
            if not cost <= least:
                self._done = bool(np.allclose(now, earlier, rtol=1e-9, atol=1e-12))
                self._coefficients = earlier if self._done else (now + earlier) / 2
                return
            self._done = least - cost <= _ENOUGH * abs(least)
        if not self._done:
            self._before = now, cost
            curvature[np.diag_indices_from(curvature)] *= 1 + _DAMPED
            self._coefficients = now - np.linalg.solve(curvature, slope)

    def checkpoint(self, rounds: int) -> bytes:
        """What :meth:`go_on_from` goes on from, after so many *rounds*: numbers as text, each bit of them."""
        earlier = None if self._before is None else [self._before[0].tolist(), self._before[1]]
        known = {"before": earlier, "coefficients": self._coefficients.tolist(), "done": self._done, "rounds": rounds}
        return json.dumps(known).encode()

    def go_on_from(self, checkpoint: bytes) -> int:
        """Be where another fit of the same rows was when it wrote *checkpoint*; the rounds that it had.

        Raises:
            ValueError: no such fit wrote it.
        """
        try:
            known = json.loads(checkpoint)
            rounds, done, coefficients = known["rounds"], known["done"], self._numbers(known["coefficients"])
            earlier = known["before"]
            before = None if earlier is None else (self._numbers(earlier[0]), float(earlier[1]))
        except (TypeError, KeyError, IndexError, RecursionError, ArithmeticError):
            raise ValueError("no checkpoint of a fit") from None
        if type(rounds) is not int or rounds <= 0 or type(done) is not bool:
            raise ValueError("no checkpoint of a fit")
        self._coefficients, self._before, self._done = coefficients, before, done
        return rounds

    def _numbers(self, said: object) -> "Floats":
        """As many numbers as there are coefficients."""
        import numpy as np

        numbers = np.asarray(said, dtype=np.float64)
        if numbers.shape != self._penalty.shape:
            raise ValueError("coefficients of other features")
        return numbers

    def _look(self, coefficients: "Floats") -> "tuple[float, Floats, Floats]":
        """What *coefficients* cost, the slope of that, and a bound of its curvature."""
        import numpy as np

        width = len(coefficients)
        cost = float(self._penalty @ coefficients**2) / 2
        slope, curvature = self._penalty * coefficients, np.diag(self._penalty)
        each = _of_binary if self._objective is Objective.BINARY else _of_number
        label = (self._rows.label - self.centre) / self.scale
        single = coefficients.astype(np.float32)
        for first, design in self._designs(width):
            costs, error, weight = each(label[first : first + design.shape[1]], (single @ design).astype(np.float64))
            cost += float(costs.sum())
            slope += design @ error.astype(np.float32)
            design *= np.sqrt(weight).astype(np.float32)
            curvature += design @ design.T
        return cost, slope, curvature

    def _designs(self, width: int) -> "Iterator[tuple[int, NDArray[np.float32]]]":
        """The place of the first of some rows, and what is seen of them, of shape (*width*, rows)."""
        import numpy as np

        count = self._rows.count
        for first in range(0, count, _TOGETHER):
            end = min(first + _TOGETHER, count)
            design = np.empty((width, end - first), dtype=np.float32)
            for place, (column, (begin, stop)) in enumerate(zip(self.columns, pairwise(self._ends), strict=True)):
                if column.width:
                    column.fill(design[begin:stop], np.asarray(self._rows.by_feature[place, first:end]))
            design[-1] = 1
            yield first, design

    def terms(self) -> tuple[Term, ...]:
        """What each feature adds, in their order."""
        parts = (self._coefficients[begin:stop] for begin, stop in pairwise(self._ends))
        named = zip(self._rows.names, self.columns, parts, strict=True)
        return tuple(_term(name, column, [float(each) for each in part]) for name, column, part in named)


def _label(label: "Floats", objective: Objective) -> tuple[float, float, float]:
    """From where, and in what unit, labels are told; and what is said of every row where nothing is known of it."""
    import numpy as np

    if objective is Objective.BINARY:
        rate = (float(label.sum()) + 0.5) / (len(label) + 1)
        return 0.0, 1.0, float(np.log(rate / (1 - rate)))
    middle = float(np.median(label))
    scale = two_digits(min(float((np.abs(label - middle) / len(label)).sum()), 1e300)) or 1.0
    return nearest(middle, scale), scale, 0.0


def _of_binary(label: "Floats", score: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Of each row its cost, the slope of that by the score, and its curvature."""
    import numpy as np

    costs = np.logaddexp(0.0, score) - label * score
    probability = np.exp(-np.logaddexp(0.0, -score))
    return costs, probability - label, probability * (1 - probability)


def _of_number(label: "Floats", score: "Floats") -> "tuple[Floats, Floats, Floats]":
    import numpy as np

    error = score - label
    costs = np.sqrt(error**2 + _ROUNDED**2)
    return costs, error / costs, 1 / costs


def _term(name: str, column: Column, coefficients: list[float]) -> Term:
    """What a feature adds, and how far that spreads over the training rows."""
    slope = coefficients.pop(0) if column.scale else 0.0
    missing = coefficients.pop() if column.missing else None
    known = 1 - column.missing
    pairs = [(known, slope), (column.missing, missing or 0.0), *zip(column.shares, coefficients, strict=True)]
    centre = sum(share * each for share, each in pairs[1:])
    spread = known * slope**2 + sum(share * each**2 for share, each in pairs[1:]) - centre**2
    return Term(
        name=name,
        centre=column.centre,
        scale=column.scale or 1.0,
        slope=slope,
        low=column.low,
        high=column.high,
        codes=column.codes,
        steps=tuple(coefficients),
        missing=missing,
        spread=two_digits(max(0.0, spread) ** 0.5),
    )
