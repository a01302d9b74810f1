"""What a learner does, whichever it is: the one protocol through which everything else trains and predicts.

A night does it in this order::

    chosen = learner(LearnerName.LINEAR)                               # include.learner
    chosen.check(space, fixed, objective, features=49)                 # before anything is read
    vault.put_made(chosen.prepare(matrix, label, features, fixed))     # once, for all trials; its digest is the plan's
    opened = chosen.open(path, fixed, training_rows=cut)               # where it is trained: nothing but that file is
    training = chosen.start(opened, params, objective=objective, seed=seed)
    training.advance()                                                 # a round; at rungs training.loss() is asked
    kept = training.checkpoint()                                       # start(…, checkpoint=kept) goes on from it
    text = training.text()                                             # of a refit: opened without ``training_rows``
    chosen.verify(winner, text.encode())                               # of what another process made
    load(text).predict(matrix)                                         # include.learner: a text says whose it is

A learner keeps these promises, which `tests/learner/test_contract.py` states for each: the same inputs give the same
bytes, whatever the threads; advancing in pieces is advancing at once, and so is going on from a checkpoint in another
process; a text loads to the same predictions; no text or checkpoint crashes, hangs or runs code; and no value of a row
stands in a text or an error, where those of fewer rows than :data:`FEWEST_ROWS` count as such. The ends of a range do,
to two digits: of whole numbers below a hundred, the least and the greatest. A text is personal data, and a checkpoint.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from include.core.errors import MachineFault
from include.core.project import Objective
from include.core.records import FeatureSpec, Params, Winner
from include.core.search import Choice, FloatRange, IntRange, LearnerName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What is said of a group of rows is said of as many at least.
FEWEST_ROWS = 20

Space = Mapping[str, IntRange | FloatRange | Choice]


class ParametersRefused(Exception):
    """The learner cannot train with the parameters that it was given, or not here: :meth:`Learner.probe` tells."""


@dataclass(frozen=True, kw_only=True)
class FamiliarValues:
    """What a model knows of a feature that it uses.

    ``missing``: it learnt from rows without a value of it, a rare category among these. ``low`` and ``high`` (both
    inclusive) bound the numbers that it learnt from; ``None`` for categories.
    """

    missing: bool
    low: float | None
    high: float | None


class MatrixParts(Protocol):
    """An encoded matrix that is in memory only in parts."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, features."""

    def parts(self) -> "Iterator[NDArray[np.float32]]":
        """All rows in their order, some at a time, none of them without a row: the same each time that it is asked."""


class Training(Protocol):
    """A model in the making."""

    @property
    def rounds(self) -> int:
        """How many rounds were trained, those before the checkpoint that it goes on from among them."""

    @property
    def resumable(self) -> int:
        """After how many of these rounds another process can go on as if it had trained them itself; 0: from none."""

    def advance(self) -> None:
        """Train one round more.

        Raises:
            ParametersRefused: it cannot.
            MachineFault: it cannot here.
        """

    def loss(self) -> float:
        """The mean deciding loss on the rows after the training rows; infinite or NaN if the model is no good."""

    def text(self) -> str:
        """The model as it is now: equal models, equal text."""

    def checkpoint(self) -> bytes:
        """What :meth:`Learner.start` goes on from after :attr:`resumable` rounds, which are not 0. Personal data.

        Asking for it changes nothing: trainings that go on from it and that were never interrupted end with the same
        bytes. Neither is it a pickle, nor does it hold code.
        """


class Model(Protocol):
    """A model that was loaded from its text."""

    def predict(self, matrix: "NDArray[np.float32]", *, threads: int = 1) -> "NDArray[np.float64]":
        """Probabilities of class 1 (binary) or numbers (regression), one a row of the encoded *matrix*."""

    def familiar(self) -> Mapping[int, FamiliarValues]:
        """Of each feature that the model uses, by its place, what the model knows."""

    def importance(self) -> Mapping[int, float]:
        """Of each feature that the model uses, by its place, its share of what all of them do; they add up to 1."""

    def write_for_mlflow(self, folder: Path) -> None:
        """Write the model into the new *folder* as MLflow keeps one, without a pickle."""


class Learner(Protocol):
    """A family of models. ``matrix`` is what :func:`include.data.encoding.encode_features` makes of *features*."""

    @property
    def name(self) -> LearnerName:
        """By which a trial names it."""

    @property
    def packages(self) -> tuple[str, ...]:
        """The distributions that decide its results beside NumPy: orders are carried out by their like alone."""

    @property
    def refused(self) -> str:
        """Why a trial failed whose parameters it refuses: all that a record may say."""

    @property
    def largest_bytes(self) -> int:
        """What is larger is no model's text."""

    def check(self, space: Space, fixed: Params, objective: Objective, *, features: int) -> None:
        """Check the parameters that are searched in *space* and those that are *fixed*, for so many *features*.

        Raises:
            DeclarationError: one does not exist, is not the project's to set, does nothing or cannot be trained with.
        """

    def cost(self, params: Params) -> float:
        """About how long a round takes with *params*, in any unit: what it does not know costs nothing."""

    def accelerators(self, params: Params) -> int:
        """How many accelerators a training with *params* holds."""

    def preload(self) -> None:
        """Do what its libraries do once in a process, before that forks: imports, no computation."""

    def prepare(
        self,
        matrix: "NDArray[np.float32] | MatrixParts",
        label: "NDArray[np.float64]",
        features: Sequence[FeatureSpec],
        fixed: Params,
        *,
        threads: int = 1,
    ) -> Callable[[Path], None]:
        """What writes the rows into a file, as trainings read them. *fixed* are the parameters that all of these share.

        A *matrix* in parts gives the same bytes as a whole one, and is never whole in memory.

        Raises:
            TrainingError: it refuses the rows.
        """

    def open(self, path: Path, fixed: Params, *, training_rows: int | None = None, threads: int = 1) -> Any:
        """The rows of a file that :meth:`prepare` wrote, for :meth:`start`: the first *training_rows* train, and the
        others choose among trials. ``None``: all train, and there is no loss.

        Raises:
            MachineFault: they cannot be read here.
        """

    def start(
        self,
        opened: Any,
        params: Params,
        *,
        objective: Objective,
        seed: int,
        threads: int = 1,
        checkpoint: bytes | None = None,
    ) -> Training:
        """A model of no rounds, of the rows that :meth:`open` gave; or one that goes on from the *checkpoint* of the
        same training. Raises as :meth:`Training.advance`.

        Raises:
            ValueError: the *checkpoint* is none of this training.
        """

    def probe(self, opened: Any, params: Params, *, objective: Objective, threads: int = 1) -> None:
        """Find out why *params* were refused: by the learner, or by this machine.

        Raises:
            MachineFault: no parameters can be trained with here, on the device that *params* name.
        """

    def verify(self, best: Winner, data: bytes) -> bytes:
        """*data*, if they are the bytes of a text that training *best* can make, without what none may say any more.

        Raises:
            TrainingError: they are not; names the rule.
        """

    def wrote(self, text: str) -> bool:
        """Whether *text* begins as one of its models does."""

    def load(self, text: str) -> Model:
        """The model of a *text* that was verified or made here."""


def fault(rule: str, found: str) -> MachineFault:
    """What ends training where nothing can be trained: *found* instead of what *rule* says, and what to do about it."""
    return MachineFault(
        rule,
        value=found,
        remedy="It is tried again by itself; if it stays, see that the machine has the device, its driver and enough "
        "memory, and the packages that prepared the data.",
    )
