"""A linear model as text: canonical JSON, every field of which is checked before anything is computed with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isclose, isfinite
from typing import Any

from include.core.canonical import encode
from include.core.errors import TrainingError
from include.core.project import Objective
from include.core.records import Params, Winner
from include.learner.linear.columns import nearest

#: No coefficient that ``l2`` allows is larger.
_LARGEST = 1e9


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a feature adds to the score of a row.

    A number: ``slope`` for each ``scale`` from ``centre``; the training rows lay from ``low`` to ``high``, rounded. A
    category: that of ``steps`` that stands where its code stands in ``codes``. A row without a value: ``missing``;
    ``None``: nothing, and too few such rows were seen. ``spread`` is how far it moved the scores of training.
    """

    name: str
    centre: float
    scale: float
    slope: float
    low: float | None
    high: float | None
    codes: tuple[int, ...]
    steps: tuple[float, ...]
    missing: float | None
    spread: float

    @property
    def used(self) -> bool:
        """Whether it adds anything to any row."""
        return bool(self.slope or any(self.steps) or self.missing)


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """``intercept`` and what the ``terms`` add are the logit of class 1, or how many ``scale`` from ``centre``."""

    objective: Objective
    params: Params
    seed: int
    rounds: int
    centre: float
    scale: float
    intercept: float
    terms: tuple[Term, ...]


def verified(best: Winner, data: bytes, *, largest_bytes: int) -> bytes:
    """*data*, if they are the bytes of a model that training *best* can make: what it says of rows is rounded.

    Raises:
        TrainingError: they are not; names the rule.
    """
    if len(data) > largest_bytes:
        raise _refused(f"a linear model has {largest_bytes} bytes at most", "more")
    try:
        model = read(data)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise _refused("a linear model is its canonical text", type(error).__name__) from None
    found = {
        "features": tuple(term.name for term in model.terms) == best.features,
        "objective": model.objective is best.objective,
        "params": encode(model.params) == encode(best.params),
        "seed": model.seed == best.seed,
        "rounds": model.rounds == best.rounds,
    }
    if wrong := [name for name, agrees in found.items() if not agrees]:
        raise _refused("a model is that of its trial and its plan", f"other: {', '.join(wrong)}")
    return data


def read(data: bytes) -> LinearModel:
    """The model whose text is *data*.

    Raises:
        ValueError, TypeError, KeyError, ArithmeticError, RecursionError: it is none, one that cannot be computed with,
            or one that says more of rows than training rounds.
    """
    # By hand: pydantic, which reads records elsewhere, is not where models are trained.
    said: Mapping[str, Any] = json.loads(data)
    terms = tuple(
        Term(**{**each, "codes": tuple(each["codes"]), "steps": tuple(each["steps"])}) for each in said["terms"]
    )
    model = LinearModel(**{**said, "objective": Objective(said["objective"]), "terms": terms})
    numbers = (model.centre, model.scale, model.intercept)
    whole = all(type(number) is int for number in (model.seed, model.rounds))
    if not (whole and all(map(_is_finite, numbers)) and _is_rounded(model) and all(map(_sound, terms))):
        raise ValueError("a number that is none of a model")
    if encode(model) != data:
        raise ValueError("other bytes")
    return model


def _sound(term: Term) -> bool:
    coefficients = [term.slope, *term.steps, *([] if term.missing is None else [term.missing])]
    others = [term.centre, term.scale, term.spread, *(end for end in (term.low, term.high) if end is not None)]
    return (
        type(term.name) is str
        and all(map(_is_finite, [*coefficients, *others]))
        and all(abs(each) <= _LARGEST for each in coefficients)
        and term.spread >= 0
        and _is_rounded(term, term.spread, *(end for end in (term.low, term.high) if end is not None))
        and len(term.codes) == len(term.steps)
        and all(type(code) is int and 0 <= code < 1 << 31 for code in term.codes)
        and all(one < two for one, two in pairwise(term.codes))
    )


def _is_rounded(told: Term | LinearModel, *others: float) -> bool:
    """Whether scale and *others* have two digits and the centre goes no further, as training writes them."""
    if not (told.scale > 0 and all(float(f"{each:.1e}") == each for each in (told.scale, *others))):
        return False
    return isclose(nearest(told.centre, told.scale), told.centre, rel_tol=1e-15)  # of the last digit of a float


def _is_finite(number: object) -> bool:
    return type(number) is float and isfinite(number)


def _refused(rule: str, found: str) -> TrainingError:
    return TrainingError(rule, value=found, remedy="Find out what wrote it, then run the step `refit` again.")
