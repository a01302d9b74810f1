"""The steps of a night and a watch, one function each: the same from Airflow, the command line and a notebook.

Their order, and what each takes, stands in :mod:`~include.steps.chain`. Every step takes the platform, the project, its
run and the digests of earlier manifests, and returns the digest of its own. What was computed once is found in the
ledger and not computed again, after the grants were verified again. A step may be killed at any line and run again.

What a :mod:`~include.steps.watch` found, and what it asks for, keeps :mod:`include.retraining`. A
:mod:`~include.steps.backtesting` goes as far as the model, at earlier instants, and registers nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.steps.asking import missing_access as missing_access
    from include.steps.asking import request_access as request_access
    from include.steps.asking import require_access as require_access
    from include.steps.asking import require_grantable as require_grantable
    from include.steps.backtesting import backtest as backtest
    from include.steps.backtesting import looks as looks
    from include.steps.data import features as features
    from include.steps.data import snapshot as snapshot
    from include.steps.data import validate as validate
    from include.steps.declaring import declare as declare
    from include.steps.evaluating import evaluate as evaluate
    from include.steps.ordering import collect as collect
    from include.steps.ordering import order as order
    from include.steps.ordering import stored as stored
    from include.steps.planning import plan as plan
    from include.steps.platform import Platform as Platform
    from include.steps.platform import contracts_of as contracts_of
    from include.steps.platform import scope_of as scope_of
    from include.steps.promoting import promote as promote
    from include.steps.run import LEASE as LEASE
    from include.steps.run import begin as begin
    from include.steps.run import fail as fail
    from include.steps.run import finish as finish
    from include.steps.run import resume as resume
    from include.steps.serving import score as score
    from include.steps.training import progress_of as progress_of
    from include.steps.training import refit as refit
    from include.steps.training import shards as shards
    from include.steps.training import step_of as step_of
    from include.steps.training import train as train

#: Where each name lies. Its module is imported when it is first asked for: who only reads the chain, as a DAG does,
#: needs nothing that computes.
_LIES_IN = {
    name: module
    for module, names in {
        "asking": "missing_access request_access require_access require_grantable",
        "backtesting": "backtest looks",
        "data": "features snapshot validate",
        "evaluating": "evaluate",
        "planning": "plan",
        "promoting": "promote",
        "declaring": "declare",
        "ordering": "collect order stored",
        "platform": "Platform contracts_of scope_of",
        "run": "LEASE begin fail finish resume",
        "serving": "score",
        "training": "progress_of refit shards step_of train",
    }.items()
    for name in names.split()
}
__all__ = [*_LIES_IN]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LIES_IN:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LIES_IN[name]}"), name)
