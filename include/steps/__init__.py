"""The night, one function a step: the same from Airflow, the command line and a notebook.

    begin → [gate] → snapshot → validate ─┐
                         └────► features ─┴─► plan → train (once a shard) → refit → evaluate → promote → end

Every step takes the platform, the project, its run and the digests of earlier manifests, and returns the digest of its
own. What was computed once is found in the ledger and not computed again, after the grants were verified again. A step
may be killed at any line and run again.

Beside it runs the :mod:`~include.steps.watch`; :mod:`~include.steps.verdicts` keeps what it found, and
:mod:`~include.steps.retraining` what it asks for. A :mod:`~include.steps.backtest` goes as far as ``refit``, at earlier
instants, and registers nothing.
"""

from include.steps import retraining, verdicts, watch
from include.steps.backtest import backtest, looks
from include.steps.data import features, snapshot, validate
from include.steps.decision import evaluate, promote
from include.steps.declaring import declare
from include.steps.ordering import collect, order, stored
from include.steps.platform import (
    Platform,
    contracts_of,
    missing_access,
    request_access,
    require_grantable,
    scope_of,
)
from include.steps.run import LEASE, begin, end, resume
from include.steps.serving import score
from include.steps.training import plan, refit, shards, step_of, train

__all__ = [
    "LEASE",
    "Platform",
    "backtest",
    "begin",
    "collect",
    "contracts_of",
    "declare",
    "end",
    "evaluate",
    "features",
    "looks",
    "missing_access",
    "order",
    "plan",
    "promote",
    "refit",
    "request_access",
    "require_grantable",
    "resume",
    "retraining",
    "scope_of",
    "score",
    "shards",
    "snapshot",
    "step_of",
    "stored",
    "train",
    "validate",
    "verdicts",
    "watch",
]
