"""Models that were trained by another process: read from bytes, and held against what was to be trained.

Nothing is unpickled: a model is LightGBM's text. LightGBM trusts what it reads, and follows it out of its memory or in
circles: every field is checked here first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite

from include.core.errors import TrainingError
from include.core.records import Winner
from include.learner.boosted.settings import (
    booster_settings,
    expected_parameters,
    model_text,
    parameters_of,
    rounded,
)

_TEXT = re.compile(
    r"tree\nversion=v4\n(?P<head>(?:\w+(?:=[^\n]*)?\n)+)\n(?P<trees>(?:Tree=.*?)?)end of trees\n\n"
    r"feature_importances:\n(?:[^\n]+=\d+\n)*\n"
    r"parameters:\n(?:\[\w+: [^\n]*\]\n)+\nend of parameters\n\npandas_categorical:null\n",
    re.DOTALL,
)
_OF_NODES = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_OF_CATEGORIES = ("cat_boundaries", "cat_threshold")
_IN_THEIR_ORDER = (
    "num_leaves", "num_cat", *_OF_NODES[:6], *_OF_LEAVES, *_OF_NODES[6:], *_OF_CATEGORIES, "is_linear", "shrinkage",
)  # fmt: skip
_INTEGERS = {"split_feature", "decision_type", "left_child", "right_child", *_OF_CATEGORIES}


def verified(best: Winner, data: bytes, *, largest_bytes: int) -> bytes:
    """*data*, if they are the bytes of a model that training *best* can make; ranges :func:`rounded`.

    Raises:
        TrainingError: they are not; names the rule.
    """
    if len(data) > largest_bytes:
        raise _refused(f"a model has {largest_bytes} bytes at most", "more")
    try:
        text = rounded(data.decode())
        head, trees = _parts(text)
        parameters = parameters_of(text)
    except (ValueError, ArithmeticError) as error:
        raise _refused("a model is LightGBM's text", str(error) if type(error) is ValueError else "others") from None
    _require_plan(best, head)
    _require_parameters(best, parameters)
    if not 1 <= len(trees) <= best.rounds:  # LightGBM stops where no split gains anything
        raise _refused(f"a model has a tree a round, {best.rounds} at most", f"{len(trees)} trees")
    for number, tree in enumerate(trees):
        if not tree.sound(len(best.features)):
            raise _refused("the nodes of a tree lead from its root to each of its leaves", f"tree {number}")
    if not _canonical(text, trees):
        raise _refused("a model is written as LightGBM writes it", "other bytes")
    return text.encode()


def sound(text: str, features: int) -> None:
    """Raise ValueError unless *text* is one of a model of so many *features* that LightGBM can be given to read."""
    _, trees = _parts(text)
    if not all(tree.sound(features) for tree in trees):
        raise ValueError("nodes that lead nowhere")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree's numbers by field: as many as it has nodes, or leaves, or sets of categories."""

    leaves: int
    categorical: int
    numbers: Mapping[str, Sequence[float]]

    def sound(self, features: int) -> bool:
        """Whether following its nodes ends at a leaf, and reads nothing that is not there.

        As LightGBM numbers them, a node comes before its children, and leaf n is the child ``-n - 1``.
        """
        nodes, numbers = self.leaves - 1, self.numbers
        left, right = numbers["left_child"], numbers["right_child"]
        later = all(child < 0 or child > node for side in (left, right) for node, child in enumerate(side))
        whole = sorted([*left, *right]) == ([*range(-self.leaves, 0), *range(1, nodes)] if nodes else [])
        known = all(0 <= feature < features for feature in numbers["split_feature"])
        return later and whole and known and self._sound_categories()

    def _sound_categories(self) -> bool:
        """Whether each split by a category finds its set of categories."""
        numbers = self.numbers
        kinds = [int(kind) for kind in numbers["decision_type"]]
        sets = [place for kind, place in zip(kinds, numbers["threshold"], strict=True) if kind & 1]
        ends, words = numbers.get("cat_boundaries", (0,)), numbers.get("cat_threshold", ())
        rising = len(ends) == self.categorical + 1 and all(one < two for one, two in pairwise(ends))
        known = all(0 <= place < self.categorical and place.is_integer() for place in map(float, sets))
        known = known and all(0 <= word < 1 << 32 for word in words)
        return rising and (ends[0], ends[-1]) == (0, len(words)) and known and all(0 <= kind < 16 for kind in kinds)


def _parts(text: str) -> tuple[Mapping[str, str], list[Tree]]:
    """The fields before the trees, and the trees, each where ``tree_sizes`` says that it is.

    Raises:
        ValueError: this is no text of a model.
    """
    found = _TEXT.fullmatch(text)
    # Other ends of lines, and digits apart by underscores, are Python's reading alone.
    if found is None or not found["trees"].isascii() or not text.replace("\n", "").isprintable():
        raise ValueError("other parts")
    head = fields_of(found["head"])
    trees: list[Tree] = []
    start = 0
    for number, size in enumerate(int(size) for size in head.get("tree_sizes", "").split()):
        trees.append(tree_of(number, found["trees"][start : start + size]))
        start += size
    if start != len(found["trees"]):
        raise ValueError("trees of other sizes")
    return head, trees


def tree_of(number: int, text: str) -> Tree:
    if not (text.startswith(f"Tree={number}\n") and text.endswith("\n\n\n")):
        raise ValueError(f"no tree {number}")
    fields = fields_of(text.removeprefix(f"Tree={number}\n")[:-2])
    if any("_" in value for value in fields.values()):
        raise ValueError(f"no numbers in tree {number}")
    leaves, categorical = (int(fields.get(name, "-1")) for name in ("num_leaves", "num_cat"))
    expected = [name for name in _IN_THEIR_ORDER if categorical or name not in _OF_CATEGORIES]
    if list(fields) != expected or leaves < 1 or categorical < 0 or fields["is_linear"] != "0":
        raise ValueError(f"other fields of tree {number}")
    numbers = {name: _numbers(name, fields[name]) for name in expected}
    if any(len(numbers[name]) != leaves - 1 for name in _OF_NODES) or any(
        len(numbers[name]) != leaves for name in _OF_LEAVES
    ):
        raise ValueError(f"tree {number} with too few or too many numbers")
    return Tree(leaves=leaves, categorical=categorical, numbers=numbers)


def _numbers(name: str, text: str) -> Sequence[float]:
    kind = int if name in _INTEGERS else float
    numbers = [kind(word) for word in text.split(" ")] if text else []
    # A split that tells what is missing from all the rest has no value to its right.
    if not all(isfinite(number) or (name == "threshold" and number == inf) for number in numbers):
        raise ValueError(f"a {name} that is not finite")
    return numbers


def fields_of(text: str) -> dict[str, str]:
    """The lines ``name=value`` of *text*, each name once; a name alone has an empty value."""
    pairs = [line.partition("=") for line in text.removesuffix("\n").split("\n")]
    fields = {name: value for name, _, value in pairs}
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields


def _require_plan(best: Winner, head: Mapping[str, str]) -> None:
    objective = booster_settings({}, objective=best.objective, seed=0, threads=1)["objective"]
    expected = {
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "max_feature_idx": str(len(best.features) - 1),
        "feature_names": " ".join(best.features),
    }
    wrong = [name for name, value in expected.items() if head.get(name) != value]
    if head.get("objective", "").split(" ")[0] != objective:
        wrong.append("objective")
    if len(head.get("feature_infos", "").split(" ")) != len(best.features):
        wrong.append("feature_infos")
    if wrong:
        raise _refused("a model has the features and the objective of its plan", f"other: {', '.join(wrong)}")


def _require_parameters(best: Winner, found: Mapping[str, str]) -> None:
    expected = expected_parameters(best.params, objective=best.objective, seed=best.seed, features=len(best.features))
    if wrong := sorted(name for name, value in expected.items() if found.get(name) != value):
        raise _refused("a model was trained with the parameters of its trial", f"other: {', '.join(wrong)}")


def _canonical(text: str, trees: Sequence[Tree]) -> bool:
    """Whether LightGBM writes the model that it reads as it was written; of one without a split it does not."""
    import lightgbm

    if len(trees) == 1 and trees[0].leaves == 1:
        return True
    try:
        return model_text(lightgbm.Booster(model_str=text)) == text
    except lightgbm.basic.LightGBMError:
        return False


def _refused(rule: str, found: str) -> TrainingError:
    return TrainingError(rule, value=found, remedy="Find out what wrote it, then run the step `refit` again.")
