"""The settings under which LightGBM gives the same model for the same inputs, whatever the number of threads."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from include.core.project import Objective
from include.core.records import Params

#: What decides how values are cut into bins: the trials share one binned data set, so these cannot be searched.
BINNING = {
    "max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "data_random_seed",
    "is_enable_sparse", "enable_bundle", "use_missing", "zero_as_missing",
}  # fmt: skip

#: Where a model is trained.
DEVICE = {"device_type", "gpu_platform_id", "gpu_device_id", "gpu_use_dp", "num_gpu"}

#: What LightGBM sets by the device, whatever was asked for.
_BY_DEVICE = {*DEVICE, "force_row_wise", "force_col_wise", "use_quantized_grad", "gpu_device_id_list"}

_RANGE = re.compile(r"\[([^:\]]+):([^:\]]+)\]")

_SETTINGS: Mapping[str, float | int | str | bool] = {
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,  # a filter would depend on one trial's parameters, and all share the bins
    "verbosity": -1,
    "metric": "none",  # LightGBM's own sum differs by the number of threads in its last digit
}

_OBJECTIVES = {Objective.BINARY: "binary", Objective.REGRESSION: "regression_l1"}


def dataset_settings(params: Params, *, threads: int) -> dict[str, Any]:
    """Parameters of a ``lightgbm.Dataset``: the part of *params* that decides its bins."""
    bins = {name: value for name, value in params.items() if name in BINNING}
    return {**bins, **_SETTINGS, "num_threads": threads}


def booster_settings(params: Params, *, objective: Objective, seed: int, threads: int) -> dict[str, Any]:
    """Parameters of a ``lightgbm.Booster``. *threads* changes the time that it takes and nothing else."""
    return {**params, **_SETTINGS, "objective": _OBJECTIVES[objective], "seed": seed, "num_threads": threads}


def probe_settings(params: Params, *, objective: Objective, threads: int) -> dict[str, Any]:
    """Parameters of a small ``lightgbm.Booster`` with the bins and the device of *params*, and defaults otherwise."""
    kept = {name: value for name, value in params.items() if name in BINNING | DEVICE}
    return booster_settings({**kept, "num_leaves": 2}, objective=objective, seed=0, threads=threads)


def model_text(booster: Any) -> str:
    """The model in LightGBM's text format, the recorded number of threads set to 1: equal models, equal text.

    Ranges of features are :func:`rounded`.
    """
    text: str = booster.model_to_string(num_iteration=-1)
    return rounded(re.sub(r"^\[num_threads: -?\d+\]$", "[num_threads: 1]", text, flags=re.MULTILINE))


def rounded(text: str) -> str:
    """A model's *text*, the range of each feature widened to two digits: LightGBM writes the least and the greatest
    value, which are somebody's.
    """
    return re.sub(
        r"^feature_infos=.*$", lambda infos: _RANGE.sub(_widened, infos[0]), text, count=1, flags=re.MULTILINE
    )


def _widened(found: re.Match[str]) -> str:
    ends = []
    for text, rounding in ((found[1], ROUND_FLOOR), (found[2], ROUND_CEILING)):
        end = Decimal(text)
        if end.is_finite() and end:
            end = end.quantize(Decimal(1).scaleb(end.adjusted() - 1), rounding)
        ends.append(f"{float(end):g}")
    return f"[{':'.join(ends)}]"


def parameters_of(text: str) -> dict[str, str]:
    """The parameters that a model's *text* ends with, as LightGBM wrote them.

    Raises:
        ValueError: it does not end with any.
    """
    block = text[text.rindex("\nparameters:\n") : text.rindex("\nend of parameters\n")]
    return dict(re.findall(r"^\[(\w+): (.*)\]$", block, flags=re.MULTILINE))


def expected_parameters(params: Params, *, objective: Objective, seed: int, features: int) -> dict[str, str]:
    """What :func:`parameters_of` finds in each model that is trained with these settings on so many features.

    LightGBM itself says it, of a model without trees: it brings settings that contradict each other into line. Where
    *params* name a device, what LightGBM decides by the device is left out.
    """
    import lightgbm
    import numpy as np

    here = {name: value for name, value in params.items() if name not in DEVICE}
    rows = np.zeros((2, features), dtype=np.float32)
    data = lightgbm.Dataset(rows, np.arange(2.0), params=dataset_settings(here, threads=1))
    settings = booster_settings(here, objective=objective, seed=seed, threads=1)
    found = parameters_of(model_text(lightgbm.Booster(settings, data)))
    device = str(params.get("device_type", "cpu"))
    decided = set() if device == "cpu" else _BY_DEVICE
    return {name: value for name, value in found.items() if name not in decided} | {"device_type": device}
