"""Which of LightGBM's parameters a search may name, and which values: checked before anything is read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from include.core.errors import DeclarationError
from include.core.project import Choice, FloatRange, IntRange, Objective
from include.core.records import Params
from include.learner.boosted.settings import BINNING, DEVICE, booster_settings, dataset_settings
from include.learner.port import Space

#: What the platform sets itself.
_OURS = {
    "objective", "metric", "num_iterations", "early_stopping_round", "num_threads", "seed", "deterministic",
    "force_row_wise", "force_col_wise", "verbosity", "feature_pre_filter", "categorical_feature", "num_class",
    "linear_tree", "data", "valid", "task", "input_model", "output_model",
}  # fmt: skip

#: What is about files, predictions, metrics, several machines or other objectives: it changes no model here.
_IDLE = {
    "config", "convert_model", "convert_model_language", "forcedbins_filename", "forcedsplits_filename", "group_column",
    "header", "ignore_column", "label_column", "output_result", "parser_config_file", "precise_float_parser",
    "save_binary", "saved_feature_importance_type", "snapshot_freq", "two_round", "weight_column",
    "num_iteration_predict", "pred_early_stop", "pred_early_stop_freq", "pred_early_stop_margin", "predict_contrib",
    "predict_disable_shape_check", "predict_leaf_index", "predict_raw_score", "refit_decay_rate",
    "start_iteration_predict",
    "auc_mu_weights", "early_stopping_min_delta", "eval_at", "first_metric_only", "is_provide_training_metric",
    "metric_freq", "multi_error_top_k",
    "local_listen_port", "machine_list_filename", "machines", "num_machines", "pre_partition", "time_out", "top_k",
    "tree_learner",
    "alpha", "bagging_by_query", "fair_c", "label_gain", "lambdarank_norm", "lambdarank_truncation_level",
    "lambdarank_position_bias_regularization", "linear_lambda", "objective_seed", "poisson_max_delta_step", "reg_sqrt",
    "tweedie_variance_power",
}  # fmt: skip
_OF_CLASSES = {"is_unbalance", "scale_pos_weight", "sigmoid", "pos_bagging_fraction", "neg_bagging_fraction"}

_FRACTIONS = {"bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction"}
#: What does nothing unless one of the others stands beside it and is neither 0 nor false.
_NEEDS = (
    ({*_FRACTIONS, "bagging_seed"}, {"bagging_freq"}),
    ({"bagging_freq"}, _FRACTIONS),
    ({"top_rate", "other_rate"}, {"data_sample_strategy", "boosting"}),
    ({"drop_rate", "drop_seed", "max_drop", "skip_drop", "uniform_drop", "xgboost_dart_mode"}, {"boosting"}),
    ({"monotone_constraints_method", "monotone_penalty"}, {"monotone_constraints"}),
    ({"num_grad_quant_bins", "quant_train_renew_leaf", "stochastic_rounding"}, {"use_quantized_grad"}),
    ({"extra_seed"}, {"extra_trees"}),
    ({"feature_fraction_seed"}, {"feature_fraction", "feature_fraction_bynode"}),
)

#: LightGBM takes any other word for the first of them, in silence.
_MONOTONE_METHODS = {"basic", "intermediate", "advanced"}
#: Groups of features by their places, as LightGBM's text has them. It checks neither the form nor the places.
_INTERACTIONS = re.compile(r"\[\d{1,6}(,\d{1,6})*\](,\[\d{1,6}(,\d{1,6})*\])*")

#: Enough rows for a tree, whatever they hold.
_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class _Search:
    space: Space
    fixed: Params


def check(space: Space, fixed: Params, objective: Objective, *, features: int) -> None:
    """Check every parameter of *space* and *fixed* by its name, and its values by what LightGBM says to them.

    LightGBM trains one round on rows of its own making with so many *features*, for each end of a range and each option
    of a choice. Where a model is trained (``device_type``) is not tried: this machine may have no such device.

    Raises:
        DeclarationError: a parameter does not exist, is not the project's to set, does nothing as it stands, or has a
            value that LightGBM refuses.
    """
    search = _Search(space=space, fixed=fixed)
    named = {*space, *fixed}
    _refuse(
        _unknown(named),
        "a parameter has the canonical name of a LightGBM parameter",
        "Use the name under which LightGBM's documentation lists it, not an alias.",
    )
    _refuse(
        named & _OURS,
        "a search leaves to the platform what the platform sets",
        "Remove it; boosting rounds are `rungs`, the seed is `seed`, threads are `operations.threads`.",
    )
    _refuse(
        set(search.space) & BINNING,
        "trials share one binned data set, so its parameters are not searched",
        "Move it to `fixed`.",
    )
    _refuse(
        named & (_IDLE if objective is Objective.BINARY else _IDLE | _OF_CLASSES),
        f"a parameter changes the model of a {objective} label",
        "Remove it: it changes nothing here.",
    )
    _refuse(_without_effect(search), "a parameter has an effect beside the others", "Add what it needs, or remove it.")
    _refuse(
        _unchecked(search, features),
        "a value means what it says to LightGBM, which does not check these itself",
        f"The methods are {', '.join(sorted(_MONOTONE_METHODS))}; constraints are groups such as '[0,1],[2]' of places "
        f"from 0 to {features - 1}, in the order in which `explain` lists the features.",
    )
    for name, value in _values(search):
        _try(search, name, value, objective, features)


def _refuse(found: Iterable[str], rule: str, remedy: str) -> None:
    if refused := sorted(found):
        raise DeclarationError(rule, value=", ".join(refused), remedy=remedy)


def _unknown(named: Iterable[str]) -> Iterator[str]:
    """Each name that is not canonical, and the canonical one that may be meant."""
    from lightgbm.basic import _ConfigAliases

    known: dict[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    canonical = {alias: name for name, aliases in known.items() for alias in (name, *aliases)}
    for name in named:
        if name not in known:
            near = get_close_matches(name, canonical, n=1)
            yield f"{name} ({canonical[near[0]]}?)" if near else name


def _without_effect(search: _Search) -> Iterator[str]:
    named = {*search.space, *search.fixed}
    effective = {name for name in named if search.fixed.get(name, True)}
    for names, needed in _NEEDS:
        if not effective & needed:
            for name in named & names:
                yield f"{name} without {' or '.join(sorted(needed))}"


def _unchecked(search: _Search, features: int) -> Iterator[str]:
    for name, value in (*_values(search), *search.fixed.items()):
        if name == "monotone_constraints_method" and value not in _MONOTONE_METHODS:
            yield f"{name}={value!r}"
        if name == "interaction_constraints" and not _are_groups(str(value).replace(" ", ""), features):
            yield f"{name}={value!r}"


def _are_groups(text: str, features: int) -> bool:
    return bool(_INTERACTIONS.fullmatch(text)) and max(map(int, re.findall(r"\d+", text))) < features


def _values(search: _Search) -> Iterator[tuple[str, Any]]:
    """Each end of a range, and each option of a choice."""
    for name, part in search.space.items():
        for value in _ends(part):
            yield name, value


def _ends(part: IntRange | FloatRange | Choice) -> tuple[Any, ...]:
    return tuple(part.options) if isinstance(part, Choice) else (part.low, part.high)


def _try(search: _Search, name: str, value: Any, objective: Objective, features: int) -> None:
    """Refuse *value* if LightGBM does so beside the first values of the other parameters and beside the last."""
    refusals: list[str] = []
    for place in (0, -1):
        others = {other: _ends(part)[place] for other, part in search.space.items()}
        why = _refusal({**search.fixed, **others, name: value}, objective, features)
        if why is None:
            return
        refusals.append(why)
    fixed = ", ".join(f"{one}={each!r}" for one, each in search.fixed.items())
    raise DeclarationError(
        "LightGBM takes each value of a search",
        value=f"{name}={value!r}{f' beside the fixed {fixed}' if fixed else ''}: {refusals[0]}",
        remedy="Correct the range, the choice or what is fixed.",
    )


def _refusal(params: Params, objective: Objective, features: int) -> str | None:
    import lightgbm
    import numpy as np

    here = {name: value for name, value in params.items() if name not in DEVICE}
    rows = np.arange(_ROWS * features, dtype=np.float32).reshape(_ROWS, features)
    settings = booster_settings(here, objective=objective, seed=0, threads=1)
    try:
        data = lightgbm.Dataset(rows, np.arange(_ROWS) % 2, params=dataset_settings(here, threads=1))
        lightgbm.Booster(settings, data).update()
    except lightgbm.basic.LightGBMError as error:
        return str(error).split(" at /")[0].strip(" .\n")
    return None
