"""Boosting in segments, so that it can go on elsewhere from bytes: as if nothing had been.

What LightGBM draws bags and columns by cannot be written down. So a training that may be interrupted draws anew, by
another seed, where a segment begins; there all that counts are the trees until then and what they add up to for each
row. Whether it goes on from memory or from bytes, it goes on from these alone.
"""

import ctypes
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.core.records import Params
from include.learner.boosted.settings import model_text
from include.learner.boosted.verified import sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

#: So many values, rows times features, a segment looks at: half a minute of one core. What is shorter is one.
SEGMENT_CELLS = 1 << 33
#: A segment has as many rounds at least, however many rows there are: beginning it takes as long as one or two of them.
#: Measured on flights (225,000 rows, 11 features, 200 rounds): 50 take 3 % longer than one segment, 20 take 10 %, 8
#: take 25 %; the losses differ by less than those of two seeds.
FEWEST_ROUNDS = 50
#: More rounds than any search declares.
NEVER = 1 << 62

#: Of these kinds of boosting each tree stays as it was made, and the next one starts from the sum of all before.
_ADDING_UP = {"gbdt", "gbrt", "goss"}
_SEEDS = {"bagging_seed", "feature_fraction_seed", "extra_seed", "drop_seed"}
_SIZES = re.compile(r"^tree_sizes=.*$", re.MULTILINE)
_TREE = re.compile(r"^Tree=\d+\n", re.MULTILINE)


def rounds_of(params: Params, *, rows: int, features: int) -> int:
    """How many rounds a segment has, the same wherever it is asked; :data:`NEVER`: the training is one segment."""
    if params.get("boosting", "gbdt") not in _ADDING_UP:
        return NEVER
    return max(FEWEST_ROUNDS, SEGMENT_CELLS // max(1, rows * features))


def drawn_by(params: Params, seed: int, segment: int) -> tuple[Params, int]:
    """The parameters and the seed of the segment of that number; those of the first, 0, are the training's own."""
    if segment == 0:
        return params, seed

    def derived(own: object) -> int:
        return int.from_bytes(hashlib.sha256(f"{own}/{segment}".encode()).digest()[:4]) >> 1

    return {name: derived(value) if name in _SEEDS else value for name, value in params.items()}, derived(seed)


@dataclass(frozen=True, kw_only=True)
class SegmentStart:
    """Where a segment begins: after ``rounds``, with the model's ``text`` until then, and what it adds up to for each
    row that trains and, if there are any, that chooses. Before the first there is nothing.
    """

    rounds: int = 0
    text: str = ""
    train: "Scores | None" = None
    validation: "Scores | None" = None

    @contextmanager
    def given_to(self, train: Any, validation: Any) -> Iterator[None]:
        """Within the block, a booster of these data sets starts from here; others that have begun see nothing of it."""
        pairs = [(data, scores) for data, scores in ((train, self.train), (validation, self.validation))]
        pairs = [(data, scores) for data, scores in pairs if data is not None and scores is not None]
        try:
            for data, scores in pairs:
                data.set_field("init_score", scores)
            yield
        finally:
            for data, _ in pairs:
                data.set_field("init_score", None)

    def ended(self, booster: Any, *, rounds: int, train: Any, validation: Any) -> "SegmentStart":
        """Where the next segment begins, once *booster*, which began here, came to so many *rounds* in all.

        The booster is done with: it trains no more.
        """
        text = self.with_trees_of(booster)
        booster.reset_parameter({"objective": "none"})  # what LightGBM hands out is made of the sums otherwise
        return SegmentStart(
            rounds=rounds,
            text=text,
            train=_sums(booster, 0, train.num_data()),
            validation=None if validation is None else _sums(booster, 1, validation.num_data()),
        )

    def with_trees_of(self, booster: Any) -> str:
        """The text of the model that has the trees of *booster*, which began here, too."""
        return joined(self.text, model_text(booster)) if self.text else model_text(booster)

    def written(self) -> bytes:
        """A line that says what follows: the text, then the sums as float64."""
        text, parts = self.text.encode(), [scores for scores in (self.train, self.validation) if scores is not None]
        head = {"rounds": self.rounds, "text": len(text), "rows": [len(scores) for scores in parts]}
        return b"".join([json.dumps(head).encode(), b"\n", text, *(scores.astype("<f8").tobytes() for scores in parts)])


def read(data: bytes, *, features: int, rows: list[int], segment: int) -> SegmentStart:
    """What :meth:`SegmentStart.written` wrote of a training of so many *features* and *rows*, by segments of so many
    rounds.

    Raises:
        ValueError: it is something else.
    """
    import numpy as np

    line, _, rest = data.partition(b"\n")
    try:
        head = json.loads(line)
        rounds, size, counts = head["rounds"], head["text"], head["rows"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("no checkpoint of boosting") from None
    whole = type(rounds) is int and rounds > 0 and rounds % segment == 0 and type(size) is int
    if not whole or counts != rows or len(rest) != size + 8 * sum(rows):
        raise ValueError("a checkpoint of another training")
    text = rest[:size].decode()
    sound(text, features)
    places = [size, *(size + 8 * sum(rows[: place + 1]) for place in range(len(rows)))]
    parts = [np.frombuffer(rest, "<f8", count, start).copy() for count, start in zip(rows, places, strict=False)]
    return SegmentStart(rounds=rounds, text=text, train=parts[0], validation=parts[1] if len(parts) > 1 else None)


def joined(first: str, second: str) -> str:
    """The text of a model with the trees of the model *first*, then those of *second*; all else is that of *first*.

    A tree without a split, where no split gained anything as a segment began, adds nothing.
    """
    import lightgbm

    head, trees, rest = _cut(first)
    added = [tree for tree in _cut(second)[1] if not tree.startswith("num_leaves=1\n")]
    numbered = [f"Tree={number}\n{tree}" for number, tree in enumerate([*trees, *added])]
    sizes = "tree_sizes=" + " ".join(str(len(tree.encode())) for tree in numbered)
    return model_text(lightgbm.Booster(model_str=_SIZES.sub(sizes, head, count=1) + "".join(numbered) + rest))


def _cut(text: str) -> tuple[str, list[str], str]:
    """What stands before the trees of a model's *text*, each tree without its number, and what stands after them."""
    end = text.index("end of trees\n")
    first = _TREE.search(text, 0, end)
    begin = end if first is None else first.start()
    return text[:begin], _TREE.split(text[begin:end])[1:], text[end:]


def _sums(booster: Any, place: int, rows: int) -> "Scores":
    """What the trees add up to for each row of the data set at that *place*: with its objective gone, unconverted.

    By the library itself: the package in between may hold what it was asked for in the same round before.
    """
    import numpy as np
    from lightgbm.basic import _LIB, _safe_call

    scores, length = np.empty(rows), ctypes.c_int64(0)
    into = scores.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    _safe_call(_LIB.LGBM_BoosterGetPredict(booster._handle, ctypes.c_int(place), ctypes.byref(length), into))
    return scores
