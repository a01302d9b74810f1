"""Regularised linear models: logistic regression of a binary label, regression of the median of a number.

By NumPy alone. scikit-learn's own, which the tests hold these against, cannot be stopped between two iterations and go
on as if they had not been, its median regression is a linear program that 300,000 rows are too many for, and it would
be one package more where pods train.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError
from include.core.project import Objective
from include.core.records import FeatureSpec, Params, Winner
from include.core.rules import is_number
from include.core.search import Choice, LearnerName
from include.learner.port import FamiliarValues, Learner, Model, ParametersRefused, Space, Training, fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.linear.rows import PreparedRows
    from include.learner.linear.text import LinearModel
    from include.learner.port import MatrixParts

#: How much large coefficients cost, beside the losses of all rows: half of it times the sum of their squares. The
#: parameter's name, its ends (inclusive) and its value where nothing else is declared.
L2, LEAST, MOST, USUAL = "l2", 1e-3, 1e9, 1.0


class LinearModels(Learner):
    """A round is one step towards the best coefficients, of which some ten come near; what follows changes nothing.

    Numbers are standardised, and a null is the mean beside an indicator of its own. Each category has its indicator;
    rare ones share none, and count as nothing of it. The one parameter is ``l2``.
    """

    name = LearnerName.LINEAR
    packages = ("threadpoolctl",)
    refused = "LinAlgError: no coefficients can be solved for with these parameters"
    largest_bytes = 1 << 24

    def check(self, space: Space, fixed: Params, objective: Objective, *, features: int) -> None:
        if unknown := sorted({*space, *fixed} - {L2}):
            raise DeclarationError(
                f"{L2} is the one parameter of a linear model", value=", ".join(unknown), remedy="Remove the others."
            )
        values = [value for part in space.values() for value in _ends(part)] + list(fixed.values())
        if odd := [value for value in values if not _usable(value)]:
            raise DeclarationError(
                f"{L2} is a number from {LEAST:g} to {MOST:g}", value=f"{odd[0]!r}", remedy="Correct the value."
            )

    def cost(self, params: Params) -> float:
        return 1.0

    def accelerators(self, params: Params) -> int:
        return 0

    def preload(self) -> None:
        pass

    def prepare(
        self,
        matrix: "NDArray[np.float32] | MatrixParts",
        label: "NDArray[np.float64]",
        features: Sequence[FeatureSpec],
        fixed: Params,
        *,
        threads: int = 1,
    ) -> Callable[[Path], None]:
        from include.learner.linear.rows import write

        return lambda path: write(path, matrix, label, features)

    def open(
        self, path: Path, fixed: Params, *, training_rows: int | None = None, threads: int = 1
    ) -> "tuple[PreparedRows, PreparedRows | None]":
        from include.learner.linear.rows import read

        rows = read(path)
        if training_rows is None:
            return rows, None
        return rows.between(0, training_rows), rows.between(training_rows, rows.count)

    def start(
        self,
        opened: "tuple[PreparedRows, PreparedRows | None]",
        params: Params,
        *,
        objective: Objective,
        seed: int,
        threads: int = 1,
        checkpoint: bytes | None = None,
    ) -> Training:
        return _Descent(opened, params, objective=objective, seed=seed, checkpoint=checkpoint)

    def probe(
        self,
        opened: "tuple[PreparedRows, PreparedRows | None]",
        params: Params,
        *,
        objective: Objective,
        threads: int = 1,
    ) -> None:
        try:
            _Descent(opened, {}, objective=objective, seed=0).advance()
        except ParametersRefused:
            raise fault("plain parameters can be trained where a shard is trained", "not on its rows") from None

    def verify(self, best: Winner, data: bytes) -> bytes:
        from include.learner.linear.text import verified

        return verified(best, data, largest_bytes=self.largest_bytes)

    def wrote(self, text: str) -> bool:
        return text.startswith("{")

    def load(self, text: str) -> Model:
        from include.learner.linear.text import read

        return _Loaded(read(text.encode()))


class _Descent(Training):
    """It can go on from any round: all that a step knows are the coefficients, and those it came from."""

    def __init__(
        self,
        opened: "tuple[PreparedRows, PreparedRows | None]",
        params: Params,
        *,
        objective: Objective,
        seed: int,
        checkpoint: bytes | None = None,
    ) -> None:
        from include.learner.linear.fit import Fit

        self._train, self._validation = opened
        self._params, self._objective, self._seed, self._rounds = dict(params), objective, seed, 0
        with _one_thread():
            self._fit = Fit(self._train, objective, l2=float(params.get(L2, USUAL)))
            if checkpoint is not None:
                self._rounds = self._fit.go_on_from(checkpoint)

    @property
    def rounds(self) -> int:
        return self._rounds

    @property
    def resumable(self) -> int:
        return self._rounds

    def checkpoint(self) -> bytes:
        return self._fit.checkpoint(self._rounds)

    def advance(self) -> None:
        with _one_thread():
            self._fit.advance()
        self._rounds += 1

    def loss(self) -> float:
        from include.data.losses import row_losses
        from include.learner.linear.predicting import predict

        if self._validation is None:
            raise ValueError("a loss is of the rows after the training rows, and all of them train")
        prediction = predict(self._model(), self._validation.by_feature)
        return float(row_losses(self._objective, self._validation.label, prediction).mean())

    def text(self) -> str:
        from include.core.canonical import encode

        try:
            return encode(self._model()).decode()
        except TypeError:  # a coefficient that is no number
            raise ParametersRefused from None

    def _model(self) -> "LinearModel":
        from include.learner.linear.text import LinearModel

        return LinearModel(
            objective=self._objective,
            params=self._params,
            seed=self._seed,
            rounds=self._rounds,
            centre=self._fit.centre,
            scale=self._fit.scale,
            intercept=self._fit.intercept,
            terms=self._fit.terms(),
        )


class _Loaded(Model):
    def __init__(self, model: "LinearModel") -> None:
        self._model = model

    def predict(self, matrix: "NDArray[np.float32]", *, threads: int = 1) -> "NDArray[np.float64]":
        from include.learner.linear.predicting import predict

        return predict(self._model, matrix.T)

    def familiar(self) -> Mapping[int, FamiliarValues]:
        return {
            place: FamiliarValues(missing=term.missing is not None, low=term.low, high=term.high)
            for place, term in enumerate(self._model.terms)
            if term.used
        }

    def importance(self) -> Mapping[int, float]:
        spreads = {place: term.spread for place, term in enumerate(self._model.terms) if term.used}
        whole = sum(spreads.values())
        return {place: spread / whole for place, spread in spreads.items()} if whole > 0 else {}

    def write_for_mlflow(self, folder: Path) -> None:
        from include.core.canonical import encode

        folder.mkdir()
        (folder / "linear.json").write_bytes(encode(self._model))


@contextmanager
def _one_thread() -> Iterator[None]:
    """NumPy's linear algebra on one thread, whatever this machine has: sums of several depend on how many."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
            yield
    except np.linalg.LinAlgError:
        raise ParametersRefused from None
    except MemoryError:
        raise fault("there is memory for a trial where it is trained", "not enough memory") from None


def _ends(part: object) -> tuple[object, ...]:
    return tuple(part.options) if isinstance(part, Choice) else (part.low, part.high)  # type: ignore[attr-defined]


def _usable(value: object) -> bool:
    return is_number(value) and LEAST <= value <= MOST  # type: ignore[operator]
