"""Rows of two features that a straight line finds something in, and a plan whose benchmark learns them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from include.core.project import Benchmark, Objective
from include.core.records import Plan
from include.data.labelled import LabelledRows
from include.training import benchmark
from include.training.benchmark import RowsVault
from tests.ledger.golden_files import example
from tests.registry.models import FEATURE_SET

TRAINING_ROWS = 300


def labelled(objective: Objective = Objective.BINARY, *, rows: int = 400, label: float | None = None) -> LabelledRows:
    """Three hundred rows to train on and what is left to validate; each of the *label*, if that is given."""
    generator = np.random.default_rng(7)
    hour, dest = generator.integers(0, 24, rows), generator.choice(["ATL", "BOS", "SFO"], rows)
    number = hour - 12 + 4.0 * (dest == "SFO") + generator.normal(0, 4, rows)
    known = (number > 0).astype(float) if objective is Objective.BINARY else number
    return LabelledRows(
        table=pa.table({"hour": pa.array(hour), "dest": pa.array(dest)}),
        label=known if label is None else np.full(rows, label),
        day=np.repeat(np.arange(rows // 20, dtype=np.int32), 20),
    )


def plan_of(rows: LabelledRows, vault: RowsVault, objective: Objective = Objective.BINARY) -> Plan:
    """A plan of one shard and no trials, whose benchmark learns *rows*."""
    features = replace(FEATURE_SET, objective=objective)
    planned = benchmark.planned(Benchmark.LINEAR, rows, TRAINING_ROWS, features, vault)
    empty = replace(example(Plan), trials=(), shards=((),), seed=7)
    return replace(empty, objective=objective, training_rows=TRAINING_ROWS, benchmark=planned)
