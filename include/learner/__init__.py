"""Families of models behind one protocol, :class:`include.learner.port.Learner`: what else trains knows none by name.

- ``port``: the protocol, and how it is used
- ``boosted``: gradient-boosted trees, by LightGBM
- ``linear``: a regularised logistic regression, or one of the median
"""

from typing import TYPE_CHECKING

from include.core.errors import TrainingError
from include.core.search import LearnerName

if TYPE_CHECKING:
    from include.learner.port import Learner, Model


def learner(name: LearnerName) -> "Learner":
    """The learner of that *name*."""
    from include.learner.boosted import BoostedTrees
    from include.learner.linear import LinearModels

    return {LearnerName.BOOSTED_TREES: BoostedTrees, LearnerName.LINEAR: LinearModels}[name]()


def load(text: str) -> "Model":
    """The model of a *text* that was verified or made here, by whichever learner wrote it.

    Raises:
        TrainingError: none did.
    """
    for name in LearnerName:
        if (found := learner(name)).wrote(text):
            return found.load(text)
    raise TrainingError(
        "a model's text begins as one of a learner does", value="another", remedy="Train the model again."
    )
