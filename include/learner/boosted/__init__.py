"""Gradient-boosted trees, by LightGBM: the one room that names it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.errors import TrainingError
from include.core.project import Objective
from include.core.records import FeatureSpec, Params, Winner
from include.core.search import LearnerName
from include.learner.port import Learner, Model, ParametersRefused, Space, Training, fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.learner.port import FamiliarValues, MatrixParts

#: All that LightGBM says where memory is short.
_NO_MEMORY = "std::bad_alloc"


class BoostedTrees(Learner):
    """A round is a tree. The text is LightGBM's own."""

    name = LearnerName.BOOSTED_TREES
    packages = ("lightgbm",)
    refused = "LightGBMError: LightGBM refused these parameters"
    largest_bytes = 1 << 28  # a model of 10,000 trees with 255 leaves each has a third of it

    def check(self, space: Space, fixed: Params, objective: Objective, *, features: int) -> None:
        from include.learner.boosted.parameters import check

        check(space, fixed, objective, features=features)

    def cost(self, params: Params) -> float:
        """Measured on flight_delay, to 7 %: it grows with the features and with the leaves, and falls with the
        logarithm of the learning rate.
        """
        leaves, fraction, rate = (
            value if isinstance(value := params.get(name, usual), int | float) and value > 0 else usual
            for name, usual in (("num_leaves", 31), ("feature_fraction", 1), ("learning_rate", 0.1))
        )
        cost: float = leaves**0.6 * fraction - 0.9 * log(rate / 0.1) + 3
        return cost

    def accelerators(self, params: Params) -> int:
        match params.get("device_type", "cpu"):
            case "cpu":
                return 0
            case "cuda":
                return max(1, int(params.get("num_gpu", 1)))
            case _:
                return 1

    def preload(self) -> None:
        import narwhals.dependencies

        # LightGBM asks narwhals, which looks for plugins among all installed packages.
        narwhals.dependencies.is_into_dataframe(None)

    def prepare(
        self,
        matrix: "NDArray[np.float32] | MatrixParts",
        label: "NDArray[np.float64]",
        features: Sequence[FeatureSpec],
        fixed: Params,
        *,
        threads: int = 1,
    ) -> Callable[[Path], None]:
        """Values are cut into bins, of the rows that train and of those that choose: labels decide nothing here."""
        import lightgbm

        from include.learner.boosted.settings import dataset_settings

        rows = lightgbm.Dataset(
            _rows_for_lightgbm(matrix),
            label,
            feature_name=[feature.name for feature in features],
            categorical_feature=[place for place, feature in enumerate(features) if feature.categories is not None],
            params=dataset_settings(fixed, threads=threads),
            free_raw_data=True,
        )
        try:
            rows.construct()
        except lightgbm.basic.LightGBMError as error:
            # LightGBM's own text may quote a cell: only its kind is told.
            raise TrainingError(
                "LightGBM can bin the features with the declared parameters",
                value=type(error).__name__,
                remedy="Check the `fixed` parameters of the search, and that feature names are plain identifiers.",
            ) from None
        return lambda path: rows.save_binary(str(path))

    def open(self, path: Path, fixed: Params, *, training_rows: int | None = None, threads: int = 1) -> "_BinnedRows":
        import lightgbm

        from include.learner.boosted.settings import dataset_settings

        try:
            rows = lightgbm.Dataset(str(path), params=dataset_settings(fixed, threads=threads)).construct()
        except lightgbm.basic.LightGBMError:
            raise fault("the binned data can be read where a model is trained", "LightGBM cannot load them") from None
        if training_rows is None:
            return _BinnedRows(train=rows, validation=None)
        cut, end = training_rows, rows.num_data()
        return _BinnedRows(
            train=rows.subset(range(cut)).construct(), validation=rows.subset(range(cut, end)).construct()
        )

    def start(
        self,
        opened: "_BinnedRows",
        params: Params,
        *,
        objective: Objective,
        seed: int,
        threads: int = 1,
        checkpoint: bytes | None = None,
    ) -> Training:
        return _Boosting(opened, params, objective=objective, seed=seed, threads=threads, checkpoint=checkpoint)

    def probe(self, opened: "_BinnedRows", params: Params, *, objective: Objective, threads: int = 1) -> None:
        import lightgbm

        from include.learner.boosted.settings import probe_settings

        settings = probe_settings(params, objective=objective, threads=threads)
        try:
            lightgbm.Booster(settings, opened.train).update()
        except lightgbm.basic.LightGBMError:
            device = settings.get("device_type", "cpu")
            raise fault(
                "plain parameters can be trained where a shard is trained", f"not on the device type {device!r}"
            ) from None

    def verify(self, best: Winner, data: bytes) -> bytes:
        from include.learner.boosted.verified import verified

        return verified(best, data, largest_bytes=self.largest_bytes)

    def wrote(self, text: str) -> bool:
        return text.startswith("tree\n")

    def load(self, text: str) -> Model:
        return _Trees(text)


def _rows_for_lightgbm(matrix: "NDArray[np.float32] | MatrixParts") -> Any:
    import numpy as np

    if isinstance(matrix, np.ndarray):
        return matrix
    from include.learner.boosted.sequences import sequence

    return sequence(matrix)


@dataclass(frozen=True, kw_only=True)
class _BinnedRows:
    """Constructed data sets of LightGBM."""

    train: Any
    validation: Any


class _Boosting(Training):
    """It can go on from where a segment of it began (:mod:`include.learner.boosted.segments`)."""

    def __init__(
        self,
        rows: _BinnedRows,
        params: Params,
        *,
        objective: Objective,
        seed: int,
        threads: int,
        checkpoint: bytes | None,
    ) -> None:
        from include.learner.boosted import segments

        self._rows, self._params, self._objective, self._seed, self._threads = rows, params, objective, seed, threads
        count, features = rows.train.num_data(), rows.train.num_feature()
        self._segment = segments.rounds_of(params, rows=count, features=features)
        self._begun = segments.SegmentStart()
        if checkpoint is not None:
            counts = [count, *([] if rows.validation is None else [rows.validation.num_data()])]
            self._begun = segments.read(checkpoint, features=features, rows=counts, segment=self._segment)
        self._rounds = self._begun.rounds
        self._booster = self._made()

    def _made(self) -> Any:
        """A booster that begins a segment."""
        import lightgbm

        from include.learner.boosted.segments import drawn_by
        from include.learner.boosted.settings import booster_settings

        params, seed = drawn_by(self._params, self._seed, self._begun.rounds // self._segment)
        settings = booster_settings(params, objective=self._objective, seed=seed, threads=self._threads)
        with _translated(), self._begun.given_to(self._rows.train, self._rows.validation):
            booster = lightgbm.Booster(settings, self._rows.train)
            if self._rows.validation is not None:
                booster.add_valid(self._rows.validation, "validation")
        return booster

    @property
    def rounds(self) -> int:
        return self._rounds

    @property
    def resumable(self) -> int:
        return self._rounds - self._rounds % self._segment

    def advance(self) -> None:
        if self.rounds == self._begun.rounds + self._segment:
            self._begin_segment()
        with _translated():
            self._booster.update()
        self._rounds += 1

    def checkpoint(self) -> bytes:
        if self.resumable > self._begun.rounds:
            self._begin_segment()
        return self._begun.written()

    def _begin_segment(self) -> None:
        rows, booster = self._rows, self._booster
        with _translated():
            self._begun = self._begun.ended(booster, rounds=self._rounds, train=rows.train, validation=rows.validation)
        del booster, self._booster  # the next one has rows of its own
        self._booster = self._made()

    def loss(self) -> float:
        from include.data.losses import row_losses

        def loss(prediction: Any, data: Any) -> tuple[str, float, bool]:
            return "loss", float(row_losses(self._objective, data.get_label(), prediction).mean()), False

        with _translated():
            (result,) = self._booster.eval_valid(loss)
        return float(result[2])

    def text(self) -> str:
        if self._begun.text and self._rounds == self._begun.rounds:
            return self._begun.text
        return self._begun.with_trees_of(self._booster)


class _Trees(Model):
    def __init__(self, text: str) -> None:
        import lightgbm

        self._text, self._booster = text, lightgbm.Booster(model_str=text)

    def predict(self, matrix: "NDArray[np.float32]", *, threads: int = 1) -> "NDArray[np.float64]":
        prediction: NDArray[np.float64] = self._booster.predict(matrix, num_threads=threads)
        return prediction

    def familiar(self) -> "Mapping[int, FamiliarValues]":
        from include.learner.boosted.learnt import familiar

        return familiar(self._text)

    def importance(self) -> Mapping[int, float]:
        from include.learner.boosted.learnt import importance

        return importance(self._text)

    def write_for_mlflow(self, folder: Path) -> None:
        import lightgbm
        import mlflow.lightgbm

        # Inferring the requirements takes eight seconds.
        requirements = [f"lightgbm=={lightgbm.__version__}"]
        mlflow.lightgbm.save_model(self._booster, str(folder), pip_requirements=requirements)


@contextmanager
def _translated() -> Iterator[None]:
    """LightGBM's errors as those of the port. Its own text may quote a label or a cell: nothing of it is told."""
    import lightgbm

    try:
        yield
    except lightgbm.basic.LightGBMError as error:
        if str(error) == _NO_MEMORY:
            raise fault("there is memory for a trial where it is trained", "not enough memory") from None
        raise ParametersRefused from None
